"""Keep values within the bounds that their owner has set, and rows of one subject few: scan => scan, x within low and high.

After:    nothing. The owner reads its own rows that way, so it needs nobody to keep to it.
Reveals:  nothing.
Safe:     policies judge the query with the bounds in it, and a plan without them is refused.
"""

from collections.abc import Mapping
from dataclasses import replace

from conclave.ir.guard import Protection
from conclave.ir.nodes import Collect, Node, Scan
from conclave.ir.walk import bottom_up


def clamp_scans(root: Collect, protections: Mapping[str, Protection]) -> Collect:
    """Return `root` reading each dataset within the bounds that `protections` has for it.

    >>> from conclave.ir.expressions import Literal
    >>> from conclave.ir.guard import Clamp
    >>> from conclave.ir.show import show
    >>> from conclave.ir.types import Field, Integer
    >>> visits = Scan("visits", "alpha/visits", "alpha", (Field("days", Integer()),))
    >>> bounds = Clamp("days", Literal(0, Integer()), Literal(90, Integer()))
    >>> print(show(clamp_scans(Collect(visits, ("bravo",)), {"alpha/visits": Protection(clamps=(bounds,))})))
    collect for bravo
      scan visits @alpha, days within 0 and 90
    """

    def clamp(node: Node) -> Node:
        if isinstance(node, Scan) and node.dataset in protections:
            asked = protections[node.dataset]
            return replace(node, clamps=asked.clamps, kept=asked.kept)
        return node

    clamped = bottom_up(root, clamp)
    assert isinstance(clamped, Collect)
    return clamped
