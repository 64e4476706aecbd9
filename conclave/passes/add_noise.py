"""Put noise on the totals of rows whose owner asks for it: agg(x) => noise(agg(x)), as much as one subject can move them.

All noised columns of a query share the owner's epsilon in equal parts: what a column's `scale` is, is how much one
subject moves it, times the number of such columns, divided by epsilon. Where several owners ask, the least epsilon counts.

After:    guard_groups, clamp_scans; averages are said as a sum by a count here, as each of the two gets noise of its own.
Reveals:  less: of the rows below nothing but totals with noise, of groups that are the same whatever the data. Where no
          noise would do, the query stays as it is, for the verifier to say why.
Safe:     the noise is drawn under MPC by all three together, so that nobody knows its part; the query that policies judge is the
          one with noise in it, and a plan without it is refused.
"""

from collections.abc import Mapping
from fractions import Fraction
from functools import partial

from conclave.ir.guard import Protection
from conclave.ir.nodes import Aggregate, Collect, Node
from conclave.ir.noise import Noise, Noised
from conclave.ir.walk import bottom_up
from conclave.passes.expand_avg import expand_avg
from conclave.passes.prune_columns import prune_columns
from conclave.plan.sensitivity import Sensitivity, Unbounded


def add_noise(root: Collect, protections: Mapping[str, Protection]) -> Collect:
    """Return `root` with noise wherever rows of the datasets in `protections` that ask for it become totals.

    >>> from conclave.ir.guard import NoiseAsked
    >>> asked = Protection(noise=NoiseAsked(Fraction(1, 2), "id", 3))
    >>> from conclave.ir.nodes import AggregateOutput, Scan
    >>> from conclave.ir.show import show
    >>> from conclave.ir.types import Field, Integer
    >>> visits = Scan("visits", "alpha/visits", "alpha", (Field("id", Integer()),), kept=asked.kept)
    >>> query = Collect(Aggregate(visits, (), (AggregateOutput("n", "count", None),)), ("bravo",))
    >>> print(show(add_noise(query, {"alpha/visits": asked})))
    collect for bravo
      noise on n of scale 6
        aggregate: n = count(*)
          project present = true
            scan visits @alpha, 3 rows of each id
    """
    if not any(protection.noise for protection in protections.values()):
        return root
    try:
        plain = prune_columns(expand_avg(root))
        marked = bottom_up(plain, partial(_mark, Sensitivity(protections), Fraction(1)))
        traced = Sensitivity(protections)
        traced.held(marked)
        scaled = bottom_up(plain, partial(_mark, Sensitivity(protections), _factor(traced, protections)))
    except Unbounded:
        return root
    assert isinstance(scaled, Collect)
    return scaled


def _mark(traced: Sensitivity, factor: Fraction, node: Node) -> Node:
    """Put noise on an aggregate of protected rows: `factor` times what one subject moves."""
    if not isinstance(node, Aggregate) or not traced.held(node.source).is_protected:
        return node
    held = traced.held(node)
    assert held.totals is not None
    domains = tuple(held.columns[key].listed or () for key in node.keys)
    moved = {output.name: sum(held.totals[output.name].values(), Fraction(0)) for output in node.outputs}
    noised = tuple(Noised(name, by * factor, 1 / factor if by else Fraction(0)) for name, by in moved.items())
    return Noise(node, node.keys, domains, noised, node.at)


def _factor(traced: Sensitivity, protections: Mapping[str, Protection]) -> Fraction:
    """Return how many columns share the least epsilon, divided by it."""
    columns = [changes for released in traced.released.values() for changes in released.values()]
    if not columns:
        return Fraction(1)
    asked = [protections[dataset].noise for changes in columns for dataset in changes]
    epsilon = min((noise.epsilon for noise in asked if noise is not None), default=Fraction(1))
    return len(columns) / epsilon
