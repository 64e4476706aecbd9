"""All passes, in their order, until nothing changes."""

from collections.abc import Callable

from conclave.ir.nodes import Collect, Node
from conclave.passes.expand_avg import expand_avg
from conclave.passes.expand_distinct import expand_distinct
from conclave.passes.expand_variance import expand_variance
from conclave.passes.group_parts_by_owner import group_parts_by_owner
from conclave.passes.merge_projects import merge_projects
from conclave.passes.order_joins import order_joins
from conclave.passes.prune_columns import prune_columns
from conclave.passes.push_calls_down import push_calls_down
from conclave.passes.push_filter_down import push_filter_down
from conclave.passes.push_limit_down import push_limit_down
from conclave.passes.push_project_down import push_project_down
from conclave.passes.split_aggregate import split_aggregate

PASSES: tuple[Callable[[Node], Node], ...] = (
    expand_avg,
    expand_variance,
    expand_distinct,
    merge_projects,
    push_filter_down,
    order_joins,
    push_calls_down,
    push_project_down,
    group_parts_by_owner,
    split_aggregate,
    push_limit_down,
    prune_columns,
    merge_projects,
)
_MAX_ROUNDS = 20  # two or three are enough for any query we know; more is a bug in a pass


def optimise(root: Collect) -> Collect:
    """Return `root` with as much as possible done by each owner alone. The answer's names and types stay."""
    node: Node = root
    n_content = 0  # passes in a row that leave the tree as it is; a pass is content with what it has just made
    for _ in range(_MAX_ROUNDS):
        before = node
        for rewrite in PASSES:
            made = rewrite(node)
            node, n_content = made, n_content + 1 if made is node else 1
            if n_content == len(PASSES):
                break
        if n_content == len(PASSES) or node == before:  # one pass may undo what another has done
            assert isinstance(node, Collect)
            return node
    raise AssertionError("the passes do not come to an end")
