"""Scalar subqueries that have one row at most without an aggregate, said by one: the first row of an order, or of a key.

What may have several rows stays refused: which of them were meant, only the data would tell.
"""

from sqlglot import exp

from conclave.sql.parse import Text, unwrapped
from conclave.sql.short_clauses import meant

_VALUE, _KEY = "one_value", "one_key"


def asks_first(query: exp.Expr) -> bool:
    """Whether a subquery is of one column, and of the row that ORDER BY with LIMIT 1 picks."""
    limit = query.args.get("limit")
    return (
        isinstance(query, exp.Select)
        and query.args.get("order") is not None
        and query.args.get("distinct") is None
        and isinstance(limit, exp.Limit)
        and isinstance(limit.expression, exp.Literal)
        and limit.expression.this == "1"
        and len(query.expressions) == 1
        and not query.is_star
        and not any(isinstance(item.this, exp.Var) for item in query.args["order"].expressions)  # ORDER BY ALL
    )


def first_value(query: exp.Select, text: Text) -> exp.Select:
    """Return the subquery with FIRST(x ORDER BY ...) for its column: the value of a row, of all that it is tied to."""
    said = query.copy()
    of = _items(query, text)
    first = exp.First(this=exp.Order(this=unwrapped(query.expressions[0].unalias()).copy(), expressions=of))
    said.set("expressions", [first])
    for name in ("order", "limit"):
        said.set(name, None)
    return said


def as_aggregate(query: exp.Select, text: Text) -> exp.Select:
    """Return an aggregate over the one row of a subquery, or none, that reads nothing of the query around it."""
    picked = query.copy()
    keys = [(f"{_KEY}_{n}", item) for n, item in enumerate(_items(query, text))]
    shown = [(_VALUE, query.expressions[0].unalias()), *((name, item.this) for name, item in keys)]
    picked.set("expressions", [exp.alias_(part.copy(), name) for name, part in shown])
    for name, item in keys:
        item.set("this", exp.column(name))
    picked.set("order", exp.Order(expressions=[item for _, item in keys]))
    value = exp.Min(this=exp.column(_VALUE))  # of one row
    return exp.Select(expressions=[value]).from_(exp.Subquery(this=picked, alias=exp.TableAlias(this=_VALUE)))


def _items(query: exp.Select, text: Text) -> list[exp.Expr]:
    """Return what ORDER BY says, with what positions and aliases stand for."""
    items = [item.copy() for item in query.args["order"].expressions]
    for item, written in zip(items, query.args["order"].expressions, strict=True):
        item.set("this", meant(written.this, query, text))
    return items
