"""In how many rows of a join's side a key comes at most, where the query's author has said so of a table's columns.

Nobody has to believe that: it is checked under MPC, on the very rows that are joined, before any pair is made.
"""

from collections import Counter
from collections.abc import Iterator
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
from conclave.ir.walk import children, scans_in
from conclave.ir.window import Window
from conclave.plan.steps import Bounded
from conclave.plan.unique import datasets_in, unique_side


def bounded_side(join: Join) -> Bounded | None:
    """Return the side of a join whose keys repeat no more than so often; None if nothing is said or needs to be.

    The side that repeats less, the right one if both do as often. A semi or anti join needs no such side, nor does one
    that has a unique one.

    >>> from conclave.ir.types import Field, Integer
    >>> visits = Scan("visits", "alpha/visits", "alpha", (Field("patient", Integer()),))
    >>> drugs = Scan("drugs", "bravo/drugs", "bravo", (Field("id", Integer()),), most_matches=frozenset({("id", 8)}))
    >>> bounded_side(Join(visits, drugs, (("patient", "id"),)))
    Bounded(side='right', most=8)
    """
    if join.how in ("semi", "anti") or unique_side(join)[0] is not None:
        return None
    right = most_alike(join.right, frozenset(name for _, name in join.on))
    left = most_alike(join.left, frozenset(name for name, _ in join.on))
    if right is not None and (left is None or right <= left):
        return Bounded("right", right)
    return None if left is None else Bounded("left", left)


def most_alike(node: Node, names: frozenset[str]) -> int | None:
    """Return how many rows of `node` agree in all of `names` at most, as far as that is said; a NULL agrees with none."""
    match node:
        case Scan(most_matches=said):
            return min((most for name, most in said if name in names), default=None)
        case Project(source, outputs):
            below = {o.expression.name for o in outputs if o.name in names and isinstance(o.expression, Column)}
            return most_alike(source, frozenset(below))
        case Aggregate(source, keys) | Noise(source, keys):  # a group has rows
            return most_alike(source, names & frozenset(keys))
        case (
            Filter() | Sort() | Limit() | Collect() | Window() | CrossOne()
        ):  # each row of the first source once at most
            source = children(node)[0]
            return most_alike(source, names & {f.name for f in source.schema})
        case Join():
            return _of_join(node, names)
        case Concat(parts):
            return _of_parts(parts, names)
        case Input():
            return None
        case _ as never:
            assert_never(never)


def _of_join(join: Join, names: frozenset[str]) -> int | None:
    """Return it of a side whose rows the join repeats not."""
    side, _ = unique_side(join)
    lefts, rights = (names & {f.name for f in source.schema} for source in (join.left, join.right))
    if join.how in ("semi", "anti") or side == "right":
        return most_alike(join.left, lefts)
    return most_alike(join.right, rights) if side == "left" else None


def _flat(parts: tuple[Node, ...]) -> Iterator[Node]:
    """Yield the parts, and those of a part that has some."""
    for part in parts:
        if isinstance(part, Concat):
            yield from _flat(part.parts)
        else:
            yield part


def _of_parts(parts: tuple[Node, ...], names: frozenset[str]) -> int | None:
    """Return the sum over tables: what is said is of all datasets of one, as often as each is read."""
    said: dict[frozenset[str], int] = {}
    read: dict[frozenset[str], Counter[str]] = {}
    for part in _flat(parts):
        most, tables = most_alike(part, names), frozenset(scan.table for scan in scans_in(part))
        if most is None:
            return None
        said[tables] = max(most, said.get(tables, 0))
        read.setdefault(tables, Counter()).update(datasets_in(part))
    return sum(most * max(read[tables].values(), default=1) for tables, most in said.items())
