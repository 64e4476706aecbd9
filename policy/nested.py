"""Whether what one answer tells can be added up from another's groups: then the two together tell no more than that one.

Groups by (ward, month) tell what groups by ward do. Groups by ward and groups by month together may tell more than each:
that of a single row, if somebody knows the others.
"""

from conclave.ir.expressions import columns_of
from conclave.ir.show import show_expression
from policy.domain import passed
from policy.told import ROWS, Release


def is_told_by(one: Release, other: Release, fixed: frozenset[str] = frozenset()) -> bool:
    """Whether `one`, of the same rows, is told by `other`, where the columns in `fixed` have one value only."""
    known = other.keys | fixed
    are_determined = all({show_expression(column) for column in columns_of(key)} <= known for key in one.by)
    if other.family != ROWS:
        return are_determined and one.family != ROWS
    # Whoever has the rows themselves can add up what they show.
    return are_determined and one.sources <= other.given and not one.is_weighed


def is_within_groups_of(one: Release, other: Release) -> bool:
    """Whether `other` is of some of the groups of `one`, and the one tells what the other tells of them."""
    if set(one.rows.inputs) != set(other.rows.inputs) or one.shown or one.shape:
        return False
    fixed: list[frozenset[str]] = []
    for dataset, conditions in other.rows.inputs.items():
        mine, theirs = one.rows.passed[dataset], other.rows.passed[dataset]
        if not theirs.is_within(mine):
            return False
        for condition in conditions:
            is_new = not mine.is_within(passed([condition]))
            if is_new and not {show_expression(column) for column in columns_of(condition)} <= one.keys:
                return False
        fixed.append(theirs.fixed)
    columns = frozenset.intersection(*fixed) if fixed else frozenset[str]()
    return is_told_by(other, one, columns) or is_told_by(one, other, columns)
