"""Which columns are known to tell rows apart: a join needs one such side to run by sorting instead of pair by pair.

An owner's worker checks that its own columns hold no value twice. That datasets of several owners share no value is
their word alone until rows meet under MPC, where it is checked before anything is joined.
"""

from enum import IntEnum
from typing import assert_never

from conclave.ir.expressions import Column
from conclave.ir.nodes import (
    Aggregate,
    Collect,
    Concat,
    CrossOne,
    Filter,
    Input,
    Join,
    Limit,
    Node,
    Project,
    Scan,
    Sort,
)
from conclave.ir.noise import Noise
from conclave.ir.walk import children, is_one_row, nodes_in
from conclave.ir.window import Window


class Uniqueness(IntEnum):
    """How far it is certain that no two rows agree; of two that are needed, the lesser one holds."""

    NONE = 0
    DECLARED = 1  # by the owners of a table's parts, to be checked where the parts come together
    KNOWN = 2


def uniqueness(node: Node, names: frozenset[str]) -> Uniqueness:
    """Return how certain it is that no two rows of `node` agree in all of `names`.

    >>> from conclave.ir.types import Field, Integer
    >>> visits = Scan("visits", "alpha/visits", "alpha", (Field("id", Integer()), Field("ward", Integer())))
    >>> uniqueness(visits, frozenset({"id"})).name, uniqueness(Aggregate(visits, ("id",), ()), frozenset({"id"})).name
    ('NONE', 'KNOWN')
    """
    if is_one_row(node):
        return Uniqueness.KNOWN
    match node:
        case Scan(unique=unique, keys=keys):
            return _known(bool(unique & names) or any(names >= set(key) for key in keys))
        case Aggregate(_, keys) | Noise(_, keys):
            return _known(names >= set(keys))
        case Project(source, outputs):
            below = {o.expression.name for o in outputs if o.name in names and isinstance(o.expression, Column)}
            return uniqueness(source, frozenset(below))
        case Filter(source) | Sort(source) | Limit(source) | Collect(source):
            return uniqueness(source, names)
        case Window(source):
            return uniqueness(source, names & {f.name for f in source.schema})
        case CrossOne(left):
            return uniqueness(left, names & {f.name for f in left.schema})
        case Join():
            return _of_join(node, names)
        case Concat(parts):
            if len(parts) == 1:
                return uniqueness(parts[0], names)
            return Uniqueness.DECLARED if _has_declared_key(parts, names) else Uniqueness.NONE
        case Input():
            return Uniqueness.NONE
        case _ as never:
            assert_never(never)


def unique_side(join: Join) -> tuple[str | None, Uniqueness]:
    """Return "right" or "left", the side whose keys are unique, and how certain that is; None if neither's are.

    The right side if both are, unless only the left is certain. A semi or anti join only asks whether there is a match,
    and needs no such side.
    """
    if join.how in ("semi", "anti"):
        return None, Uniqueness.NONE
    right = uniqueness(join.right, frozenset(name for _, name in join.on))
    left = uniqueness(join.left, frozenset(name for name, _ in join.on))
    if right and (right >= left or join.how == "left"):
        return "right", right
    return ("left", left) if left else (None, Uniqueness.NONE)


def wanted_keys(root: Node) -> frozenset[tuple[str, tuple[str, ...]]]:
    """Return the (table, columns) of which one would have to be a key, for joins that have no unique side."""
    found: set[tuple[str, tuple[str, ...]]] = set()
    for join in nodes_in(root):
        if isinstance(join, Join) and join.how in ("inner", "left") and unique_side(join)[0] is None:
            found |= _origins(join.right, frozenset(right for _, right in join.on))
            found |= _origins(join.left, frozenset(left for left, _ in join.on))
    return frozenset(found)


def _origins(node: Node, names: frozenset[str]) -> set[tuple[str, tuple[str, ...]]]:
    """Return the tables' columns that `names` are, where all are of one table."""
    match node:
        case Scan(table=table):
            return {(table, tuple(sorted(names)))}
        case Project(source, outputs):
            below = {o.name: o.expression for o in outputs if o.name in names}
            if not all(isinstance(expression, Column) for expression in below.values()):
                return set()
            return _origins(source, frozenset(e.name for e in below.values() if isinstance(e, Column)))
        case Filter() | Sort() | Limit() | Concat() | Join() | CrossOne():
            sides = [child for child in children(node) if names <= {f.name for f in child.schema}]
            return set().union(*(_origins(side, names) for side in sides))
    return set()


def _known(is_unique: bool) -> Uniqueness:
    return Uniqueness.KNOWN if is_unique else Uniqueness.NONE


def _of_join(join: Join, names: frozenset[str]) -> Uniqueness:
    lefts, rights = (frozenset(f.name for f in side.schema) & names for side in (join.left, join.right))
    of_left, of_right = uniqueness(join.left, lefts), uniqueness(join.right, rights)
    if join.how in ("semi", "anti"):
        return of_left
    # Each row of one side meets at most one of the other if the other's keys are unique; else pairs are told apart.
    by_left = min(of_left, max(of_right, uniqueness(join.right, frozenset(name for _, name in join.on))))
    if join.how == "left":  # rows without a match all have NULL for the right's columns
        return by_left
    return max(by_left, min(of_right, uniqueness(join.left, frozenset(name for name, _ in join.on))))


def _has_declared_key(parts: tuple[Node, ...], names: frozenset[str]) -> bool:
    """Whether the parts are of different datasets of one table, and share a key that all their owners have declared."""
    datasets = [dataset for part in parts for dataset in datasets_in(part)]
    if len(set(datasets)) < len(datasets):
        return False
    keys = [_declared_keys(part, names) for part in parts]
    return bool(frozenset.intersection(*keys))


def datasets_in(node: Node) -> list[str]:
    """Return the dataset of every scan, as often as it is read: `scans_in` tells a shared one only once."""
    if isinstance(node, Scan):
        return [node.dataset]
    return [dataset for child in children(node) for dataset in datasets_in(child)]


def _declared_keys(node: Node, names: frozenset[str]) -> frozenset[tuple[str, tuple[str, ...]]]:
    """Return the (table, columns) that the rows of `node` have one of at most each, all shown under `names`."""
    match node:
        case Scan(table=table, unique_in_table=declared, keys_in_table=keys):
            singles = ((name,) for name in declared)
            return frozenset((table, key) for key in (*singles, *keys) if names >= set(key))
        case Project(source, outputs):
            below = {o.expression.name for o in outputs if o.name in names and isinstance(o.expression, Column)}
            return _declared_keys(source, frozenset(below))
        case Filter(source) | Sort(source) | Limit(source):
            return _declared_keys(source, names)
        case Aggregate(source, keys):
            return _declared_keys(source, names & frozenset(keys))
        case Concat(parts):
            return frozenset.intersection(*(_declared_keys(part, names) for part in parts))
    return frozenset()
