"""In which ways a query compares: the rules that could let it, the narrowest first."""

import datetime
import decimal
from collections.abc import Iterable, Iterator

from conclave.ir.errors import TypeProblem
from conclave.ir.expressions import Compare, Expression, IsNull, operands
from conclave.ir.nodes import Filter, Node, Project
from conclave.ir.types import Date, parse_type
from conclave.ir.walk import nodes_in
from policy.comparisons import constant_of, rule_problem
from policy.document import FilterRule, Granularity, Listed

MOST_VALUES = 100  # that are listed one by one
_STEPS: tuple[Granularity, ...] = ("year", "quarter", "month", "week", "day")


def ways_to_compare(query: Node, kind: str) -> Iterator[tuple[FilterRule, ...]]:
    """Yield sets of rules on a column of this type, each of which could let the query's comparisons be.

    The values that the query compares anything with come first, one in a rule; then steps of dates, coarse ones first.
    """
    values = tuple(_values(query, kind))
    if values and len(values) <= MOST_VALUES:
        yield tuple(FilterRule(values=(value,)) for value in values)
    if _is_date(kind):
        yield from ((FilterRule(granularity=step),) for step in _STEPS)


def _values(query: Node, kind: str) -> Iterable[Listed]:
    found: dict[str, Listed] = {}
    for node in nodes_in(query):
        conditions: Iterable[Expression] = ()
        if isinstance(node, Filter):
            conditions = (node.predicate,)
        elif isinstance(node, Project):
            conditions = (output.expression for output in node.outputs)
        for condition in conditions:
            for value in _compared(condition):
                if rule_problem(FilterRule(values=(value,)), kind) is None:
                    found.setdefault(repr(value), value)
    return found.values()


def _compared(expression: Expression) -> Iterator[Listed]:
    match expression:
        case IsNull():
            yield None
        case Compare(_, left, right):
            for side in (left, right):
                value = constant_of(side)
                if isinstance(value, datetime.date):
                    yield value.isoformat()
                elif isinstance(value, decimal.Decimal):
                    yield float(value)
                elif value is not None:
                    yield value
    for part in operands(expression):
        yield from _compared(part)


def _is_date(kind: str) -> bool:
    try:
        return isinstance(parse_type(kind), Date)
    except TypeProblem:
        return False
