"""Whether an answer hangs on which of several rows come first that a query does not tell apart.

Nobody knows their order, and each time it is another one. So the same question about the same data is answered otherwise.
"""

from conclave.ir.expressions import Column
from conclave.ir.nodes import Aggregate, Filter, Limit, Node, Project, Sort
from conclave.ir.walk import nodes_in
from conclave.ir.window import Window

_BY_PLACE = ("row_number", "lag", "lead")


def picks_among_equals(root: Node) -> bool:
    """Whether running the query twice may answer differently, whatever the data. False: it does not.

    The last place of a quotient under MPC is no part of this.
    """
    return any(_picks(node) for node in nodes_in(root))


def _picks(node: Node) -> bool:
    match node:
        case Limit(source):
            return not _tells_apart(source)
        case Window(outputs=outputs):
            return any(output.function in _BY_PLACE or output.frame == "rows" for output in outputs)
    return False


def _tells_apart(node: Node) -> bool:
    """Whether rows are sorted by what makes each of them another one."""
    return isinstance(node, Sort) and _apart(node.source) <= {key.column for key in node.keys}


def _apart(node: Node) -> frozenset[str]:
    """Return columns that tell all rows apart that can be told apart: of groups their keys, else all."""
    match node:
        case Filter(source):
            return _apart(source)
        case Aggregate(keys=keys):
            return frozenset(keys)
        case Project(source, outputs):
            called = {o.expression.name: o.name for o in outputs if isinstance(o.expression, Column)}
            below = _apart(source)
            if below <= called.keys():
                return frozenset(called[name] for name in below)
    return frozenset(field.name for field in node.schema)
