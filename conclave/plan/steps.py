"""A compiled plan: the steps every worker runs in the same order, each at named parties.

Plans are values. Two workers hold the same plan exactly if `conclave.plan.wire.digest` agrees.
"""

from dataclasses import dataclass
from typing import Literal

from conclave.ir.nodes import Collect, Node
from conclave.ir.types import Schema

# Which rows of a table stand already as they would be sorted: none that is known, those that exist, or all.
InOrder = Literal["no", "existing", "all"]
Protocol = Literal["replicated3", "cheetah"]
Compute = tuple[str, str, str] | tuple[str, str]


@dataclass(frozen=True)
class MpcSetting:
    """Who computes under MPC and how: three names, or two with `cheetah`, in the order of their shares."""

    protocol: Protocol
    compute: Compute

    @property
    def three(self) -> tuple[str, str, str]:
        """The compute parties of a protocol of three."""
        assert len(self.compute) == 3
        return self.compute


@dataclass(frozen=True)
class LocalStep:
    """`party` runs `sql` in the clear over its own datasets and tables that earlier steps gave it."""

    name: str
    party: str
    query: Node  # leaves are Scan and Input
    sql: str  # DuckDB's dialect; a dataset is a view called "party/dataset"

    @property
    def schema(self) -> Schema:
        """Of the table it makes."""
        return self.query.schema


@dataclass(frozen=True)
class ShareStep:
    """`party` secret-shares the table `source` to the compute parties, who learn its number of rows."""

    name: str
    party: str
    source: str
    schema: Schema
    texts: frozenset[str]  # long strings whose bytes are shared beside their code: see `lower`
    is_one_row: bool = False  # whether there is exactly one row whatever the data
    padding: int = 1  # rows that do not exist are added, up to a multiple of this
    hides_filters: bool = False  # and before that, up to as many as there would be without conditions on the rows
    order: tuple[str, ...] = ()  # columns by which the party's worker orders the rows before it shares them


@dataclass(frozen=True)
class Checked:
    """What an MPC step looks at, so that no number outgrows its word; sizes are of words, and follow from the plan."""

    columns: tuple[tuple[str, int], ...]  # how large the numbers of the step's source are at most
    means: tuple[tuple[str, str, int], ...] = ()  # a sum's and a count's column, and how large their quotient is
    sums: tuple[str, ...] = ()  # outputs that are sums, and looked at by group
    is_by_row: bool = False  # whether anything is looked at before it is summed: the numbers of single rows


@dataclass(frozen=True)
class Bounded:
    """A side of a join, and in how many of its rows a key comes at most by the author's word, which is checked first."""

    side: Literal["left", "right"]
    most: int


@dataclass(frozen=True)
class MpcStep:
    """The compute parties run one relational operator on shared tables; they learn nothing but what it names."""

    name: str
    operator: Node  # its sources are Inputs
    unique_side: str | None = None  # of a join: "left" or "right", whose keys hold no value twice
    checks_keys: bool = False  # that side's keys are the word of several owners, and are checked first
    seen_by: tuple[str, ...] = ()  # of a join or grouping: who sees the keys of all rows; one compute party, or all
    checked: Checked | None = None  # None: all that the step computes fits its words, whatever the data
    sorts_by: tuple[str, ...] = ()  # of a grouping: keys that tell the others; none: it sorts by all
    in_order: InOrder = "no"  # of what it would sort
    is_compacted: bool = False  # rows that do not exist are dropped after it, and how many are left is told
    merges: tuple[str, ...] = ()  # shared tables whose rows, each in order, are all that it would sort
    bounded: Bounded | None = None  # of a join that has no unique side, nor keys that somebody sees

    @property
    def schema(self) -> Schema:
        """Of the shared table it makes."""
        return self.operator.schema


@dataclass(frozen=True)
class RevealStep:
    """The compute parties open the shared table `source`, rows shuffled, to each of `recipients` alone."""

    name: str
    source: str
    recipients: tuple[str, ...]
    schema: Schema


@dataclass(frozen=True)
class SendStep:
    """`party` sends its table `source` in the clear to `recipients`: the answer came from its data alone."""

    name: str
    party: str
    source: str
    recipients: tuple[str, ...]
    schema: Schema


Step = LocalStep | ShareStep | MpcStep | RevealStep | SendStep


@dataclass(frozen=True)
class Disclosure:
    """Something that `to` learns when `step` runs: the answer, or a size on the way to it."""

    to: tuple[str, ...]
    kind: Literal[
        "answer", "row_count", "table_size", "key_check", "match_check", "minimum_check", "range_check", "keys", "pairs",
        "noise",
    ]  # fmt: skip
    step: str
    subject: str  # whose, or which table: "ewr" for a row count, the columns for an answer; what the noise on one is
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """The optimised query and the steps made from it. The policy verifier reads `query`; workers run `steps`."""

    query: Collect  # leaves are Scans
    mpc: MpcSetting | None  # None: no step needs MPC
    steps: tuple[Step, ...]
    disclosures: tuple[Disclosure, ...]
    answer: Schema  # names and types of the result, in order
