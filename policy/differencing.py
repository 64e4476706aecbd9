"""Two groupings of the same rows in one query: what one of them suppresses may be the difference of the others.

`SELECT ward, COUNT(*) … GROUP BY ward` beside a total of all rows gives the size of a ward that was suppressed. A total
of the groups does not. Nor do two datasets' groupings, but where their owners say that these are about the same people, by the
name of what numbers them: `COUNT(*)` of all patients but one is one less than there are with stays if that one has any.
Rows of another owner who asks for no minimum may be counted with those that are under one: told apart as well, they leave the others.
This looks at one query; across queries it is for reviewers of the history.
"""

from collections.abc import Iterator, Mapping

from conclave.ir.nodes import Aggregate, Collect, Node, Scan
from conclave.ir.show import show_node
from conclave.ir.walk import children, scans_in
from policy.document import Policy
from policy.lineage import Lineage
from policy.minimum import groupings, refusal
from policy.verdict import Reason


def check_differencing(root: Collect, policies: Mapping[str, Policy]) -> Iterator[Reason]:
    """Yield the datasets that are to have a minimum of subjects, and whose rows are grouped in more than one way."""
    lineage, found = Lineage(), groupings(root, policies)
    for dataset, nodes in sorted(found.items()):
        policy = policies[dataset]
        about = sorted(name for name in found if name == dataset or _registers(policies[name]) & _registers(policy))
        over = {lineage.grouping(node): node for name in about for node in found[name]}
        beside = _counted_beside(root, nodes, dataset) - found.keys()
        if len(over) < 2 and not beside:
            continue
        steps = sorted({show_node(node) for node in over.values()})
        rows = dataset if len({lineage.grouping(node) for node in nodes}) > 1 else " and ".join(about)
        what = f"the rows of {rows} would be grouped in {len(over)} ways; their difference may be of fewer subjects"
        if len(over) < 2:
            what = f"rows of {min(beside)} would be told apart, and together with those of {dataset}, which are the difference"
        yield refusal(
            policy,
            "differencing",
            what,
            min((node.at for node in over.values() if node.at), key=lambda at: (at.line, at.column), default=None),
            "group the rows once (WITH), and compute the rest from the groups; or ask two questions",
            tuple(steps),
        )


def _counted_beside(root: Collect, groupings: list[Aggregate], dataset: str) -> set[str]:
    """Return the datasets whose rows are in groups with another's of the same table, and are read elsewhere or as another table.

    Who alone is told may hold its own rows against all: they count for nobody.
    """
    scans = [scan for node in groupings for scan in scans_in(node.source)]
    tables = {scan.table for scan in scans if scan.dataset == dataset}
    others = (scan for scan in scans if scan.table in tables and {scan.owner} != set(root.recipients))
    together = {scan.dataset for scan in others} - {dataset}
    elsewhere = {scan.dataset for scan in scans_in(root) if scan.table not in tables}
    pending, seen = list[Node]([root]), {id(node) for node in groupings}
    while pending:
        node = pending.pop()
        if id(node) not in seen:
            seen.add(id(node))
            elsewhere |= {node.dataset} if isinstance(node, Scan) else set()
            pending += children(node)
    return together & elsewhere


def _registers(policy: Policy) -> frozenset[str]:
    """Return what numbers the people whom rows are about, as far as the policy names it."""
    return frozenset(c.subject for c in policy.spec.columns.values() if isinstance(c.subject, str))
