"""One SELECT: rows of FROM, WHERE, grouping, HAVING, the list of items, DISTINCT."""

from sqlglot import exp

from conclave.ir.nodes import Aggregate, Filter, Output
from conclave.ir.walk import substitute
from conclave.sql.aliases import with_aliases
from conclave.sql.bind_expression import Context, ExpressionBinder, ScalarSubqueries
from conclave.sql.bind_from import Rows, bind_from
from conclave.sql.bind_grouped import Grouped
from conclave.sql.bind_where import bind_where
from conclave.sql.refuse import refuse_others
from conclave.sql.scope import Names
from conclave.sql.select_items import (
    Selected,
    finder,
    has_aggregate,
    items_of,
    projected,
    qualify_of,
    wishes_of,
)
from conclave.sql.windows import Windows

_KNOWN = frozenset(
    {"expressions", "from_", "joins", "where", "group", "having", "windows", "qualify"}
    | {"distinct", "with_", "order", "limit", "offset"}
)


def bind_select(select: exp.Select, context: Context) -> Selected:
    """Return the rows that one SELECT gives, with columns named and ordered as written."""
    refuse_others(select, _KNOWN, context.text)
    rows, conditions = bind_from(select, context)
    select, conditions = with_aliases(select, conditions, rows.scope)
    rows = bind_where(rows, conditions, context)
    names = Names.besides(rows.node.schema)
    before = ScalarSubqueries(names)
    if _is_aggregate(select):
        selected = Grouped(select, context, rows, names, before).bind()
    else:
        selected = _plain(select, context, rows, before)
    if select.args.get("distinct") is None:
        return selected
    refuse_others(select.args["distinct"], frozenset(), context.text)
    keys = tuple(f.name for f in selected.node.schema)
    return Selected(Aggregate(selected.node, keys, (), context.text.at(select)), selected.find)


def _is_aggregate(select: exp.Select) -> bool:
    if select.args.get("group") is not None or select.args.get("having") is not None:
        return True
    asked = [select.args["qualify"].this] if select.args.get("qualify") is not None else []
    return any(has_aggregate(item) for item in (*select.expressions, *asked))


def _plain(select: exp.Select, context: Context, rows: Rows, subqueries: ScalarSubqueries) -> Selected:
    windows = Windows.of(select, context.text)
    bind = ExpressionBinder(context, rows.scope, "SELECT", subqueries=subqueries, window=windows.stand_in)
    items = items_of(select, rows, bind)
    qualify = qualify_of(select, rows, bind)
    node = windows.beside(subqueries.beside(rows.node), lambda e: e, subqueries.names, wishes_of(items))
    if qualify is not None:
        node = Filter(node, substitute(qualify, windows.columns), context.text.at(select.args["qualify"]))
    outputs = tuple(Output(item.name, substitute(item.expression, windows.columns)) for item in items)
    return Selected(projected(node, outputs), finder(items, bind))
