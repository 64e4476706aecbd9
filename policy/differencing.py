"""Two groupings of the same rows in one query: what one of them suppresses may be the difference of the others.

`SELECT ward, COUNT(*) … GROUP BY ward` beside a total of all rows gives the size of a ward that was suppressed. A total
of the groups does not. This looks at one query; across queries it is for reviewers of the history.
"""

from collections.abc import Iterator, Mapping

from conclave.ir.nodes import Collect
from conclave.ir.show import show_node
from policy.document import Policy
from policy.lineage import Lineage
from policy.minimum import groupings, least_of
from policy.verdict import Reason


def check_differencing(root: Collect, policies: Mapping[str, Policy]) -> Iterator[Reason]:
    """Yield the datasets that are to have a minimum of subjects, and whose rows are grouped in more than one way."""
    lineage = Lineage()
    for dataset, nodes in sorted(groupings(root, policies).items()):
        policy, over = policies[dataset], {lineage.grouping(node): node for node in nodes}
        if len(over) < 2:
            continue
        steps = sorted({show_node(node) for node in over.values()})
        yield Reason(
            code="differencing",
            dataset=dataset,
            version=policy.metadata.version,
            clause="spec.minimum.subjects",
            says=f"asks for at least {least_of(policy)} subjects behind all that is released",
            flow=tuple(steps),
            what=f"the rows of {dataset} would be grouped in {len(over)} ways; their difference may be of fewer subjects",
            where=min(
                (node.at for node in over.values() if node.at), key=lambda at: (at.line, at.column), default=None
            ),
            fix="group the rows once (WITH), and compute the rest from the groups; or ask two questions",
        )
