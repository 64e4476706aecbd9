"""Whose keys may be seen by whom, as the workflow says: what turns a join or grouping into one by keys in the clear.

A key may be seen if it is nothing but columns of the owners' tables that the workflow shows to a party. Whether owners
agree is for policies to say; a plan that shows what they do not grant is refused.

Reveals:  to those who see them, the keys of all rows in an order that nobody knows, and so which are equal; in `who_counts`, to
          all members, how many rows come out.
Safe:     rows are shuffled by all three first, so a key is of no row that anybody can name; every owner of the column has to
          grant the view, to that party (`compute.cleartextTo`), or its worker refuses the plan.
"""

from collections.abc import Iterable, Mapping
from typing import assert_never

from conclave.ir.expressions import Column
from conclave.ir.nodes import (
    QUANTILES,
    Aggregate,
    AggregateOutput,
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
from conclave.ir.window import Window
from conclave.plan.steps import MpcStep

# By (logical table, column): the parties that are to see it.
Cleartext = Mapping[tuple[str, str], tuple[str, ...]]


def seers_of(node: Node, cleartext: Cleartext, compute: tuple[str, ...]) -> tuple[str, ...]:
    """Return who may see the keys of a join or grouping: one of the compute parties, all three, or nobody.

    >>> from conclave.ir.types import Field, Integer
    >>> visits = Scan("visits", "alpha/visits", "alpha", (Field("id", Integer()),))
    >>> people = Scan("people", "bravo/people", "bravo", (Field("pid", Integer()),))
    >>> shown = {("visits", "id"): ("bravo", "carol"), ("people", "pid"): ("carol",)}
    >>> seers_of(Join(visits, people, (("id", "pid"),)), shown, ("alpha", "bravo", "carol"))
    ('carol',)
    """
    if not cleartext:  # nobody is shown anything: then there is no need to look whose values the keys are
        return ()
    match node:
        case Join(left, right, on):
            keys = [*((left, a) for a, _ in on), *((right, b) for _, b in on)]
        case Aggregate(source, names, outputs) if not (node.guards or any(map(_is_sorted_for, outputs))):
            keys = [(source, name) for name in names]
        case _:
            return ()
    columns = [origins(side, name) for side, name in keys]
    if not columns or not all(columns):
        return ()
    allowed = [set(cleartext.get(column, ())) for origin in columns for column in origin]
    seers = [party for party in compute if all(party in each for each in allowed)]
    return tuple(seers) if len(seers) == len(compute) else tuple(seers[:1])


def _is_sorted_for(output: AggregateOutput) -> bool:
    """Whether the rows of a group have to be in an order of their values."""
    return output.is_distinct or output.function in QUANTILES


def who_counts(step: MpcStep, compute: tuple[str, ...], members: Iterable[str]) -> tuple[str, ...]:
    """Return who learns how many rows a step makes and does not see so by its keys.

    Where there are as many rows as pairs or groups, the compute parties need the number, and all members of a run learn
    of it: every step's length is in the manifest, and a recipient counts the rows it is opened.
    """
    if step.is_compacted:
        # Who sees keys, too: rows whose keys are NULL look to it like rows that do not exist.
        return tuple(sorted({*compute, *members}))
    if not step.seen_by or (len(step.seen_by) == 1 and not _tells_pairs(step)):
        return ()
    return tuple(sorted({*compute, *members} - set(step.seen_by)))


def _tells_pairs(step: MpcStep) -> bool:
    match step.operator:
        case Join(how="inner"):
            return step.unique_side is None
        case Join(how="left"):
            return step.unique_side != "right"
    return False


def origins(node: Node, name: str) -> frozenset[tuple[str, str]]:
    """Return the (logical table, column) whose values a column holds; none if anything was computed."""
    match node:
        case Scan(table=table):
            return frozenset({(table, name)})
        case Concat(parts):
            found = [origins(part, name) for part in parts]
            return frozenset().union(*found) if all(found) else frozenset()
        case Project(source, outputs):
            expression = next(o.expression for o in outputs if o.name == name)
            return origins(source, expression.name) if isinstance(expression, Column) else frozenset()
        case Aggregate(source, keys):
            return origins(source, name) if name in keys else frozenset()
        case Window(source):
            return origins(source, name) if name in {f.name for f in source.schema} else frozenset()
        case Filter(source) | Noise(source) | Sort(source) | Limit(source) | Collect(source):
            return origins(source, name)
        case Join(left, right) | CrossOne(left, right):
            return origins(left if name in {f.name for f in left.schema} else right, name)
        case Input():
            return frozenset()
        case _ as never:
            assert_never(never)
