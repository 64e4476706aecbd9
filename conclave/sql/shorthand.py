"""What is short for something longer, written out before anything is bound: the longer form is all that is compiled.

What a call is short for stands in `short_calls`, what a clause is in `short_clauses`. Columns keep the names that they
would have had, and what is longer stands where the short form stood, for errors.
"""

from sqlglot import exp

from conclave.sql.around import call_in, is_within
from conclave.sql.parse import Text
from conclave.sql.short_calls import long_call
from conclave.sql.short_clauses import write_out_clauses


def write_out(query: exp.Query, text: Text) -> None:
    """Change the query to one with nothing in it that is short for something longer.

    >>> from conclave.sql.parse import parse
    >>> query = parse("SELECT STARTS_WITH(a, 'x') FROM t")
    >>> write_out(query, Text("SELECT STARTS_WITH(a, 'x') FROM t"))
    >>> print(query.sql(dialect="duckdb"))
    SELECT a LIKE 'x%' AS "starts_with(a, 'x')" FROM t
    """
    for node in reversed(list(query.walk(bfs=False))):  # what is within something comes before it
        if isinstance(node, exp.Query):
            write_out_clauses(node, text)
        elif not is_within(node) and (longer := long_call(call_in(node), node, text)) is not None:
            _put(longer, node, text)


def _put(longer: exp.Expr, node: exp.Expr, text: Text) -> None:
    starts = [start for each in node.walk() if (start := each.meta.get("start")) is not None]
    if starts:
        longer.meta["start"] = min(starts)
    item = node
    while item.parent is not None and not isinstance(item.parent, exp.Query | exp.Alias):
        item = item.parent
    if isinstance(item.parent, exp.Select) and item.arg_key == "expressions":
        alias = exp.Alias(alias=exp.to_identifier(_name(item, node, text), quoted=True))
        item.replace(alias)
        alias.set("this", item)
    node.replace(longer)


def _name(item: exp.Expr, call: exp.Expr, text: Text) -> str:
    """Return what DuckDB calls a column without a name."""
    if isinstance(item, exp.Count):
        return "count_star()"
    called = text.called_at(text.at(call)) if item is call else None
    if called is None:
        return item.sql(dialect="duckdb")
    given = ", ".join(each.sql(dialect="duckdb") for each in call.iter_expressions())
    return f"{called.lower()}({given})"
