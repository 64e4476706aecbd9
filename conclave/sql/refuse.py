"""What is valid SQL but not ours: every part of a statement that nobody asked for is refused by its name."""

from sqlglot import exp

from conclave.ir.errors import Position, UnsupportedQuery
from conclave.sql.instead import instead_of, instead_of_function
from conclave.sql.parse import Text

# sqlglot's names of parts of a statement, as people write them.
_PARTS = {
    "connect": "CONNECT BY",
    "direction": "FETCH",
    "distinct": "DISTINCT",
    "except_": "EXCLUDE",
    "grouping_sets": "GROUPING SETS",
    "joins": "a join inside parentheses",
    "laterals": "LATERAL",
    "limit_options": "a LIMIT that is not a number of rows",
    "match_condition": "MATCH_CONDITION",
    "method": "NATURAL or ASOF",
    "offset": "OFFSET",
    "on": "DISTINCT ON",
    "order": "ORDER BY",
    "pivots": "PIVOT",
    "rename": "RENAME",
    "replace": "REPLACE",
    "sample": "TABLESAMPLE",
    "with_": "WITH",
}
_NODES: dict[type[exp.Expr], tuple[str, str | None]] = {
    exp.Exists: ("EXISTS", "join with the distinct keys of the other table"),
    exp.Like: ("LIKE", "compare with = or IN (...)"),
    exp.DPipe: ("the operator ||", None),
    exp.Interval: ("INTERVAL here", "add it to a date, or subtract it"),
    exp.TryCast: ("TRY_CAST", "use CAST"),
    exp.Star: ("* here", None),
    exp.Lateral: ("LATERAL", None),
    exp.Values: ("VALUES as a table", None),
    exp.Intersect: ("INTERSECT ALL", "use INTERSECT"),
    exp.Except: ("EXCEPT ALL", "use EXCEPT"),
}


def refused(what: str, at: Position | None = None, fix: str | None = None) -> UnsupportedQuery:
    """Return the refusal of `what`."""
    return UnsupportedQuery(f"{what} is not supported", at, fix or instead_of(what))


def unsupported(part: exp.Expr, text: Text) -> UnsupportedQuery:
    """Return the refusal of a part of the query, by the name that people know it by."""
    named = _NODES.get(type(part))
    if named is not None:
        what, fix = named
        return refused(what, text.at(part), fix)
    if isinstance(part, exp.Func):
        at = text.at(part)
        name = text.called_at(at) or (str(part.this) if isinstance(part, exp.Anonymous) else part.sql_name())
        fix = instead_of_function(name.upper(), isinstance(part, exp.AggFunc))
        return refused(f"the function {name.upper()}", at, fix)
    return refused(part.key.upper(), text.at(part))


def part_name(name: str) -> str:
    """Return how people write what sqlglot calls `name`."""
    return _PARTS.get(name, name.strip("_").replace("_", " ").upper())


def refuse_others(node: exp.Expr, known: frozenset[str], text: Text) -> None:
    """Raise UnsupportedQuery if `node` has any part that is not `known`: unread, it would be ignored."""
    for name, value in node.args.items():
        if name in known or not value:
            continue
        first = value[0] if isinstance(value, list) else value
        at = text.at(first if isinstance(first, exp.Expr) else node)
        raise refused(part_name(name), at)
