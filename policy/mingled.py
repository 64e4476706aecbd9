"""Whether values are counted once together with such as a recipient brings.

Theory. COUNT(DISTINCT x) over others' values and one that the recipient has put among them is another number if somebody has that
value, be it one person: beside the number of all of them the answer says so. A minimum counts the people of all values, and sees
nothing of it. Of parts of the same table this is what the question is for, and whoever owns a part is trusted with what is in it;
of another table the recipient has chosen the values for this very question. A join says the same of those who meet,
and there the minimum counts these.
"""

from collections.abc import Iterator, Mapping

from conclave.ir.nodes import Aggregate, Collect
from conclave.ir.walk import nodes_in, scans_in
from policy.composed import Columns, Composition
from policy.document import Policy
from policy.minimum import groupings, refusal
from policy.verdict import Reason


def check_mingled(root: Collect, policies: Mapping[str, Policy]) -> Iterator[Reason]:
    """Yield a refusal for each dataset with a minimum whose values are counted once among others that are brought."""
    composition, recipients = Composition(), frozenset(root.recipients)
    brought = frozenset(scan.table for scan in scans_in(root) if scan.owner in recipients)
    for dataset, nodes in sorted(groupings(root, policies).items()):
        tables = frozenset(scan.table for scan in scans_in(root) if scan.dataset == dataset)
        for node in nodes:
            column = _mingled(node, composition, tables, brought - tables)
            if column:
                yield refusal(
                    policies[dataset],
                    "minimum-not-countable",
                    f"different values of {column} would be counted together with those that a recipient brings: whether one"
                    f" of {dataset} is among them, be it of one subject, follows from it",
                    node.at,
                    "join with these rows, so that those are counted who meet; or count the owners' values by themselves",
                )
                break


def _mingled(node: Aggregate, composition: Composition, tables: frozenset[str], brought: frozenset[str]) -> str:
    told_apart = [(node.source, o.over) for o in node.outputs if o.is_distinct and o.over is not None]
    told_apart += [
        (each.source, key) for each in nodes_in(node.source) if isinstance(each, Aggregate) for key in each.keys
    ]
    return next(
        (name for source, name in told_apart if _is_of_both(composition.made(source, name).of, tables, brought)), ""
    )


def _is_of_both(columns: Columns, tables: frozenset[str], brought: frozenset[str]) -> bool:
    named = {table for table, _ in columns}
    return bool(named & tables and named & brought)
