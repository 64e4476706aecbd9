"""One SELECT: rows of FROM, WHERE, grouping, HAVING, the list of items, DISTINCT."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlglot import exp

from conclave.ir.errors import QueryProblem
from conclave.ir.expressions import Column, Expression
from conclave.ir.nodes import Aggregate, AggregateOutput, Filter, Node, Output, Project
from conclave.ir.walk import rebuild, substitute
from conclave.sql.aggregates import Aggregates, Call
from conclave.sql.bind_expression import AGGREGATES, Context, ExpressionBinder, ScalarSubqueries
from conclave.sql.bind_from import Rows, bind_from
from conclave.sql.bind_where import bind_where
from conclave.sql.refuse import refuse_others, refused
from conclave.sql.scope import Names, Scope
from conclave.sql.windows import Windows

_KNOWN = frozenset(
    {"expressions", "from_", "joins", "where", "group", "having", "windows", "qualify"}
    | {"distinct", "with_", "order", "limit"}
)


@dataclass(frozen=True)
class Item:
    """One item of the SELECT list, its expression still over the rows before grouping."""

    name: str
    expression: Expression
    part: exp.Expr


@dataclass(frozen=True)
class Selected:
    """The rows of a SELECT, and which of its items an expression of ORDER BY is equal to."""

    node: Node
    find: Callable[[exp.Expr], str | None]


def bind_select(select: exp.Select, context: Context) -> Selected:
    """Return the rows that one SELECT gives, with columns named and ordered as written."""
    refuse_others(select, _KNOWN, context.text)
    rows, conditions = bind_from(select, context)
    rows = bind_where(rows, [_spelt_out(part, select, rows, context) for part in conditions], context)
    names = Names.besides(rows.node.schema)
    before = ScalarSubqueries(names)
    if _is_aggregate(select):
        selected = _Grouped(select, context, rows, names, before).bind()
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
    return any(_has_aggregate(item) for item in (*select.expressions, *asked))


def _has_aggregate(part: exp.Expr) -> bool:
    if isinstance(part, exp.Query):
        return False
    if isinstance(part, exp.Window):  # the function itself is none, what it is of may be one
        call = part.this.this if isinstance(part.this, exp.Filter) else part.this
        others = [each for each in part.iter_expressions() if each is not part.this]
        asked = [part.this.expression] if isinstance(part.this, exp.Filter) else []
        return any(_has_aggregate(inner) for inner in (*call.iter_expressions(), *others, *asked))
    return isinstance(part, AGGREGATES) or any(_has_aggregate(inner) for inner in part.iter_expressions())


def _plain(select: exp.Select, context: Context, rows: Rows, subqueries: ScalarSubqueries) -> Selected:
    windows = Windows.of(select, context.text)
    bind = ExpressionBinder(context, rows.scope, "SELECT", subqueries=subqueries, window=windows.stand_in)
    items = _items(select, rows, bind)
    qualify = _qualify(select, items, rows, bind)
    node = windows.beside(subqueries.beside(rows.node), lambda e: e, subqueries.names, _wishes(items))
    if qualify is not None:
        node = Filter(node, substitute(qualify, windows.columns), context.text.at(select.args["qualify"]))
    outputs = tuple(Output(item.name, substitute(item.expression, windows.columns)) for item in items)
    return Selected(_project(node, outputs), _finder(items, bind))


def _qualify(select: exp.Select, items: tuple[Item, ...], rows: Rows, bind: ExpressionBinder) -> Expression | None:
    """Return the condition of QUALIFY, in which an item can go by its alias."""
    clause = select.args.get("qualify")
    if clause is None:
        return None
    return replace(bind, clause="QUALIFY").condition(_spelt_out(clause.this, select, rows, bind.context))


def _spelt_out(condition: exp.Expr, select: exp.Select, rows: Rows, context: Context) -> exp.Expr:
    """Return a condition with items of the list in the place of their aliases; a column goes before an alias."""
    aliases = {item.alias.lower(): item.unalias() for item in select.expressions if isinstance(item, exp.Alias)}
    scopes = (rows.scope, *context.outer)

    def meant(part: exp.Expr) -> exp.Expr:
        # What stands in a subquery is the subquery's own.
        is_free = isinstance(part, exp.Column) and not part.table and part.parent_select is None
        if not is_free or any(scope.has(None, part.name) for scope in scopes):
            return part
        return aliases.get(part.name.lower(), part).copy()

    return condition.transform(meant)


def _wishes(items: tuple[Item, ...]) -> dict[str, str]:
    """Return the name of the item that each stand-in is, by the stand-in's name."""
    return {item.expression.name: item.name for item in items if isinstance(item.expression, Column)}


