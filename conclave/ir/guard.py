"""What owners ask of all that is computed of their rows, as far as the compiler can build it into a plan."""

from dataclasses import dataclass
from fractions import Fraction

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
class Listed:
    """The values of a column that everybody may know to exist; rows with others, and with NULL, are not read."""

    column: str
    values: tuple[Literal, ...]


@dataclass(frozen=True)
class Kept:
    """Which rows of a dataset are read at all, so that whoever they are about is in few of them."""

    subject: str | None  # of rows that agree in this column `rows` are read, and none where it is NULL; None: all are
    rows: int
    listed: tuple[Listed, ...] = ()


@dataclass(frozen=True)
class NoiseAsked:
    """What all that is told of a dataset in one run may tell of one subject, or of one row."""

    epsilon: Fraction
    subject: str | None  # the column with it; None: it is of each row
    most_rows: int = 1  # of a subject that are read


@dataclass(frozen=True)
class Protection:
    """What the owner of one dataset asks for."""

    subjects: tuple[str, ...] = ()  # columns that say whom a row is about; each must have `least` values
    least: int = 0
    ends_run: bool = False
    clamps: tuple[Clamp, ...] = ()
    padding: int = 1  # the number of rows that go into MPC is a multiple of this
    listed: tuple[Listed, ...] = ()
    noise: NoiseAsked | None = None

    @property
    def kept(self) -> Kept | None:
        """Which rows are read; None: all."""
        if self.noise is not None and self.noise.subject is not None:
            return Kept(self.noise.subject, self.noise.most_rows, self.listed)
        return Kept(None, 1, self.listed) if self.listed else None

    @property
    def has_minimum(self) -> bool:
        """Whether one subject is too few."""
        return self.least > 1


def rounded_up(n_rows: int, multiple: int) -> int:
    """Return how many rows others see. No rows look like some."""
    return n_rows if multiple == 1 else max(-(-n_rows // multiple), 1) * multiple
