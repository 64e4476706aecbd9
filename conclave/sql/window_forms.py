"""Window functions that are short for others: shares of the partition, the value at one of its rows, and moving frames."""

from collections.abc import Callable
from typing import Protocol

from sqlglot import exp

from conclave.ir.errors import Position, TypeProblem
from conclave.ir.expressions import Arithmetic, Case, Cast, Compare, Expression, IsNull, Literal, Not
from conclave.ir.types import Double, as_number, is_numeric, sum_type
from conclave.ir.walk import all_of
from conclave.ir.window import Frame, WindowFunction
from conclave.sql.frames import Asked
from conclave.sql.functions import case, extreme
from conclave.sql.literals import as_type_of, null, whole
from conclave.sql.refuse import refused

SHARES = (exp.Ntile, exp.PercentRank, exp.CumeDist)
VALUES = (exp.FirstValue, exp.LastValue, exp.NthValue)
MOST_TILES = 1 << 20


class Ask(Protocol):
    """Gives the column of a window function over the partition and order at hand, or over the whole partition."""

    def __call__(
        self,
        function: WindowFunction,
        over: Expression | None = None,
        frame: Frame = "partition",
        offset: int = 1,
        is_ordered: bool = True,
    ) -> Expression:
        """Return the column."""


def share(call: exp.Expr, ask: Ask, bind: Callable[[exp.Expr], Expression], at: Position | None) -> Expression:
    """Return NTILE, PERCENT_RANK or CUME_DIST, from numbers of rows."""
    one = whole(1, at)
    if isinstance(call, exp.CumeDist):
        return Arithmetic("/", ask("count", frame="range"), ask("count"), at)
    n_rows = ask("count")
    if isinstance(call, exp.PercentRank):
        above = Arithmetic("-", ask("rank"), one, at)
        others = Arithmetic("-", n_rows, one, at)
        alone = Compare("=", n_rows, one, at)
        return case(((alone, Literal(0.0, Double(), at)),), Arithmetic("/", above, others, at), at)
    tiles = bind(call.this)
    if not (isinstance(tiles, Literal) and isinstance(tiles.value, int) and 0 < tiles.value <= MOST_TILES):
        raise refused("NTILE of other than a constant number of parts", at, "write NTILE(4)")
    # The first n % k parts have a row more than the others.
    before = Arithmetic("-", ask("row_number"), one, at)
    size, larger = Arithmetic("//", n_rows, tiles, at), Arithmetic("%", n_rows, tiles, at)
    size_of_larger = Arithmetic("+", size, one, at)
    is_in_larger = Compare("<", before, Arithmetic("*", larger, size_of_larger, at), at)
    among_others = Arithmetic("//", Arithmetic("-", before, larger, at), size, at)
    number = case(((is_in_larger, Arithmetic("//", before, size_of_larger, at)),), among_others, at)
    return Arithmetic("+", number, one, at)


def value_at(
    call: exp.Expr, asked: Asked, ask: Ask, bind: Callable[[exp.Expr], Expression], at: Position | None
) -> Expression:
    """Return FIRST_VALUE, LAST_VALUE or NTH_VALUE: the largest of the value at the one row, and of NULL at all others."""
    value = bind(call.this)
    is_last, number = isinstance(call, exp.LastValue), 1
    if isinstance(call, exp.NthValue):
        said = bind(call.args["offset"])
        if not (isinstance(said, Literal) and isinstance(said.value, int) and 0 < said.value <= MOST_TILES):
            raise refused("NTH_VALUE at other than a constant number", at, "write NTH_VALUE(x, 2)")
        number = said.value
    if asked.is_backwards or asked.moving or (is_last and asked.frame == "range"):
        fix = "say ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING"
        what = "LAST_VALUE" if is_last else "FIRST_VALUE or NTH_VALUE"
        raise refused(f"{what} in a frame that is not all of the partition", at, fix)
    if is_last and asked.frame == "rows":
        return value
    there: Expression = ask("count") if is_last else whole(number, at)
    is_there = Compare("=", ask("row_number"), there, at)
    found = ask("max", Case(((is_there, value),), Literal(None, value.type, at), at), is_ordered=False)
    if number == 1 or asked.frame == "partition":
        return found
    is_reached = Compare(">=", ask("count", frame=asked.frame), there, at)
    return case(((is_reached, found),), null(at), at)


def moved(
    call: exp.Expr, value: Expression, rows: int, default: Expression, ask: Ask, at: Position | None
) -> Expression:
    """Return LAG or LEAD with what stands where there is no such row."""
    if isinstance(call, exp.Lag):
        is_there = Compare(">", ask("row_number"), whole(rows, at), at)
        found = ask("lag", value, offset=rows)
    else:
        after = Arithmetic("-", ask("count"), ask("row_number"), at)
        is_there = Compare(">=", after, whole(rows, at), at)
        found = ask("lead", value, offset=rows)
    return case(((is_there, found),), as_type_of(default, found.type), at)


def moving(call: exp.Expr, over: Expression | None, rows: range, ask: Ask, at: Position | None) -> Expression:
    """Return an aggregate of so many rows before and after: of LAG and LEAD of each."""
    over = whole(1, at) if over is None else over
    values = [ask("lag", over, offset=-k) if k < 0 else ask("lead", over, offset=k) if k > 0 else over for k in rows]
    match call:
        case exp.Min() | exp.Max():
            return extreme("<=" if isinstance(call, exp.Min) else ">=", values, at)
        case exp.Count():
            return _counted(values, at)
        case exp.Avg():
            return Arithmetic("/", _summed(values, at), _counted(values, at), at)
    return _summed(values, at)


def _summed(values: list[Expression], at: Position | None) -> Expression:
    kind = values[0].type
    if not is_numeric(kind):
        raise TypeProblem(f"SUM needs numbers, got {kind}", at, as_number(kind))
    zero = Cast(whole(0, at), sum_type(kind), at)
    total: Expression = zero
    for value in values:
        known = case(((Not(IsNull(value, at), at), value),), zero, at) if value.nullable else value
        total = Arithmetic("+", total, known, at)
    if not all(value.nullable for value in values):
        return total
    is_nothing = all_of(tuple(IsNull(value, at) for value in values))
    return case(((is_nothing, null(at)),), total, at)


def _counted(values: list[Expression], at: Position | None) -> Expression:
    zero, one = whole(0, at), whole(1, at)
    total: Expression = zero
    for value in values:
        known = case(((IsNull(value, at), zero),), one, at) if value.nullable else one
        total = Arithmetic("+", total, known, at)
    return total
