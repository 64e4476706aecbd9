"""FROM: tables, derived tables, and joins on equalities.

What else an inner join asks for is a filter on top, what a left join asks of its right rows a filter below.
"""

from dataclasses import dataclass, replace

from sqlglot import exp

from conclave.ir.errors import Position, QueryProblem
from conclave.ir.expressions import Column, Compare, Expression, Literal, names_in
from conclave.ir.nodes import Concat, CrossOne, Filter, JoinKind, Node, Output, Project
from conclave.ir.types import Schema
from conclave.ir.walk import all_of, conjuncts, is_one_row
from conclave.sql.bind_expression import Context, ExpressionBinder, ScalarSubqueries
from conclave.sql.keys import Pair, columns_of, join_on, pair_of
from conclave.sql.literals import as_boolean
from conclave.sql.refuse import refuse_others, refused, unsupported
from conclave.sql.scope import Names, Relation, Scope, relation_over, unknown


@dataclass(frozen=True)
class Rows:
    """What FROM has made so far: the rows, and the names their columns go by."""

    node: Node
    scope: Scope


def bind_from(select: exp.Select, context: Context) -> tuple[Rows, list[exp.Expr]]:
    """Return the rows of FROM, and the conditions of WHERE that it has not used up as join conditions."""
    clause = select.args.get("from_")
    if clause is None:
        raise refused("a SELECT without FROM", context.text.at(select), "select from a table")
    where = conditions_in(select.args["where"].this) if select.args.get("where") else []
    rows = _table(clause.this, context)
    order = [rows.scope.relations[0].alias]
    waiting: list[tuple[exp.Join, Rows]] = []
    for join in select.args.get("joins") or ():
        right = _table(join.this, context)
        join = _natural(join, rows, right, context)
        words = _kind(join, context)
        alias = right.scope.relations[0].alias
        if alias.lower() in (name.lower() for name in order):
            at = context.text.at(join)
            raise QueryProblem(f"two tables are called {alias}", at, f"give one an alias: {alias} AS {alias}_2")
        order.append(alias)
        if join.args.get("on") is not None or join.args.get("using"):
            rows = _join_as(words, rows, _apart(rows, right), join, context)
        elif _KINDS[words] != "inner":
            raise refused(f"{words} JOIN without ON", context.text.at(join), "say ON left.key = right.key")
        else:
            waiting.append((join, right))
        rows = _join_waiting(rows, waiting, where, context)
    if waiting:
        fix = "say ON left.key = right.key; only a table of one row can be crossed"
        raise refused("a cross join of two tables of many rows", context.text.at(waiting[0][0]), fix)
    relations = sorted(rows.scope.relations, key=lambda relation: order.index(relation.alias))
    return Rows(rows.node, Scope(tuple(relations))), where


def renamed(rows: Node, alias: exp.Expr | None, context: Context) -> tuple[str | None, tuple[str, ...]]:
    """Return the name of `AS name(columns)` and the names that the columns of `rows` go by."""
    names = tuple(f.name for f in rows.schema)
    if alias is None:
        return None, names
    columns = [str(column.name) for column in alias.args.get("columns") or ()]
    if len(columns) > len(names):
        raise QueryProblem(f"{len(columns)} names for {len(names)} columns", context.text.at(alias))
    given = (*columns, *names[len(columns) :])
    if len({name.lower() for name in given}) < len(given):
        raise QueryProblem("two columns have one name", context.text.at(alias))
    return alias.name or None, given


def _table(part: exp.Expr, context: Context) -> Rows:
    at = context.text.at(part)
    match part:
        case exp.Table(this=exp.Identifier()):
            if part.args.get("db"):
                fix = "use the workflow's name of the table"
                raise refused(f"the qualified table name {part.db}.{part.name}", at, fix)
            refuse_others(part, frozenset({"this", "alias"}), context.text)
            node = context.tables.get(part.name.lower())
            if node is None:
                raise unknown("table", part.name, sorted(context.tables), at)
            alias, names = renamed(node, part.args.get("alias"), context)
            alias = alias or part.name
        case exp.Table():
            raise refused("a function in FROM", at, "use a table of the workflow")
        case exp.Subquery(this=exp.Query()):
            node = context.bind_query(part.this, context)
            refuse_others(part, frozenset({"this", "alias"}), context.text)
            alias, names = renamed(node, part.args.get("alias"), context)
            alias = alias or "unnamed_subquery"
        case exp.Subquery(this=exp.Table()):
            raise refused("a join inside parentheses", at, "write the joins in a row")
        case _:
            raise unsupported(part, context.text)
    return Rows(node, Scope((relation_over(alias, node.schema, names),)))


