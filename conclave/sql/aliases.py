"""Names that the list of a SELECT gives, read elsewhere in it: by items further right, WHERE, HAVING and QUALIFY.

As in DuckDB a column of FROM goes before a name of the list, but in HAVING, where outside of aggregates it comes after.
"""

from collections.abc import Mapping

from sqlglot import exp

from conclave.sql.bind_expression import AGGREGATES
from conclave.sql.scope import Scope

Aliases = Mapping[str, exp.Expr]  # what each lower-case name stands for


def with_aliases(select: exp.Select, conditions: list[exp.Expr], scope: Scope) -> tuple[exp.Select, list[exp.Expr]]:
    """Return a SELECT, and its conditions on rows, with what the names of its list stand for in the place of these."""
    if not any(isinstance(item, exp.Alias) for item in select.expressions):
        return select, conditions
    aliases: dict[str, exp.Expr] = {}
    items = []
    for item in select.expressions:
        value = said(item.unalias(), aliases, scope)
        if isinstance(item, exp.Alias):
            aliases[item.alias.lower()] = value
        if value is not item.unalias():
            name = item.alias if isinstance(item, exp.Alias) else item.sql(dialect="duckdb")
            item = exp.Alias(this=value, alias=exp.to_identifier(name, quoted=True))
        items.append(item)
    having = select.args.get("having")
    condition = said(having.this, aliases, scope, is_having=True) if having is not None else None
    if any(new is not old for new, old in zip(items, select.expressions, strict=True)) or (
        having is not None and condition is not having.this
    ):
        select = select.copy()
        select.set("expressions", [item.copy() for item in items])
        if condition is not None:
            select.set("having", exp.Having(this=condition.copy()))
    return select, [said(condition, aliases, scope) for condition in conditions]


def said(part: exp.Expr, aliases: Aliases, scope: Scope, *, is_having: bool = False) -> exp.Expr:
    """Return a part of a SELECT with what names stand for; the part itself if it reads none."""

    def is_alias(node: exp.Expr) -> bool:
        if not isinstance(node, exp.Column) or node.table or node.name.lower() not in aliases:
            return False
        around = node.find_ancestor(exp.Query, *AGGREGATES)
        goes_before = is_having and (around is None or isinstance(around, exp.Query))
        return goes_before or not scope.has(None, node.name)

    def found_in(whole: exp.Expr) -> list[exp.Expr]:
        return [node for node in whole.walk(prune=lambda each: isinstance(each, exp.Query)) if is_alias(node)]

    if not found_in(part):
        return part
    around = exp.Paren(this=part.copy())  # so that even the whole can be replaced
    for node in found_in(around):
        meant = exp.Paren(this=aliases[node.name.lower()].copy())
        for each in meant.walk():
            if "start" in each.meta:  # errors are where the name is read
                each.meta["start"] = node.this.meta.get("start", each.meta["start"])
        node.replace(meant)
    found = around.this
    assert isinstance(found, exp.Expr)
    return found
