"""What many answers tell together of one column: ten numbers made of pay, of groups of ten people.

Answers that tell different things of the same rows need not differ by any: the median, then one quantile after another, the
largest, the sum, the sum of squares. What one query may not ask for at once under a minimum (`policy.weightings`) is counted
here over all that anybody was ever told.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from policy.across import Answer, Difference
from policy.personal import Source
from policy.told import Release

_SPREADS = ("var_pop", "var_samp", "stddev_pop", "stddev_samp")
_THINGS = {  # that a function tells
    **{name: (name,) for name in ("sum", "sum_squares", "min", "max", "quantile_cont", "quantile_disc")},
    "avg": ("sum",),
    **dict.fromkeys(_SPREADS, ("sum", "sum_squares")),
}


@dataclass(frozen=True)
class Accumulation:
    """So many things told of a column, and the first of the answers that tell them."""

    difference: Difference
    since: Answer


@dataclass(frozen=True)
class _Many:
    """What is told of a column, by its name: so many things, as many as there may be people in a group."""

    column: str
    least: int
    things: tuple[str, ...]
    by: tuple[Answer, ...]  # in the order in which they are given, the one that asks now at the end
    how: tuple[str, ...]


def accumulations(now: Answer, before: Sequence[Answer], least: Callable[[str], int]) -> Iterator[Accumulation]:
    """Yield of which columns somebody is told as many things as there may be people in a group.

    `least`: how many subjects a dataset's policy asks for; 0 if it asks for none, or is not known. Of which rows, and in which
    groups, does not matter: the same question of other rows is the same thing told. Who owns the data learns nothing.
    """
    told = [(answer, _told(answer.releases)) for answer in before]
    found: dict[_Many, tuple[set[str], set[str]]] = {}  # datasets and holders
    for source, new in sorted(_told(now.releases).items()):
        (dataset, column), number = source, least(source[0])
        if number < 2 or len(new) >= number:  # so many at once are the verifier's to refuse
            continue
        curious = [party for party in now.recipients if party != dataset.partition("/")[0]]
        known = [(answer, things[source]) for answer, things in told if source in things]
        alone = False
        for party in curious:
            own = [(answer, things) for answer, things in known if party in answer.recipients]
            if many := _many(column, number, now, new, own):
                datasets, holders = found.setdefault(many, (set(), set()))
                datasets.add(dataset)
                holders.add(party)
                alone = True
        if curious and not alone and (many := _many(column, number, now, new, known)):
            found.setdefault(many, (set(), set()))[0].add(dataset)
    for many, (datasets, holders) in found.items():
        yield Accumulation(_difference(many, datasets, holders), many.by[0])


def _many(
    column: str, least: int, now: Answer, new: frozenset[str], known: Iterable[tuple[Answer, frozenset[str]]]
) -> _Many | None:
    """Return what is told, if it is enough, and if the answer that is asked for now adds to it."""
    seen, by, how = set[str](), list[Answer](), list[str]()
    for answer, things in [*known, (now, new)]:
        if fresh := things - seen:
            by.append(answer)
            how.append(f"{answer.name} tells {', '.join(sorted(fresh))}")
        seen |= things
    if len(seen) < least or not by or by[-1] is not now:
        return None
    return _Many(column, least, tuple(sorted(seen)), tuple(by), tuple(how))


def _difference(many: _Many, datasets: set[str], holders: set[str]) -> Difference:
    together = () if holders else tuple(sorted({party for answer in many.by for party in answer.recipients}))
    learns = f"{len(many.things)} numbers made of {many.column}: of a group of {many.least} people they tell what it is in each row"
    return Difference(
        "numbers", many.things, tuple(sorted(datasets)), many.how, learns, tuple(sorted(holders)), together
    )


def _told(releases: Iterable[Release]) -> Mapping[Source, frozenset[str]]:
    """Return the different sums, extremes and quantiles that are told of each column."""
    found: dict[Source, set[str]] = {}
    for release in releases:
        over = release.formula.removeprefix(release.function)
        things = {f"{thing}{over}" for thing in _THINGS.get(release.function, ())}
        for source in release.sources if things else ():
            found.setdefault(source, set()).update(things)
    return {source: frozenset(things) for source, things in found.items()}
