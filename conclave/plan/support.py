"""Which operators MPC can run. What it cannot is refused here, before anything runs, with what to write instead."""

from collections.abc import Iterator
from typing import assert_never

from conclave.ir.errors import Position, UnsupportedQuery
from conclave.ir.expressions import UNDER_MPC, Arithmetic, Call, Case, Cast, Compare, Expression, Literal, operands
from conclave.ir.nodes import (
    SPREADS,
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
from conclave.ir.patterns import pattern_of
from conclave.ir.types import Decimal, Double, Integer, Type, Varchar, common_type, is_packed
from conclave.ir.window import Window

MOST_SORTED_BYTES = 64  # eight bytes are as much work as an integer to order by
_BY_ITS_OWNER = "compute it from one table's columns alone, in a subquery of that table if need be"
_SHORTER = "declare the column as varchar(7) or shorter, or compare it before the rows of several owners are combined"


def check_supported(operator: Node) -> None:
    """Check one operator that is left to MPC.

    Raises:  UnsupportedQuery, naming the place in the query's text.
    """
    match operator:
        case Project(_, outputs):
            for output in outputs:
                _check_expression(output.expression)
        case Filter(_, predicate):
            _check_expression(predicate)
        case Aggregate(source, _, outputs):
            for aggregate in outputs:
                if aggregate.function in ("avg", *SPREADS):
                    raise AssertionError(f"the passes leave no {aggregate.function}")
                if aggregate.function in ("min", "max", "quantile_disc") and aggregate.over is not None:
                    _check_ordered(field_of(source, aggregate.over).type, aggregate.function.upper(), aggregate.at)
        case Sort(source, keys):
            for key in keys:
                _check_sortable(field_of(source, key.column).type, "ORDER BY {} with LIMIT", operator.at)
        case Window(source, _, keys, made):
            for key in keys:
                _check_sortable(field_of(source, key.column).type, "a window's ORDER BY {}", operator.at)
            for window in made:
                if window.function in ("min", "max") and window.over is not None:
                    _check_ordered(field_of(source, window.over).type, window.function.upper(), window.at)
        case Join(left, right, on):
            for left_name, right_name in on:
                _check_same_word(field_of(left, left_name).type, field_of(right, right_name).type, operator.at)
        case Concat() | CrossOne() | Limit() | Noise() | Scan() | Input() | Collect():
            pass
        case _ as never:
            assert_never(never)


def _check_expression(expression: Expression) -> None:
    for part in _parts(expression):
        match part:
            case Compare(operator, left, right) if operator not in ("=", "<>"):
                for side in (left, right):
                    if not isinstance(side, Literal):
                        _check_ordered(common_type(left.type, right.type), f"{operator!r}", part.at)
            case Compare(_, left, right) if not isinstance(left, Literal) and not isinstance(right, Literal):
                _check_same_word(left.type, right.type, part.at)
            case Cast(operand, target):
                _check_cast(operand.type, target, part.at)
            case Case(branches, default):
                for value in (*(value for _, value in branches), default):
                    if not isinstance(value, Literal):  # a constant is encoded as whatever is needed
                        _check_branch(value.type, part.type, value.at or part.at)
            case Call("like", (operand, _)):
                _check_like(part, operand.type)
            case Call(function) if function not in UNDER_MPC:
                what = f"under MPC there is no {function.upper()}"
                raise UnsupportedQuery(what, part.at, _BY_ITS_OWNER)
            case Arithmetic() | Compare() | Call():
                pass


def _check_like(like: Call, kind: Type) -> None:
    """Check that a LIKE asks for a whole text, or for the beginning of one whose bytes are few enough to be shared."""
    pattern = pattern_of(like)
    if pattern is None:
        what = "under MPC there is LIKE for a whole text, 'abc', or how it begins, 'abc%', and for no other pattern"
        raise UnsupportedQuery(what, like.at, _BY_ITS_OWNER)
    if isinstance(kind, Varchar) and pattern.needs_bytes(kind) and kind.max_bytes > MOST_SORTED_BYTES:
        what = f"LIKE asks how a {kind} begins: under MPC strings of at most {MOST_SORTED_BYTES} bytes tell it"
        raise UnsupportedQuery(what, like.at, f"declare the column as varchar({MOST_SORTED_BYTES}) or shorter")


def _parts(expression: Expression) -> Iterator[Expression]:
    yield expression
    for operand in operands(expression):
        yield from _parts(operand)


def _check_ordered(kind: Type, what: str, at: Position | None) -> None:
    if isinstance(kind, Varchar) and not is_packed(kind):
        raise UnsupportedQuery(
            f"{what} needs the order of {kind}, and under MPC only short strings have one", at, _SHORTER
        )


def _check_sortable(kind: Type, where: str, at: Position | None) -> None:
    if isinstance(kind, Varchar) and kind.max_bytes > MOST_SORTED_BYTES:
        what = f"{where.format(kind)}: under MPC strings of at most {MOST_SORTED_BYTES} bytes are ordered"
        raise UnsupportedQuery(what, at, f"declare the column as varchar({MOST_SORTED_BYTES}) or shorter")


def _check_same_word(left: Type, right: Type, at: Position | None) -> None:
    match left, right:
        case Varchar(), Varchar() if is_packed(left) != is_packed(right):
            raise UnsupportedQuery(
                f"under MPC {left} cannot be compared with {right}",
                at,
                "declare both columns with the same size",
            )


def _check_branch(own: Type, whole: Type, at: Position | None) -> None:
    match own, whole:
        # Short strings' words are the strings themselves, long strings' are hashes.
        case Varchar(), Varchar() if is_packed(own) != is_packed(whole):
            what = f"under MPC one CASE cannot hold {own} and {whole}"
            raise UnsupportedQuery(what, at, "declare the columns with the same size")


def _check_cast(source: Type, target: Type, at: Position | None) -> None:
    match source, target:
        case (Integer() | Decimal(), Double()):
            return
        case Integer(a), Integer(b) if a <= b:
            return
        case Integer(), Decimal():
            return
        case Decimal(_, a), Decimal(_, b) if a <= b:
            return
        case Varchar(), Varchar() if is_packed(source) == is_packed(target) and source.max_bytes <= target.max_bytes:
            return
    if source != target:
        raise UnsupportedQuery(f"under MPC {source} cannot be cast to {target}", at, "cast before rows are combined")
