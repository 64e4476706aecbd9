"""Compute as early as can be: project(concat(a, b)) => concat(project(a), project(b)), and below joins.

Below a join go the parts of an expression that read one side only, if that brings them to an owner, and always to the
only row of a CrossOne: what is computed there once need not be computed for each row. Conditions of one side that AND or OR
joins go as one column, since the join has to carry each.

After:    push_filter_down, so that rows are dropped before anything is computed for them.
Reveals:  nothing: no number of rows changes.
Safe:     an expression has the same value where its columns have; not below a left join that would make NULL of it.
"""

from collections.abc import Iterator
from dataclasses import replace

from conclave.ir.expressions import (
    Arithmetic,
    Call,
    Cast,
    Column,
    Compare,
    Expression,
    Literal,
    Logic,
    Negate,
    Not,
    names_in,
    needs_owner,
    operands,
)
from conclave.ir.nodes import Aggregate, Concat, CrossOne, Filter, Join, Node, Output, Project
from conclave.ir.types import Integer
from conclave.ir.walk import bottom_up, is_short, joined, owner_of, parts_of, rebuild, substitute
from conclave.ir.window import Window

_SMALL_BITS = 32


def push_project_down(root: Node) -> Node:
    """Return `root` with each expression computed as low as it can be. Idempotent; `root` is not changed.

    >>> from conclave.ir.nodes import Scan
    >>> from conclave.ir.show import show
    >>> from conclave.ir.types import Field, Integer
    >>> schema = (Field("ward", Integer()),)
    >>> visits = Concat(tuple(Scan("visits", f"{owner}/visits", owner, schema) for owner in ("alpha", "bravo")))
    >>> print(show(push_project_down(Project(visits, (Output("w", Column("ward", Integer())),)))))
    concat
      project w = ward
        scan visits @alpha
      project w = ward
        scan visits @bravo
    """
    return bottom_up(root, _push)


def _push(node: Node) -> Node:
    match node:
        case Project(Concat(parts) as concat, outputs):
            return replace(concat, parts=tuple(_push(Project(part, outputs, node.at)) for part in parts))
        case Project(source, outputs):
            return _below_joins(node, source, tuple(output.expression for output in outputs))
        case Filter(source, predicate):
            return _below_joins(node, source, (predicate,))
    return node


def _below_joins(node: Project | Filter, source: Node, expressions: tuple[Expression, ...]) -> Node:
    """Return `node` with the one-sided parts of its expressions computed below the join that it stands on."""
    join = source
    while isinstance(join, Filter):
        join = join.source
    if not isinstance(join, Join | CrossOne) or owner_of(join) is not None:
        return node
    taken = {f.name.lower() for side in (join.left, join.right) for f in side.schema}
    sides = _Sides(join, taken, _free_above(join, node) if isinstance(node, Project) else frozenset())
    changed = tuple(sides.without_one_sided(expression) for expression in expressions)
    if not sides.left and not sides.right:
        return node
    widened = _replace_below_filters(source, sides.widened())
    if isinstance(node, Project):
        outputs = tuple(Output(o.name, e) for o, e in zip(node.outputs, changed, strict=True))
        return Project(widened, outputs, node.at)
    kept = tuple(Output(f.name, Column(f.name, f.type, f.nullable)) for f in node.schema)
    return Project(Filter(widened, changed[0], node.at), kept, node.at)


def _free_above(join: Join | CrossOne, project: Project) -> frozenset[Expression]:
    """Return the expressions that MPC computes for nothing, of columns that a join carries anyhow or of fewer than there are.

    A join has to carry each column that is computed below it; a sum, or a product by a constant, MPC has without a message.
    """
    expressions = [output.expression for output in project.outputs]
    free = frozenset(each for expression in expressions for each in _free_in(expression))
    carried = {each.name for each in expressions if isinstance(each, Column)}
    carried |= {name for pair in join.on for name in pair} if isinstance(join, Join) else set()
    above = {each for each in free if names_in(each) <= carried}
    for side in (join.left, join.right):
        others = {each for each in free - above if names_in(each) <= {f.name for f in side.schema}}
        if len(others) > len({name for each in others for name in names_in(each)} - carried):
            above |= others
    return frozenset(above)


def _free_in(expression: Expression) -> Iterator[Expression]:
    """Yield the largest parts of an expression that are linear in columns, but no columns themselves."""
    if _is_linear(expression):
        if names_in(expression) and not isinstance(expression, Column):
            yield expression
        return
    for part in operands(expression):
        yield from _free_in(part)


def _is_linear(expression: Expression) -> bool:
    """Whether it is a sum of small integers times constants: so no number can outgrow its word, and nothing is looked at."""
    match expression:
        case Column(type=Integer(bits)):
            return bits <= _SMALL_BITS
        case Literal(value=int(), type=Integer(bits)):
            return bits <= _SMALL_BITS
        case Negate(operand):
            return _is_linear(operand)
        case Arithmetic("+" | "-", left, right):
            return _is_linear(left) and _is_linear(right)
        case Arithmetic("*", left, right):
            return _is_linear(left) and _is_linear(right) and isinstance(left, Literal) != isinstance(right, Literal)
    return False


