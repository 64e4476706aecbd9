"""What the steps of a plan are estimated to cost from their shapes alone: for choosing between plans of one query.

Each worker chooses for itself, and has to come to the same plan before anything has run. So nothing is rehearsed here, as
`conclave.estimate` does it for people; and what is counted is what plans of one query differ in: what is sorted, shuffled
or shown, and what a table's length decides.

Rows are as many as owners declare at most, or a million a dataset. A join by keys that repeat on both sides, and that
somebody sees, is taken to make as many rows as its longer side has: how many pairs there are, only the data knows.
"""

from collections.abc import Mapping, Sequence
from typing import assert_never

from conclave.ir.nodes import (
    Aggregate,
    Collect,
    Concat,
    CrossOne,
    Filter,
    Input,
    Join,
    Limit,
    Node,
    Project,
    Scan,
    Sort,
    field_of,
)
from conclave.ir.noise import Noise
from conclave.ir.window import Window
from conclave.plan.rows import most_rows
from conclave.plan.steps import LocalStep, MpcStep, Plan, Price, RevealStep, ShareStep
from conclave.plan.tariff import (
    grouped,
    key_bits_of,
    looked_up,
    opened,
    ordered,
    paired,
    regrouped,
    scanned,
    shown,
    taken,
)

NOTHING = Price(0, 0)
_COUNTED_ROUNDS = 10  # where values that are NULL must not count


def price_of(plan: Plan) -> Price:
    """Return what a plan costs under MPC, one step after the other, as far as plans of one query differ in it."""
    return sum(prices_of(plan).values(), NOTHING)


def prices_of(plan: Plan) -> dict[str, Price]:
    """Return the same of each step, by name."""
    queries = {step.name: step.query for step in plan.steps if isinstance(step, LocalStep)}
    rows: dict[str, int] = {}
    prices: dict[str, Price] = {}
    for step in plan.steps:
        match step:
            case ShareStep(name, _, source):
                rows[name] = most_rows(queries[source])
            case MpcStep(name):
                prices[name], rows[name] = _of_step(step, rows)
            case RevealStep(name, source, recipients, schema):
                prices[name] = opened(rows[source], len(schema), len(recipients))
    return prices


def _of_step(step: MpcStep, rows: Mapping[str, int]) -> tuple[Price, int]:
    """Return what a step costs, and how many rows it makes."""
    match step.operator:
        case Join(left, right):
            n_left, n_right = _rows(left, rows), _rows(right, rows)
            if step.seen_by:
                return _of_seen_join(step, step.operator, n_left, n_right)
            return _of_join(step, step.operator, n_left, n_right, _runs(step, rows))
        case Aggregate(source, keys):
            n_rows = _rows(source, rows)
            return (_of_groups(step, step.operator, n_rows, _runs(step, rows)), n_rows) if keys else (NOTHING, 1)
        case Window(source, partition, order):
            n_rows = _rows(source, rows)
            return _in_order(step, (*partition, *(key.column for key in order)), source, n_rows), n_rows
        case Sort(source, order):
            n_rows = _rows(source, rows)
            return _in_order(step, tuple(key.column for key in order), source, n_rows), n_rows
        case Limit(source, count):
            return NOTHING, min(count, _rows(source, rows))
        case Concat(parts):
            return NOTHING, sum(_rows(part, rows) for part in parts)
        case Project(source) | Filter(source) | CrossOne(source):
            return NOTHING, _rows(source, rows)
        case Noise() as noise:
            return NOTHING, noise.n_groups
        case Scan() | Input() | Collect():
            raise AssertionError("no operator of MPC")
        case _ as never:
            assert_never(never)


def _rows(node: Node, rows: Mapping[str, int]) -> int:
    assert isinstance(node, Input)
    return rows[node.name]


def _runs(step: MpcStep, rows: Mapping[str, int]) -> list[int]:
    """Return how many rows stand in order already, table by table; none if the step merges none."""
    return [rows[name] for name in step.merges]


def _is_turned(step: MpcStep, join: Join) -> bool:
    """Whether the left rows are looked up for the right ones."""
    return step.unique_side == "left" and join.how == "inner"


