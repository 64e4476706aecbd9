"""Put together what one party holds: concat(a1, b, a2) => concat(concat(a1, a2), b).

After:    push_filter_down, push_project_down, which leave concats of what single owners can do.
Reveals:  of the parties' rows only how many there are in all, no longer how many in each of their datasets.
Safe:     rows have no order, so it matters not which part they stand in.
"""

from conclave.ir.nodes import Concat, Node
from conclave.ir.walk import bottom_up, owner_of, with_children


def group_parts_by_owner(root: Node) -> Node:
    """Return `root` with one part for each owner in every concat. Idempotent; `root` is not changed.

    >>> from conclave.ir.nodes import Scan
    >>> from conclave.ir.show import show
    >>> from conclave.ir.types import Field, Integer
    >>> datasets = ("alpha/may", "bravo/visits", "alpha/june")
    >>> parts = (Scan("visits", name, name.split("/")[0], (Field("ward", Integer()),)) for name in datasets)
    >>> print(show(group_parts_by_owner(Concat(tuple(parts)))))
    concat
      concat
        scan visits @alpha/may
        scan visits @alpha/june
      scan visits @bravo
    """
    return bottom_up(root, _group)


def _group(node: Node) -> Node:
    if not isinstance(node, Concat):
        return node
    groups: dict[str, list[Node]] = {}
    for n, part in enumerate(_flat(node)):
        # What several parties hold together stays a part by itself; no owner's name has a space in it.
        groups.setdefault(owner_of(part) or f"part {n}", []).append(part)
    if len(groups) == 1:
        (parts,) = groups.values()
        return with_children(node, tuple(parts))
    return with_children(node, tuple(Concat(tuple(g), node.at) if len(g) > 1 else g[0] for g in groups.values()))


def _flat(node: Node) -> tuple[Node, ...]:
    if not isinstance(node, Concat):
        return (node,)
    return tuple(inner for part in node.parts for inner in _flat(part))
