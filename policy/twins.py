"""Datasets of one owner that have the very same columns: last year's and this year's, or one file put right.

Nothing says that their rows are others. So what is told of the one is held against what is told of the other, as of one dataset
of which either may be missing some rows.
"""

from collections.abc import Mapping
from dataclasses import replace

from conclave.ir.nodes import Collect, Node, Scan
from conclave.ir.walk import bottom_up

Columns = frozenset[str]


def twins(mine: Mapping[str, Columns], theirs: Mapping[str, Columns]) -> dict[str, str]:
    """Return, for datasets that only the others read, one of those that only we read, each once; both by their columns.

    >>> columns = frozenset({"id", "pay"})
    >>> twins({"alpha/y1": columns, "bravo/y1": columns}, {"alpha/y2": columns, "alpha/y3": columns, "bravo/y1": columns})
    {'alpha/y2': 'alpha/y1'}
    """
    free = sorted(mine.keys() - theirs.keys())
    found: dict[str, str] = {}
    for name in sorted(theirs.keys() - mine.keys()):
        owner = name.partition("/")[0]
        for other in free:
            if other.partition("/")[0] == owner and mine[other] == theirs[name]:
                found[name] = other
                free.remove(other)
                break
    return found


def called_alike(query: Collect, names: Mapping[str, str]) -> Collect:
    """Return a query that reads datasets by other names."""

    def renamed(node: Node) -> Node:
        is_twin = isinstance(node, Scan) and node.dataset in names
        return replace(node, dataset=names[node.dataset]) if is_twin and isinstance(node, Scan) else node

    made = bottom_up(query, renamed)
    assert isinstance(made, Collect)
    return made