def _items(select: exp.Select, rows: Rows, bind: ExpressionBinder) -> tuple[Item, ...]:
    items: list[Item] = []
    if not select.expressions:
        raise QueryProblem("nothing is selected", bind.context.text.at(select), "name the columns, or write *")
    for part in select.expressions:
        if isinstance(part, exp.Star) or (isinstance(part, exp.Column) and isinstance(part.this, exp.Star)):
            star = part if isinstance(part, exp.Star) else part.this
            refuse_others(star, frozenset(), bind.context.text)
            alias = part.table if isinstance(part, exp.Column) else None
            for visible in rows.scope.star(alias or None, bind.context.text.at(part)):
                column = replace(visible.column, at=bind.context.text.at(part))
                items.append(Item(visible.name, column, part))
        else:
            items.append(Item(_name_of(part, rows.scope), bind.bind(part.unalias()), part))
    seen: set[str] = set()
    for item in items:
        if item.name.lower() in seen:
            at = bind.context.text.at(item.part)
            fix = "list the columns" if item.part.is_star else "give one another name with AS"
            raise QueryProblem(f"two columns of the result are called {item.name}", at, fix)
        seen.add(item.name.lower())
    return tuple(items)


def _name_of(part: exp.Expr, scope: Scope) -> str:
    """Return the alias, the column's name, or the text, as DuckDB names columns."""
    if isinstance(part, exp.Alias):
        return str(part.alias)
    if isinstance(part, exp.Column):
        return scope.spelling(part.name)
    if isinstance(part, exp.Count) and isinstance(part.this, exp.Star):
        return "count_star()"
    text = part.sql(dialect="duckdb")
    return text.lower() if isinstance(part, AGGREGATES) else text


def _project(node: Node, outputs: tuple[Output, ...]) -> Node:
    """Return the projection, or `node` itself where that is what it has."""
    as_they_are = tuple(
        o.name if isinstance(o.expression, Column) and o.expression.name == o.name else None for o in outputs
    )
    if as_they_are == tuple(f.name for f in node.schema):
        return node
    return Project(node, outputs)


def _finder(items: tuple[Item, ...], bind: ExpressionBinder) -> Callable[[exp.Expr], str | None]:
    def find(part: exp.Expr) -> str | None:
        expression = bind.bind(part)
        return next((item.name for item in items if item.expression == expression), None)

    return find


