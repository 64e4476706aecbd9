"""Clauses that are short for longer ones: FETCH FIRST is a LIMIT, DISTINCT ON is a QUALIFY."""

from sqlglot import exp

from conclave.ir.errors import QueryProblem
from conclave.sql.parse import Text
from conclave.sql.refuse import refused


def write_out_clauses(query: exp.Expr, text: Text) -> None:
    """Change a query, not those within it, to one without such clauses.

    Raises:  UnsupportedQuery where it would be left open which rows stay.
    """
    if isinstance(query.args.get("limit"), exp.Fetch):
        _write_out_fetch(query, query.args["limit"])
    distinct = query.args.get("distinct")
    if isinstance(query, exp.Select) and isinstance(distinct, exp.Distinct) and distinct.args.get("on") is not None:
        _write_out_distinct_on(query, distinct.args["on"].expressions, text)


def _write_out_fetch(query: exp.Expr, fetch: exp.Fetch) -> None:
    options = fetch.args.get("limit_options")
    if options is not None and (options.args.get("percent") or options.args.get("with_ties")):
        return
    count = fetch.args.get("count") or exp.Literal.number(1)  # FETCH FIRST ROW ONLY
    query.set("limit", exp.Limit(expression=count.copy()))


def _write_out_distinct_on(select: exp.Select, keys: list[exp.Expr], text: Text) -> None:
    """Keep the first row of each key: the one that ROW_NUMBER() OVER (PARTITION BY key ORDER BY ...) numbers 1."""
    at, order = text.at(keys[0]), select.args.get("order")
    if order is None:
        raise refused("DISTINCT ON without ORDER BY", at, "say by ORDER BY which row of each is the first")
    if select.args.get("qualify") is not None:
        raise refused("DISTINCT ON beside QUALIFY", at, "have QUALIFY in a subquery")
    by = [meant(key, select, text) for key in keys]
    ordered = [item.copy() for item in order.expressions]
    for item in ordered:
        item.set("this", meant(item.this, select, text))
    number = exp.Window(this=exp.RowNumber(), partition_by=by, order=exp.Order(expressions=ordered), over="OVER")
    select.set("qualify", exp.Qualify(this=exp.EQ(this=number, expression=exp.Literal.number(1))))
    select.set("distinct", None)
    if select.parent is not None and not any(select.args.get(cut) for cut in ("limit", "offset")):
        select.set("order", None)  # in a subquery it said which rows are the first, and nothing more
        return
    # One row is left of each key: what the rows are ordered by after the keys decides nothing more, and need not be shown.
    leading = {item.this for item in ordered[: len(set(by))]}
    if leading == set(by):
        order.set("expressions", order.expressions[: len(leading)])


def meant(part: exp.Expr, select: exp.Select, text: Text) -> exp.Expr:
    """Return what a position or an alias of the list stands for."""
    items = select.expressions
    if isinstance(part, exp.Literal) and not part.is_string:
        if not part.is_int or not 1 <= int(part.name) <= len(items) or any(item.is_star for item in items):
            raise QueryProblem(f"there is no item {part.name} to be meant here", text.at(part), "name the columns")
        part = items[int(part.name) - 1]
    if isinstance(part, exp.Column) and not part.table:
        for item in items:
            if isinstance(item, exp.Alias) and item.alias.lower() == part.name.lower():
                part = item
    return part.unalias().copy()