def _of_join(step: MpcStep, join: Join, n_left: int, n_right: int, runs: Sequence[int]) -> tuple[Price, int]:
    """Return the price of a join whose keys nobody sees."""
    bits = max(
        key_bits_of([field_of(side, pair[at]) for pair in join.on]) for at, side in ((0, join.left), (1, join.right))
    )
    if join.how in ("semi", "anti"):
        return looked_up(n_left, n_right, bits, len(join.on), runs), n_left
    if _is_turned(step, join):
        return looked_up(n_right, n_left, bits, len(join.left.schema), runs), n_right
    if step.unique_side == "right":
        return looked_up(n_left, n_right, bits, len(join.right.schema), runs), n_left
    # Rows of a left join without a match are found apart, but where they stand beside the pairs of a bounded side.
    unmatched = looked_up(n_left, n_right, bits, len(join.on)) if join.how == "left" else NOTHING
    n_unmatched = n_left if join.how == "left" else 0
    if step.unique_side == "left":
        return looked_up(n_right, n_left, bits, len(join.left.schema), runs) + unmatched, n_right + n_unmatched
    if step.bounded is None:
        return paired(n_left * n_right, bits) + unmatched, n_left * n_right + n_unmatched
    if step.bounded.side == "right":
        n_made, columns = n_left * step.bounded.most, len(join.right.schema)
        return looked_up(n_left, n_right, bits, columns) + taken(0, n_made, columns), n_made
    n_made, columns = n_right * step.bounded.most, len(join.left.schema)
    return looked_up(n_right, n_left, bits, columns) + taken(0, n_made, columns) + unmatched, n_made + n_unmatched


def _of_seen_join(step: MpcStep, join: Join, n_left: int, n_right: int) -> tuple[Price, int]:
    """Return the price of a join by keys that one party sees, or all: they copy rows for themselves."""
    keys = [[field_of(side, pair[at]) for pair in join.on] for at, side in ((0, join.left), (1, join.right))]
    n_columns, is_to_all = (len(join.left.schema), len(join.right.schema)), len(step.seen_by) > 1
    price = shown(n_left, n_columns[0], keys[0], is_to_all) + shown(n_right, n_columns[1], keys[1], is_to_all)
    if join.how in ("semi", "anti"):
        return price, n_left
    is_turned = _is_turned(step, join)
    n_own, n_other, columns = (n_right, n_left, n_columns[0]) if is_turned else (n_left, n_right, n_columns[1])
    if is_turned or step.unique_side == "right":
        return price if is_to_all else price + taken(n_other, n_own, columns), n_own
    n_made = max(n_left, n_right)
    if is_to_all:
        return price, n_made
    return price + taken(n_left, n_made, n_columns[0]) + taken(n_right, n_made, n_columns[1]), n_made


def _of_groups(step: MpcStep, node: Aggregate, n_rows: int, runs: Sequence[int]) -> Price:
    """Return the price of a grouping. A column whose NULLs have to be counted is two."""
    over = {output.over for output in node.outputs if output.over is not None} - set(node.keys)
    columns = len(node.keys) + sum(1 + field_of(node.source, name).nullable for name in over)
    keys = [field_of(node.source, name) for name in node.keys]
    extremes = sum(output.function in ("min", "max") for output in node.outputs)
    either_way = scanned(n_rows, extremes) if extremes else NOTHING
    if any(field_of(node.source, name).nullable for name in over):
        either_way += Price(_COUNTED_ROUNDS, 0)
    if not step.seen_by:
        by = [field_of(node.source, name) for name in step.sorts_by or node.keys]
        return grouped(n_rows, key_bits_of(by), columns, step.in_order != "no", runs) + either_way
    price = shown(n_rows, columns, keys, len(step.seen_by) > 1) + either_way
    return price if len(step.seen_by) > 1 else price + regrouped(n_rows, columns)


def _in_order(step: MpcStep, names: tuple[str, ...], source: Node, n_rows: int) -> Price:
    if step.in_order != "no" or not names:
        return NOTHING
    return ordered(n_rows, key_bits_of([field_of(source, name) for name in names]), len(step.schema))