_KINDS: dict[str, JoinKind] = {
    "": "inner",
    "INNER": "inner",
    "CROSS": "inner",
    "LEFT": "left",
    "FULL": "left",  # with the other side's unmatched rows below
    "FULL OUTER": "left",
    "LEFT OUTER": "left",
    "RIGHT": "left",  # of the sides the other way round
    "RIGHT OUTER": "left",
    "SEMI": "semi",
    "LEFT SEMI": "semi",
    "ANTI": "anti",
    "LEFT ANTI": "anti",
}


def _kind(join: exp.Join, context: Context) -> str:
    """Return the words before JOIN, a key of `_KINDS`."""
    words = " ".join(str(join.args[name]).upper() for name in ("method", "side", "kind") if join.args.get(name))
    if words not in _KINDS:
        at = context.text.at(join)
        raise refused(f"{words} JOIN", at, "use JOIN or LEFT JOIN ... ON a.key = b.key")
    refuse_others(join, frozenset({"this", "side", "kind", "on", "using"}), context.text)
    return words


def _natural(join: exp.Join, left: Rows, right: Rows, context: Context) -> exp.Join:
    """Return NATURAL JOIN as one USING all names that both sides have."""
    if str(join.args.get("method") or "").upper() != "NATURAL":
        return join
    both = [v.name for v in left.scope.star(None, None) if right.scope.has(None, v.name)]
    if not both:
        raise QueryProblem(
            "a NATURAL JOIN of tables that have no name in common", context.text.at(join), "say ON a.key = b.key"
        )
    join = join.copy()
    join.set("method", None)
    join.set("using", [exp.to_identifier(name, quoted=True) for name in both])
    return join


def _apart(left: Rows, right: Rows) -> Rows:
    """Return `right` with its columns renamed where `left` has the name: `n` of table `b` becomes `b.n`."""
    (relation,) = right.scope.relations
    names = Names.besides(left.node.schema)
    own = {f.name.lower() for f in right.node.schema} - names.taken
    names.taken |= own
    new = [f.name if f.name.lower() in own else names.fresh(f"{relation.alias}.{f.name}") for f in right.node.schema]
    if new == [f.name for f in right.node.schema]:
        return right
    outputs = tuple(Output(name, column) for name, column in zip(new, columns_of(right.node), strict=True))
    node = Project(right.node, outputs)
    columns = zip(relation.columns, columns_of(node), strict=True)
    visible = tuple(replace(v, column=column) for v, column in columns)
    return Rows(node, Scope((Relation(relation.alias, visible),)))


def _join_waiting(rows: Rows, waiting: list[tuple[exp.Join, Rows]], where: list[exp.Expr], context: Context) -> Rows:
    """Join the tables after commas that a condition of WHERE now links, or that have one row."""
    progress = True
    while progress:
        progress = False
        for item in list(waiting):
            joined = _cross(rows, _apart(rows, item[1]), where, context, item[0])
            if joined is not None:
                rows, progress = joined, True
                waiting.remove(item)
    return rows


def _cross(left: Rows, right: Rows, where: list[exp.Expr], context: Context, join: exp.Join) -> Rows | None:
    scope = Scope((*left.scope.relations, *right.scope.relations))
    if is_one_row(right.node):
        return Rows(CrossOne(left.node, right.node), scope)
    if is_one_row(left.node):
        return Rows(CrossOne(right.node, left.node), scope)
    pairs: list[Pair] = []
    for condition in list(where):
        pair = _linking(condition, scope, left.node.schema, right.node.schema, context)
        if pair is not None:
            pairs.append(pair)
            where.remove(condition)
    return Rows(join_on(left.node, right.node, pairs, context.text.at(join)), scope) if pairs else None


def _linking(condition: exp.Expr, scope: Scope, left: Schema, right: Schema, context: Context) -> Pair | None:
    if not isinstance(condition, exp.EQ) or condition.find(exp.Query) is not None:
        return None
    if not all(scope.has(column.table or None, column.name) for column in condition.find_all(exp.Column)):
        return None  # of a table that comes later
    return pair_of(ExpressionBinder(context, scope, "WHERE").bind(condition), left, right)


def _join_as(words: str, left: Rows, right: Rows, join: exp.Join, context: Context) -> Rows:
    how = _KINDS[words]
    if how == "inner":
        return _join(left, right, join, context)
    predicates, right, subqueries = _conditions_of(left, right, join, context)
    if words.startswith("RIGHT"):
        left, right = right, left
    at = context.text.at(join)
    if any(tied.ties for _, tied in subqueries.found):
        raise refused(
            f"a subquery in ON of a {words} JOIN that reads the query around it",
            at,
            "join it beforehand, in a subquery",
        )
    pairs = [(p, pair_of(p, left.node.schema, right.node.schema)) for p in predicates]
    keys = [pair for _, pair in pairs if pair is not None]
    if not keys:
        raise refused("a join without an equality", at, "say ON left.key = right.key")
    rest = tuple(p for p, pair in pairs if pair is None)
    rights = {f.name for f in right.node.schema} | {name for name, _ in subqueries.found}
    for predicate in rest:
        if not names_in(predicate) <= rights:
            what = f"a condition in ON of a {words} JOIN on rows that stay in any case"
            raise refused(what, predicate.at or at, "beside equalities of the two, ask only about the other table")
    matching = Filter(subqueries.beside(right.node), all_of(rest), at) if rest else right.node
    if words.startswith("FULL"):
        return _full(left, right, keys, bool(rest), at)
    node = join_on(left.node, matching, keys, at, how)
    shown = right.scope.as_nullable().relations if how == "left" else ()
    return Rows(node, Scope((*left.scope.relations, *shown)))