class _Grouped:
    """A SELECT with aggregates. Expressions are bound over the rows before grouping, then said over its result."""

    def __init__(
        self, select: exp.Select, context: Context, rows: Rows, names: Names, before: ScalarSubqueries
    ) -> None:
        self.select, self.context, self.rows = select, context, rows
        self.names, self.before, self.text = names, before, context.text
        inside = ExpressionBinder(context, rows.scope, "an aggregate", subqueries=before)
        self.aggregates = Aggregates(inside, is_grouped=self._group() is not None)
        self.after = before.for_other_rows()
        self.windows = Windows.of(select, context.text)
        self.bind_item = ExpressionBinder(
            context, rows.scope, "SELECT", self.aggregates.stand_in, self.after, self.windows.stand_in
        )
        self.columns: dict[str, Column] = {}  # stand-in's name to the aggregate's column

    def _group(self) -> exp.Group | None:
        group = self.select.args.get("group")
        if group is not None:
            refuse_others(group, frozenset({"expressions", "all"}), self.text)
        return group if group is not None and (group.expressions or group.args.get("all")) else None

    def bind(self) -> Selected:
        """Return the rows after grouping, HAVING and the SELECT list."""
        items = _items(self.select, self.rows, self.bind_item)
        having = self.select.args.get("having")
        bind_having = replace(self.bind_item, clause="HAVING", window=None)
        condition = None
        if having is not None:
            condition = bind_having.condition(_spelt_out(having.this, self.select, self.rows, self.context))
        qualify = _qualify(self.select, items, self.rows, self.bind_item)
        self.keys = self._keys(items)
        grouped = self._aggregate(items)  # from here on it is known what stands for which aggregate
        node = self.after.beside(grouped, self._said_after)
        if condition is not None:
            node = Filter(node, self._said_after(condition), self.text.at(having))
        node = self.windows.beside(node, self._said_after, Names.besides(node.schema), _wishes(items))
        if qualify is not None:
            node = Filter(node, self._said_after(qualify), self.text.at(self.select.args["qualify"]))
        outputs = tuple(Output(item.name, self._said_after(item.expression)) for item in items)
        return Selected(_project(node, outputs), _finder(items, self.bind_item))

    def _keys(self, items: tuple[Item, ...]) -> tuple[tuple[Expression, str], ...]:
        """Return each key's expression over the rows before grouping, and its name."""
        group = self._group()
        if group is None:
            return ()
        if group.args.get("all"):
            parts = [item.part.unalias() for item in items if not _has_aggregate(item.part)]
        else:
            parts = [self._key_part(part, items) for part in group.expressions]
        bind = ExpressionBinder(self.context, self.rows.scope, "GROUP BY", subqueries=self.before)
        keys: dict[Expression, str] = {}
        for part in parts:
            expression = bind.bind(part)
            if expression in keys:
                continue
            if isinstance(expression, Column) and all(expression.name != n for n, _ in self.before.known):
                keys[expression] = expression.name
            else:
                named = next((item.name for item in items if item.expression == expression), "key")
                keys[expression] = self.names.fresh(named)
        return tuple(keys.items())

    def _key_part(self, part: exp.Expr, items: tuple[Item, ...]) -> exp.Expr:
        """Return what a position or an alias in GROUP BY stands for."""
        if isinstance(part, exp.Literal) and not part.is_string:
            return self._item_at(part, items).part.unalias()
        is_bare = isinstance(part, exp.Column) and not part.table
        if is_bare and not self.rows.scope.has(None, part.name):
            for item in items:
                if item.name.lower() == part.name.lower() and isinstance(item.part, exp.Alias):
                    return item.part.unalias()
        if isinstance(part, exp.Rollup | exp.Cube | exp.GroupingSets | exp.Tuple):
            raise refused(f"{part.key.upper()} in GROUP BY", self.text.at(part))
        return part

    def _item_at(self, part: exp.Literal, items: tuple[Item, ...]) -> Item:
        if not part.is_int or not 1 <= int(part.name) <= len(items):
            raise QueryProblem(
                f"GROUP BY {part.name}: the list has {len(items)} items", self.text.at(part), "name the columns"
            )
        return items[int(part.name) - 1]

    def _aggregate(self, items: tuple[Item, ...]) -> Node:
        """Return the grouping, over a projection of what it needs if that is more than columns."""
        names = Names({name.lower() for _, name in self.keys} | {name.lower() for name, _ in self.after.found})
        inputs = {name: expression for expression, name in self.keys}
        own = Names.besides(self.rows.node.schema)
        own.taken |= {name.lower() for name in inputs}
        outputs: list[AggregateOutput] = []
        for call in self.aggregates.calls:
            name = names.fresh(_wish(call, items))
            over = None
            if isinstance(call.over, Column):
                over = call.over.name
            elif call.over is not None:
                over = own.fresh(f"{name}_input")
            if over is not None and call.over is not None:
                inputs[over] = call.over
            stand_in = call.stand_in
            self.columns[stand_in.name] = Column(name, stand_in.type, stand_in.nullable)
            made = AggregateOutput(name, call.function, over, False, call.is_distinct, call.fraction, stand_in.at)
            outputs.append(made)
        source = self.before.beside(self.rows.node)
        if not all(isinstance(e, Column) and e.name == name for name, e in inputs.items()):
            source = Project(source, tuple(Output(name, e) for name, e in inputs.items()))
        keys = tuple(name for _, name in self.keys)
        return Aggregate(source, keys, tuple(outputs), self.text.at(self.select))

    def _said_after(self, expression: Expression) -> Expression:
        """Return an expression over the rows before grouping as one over its result."""
        for key, name in self.keys:
            if key == expression:
                return Column(name, key.type, key.nullable, expression.at)
        if isinstance(expression, Column):
            if expression.name in self.columns:
                return self.columns[expression.name]
            if expression.name in self.windows.columns:
                return self.windows.columns[expression.name]
            if any(expression.name == name for name, _ in self.after.found):
                return expression
            fix = f"add {expression.name} to GROUP BY, or aggregate it"
            raise QueryProblem(f"{expression.name} is neither grouped by nor aggregated", expression.at, fix)
        return rebuild(expression, self._said_after)


def _wish(call: Call, items: tuple[Item, ...]) -> str:
    """Return the name an aggregate's column would best have: that of the item it is."""
    for item in items:
        if item.expression == call.stand_in:
            return item.name
    if call.over is None:
        return "row_count"
    return f"{call.function}_{call.over.name}" if isinstance(call.over, Column) else call.function
