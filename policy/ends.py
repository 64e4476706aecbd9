"""Whether an author could make a question of how a run ends, where a group of too few subjects is to end it.

Who asks for `otherwise: reject` has a run end for all its members if any group is there and too small. A group that nobody is
in is not there: so `WHERE patient = 7 GROUP BY ward` ends where patient 7 is, and is empty where not. So then groups
are of whole tables, by columns as they are: which of those are small is for the data to say. Without groups nobody and one are
alike too few, and conditions tell no more than where groups are suppressed.
"""

from collections.abc import Iterator, Mapping

from conclave.ir.expressions import Column, IsNull, Not
from conclave.ir.nodes import Aggregate, Collect, Concat, Filter, Join, Node, Project, Scan
from conclave.ir.show import show_expression, show_node
from conclave.ir.walk import conjuncts, nodes_in, scans_in
from policy.composed import Composition, joined
from policy.document import Policy
from policy.minimum import groupings, least_of
from policy.verdict import Reason


def check_ends(root: Collect, policies: Mapping[str, Policy]) -> Iterator[Reason]:
    """Yield a refusal for each dataset whose small groups end the run, and are picked by the query."""
    composition, recipients = Composition(), frozenset(root.recipients)
    for dataset, nodes in sorted(groupings(root, policies).items()):
        policy = policies[dataset]
        if policy.spec.minimum is None or policy.spec.minimum.otherwise != "reject":
            continue
        found = ((node, _picking(node, composition, recipients)) for node in nodes if node.keys)
        node, why = next(((node, why) for node, why in found if why), (None, ""))
        if node is not None:
            yield Reason(
                code="minimum-not-met",
                dataset=dataset,
                version=policy.metadata.version,
                clause="spec.minimum.otherwise",
                says=f"ends the run where a group has fewer than {least_of(policy)} subjects",
                flow=(show_node(node), "the end of the run, which every member sees"),
                what=f"whether {why} leaves a group of fewer than {least_of(policy)} subjects of {dataset}, or none, would be"
                " told by how the run ends",
                where=node.at,
                fix="group whole tables by columns as they are, or ask without GROUP BY; or ask the owner for `suppress`",
            )


def _picking(node: Aggregate, composition: Composition, recipients: frozenset[str]) -> str:
    """Return by what a query picks which groups there are; "" if by nothing."""
    computed = next((key for key in node.keys if not composition.made(node.source, key).is_plain), None)
    if computed is not None:
        return f"the computed key {computed}"
    return next((why for each in nodes_in(node.source) if (why := _picks(each, composition, recipients))), "")


def _picks(node: Node, composition: Composition, recipients: frozenset[str]) -> str:
    match node:
        case Filter(predicate=predicate):
            picking = (show_expression(each) for each in conjuncts(predicate) if not _asks_for_a_value(each))
            return next(picking, "")
        case Join(how="inner" | "left"):
            # What meets is for the data to say, but not for those of who is told.
            is_plain = all(composition.made(side, name).is_plain for side, _, name, _ in joined(node))
            is_own = any(scan.owner in recipients for scan in scans_in(node))
            return show_node(node) if is_own or not is_plain else ""
        case Scan() | Project() | Concat():
            return ""
        case Aggregate(source, keys):
            return next((f"the computed key {k}" for k in keys if not composition.made(source, k).is_plain), "")
    return show_node(node)


def _asks_for_a_value(condition: object) -> bool:
    return (
        isinstance(condition, Not)
        and isinstance(condition.operand, IsNull)
        and isinstance(condition.operand.operand, Column)
    )
