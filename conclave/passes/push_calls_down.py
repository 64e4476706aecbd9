"""Compute what only owners can before rows are grouped: project year(day) over groups by day => groups by day, year(day).

What is computed of keys alone is the same in all of a group, so that it is one key more, and the groups stay what they are.
A window hands on the rows that it is over, with what has been computed of them.

After:    push_filter_down, order_joins. Before push_project_down, which brings what is computed to the owners.
Reveals:  nothing: no number of rows changes. Of functions that MPC has none is moved.
Safe:     what is computed of a group's keys is one value in all of the group.
"""

from dataclasses import replace

from conclave.ir.expressions import Column, Expression, names_in, needs_owner
from conclave.ir.nodes import Aggregate, Filter, Node, Output, Project
from conclave.ir.walk import bottom_up, children, owner_of, rebuild
from conclave.ir.window import Window
from conclave.passes.push_project_down import reaches_owners


def push_calls_down(root: Node) -> Node:
    """Return `root` with owners' functions computed below groupings and windows. Idempotent; `root` is not changed.

    >>> from conclave.ir.nodes import Concat, Scan
    >>> from conclave.ir.expressions import Call
    >>> from conclave.ir.show import show
    >>> from conclave.ir.types import Date, Field, Integer
    >>> schema, day = (Field("day", Date()),), Column("day", Date())
    >>> visits = Concat(tuple(Scan("visits", f"{owner}/visits", owner, schema) for owner in ("alpha", "bravo")))
    >>> year = Output("y", Call("year", (day,), Integer()))
    >>> print(show(push_calls_down(Project(Aggregate(visits, ("day",), ()), (year,)))))
    project y = computed_1
      aggregate by day, computed_1
        project day, computed_1 = year(day)
          concat
            scan visits @alpha
            scan visits @bravo
    """
    return bottom_up(root, _push)


def _push(node: Node) -> Node:
    match node:
        case Project(source, outputs):
            keys = _Keys(source)
            changed = [Output(output.name, keys.said_by_keys(output.expression)) for output in outputs]
            return Project(keys.widened(source), tuple(changed), node.at) if keys.new else node
        case Filter(source, predicate):
            keys = _Keys(source)
            said = keys.said_by_keys(predicate)
            kept = tuple(Output(f.name, Column(f.name, f.type, f.nullable)) for f in node.schema)
            return Project(Filter(keys.widened(source), said, node.at), kept, node.at) if keys.new else node
    return node


class _Keys:
    """The columns that a grouping or window, on which conditions may stand, is to have more, by what each stands for."""

    def __init__(self, source: Node) -> None:
        base = source
        while isinstance(base, Filter):
            base = base.source
        self.new: dict[Expression, str] = {}
        # Under a guard, which tells whose keys are whose by their names, nothing is moved.
        is_movable = isinstance(base, Window) or (isinstance(base, Aggregate) and not base.guards)
        self._base = base if is_movable and owner_of(base) is None else None

    def said_by_keys(self, expression: Expression) -> Expression:
        """Return the expression reading a new key wherever a part of it is for owners to compute."""
        if self._base is None or not needs_owner(expression):
            return expression
        if names_in(expression) and reaches_owners(self._base, expression):
            if expression not in self.new:
                self.new[expression] = self._fresh(self._base)
            return Column(self.new[expression], expression.type, expression.nullable, expression.at)
        return rebuild(expression, self.said_by_keys)

    def widened(self, node: Node) -> Node:
        """Return the grouping or window, and what stands on it, with the new columns."""
        if isinstance(node, Filter):
            return replace(node, source=self.widened(node.source))
        assert isinstance(node, Aggregate | Window)
        kept = (Output(f.name, Column(f.name, f.type, f.nullable)) for f in node.source.schema)
        computed = (Output(name, expression) for expression, name in self.new.items())
        source = _push(Project(node.source, (*kept, *computed), node.at))
        if isinstance(node, Window):
            return replace(node, source=source)
        return replace(node, source=source, keys=(*node.keys, *self.new.values()))

    def _fresh(self, base: Node) -> str:
        columns = (*base.schema, *(f for source in children(base) for f in source.schema))
        taken = {f.name.lower() for f in columns} | set(self.new.values())
        n = 1
        while f"computed_{n}" in taken:
            n += 1
        return f"computed_{n}"