class _Sides:
    """The columns that a join's sides are to compute, by the expression that each stands for."""

    def __init__(self, join: Join | CrossOne, taken: set[str], above: frozenset[Expression]) -> None:
        self.join, self._taken, self._above = join, taken, above
        self.left: dict[Expression, str] = {}
        self.right: dict[Expression, str] = {}

    def without_one_sided(self, expression: Expression) -> Expression:
        """Return the expression reading a new column wherever a part of it belongs below the join."""
        if isinstance(expression, Column | Literal) or expression in self._above:
            return expression
        for side, found in ((self.join.left, self.left), (self.join.right, self.right)):
            if side in _computing_sides(self.join, expression) and self._belongs_to(side, expression):
                if expression not in found:
                    found[expression] = self._fresh()
                return Column(found[expression], expression.type, expression.nullable, expression.at)
        if isinstance(expression, Logic):
            return self._without_parts(expression)
        return rebuild(expression, self.without_one_sided)

    def _without_parts(self, logic: Logic) -> Expression:
        """Return conditions joined by AND or OR, those of one side all together as one column of it."""
        parts = parts_of(logic, logic.operator)
        for side in _computing_sides(self.join, logic):
            own = [part for part in parts if self._belongs_to(side, part)]
            if len(own) > 1 and self._belongs_to(side, together := joined(logic.operator, own)):
                parts = [together if part is own[0] else part for part in parts if part is own[0] or part not in own]
        return joined(logic.operator, [self.without_one_sided(part) for part in parts])

    def widened(self) -> Node:
        """Return the join over sides that compute the new columns."""
        left, right = (_widened(s, f) for s, f in ((self.join.left, self.left), (self.join.right, self.right)))
        return replace(self.join, left=left, right=right)

    def _belongs_to(self, side: Node, expression: Expression) -> bool:
        names = names_in(expression)
        if not names or not names <= {f.name for f in side.schema}:
            return False
        return (isinstance(self.join, CrossOne) and side is self.join.right) or reaches_owners(side, expression)

    def _fresh(self) -> str:
        n = 1
        while f"computed_{n}" in self._taken:
            n += 1
        self._taken.add(f"computed_{n}")
        return f"computed_{n}"


def reaches_owners(node: Node, expression: Expression) -> bool:
    """Whether single owners could compute the expression below `node`."""
    if owner_of(node) is not None:
        return True
    names = names_in(expression)
    match node:
        case Concat(parts):
            return all(reaches_owners(part, expression) for part in parts)
        case Filter(source):
            return reaches_owners(source, expression)
        case Project(source, outputs):
            by_name = {output.name: output.expression for output in outputs}
            if not is_short(expression, by_name):
                return False
            inner = substitute(expression, by_name)
            return reaches_owners(source, inner)
        case Aggregate(source, keys, guards=()) if needs_owner(expression):  # see `push_calls_down`
            return names <= set(keys) and reaches_owners(source, expression)
        case Window(source) if needs_owner(expression):
            return names <= {f.name for f in source.schema} and reaches_owners(source, expression)
        case Join() | CrossOne():
            sides = (side for side in _computing_sides(node, expression) if names <= {f.name for f in side.schema})
            return any(reaches_owners(side, expression) for side in sides)
    return False


def _computing_sides(join: Join | CrossOne, expression: Expression) -> tuple[Node, ...]:
    """Return the sides below which an expression has the value that it has above the join, and is worth computing.

    What a left join puts NULLs in the place of must not be computed before: COALESCE(x, 0) would be NULL, too. What is
    NULL of NULLs may be, and is if MPC could not do it above.
    """
    if isinstance(join, CrossOne) or join.how == "inner":
        return (join.left, join.right)
    is_left = join.how == "left" and needs_owner(expression) and _is_null_of_nulls(expression)
    return (join.left, join.right) if is_left else (join.left,)


def _is_null_of_nulls(expression: Expression) -> bool:
    """Whether it is certain to be NULL where one of its columns is."""
    if isinstance(expression, Literal):
        return expression.value is not None
    if isinstance(expression, Arithmetic | Negate | Compare | Not | Cast | Call):
        return all(map(_is_null_of_nulls, operands(expression)))
    return isinstance(expression, Column)


def _widened(side: Node, new: dict[Expression, str]) -> Node:
    if not new:
        return side
    kept = (Output(f.name, Column(f.name, f.type, f.nullable)) for f in side.schema)
    return _push(Project(side, (*kept, *(Output(name, expression) for expression, name in new.items()))))


def _replace_below_filters(node: Node, base: Node) -> Node:
    if isinstance(node, Filter):
        return replace(node, source=_replace_below_filters(node.source, base))
    return base