def _full(left: Rows, right: Rows, keys: list[Pair], has_conditions: bool, at: Position | None) -> Rows:
    """Return the left join, and below it what no left row matches, beside NULLs."""
    if has_conditions:
        fix = "drop rows in a subquery of their table first"
        raise refused("a condition other than equalities in ON of a FULL JOIN", at, fix)
    matched = join_on(left.node, right.node, keys, at, "left")
    alone = join_on(right.node, left.node, [(second, first) for first, second in keys], at, "anti")
    names = [f.name for f in (*left.node.schema, *right.node.schema)]
    own = {f.name for f in right.node.schema}
    kinds = {f.name: f for f in matched.schema}
    outputs = tuple(Output(n, Column(n, kinds[n].type, kinds[n].nullable)) for n in names)
    beside = tuple(o if o.name in own else Output(o.name, Literal(None, kinds[o.name].type)) for o in outputs)
    node = Concat((Project(matched, outputs), Project(alone, beside)), at)
    return Rows(node, Scope((*left.scope.as_nullable().relations, *right.scope.as_nullable().relations)))


def _join(left: Rows, right: Rows, join: exp.Join, context: Context) -> Rows:
    at = context.text.at(join)
    predicates, right, subqueries = _conditions_of(left, right, join, context)
    scope = Scope((*left.scope.relations, *right.scope.relations))
    if is_one_row(right.node):
        crossed = subqueries.beside(CrossOne(left.node, right.node, at))
        return Rows(Filter(crossed, all_of(tuple(predicates)), at), scope)
    pairs = [(p, pair_of(p, left.node.schema, right.node.schema)) for p in predicates]
    keys = [pair for _, pair in pairs if pair is not None]
    if not keys:
        raise refused("a join without an equality", at, "say ON left.key = right.key")
    node = join_on(left.node, right.node, keys, at)
    rest = tuple(p for p, pair in pairs if pair is None)
    return Rows(Filter(subqueries.beside(node), all_of(rest), at) if rest else node, scope)


def _conditions_of(
    left: Rows, right: Rows, join: exp.Join, context: Context
) -> tuple[list[Expression], Rows, ScalarSubqueries]:
    """Return what ON or USING asks, the right rows as they are named from now on, and the subqueries in ON."""
    subqueries = ScalarSubqueries(Names.besides((*left.node.schema, *right.node.schema)))
    if join.args.get("using"):
        side = str(join.args.get("side") or "").upper()
        if side in ("RIGHT", "FULL"):
            raise refused(f"USING with a {side} JOIN", context.text.at(join), "say ON left.key = right.key")
        return *_using(left, right, join.args["using"], context), subqueries
    scope = Scope((*left.scope.relations, *right.scope.relations))
    bind = ExpressionBinder(context, scope, "ON", subqueries=subqueries)
    return [as_boolean(p) for p in conjuncts(bind.condition(join.args["on"]))], right, subqueries


def _using(left: Rows, right: Rows, names: list[exp.Expr], context: Context) -> tuple[list[Expression], Rows]:
    predicates: list[Expression] = []
    for name in names:
        at = context.text.at(name)
        first, second = (rows.scope.resolve(None, name.name, at) for rows in (left, right))
        predicates.append(Compare("=", first, second, at))
    wanted = {name.name.lower() for name in names}
    (relation,) = right.scope.relations
    columns = tuple(replace(v, only_qualified=v.name.lower() in wanted) for v in relation.columns)
    return predicates, Rows(right.node, Scope((Relation(relation.alias, columns),)))


def conditions_in(part: exp.Expr) -> list[exp.Expr]:
    """Return the conditions that AND joins, in the order they are written."""
    if isinstance(part, exp.Paren):
        return conditions_in(part.this)
    if isinstance(part, exp.And):
        return [*conditions_in(part.this), *conditions_in(part.expression)]
    if isinstance(part, exp.Or):
        return [*_of_both(part), part]
    return [part]


def _of_both(part: exp.Or) -> list[exp.Expr]:
    """Return the equalities that every way to meet an OR asks for: (a = b AND c) OR (a = b AND d) asks a = b."""
    left, right = (conditions_in(side) for side in (part.this, part.expression))
    return [each for each in left if isinstance(each, exp.EQ) and each in right]
