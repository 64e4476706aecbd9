"""What owners ask of all that is computed of their rows, as far as the compiler can build it into a plan."""

from dataclasses import dataclass

from conclave.ir.expressions import Literal


@dataclass(frozen=True)
class Guard:
    """What an aggregate's groups must have: at least `least` different values of the column `subject`, NULLs apart.

    A group that has fewer does not exist; without keys, its values are NULL. An aggregate over a column is of the rows
    that have a value there: where only those of too few subjects have one, it is NULL.
    """

    subject: str
    least: int
    ends_run: bool = False  # if anything fell short, the run ends, and nothing is opened


@dataclass(frozen=True)
class Clamp:
    """Values of a column below `low` count as `low`, those above `high` as `high`; NULL stays NULL."""

    column: str
    low: Literal
    high: Literal


@dataclass(frozen=True)
class Protection:
    """What the owner of one dataset asks for."""

    subjects: tuple[str, ...] = ()  # columns that say whom a row is about; each must have `least` values
    least: int = 0
    ends_run: bool = False
    clamps: tuple[Clamp, ...] = ()
    padding: int = 1  # the number of rows that go into MPC is a multiple of this

    @property
    def has_minimum(self) -> bool:
        """Whether one subject is too few."""
        return self.least > 1
