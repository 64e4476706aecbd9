"""The list of a SELECT: what each item is, and what it is called."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from sqlglot import exp

from conclave.ir.errors import QueryProblem
from conclave.ir.expressions import Column, Expression
from conclave.ir.nodes import Node, Output, Project
from conclave.sql.aliases import said
from conclave.sql.bind_expression import AGGREGATES, ExpressionBinder
from conclave.sql.bind_from import Rows
from conclave.sql.refuse import refuse_others
from conclave.sql.scope import Scope, unknown


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


def has_aggregate(part: exp.Expr) -> bool:
    """Whether a part of a SELECT makes it one of groups."""
    if isinstance(part, exp.Query):
        return False
    if isinstance(part, exp.Window):  # the function itself is none, what it is of may be one
        call = part.this.this if isinstance(part.this, exp.Filter) else part.this
        others = [each for each in part.iter_expressions() if each is not part.this]
        asked = [part.this.expression] if isinstance(part.this, exp.Filter) else []
        return any(has_aggregate(inner) for inner in (*call.iter_expressions(), *others, *asked))
    return isinstance(part, AGGREGATES) or any(has_aggregate(inner) for inner in part.iter_expressions())


def qualify_of(select: exp.Select, rows: Rows, bind: ExpressionBinder) -> Expression | None:
    """Return the condition of QUALIFY, in which an item can go by its alias."""
    clause = select.args.get("qualify")
    if clause is None:
        return None
    aliases = {item.alias.lower(): item.unalias() for item in select.expressions if isinstance(item, exp.Alias)}
    return replace(bind, clause="QUALIFY").condition(said(clause.this, aliases, rows.scope))


def wishes_of(items: tuple[Item, ...]) -> dict[str, str]:
    """Return the name of the item that each stand-in is, by the stand-in's name."""
    return {item.expression.name: item.name for item in items if isinstance(item.expression, Column)}


def items_of(select: exp.Select, rows: Rows, bind: ExpressionBinder) -> tuple[Item, ...]:
    """Return the items of a SELECT, those of its stars each by itself."""
    items: list[Item] = []
    if not select.expressions:
        raise QueryProblem("nothing is selected", bind.context.text.at(select), "name the columns, or write *")
    for part in select.expressions:
        if isinstance(part, exp.Star) or (isinstance(part, exp.Column) and isinstance(part.this, exp.Star)):
            items += _starred(part, rows, bind)
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


def _starred(part: exp.Expr, rows: Rows, bind: ExpressionBinder) -> Iterator[Item]:
    """Yield the items that a star stands for, with what EXCLUDE, REPLACE and RENAME say of them."""
    star, at = part if isinstance(part, exp.Star) else part.this, bind.context.text.at(part)
    refuse_others(star, frozenset({"except_", "replace", "rename"}), bind.context.text)
    visible = rows.scope.star((part.table or None) if isinstance(part, exp.Column) else None, at)
    excluded = {each.name.lower() for each in star.args.get("except_") or ()}
    replaced = {each.alias.lower(): each for each in star.args.get("replace") or ()}
    renamed = {each.this.name.lower(): each for each in star.args.get("rename") or ()}
    asked = [*((each.name, each) for each in star.args.get("except_") or ())]
    asked += [(each.alias, each) for each in star.args.get("replace") or ()]
    asked += [(each.this.name, each) for each in star.args.get("rename") or ()]
    for name, named in asked:
        if not any(each.is_called(name) for each in visible):
            raise unknown("column", name, [each.name for each in visible], bind.context.text.at(named))
    for each in visible:
        key = each.name.lower()
        if key in replaced:
            yield Item(each.name, bind.bind(replaced[key].this), replaced[key])
        elif key not in excluded:
            name = str(renamed[key].alias) if key in renamed else each.name
            yield Item(name, replace(each.column, at=at), part)


def _name_of(part: exp.Expr, scope: Scope) -> str:
    """Return the alias, the column's name, or the text, as DuckDB names columns."""
    if isinstance(part, exp.Alias):
        return str(part.alias)
    if isinstance(part, exp.Column):
        return scope.spelling(part.name)
    if isinstance(part, exp.Count) and isinstance(part.this, exp.Star):
        return "count_star()"
    text = part.sql(dialect="duckdb")
    if isinstance(part, exp.LogicalOr | exp.LogicalAnd):  # sqlglot would write a cast into it
        name = "BOOL_OR" if isinstance(part, exp.LogicalOr) else "BOOL_AND"
        text = f"{name}({part.this.sql(dialect='duckdb')})"
    return text.lower() if isinstance(part, AGGREGATES) else text


def projected(node: Node, outputs: tuple[Output, ...]) -> Node:
    """Return the projection, or `node` itself where that is what it has."""
    as_they_are = tuple(
        o.name if isinstance(o.expression, Column) and o.expression.name == o.name else None for o in outputs
    )
    if as_they_are == tuple(f.name for f in node.schema):
        return node
    return Project(node, outputs)


def finder(items: tuple[Item, ...], bind: ExpressionBinder) -> Callable[[exp.Expr], str | None]:
    """Return what finds the item that an expression of ORDER BY is equal to."""

    def find(part: exp.Expr) -> str | None:
        expression = bind.bind(part)
        return next((item.name for item in items if item.expression == expression), None)

    return find
