"""Do two projections in a row at once, and drop those that change nothing: project(project(x)) => project(x).

After:    any pass that leaves projections behind. An inner expression that is read more than once stays where it is,
          so that it is computed once.
Reveals:  nothing.
Safe:     an expression says the same in terms of what its columns are.
"""

from collections import Counter
from collections.abc import Mapping

from conclave.ir.expressions import Cast, Column, Expression, Literal, columns_of
from conclave.ir.nodes import Node, Output, Project
from conclave.ir.walk import bottom_up, substitute


def merge_projects(root: Node) -> Node:
    """Return `root` with no projection that could be part of the one above it. Idempotent; `root` is not changed.

    >>> from conclave.ir.nodes import Scan
    >>> from conclave.ir.show import show
    >>> from conclave.ir.types import Field, Integer
    >>> visits = Scan("visits", "alpha/visits", "alpha", (Field("ward", Integer()), Field("days", Integer())))
    >>> ward = Output("w", Column("ward", Integer()))
    >>> print(show(merge_projects(Project(Project(visits, (ward,)), (Output("room", Column("w", Integer())),)))))
    project room = ward
      scan visits @alpha
    """
    return bottom_up(root, _merge)


def _merge(node: Node) -> Node:
    if not isinstance(node, Project):
        return node
    if isinstance(node.source, Project) and _is_cheap(node, node.source):
        by_name = {output.name: output.expression for output in node.source.outputs}
        outputs = tuple(Output(o.name, _said_below(o.expression, by_name)) for o in node.outputs)
        return _merge(Project(node.source.source, outputs, node.at))
    return node.source if _is_identity(node) else node


def _said_below(expression: Expression, by_name: Mapping[str, Expression]) -> Expression:
    """Return the expression over what its columns are, of the same type: a column that is NULL makes no CASE wider."""
    said = substitute(expression, by_name)
    return said if said.type == expression.type else Cast(said, expression.type, expression.at)


def _is_cheap(outer: Project, inner: Project) -> bool:
    reads = Counter(column.name for output in outer.outputs for column in columns_of(output.expression))
    return all(isinstance(o.expression, Column | Literal) or reads[o.name] <= 1 for o in inner.outputs)


def _is_identity(node: Project) -> bool:
    columns = [o.name for o in node.outputs if isinstance(o.expression, Column) and o.expression.name == o.name]
    return len(columns) == len(node.outputs) and columns == [f.name for f in node.source.schema]
