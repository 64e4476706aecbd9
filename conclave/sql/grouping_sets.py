"""ROLLUP, CUBE and GROUPING SETS: which columns each of several groupings is by."""

from itertools import chain, combinations

from sqlglot import exp

from conclave.sql.parse import Text
from conclave.sql.refuse import refused

MOST_SETS = 32  # each is a grouping of all rows
GROUPING = (exp.Grouping, exp.GroupingId)  # which of its columns a row is not grouped by, as bits

Set = tuple[exp.Expr, ...]


def sets_in(parts: list[exp.Expr], text: Text) -> tuple[Set, ...]:
    """Return the groupings that GROUP BY asks for, each with its columns: one of all of them where nothing else is said.

    >>> from sqlglot import parse_one
    >>> group = parse_one("SELECT 1 FROM t GROUP BY a, ROLLUP (b, (c, d))", dialect="duckdb").args["group"]
    >>> [", ".join(part.sql() for part in each) for each in sets_in(group.expressions, Text(""))]
    ['a, b, c, d', 'a, b', 'a']

    Raises:  UnsupportedQuery if they are very many.
    """
    found: list[Set] = [()]
    for part in parts:
        if isinstance(part, exp.Cube) and len(part.expressions) > MOST_SETS:
            raise _too_many(part, text)
        found = [(*one, *other) for one in found for other in _alternatives(part)]
        if len(found) > MOST_SETS:
            raise _too_many(part, text)
    return tuple(found)


def _alternatives(part: exp.Expr) -> list[Set]:
    units = [_unit(each) for each in part.expressions] if isinstance(part, exp.Rollup | exp.Cube) else []
    match part:
        case exp.Rollup():
            return [_joined(units[:n]) for n in range(len(units), -1, -1)]
        case exp.Cube():
            return [_joined(some) for n in range(len(units), -1, -1) for some in combinations(units, n)]
        case exp.GroupingSets():
            return [each for inner in part.expressions for each in _alternatives(inner)]
    return [_unit(part)]


def _unit(part: exp.Expr) -> Set:
    """Return the columns of `(a, b)`, or the one that there is."""
    if isinstance(part, exp.Paren):
        return (part.this,)
    return tuple(part.expressions) if isinstance(part, exp.Tuple) else (part,)


def _joined(units: list[Set] | tuple[Set, ...]) -> Set:
    return tuple(chain.from_iterable(units))


def _too_many(part: exp.Expr, text: Text) -> Exception:
    return refused(f"GROUP BY of more than {MOST_SETS} sets", text.at(part), "leave out the sets that are not needed")
