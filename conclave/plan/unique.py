"""Which columns are known to tell rows apart: a join needs one such side to run by sorting instead of pair by pair."""

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
from conclave.ir.walk import is_one_row


def is_unique(node: Node, names: frozenset[str]) -> bool:
    """Whether no two rows of `node` agree in all of `names`, whatever the data that fits its declaration.

    >>> from conclave.ir.types import Field, Integer
    >>> visits = Scan("visits", "alpha/visits", "alpha", (Field("id", Integer()), Field("ward", Integer())))
    >>> is_unique(visits, frozenset({"id"})), is_unique(Aggregate(visits, ("id",), ()), frozenset({"id"}))
    (False, True)
    """
    if is_one_row(node):
        return True
    match node:
        case Scan(unique=unique):
            return bool(unique & names)
        case Aggregate(_, keys):
            return names >= set(keys)
        case Project(source, outputs):
            below = {o.expression.name for o in outputs if o.name in names and isinstance(o.expression, Column)}
            return is_unique(source, frozenset(below))
        case Filter(source) | Sort(source) | Limit(source) | Collect(source):
            return is_unique(source, names)
        case CrossOne(left):
            return is_unique(left, names & {f.name for f in left.schema})
        case Join(left, right, on, how):
            if how in ("semi", "anti"):
                return is_unique(left, names)
            # Each left row meets at most one row of the right if the right's keys are unique.
            if is_unique(right, frozenset(name for _, name in on)):
                return is_unique(left, frozenset(f.name for f in left.schema) & names)
            sides = (frozenset(f.name for f in side.schema) & names for side in (left, right))
            return all(is_unique(side, own) for side, own in zip((left, right), sides, strict=True))
        case Concat(parts):
            return len(parts) == 1 and is_unique(parts[0], names)
        case Input():
            return False
        case _ as never:
            assert_never(never)


def unique_side(join: Join) -> str | None:
    """Return "right" or "left", the side whose keys are unique (the right one if both are), or None.

    A semi or anti join only asks whether there is a match, and needs no such side.
    """
    if join.how in ("semi", "anti"):
        return None
    if is_unique(join.right, frozenset(name for _, name in join.on)):
        return "right"
    return "left" if is_unique(join.left, frozenset(name for name, _ in join.on)) else None
