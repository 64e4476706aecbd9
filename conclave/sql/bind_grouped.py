"""A SELECT with aggregates: its groups, HAVING, and the list over them."""

from dataclasses import replace

from sqlglot import exp

from conclave.ir.errors import QueryProblem
from conclave.ir.expressions import Cast, Column, Expression, Literal
from conclave.ir.nodes import Aggregate, AggregateOutput, Concat, Filter, Node, Output, Project
from conclave.ir.types import Type, Varchar
from conclave.ir.walk import rebuild, substitute
from conclave.sql.aggregates import Aggregates, Call
from conclave.sql.bind_expression import Context, ExpressionBinder, ScalarSubqueries
from conclave.sql.bind_from import Rows
from conclave.sql.grouping_sets import sets_in
from conclave.sql.keys import columns_of
from conclave.sql.literals import whole
from conclave.sql.refuse import refuse_others, refused
from conclave.sql.scope import Names
from conclave.sql.select_items import (
    Item,
    Selected,
    finder,
    has_aggregate,
    items_of,
    projected,
    qualify_of,
    wishes_of,
)
from conclave.sql.windows import Windows

Keys = tuple[tuple[Expression, str], ...]  # each key over the rows before grouping, and its name


class Grouped:
    """A SELECT with aggregates. Expressions are bound over the rows before grouping, then said over its result."""

    def __init__(
        self, select: exp.Select, context: Context, rows: Rows, names: Names, before: ScalarSubqueries
    ) -> None:
        self.select, self.context, self.rows = select, context, rows
        self.names, self.before, self.text = names, before, context.text
        inside = ExpressionBinder(context, rows.scope, "an aggregate", subqueries=before)
        group = self._group()
        by = sets_in(group.expressions, context.text) if group is not None else ((),)
        self.parts = by  # of each grouping
        is_grouped = group is not None and (bool(group.args.get("all")) or all(by))
        self.aggregates = Aggregates(inside, is_grouped)
        self.after = before.for_other_rows()
        self.windows = Windows.of(select, context.text)
        self.bind_item = ExpressionBinder(
            context, rows.scope, "SELECT", self.aggregates.stand_in, self.after, self.windows.stand_in
        )
        self.columns: dict[str, Column] = {}  # stand-in's name to the aggregate's column
        self.keys: dict[Expression, str] = {}  # of all groupings, with their names

    def _group(self) -> exp.Group | None:
        group = self.select.args.get("group")
        if group is not None:
            refuse_others(group, frozenset({"expressions", "all"}), self.text)
        return group if group is not None and (group.expressions or group.args.get("all")) else None

    def bind(self) -> Selected:
        """Return the rows after grouping, HAVING and the SELECT list."""
        items = items_of(self.select, self.rows, self.bind_item)
        having = self.select.args.get("having")
        bind_having = replace(self.bind_item, clause="HAVING", window=None)
        condition = bind_having.condition(having.this) if having is not None else None
        qualify = qualify_of(self.select, self.rows, self.bind_item)
        sets = self._sets(items)
        if len(sets) > 1 and self.windows.calls:
            fix = "group in a subquery, and number its rows around it"
            raise refused(
                "a window function beside ROLLUP, CUBE or GROUPING SETS", self.windows.calls[0].stand_in.at, fix
            )
        made = [self._over(keys, items, condition, qualify) for keys in sets]
        node = made[0] if len(made) == 1 else Concat(tuple(made), self.text.at(self.select))
        return Selected(node, finder(items, self.bind_item))

    def _over(
        self, by: Keys, items: tuple[Item, ...], condition: Expression | None, qualify: Expression | None
    ) -> Node:
        """Return the rows of one grouping."""
        grouped = self._aggregate(by, items)

        def said(expression: Expression) -> Expression:
            return self._said_after(expression, by)

        node = self.after.beside(grouped, said)
        if condition is not None:
            node = Filter(node, said(condition), self.text.at(self.select.args["having"]))
        node = self.windows.beside(node, said, Names.besides(node.schema), wishes_of(items))
        if qualify is not None:
            node = Filter(node, said(qualify), self.text.at(self.select.args["qualify"]))
        # Where GROUPING is a constant, a CASE of it may be one of its branches, of a narrower type than all of them.
        shown = [_typed(said(item.expression), item.expression.type) for item in items]
        return projected(node, tuple(Output(item.name, value) for item, value in zip(items, shown, strict=True)))

    def _sets(self, items: tuple[Item, ...]) -> tuple[Keys, ...]:
        """Return the keys of each grouping: each key's expression over the rows before grouping, and its name."""
        group = self._group()
        parts = self.parts
        if group is not None and group.args.get("all"):
            parts = (tuple(item.part.unalias() for item in items if not has_aggregate(item.part)),)
        bind = ExpressionBinder(self.context, self.rows.scope, "GROUP BY", subqueries=self.before)
        sets = []
        for by in parts:
            found = [bind.bind(self._key_part(part, items)) for part in by]
            for expression in found:
                if expression not in self.keys:
                    self.keys[expression] = self._key_name(expression, items)
            if len(parts) > 1 and len(set(found)) < len(found):
                raise refused("a column twice in ROLLUP, CUBE or GROUPING SETS", self.text.at(by[0]), "name it once")
            sets.append(tuple((expression, self.keys[expression]) for expression in dict.fromkeys(found)))
        for stand_in, asked in self.aggregates.groupings.items():
            if not all(expression in self.keys for expression in asked):
                raise QueryProblem("GROUPING of what is not grouped by", stand_in.at, "name a column of GROUP BY")
        return tuple(sets)

    def _key_name(self, expression: Expression, items: tuple[Item, ...]) -> str:
        if isinstance(expression, Column) and all(expression.name != n for n, _ in self.before.known):
            return expression.name
        return self.names.fresh(next((item.name for item in items if item.expression == expression), "key"))

    def _key_part(self, part: exp.Expr, items: tuple[Item, ...]) -> exp.Expr:
        """Return what a position or an alias in GROUP BY stands for."""
        if isinstance(part, exp.Literal) and not part.is_string:
            return self._item_at(part, items).part.unalias()
        is_bare = isinstance(part, exp.Column) and not part.table
        if is_bare and not self.rows.scope.has(None, part.name):
            for item in items:
                if item.name.lower() == part.name.lower() and isinstance(item.part, exp.Alias):
                    return item.part.unalias()
        return part

    def _item_at(self, part: exp.Literal, items: tuple[Item, ...]) -> Item:
        if not part.is_int or not 1 <= int(part.name) <= len(items):
            raise QueryProblem(
                f"GROUP BY {part.name}: the list has {len(items)} items", self.text.at(part), "name the columns"
            )
        return items[int(part.name) - 1]

    def _aggregate(self, by: Keys, items: tuple[Item, ...]) -> Node:
        """Return the grouping, over a projection of what it needs if that is more than columns."""
        names = Names({name.lower() for name in self.keys.values()} | {name.lower() for name, _ in self.after.found})
        inputs = {name: expression for expression, name in by}
        own = Names.besides(self.rows.node.schema)
        own.taken |= {name.lower() for name in self.keys.values()}
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
            made = AggregateOutput(name, call.function, over, False, call.is_distinct, call.fraction, stand_in.at)
            outputs.append(made)
        source = self.before.beside(self.rows.node)
        ranked = self.aggregates.ranked.within(tuple(expression for expression, _ in by))
        source = ranked.beside(source, lambda expression: expression, self.names, {})
        inputs = {name: substitute(expression, ranked.columns) for name, expression in inputs.items()}
        if not all(isinstance(e, Column) and e.name == name for name, e in inputs.items()):
            source = Project(source, tuple(Output(name, e) for name, e in inputs.items()))
        keys = tuple(name for _, name in by)
        if not keys and not outputs:  # the total of a ROLLUP that shows no aggregate: SQL knows no row without columns
            outputs.append(AggregateOutput(names.fresh("rows"), "count", None))
        grouped = Aggregate(source, keys, tuple(outputs), self.text.at(self.select))
        for call, column in zip(self.aggregates.calls, columns_of(grouped)[len(keys) :], strict=False):
            self.columns[call.stand_in.name] = column
        return grouped

    def _said_after(self, expression: Expression, by: Keys) -> Expression:
        """Return an expression over the rows before grouping as one over its result; NULL for the keys of other groupings."""
        for key, name in by:
            if key == expression:
                return Column(name, key.type, key.nullable, expression.at)
        if expression in self.keys:
            return Literal(None, expression.type, expression.at)
        if isinstance(expression, Column):
            if expression in self.aggregates.groupings:
                return self._bits(expression, by)
            if expression.name in self.columns:
                return self.columns[expression.name]
            if expression.name in self.windows.columns:
                return self.windows.columns[expression.name]
            if any(expression.name == name for name, _ in self.after.found):
                return expression
            fix = f"add {expression.name} to GROUP BY, or aggregate it"
            raise QueryProblem(f"{expression.name} is neither grouped by nor aggregated", expression.at, fix)
        return rebuild(expression, lambda part: self._said_after(part, by))

    def _bits(self, stand_in: Column, by: Keys) -> Expression:
        """Return GROUPING(a, b): a bit for each, the last one's the lowest, set if a grouping is not by it."""
        keys = {key for key, _ in by}
        bits = "".join(str(int(expression not in keys)) for expression in self.aggregates.groupings[stand_in])
        return Cast(whole(int(bits, 2), stand_in.at), stand_in.type, stand_in.at)


def _wish(call: Call, items: tuple[Item, ...]) -> str:
    """Return the name an aggregate's column would best have: that of the item it is."""
    for item in items:
        if item.expression == call.stand_in:
            return item.name
    if call.over is None:
        return "row_count"
    return f"{call.function}_{call.over.name}" if isinstance(call.over, Column) else call.function


def _typed(expression: Expression, kind: Type) -> Expression:
    """Return an expression as of a wider type of its kind."""
    if expression.type == kind:
        return expression
    if isinstance(expression, Literal) and isinstance(kind, Varchar):
        return replace(expression, type=kind)
    return Cast(expression, kind)
