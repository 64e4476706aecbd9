"""ORDER BY and LIMIT, of the answer and of subqueries.

In the answer they read columns that are shown only: nothing else may show. A subquery may pick its rows by others.
"""

from sqlglot import exp

from conclave.ir.errors import QueryProblem
from conclave.ir.expressions import Column, Compare, Expression
from conclave.ir.nodes import Filter, Limit, Node, Output, Project, Sort
from conclave.ir.walk import all_of
from conclave.ir.window import SortKey, Window, WindowOutput
from conclave.sql.literals import whole
from conclave.sql.parse import Text
from conclave.sql.refuse import refuse_others, refused
from conclave.sql.scope import Names
from conclave.sql.select_items import Selected

_HIDDEN = "order_by"


def bind_order(query: exp.Query, selected: Selected, text: Text) -> Node:
    """Return the rows of `selected` in the order, and cut to the number, that `query` asks for."""
    node, order, limit = selected.node, query.args.get("order"), query.args.get("limit")
    if query.args.get("offset") is not None:
        node, limit = bind_first(query, selected, text), None
    if order is not None:
        node = Sort(node, _keys(order, selected, text), text.at(order))
    if limit is not None:
        node = Limit(node, _count(limit, text), text.at(limit))
    return node


def bind_first(query: exp.Expr, selected: Selected, text: Text) -> Node:
    """Return the rows that ORDER BY with LIMIT and OFFSET picks: those whose number in that order is within the two."""
    node, order, limit, offset = selected.node, *(query.args.get(name) for name in ("order", "limit", "offset"))
    if order is None:
        raise refused("OFFSET without ORDER BY", text.at(offset), "say ORDER BY, which tells the rows that come first")
    number = WindowOutput(Names.besides(node.schema).fresh("row_number"), "row_number", None, at=text.at(order))
    numbered = Window(node, (), _keys(order, selected, text), (number,), text.at(order))
    column = numbered.schema[-1]
    counted = Column(column.name, column.type, column.nullable)
    skipped = 0 if offset is None else _count(offset, text)
    tests: list[Expression] = []
    if offset is not None:
        tests.append(Compare(">", counted, whole(skipped, text.at(offset)), text.at(offset)))
    if limit is not None:
        most = whole(skipped + _count(limit, text), text.at(limit))
        tests.append(Compare("<=", counted, most, most.at))
    picked = Filter(numbered, all_of(tuple(tests)), text.at(limit if limit is not None else offset))
    return Project(picked, tuple(Output(f.name, Column(f.name, f.type, f.nullable)) for f in node.schema))


def hidden_in(query: exp.Expr, selected: Selected, text: Text) -> tuple[int, ...]:
    """Return which items of a subquery's ORDER BY it does not show, and could: by their places."""
    order, group = query.args["order"], query.args.get("group")
    if not isinstance(query, exp.Select) or query.args.get("distinct") or (group is not None and group.args.get("all")):
        return ()
    parts = [(n, item.this) for n, item in enumerate(order.expressions) if not isinstance(item.this, exp.Var)]
    return tuple(n for n, part in parts if _shown(part, selected, text) is None)


def with_hidden(query: exp.Expr, hidden: tuple[int, ...]) -> exp.Select:
    """Return a subquery that shows what it is ordered by, behind all else."""
    longer = query.copy()
    assert isinstance(longer, exp.Select)
    for n in hidden:
        item, name = longer.args["order"].expressions[n], f"{_HIDDEN}_{n}"
        longer.append("expressions", exp.alias_(item.this.copy(), name))
        item.set("this", exp.column(name))
    return longer


def _count(limit: exp.Expr, text: Text) -> int:
    refuse_others(limit, frozenset({"expression"}), text)
    rows = limit.expression
    if not (isinstance(rows, exp.Literal) and rows.is_int):
        raise refused(
            f"{'an OFFSET' if isinstance(limit, exp.Offset) else 'a LIMIT'} that is not a number of rows",
            text.at(limit),
        )
    return int(rows.name)


def _keys(order: exp.Order, selected: Selected, text: Text) -> tuple[SortKey, ...]:
    refuse_others(order, frozenset({"expressions"}), text)
    keys: dict[str, SortKey] = {}
    for item in order.expressions:
        refuse_others(item, frozenset({"this", "desc", "nulls_first"}), text)
        is_all = isinstance(item.this, exp.Var) and item.this.name.upper() == "ALL"
        columns = [f.name for f in selected.node.schema] if is_all else [_column(item.this, selected, text)]
        for column in columns:
            key = SortKey(column, bool(item.args.get("desc")), bool(item.args.get("nulls_first")))
            keys.setdefault(column, key)
    return tuple(keys.values())


def _column(part: exp.Expr, selected: Selected, text: Text) -> str:
    found = _shown(part, selected, text)
    if found is None:
        raise refused("ORDER BY something that the answer does not show", text.at(part), "add it to the SELECT list")
    return found


def _shown(part: exp.Expr, selected: Selected, text: Text) -> str | None:
    names = [f.name for f in selected.node.schema]
    at = text.at(part)
    if isinstance(part, exp.Literal) and not part.is_string:
        if not part.is_int or not 1 <= int(part.name) <= len(names):
            raise QueryProblem(f"ORDER BY {part.name}: the list has {len(names)} items", at, "name the columns")
        return names[int(part.name) - 1]
    if isinstance(part, exp.Column) and not part.table:
        for name in names:
            if name.lower() == part.name.lower():
                return name
    if isinstance(part, exp.Var):
        raise refused(f"ORDER BY {part.name.upper()}", at, "name the columns")
    return selected.find(part)
