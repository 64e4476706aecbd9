"""Two answers held against one another: what whoever has both learns by taking one from the other.

This is a check and no proof. It finds the same aggregate over nearly the same rows: a condition more or less, a shifted
window, an owner left out, other groups, other weights. It takes rows for different where it cannot show that they are the
same, and it knows nothing of what is in the data, or of what recipients know otherwise. Two at a time are enough for sums and
numbers of rows: of answers no two of which are reported, each two are of the same rows by the same weights, of none in
common, or one lies within the other's groups; what is added up and taken away of such is one of them again.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from conclave.ir.expressions import Column, Compare, Expression, names_in
from conclave.ir.show import show_expression
from policy.nested import is_told_by, is_within_groups_of
from policy.personal import Source
from policy.rows import Conditions, Rows
from policy.terms import are_weighed_differently, have_common
from policy.told import GROUPS, ROWS, Release

Kind = Literal["rows", "groups", "weights", "numbers"]
_ADDED = frozenset({"sum", "count"})
_EXTREMES = frozenset({"min", "max", "quantile"})
_OF_GROUPS = frozenset({GROUPS, "count of groups"})


@dataclass(frozen=True)
class Answer:
    """What one workflow tells, and whom."""

    name: str
    recipients: tuple[str, ...]
    releases: tuple[Release, ...]


@dataclass(frozen=True)
class Difference:
    """What two answers tell together beyond what each of them tells."""

    # The rows that only one is of; the groups that only one shows; the same rows, counted otherwise; too many numbers of them.
    kind: Kind
    aggregates: tuple[str, ...]
    affected: tuple[str, ...]  # whose rows these are: the datasets
    how: tuple[str, ...]  # in what the two differ
    learns: str
    holders: tuple[str, ...]  # recipients of both answers
    together: tuple[str, ...]  # recipients of one of them, who would have to put their answers together


@dataclass(frozen=True)
class _Found:
    kind: Kind
    affected: frozenset[str]
    how: tuple[str, ...]
    learns: str


def differences(
    one: Answer, other: Answer, has_minimum: Callable[[str], bool], twins: Mapping[str, str] | None = None
) -> tuple[Difference, ...]:
    """Return how the answers differ by some rows of data that both are of; `has_minimum`: of a dataset's policy.

    `twins`: datasets that the other answer is said to be of in the place of others, which may hold the same rows: their names.
    Whoever owns all the data that the difference is of learns nothing, and is not named.
    """
    found: dict[_Found, set[str]] = {}
    for release in one.releases:
        for against in other.releases:
            doubtful = {name: own for name, own in (twins or {}).items() if name in against.rows.datasets}
            if _is_alike(release, against) and not (
                not doubtful
                and (_is_known(release, other) or _is_known(against, one) or _is_covered(release, against, one, other))
            ):
                for each in _compare(release, against, (one.name, other.name), has_minimum, doubtful):
                    found.setdefault(each, set()).update((_plain(release), _plain(against)))
    made = (_difference(one, other, each, tuple(sorted(names))) for each, names in found.items())
    return tuple(sorted((each for each in made if each is not None), key=lambda each: (each.how, each.aggregates)))


def _difference(one: Answer, other: Answer, found: _Found, names: tuple[str, ...]) -> Difference | None:
    affected = tuple(sorted(found.affected))
    owners = {dataset.partition("/")[0] for dataset in affected}
    told = {party for party in (*one.recipients, *other.recipients) if owners != {party}}
    if not told:
        return None
    holders = tuple(sorted(told & set(one.recipients) & set(other.recipients)))
    together = tuple(sorted({*one.recipients, *other.recipients})) if not holders else ()
    learns = found.learns.format(names=" and ".join(filter(None, (", ".join(names[:-1]), names[-1]))))
    return Difference(found.kind, names, affected, found.how, learns, holders, together)


def _is_known(release: Release, answer: Answer) -> bool:
    """Whether an answer tells an aggregate itself: then whoever has that answer learns nothing from having it twice."""
    return any(_is_alike(release, each) and _is_same(release, each) for each in answer.releases)


def _is_covered(release: Release, against: Release, one: Answer, other: Answer) -> bool:
    """Whether each answer tells both of the same rows: then like is held against like, and this pair says no more."""
    return (
        release.formula != against.formula
        and _has_beside(one, release, against)
        and _has_beside(other, against, release)
    )


def _has_beside(answer: Answer, own: Release, like: Release) -> bool:
    wanted = like.formula, own.keys, own.read, own.shown, own.shape
    return any((r.formula, r.keys, r.read, r.shown, r.shape) == wanted for r in answer.releases)


def _is_same(one: Release, other: Release) -> bool:
    mine, theirs = ((r.formula, r.sources, r.keys, r.rows, r.shown, r.shape) for r in (one, other))
    return mine == theirs


def _is_alike(one: Release, other: Release) -> bool:
    """Whether one aggregate could be taken from the other, were they of the same rows."""
    if not one.rows.datasets & other.rows.datasets:
        return False
    families, have_source = {one.family, other.family}, bool(one.sources & other.sources)
    have_rows = bool(set(one.rows.inputs) & set(other.rows.inputs))
    if families <= _ADDED:
        if one.terms is None or other.terms is None:  # SUM(CASE ... ELSE 1 END) may count, too
            has_groups = any(
                each.terms is None and each.made_of for each in (one, other)
            )  # which are compared themselves
            return have_source or (have_rows and families == _ADDED and not has_groups)
        return bool(_reweighed(one, other)) or ((have_source or have_rows) and have_common(one.terms, other.terms))
    if ROWS in families:
        is_count = any(each.family == "count" for each in (one, other))
        listed = one if one.family == ROWS else other
        tells_why = bool(_names(listed) & (_decides(one) | _decides(other)))
        return have_source or (have_rows and (is_count or tells_why or families == {ROWS}))
    if families == {"sum", "count of groups"}:
        return have_source and any(each.terms is None for each in (one, other))
    if families <= _EXTREMES or families <= _OF_GROUPS:
        return have_source and (len(families) == 1 or families <= _OF_GROUPS or "quantile" in families)
    return False


def _reweighed(one: Release, other: Release) -> frozenset[Source]:
    """Return the columns that are added up by other weights, or of which an extreme is asked for by others."""
    families, shared = {one.family, other.family}, one.sources & other.sources
    if families <= _ADDED:
        return are_weighed_differently(one.terms, other.terms)
    is_window = any(each.function.endswith(" over") for each in (one, other))
    if families <= _EXTREMES and len(families) == 1 and one.sources != other.sources and not is_window:
        return shared
    return frozenset()


def _names(release: Release) -> frozenset[str]:
    return frozenset(column for _, column in release.sources)


def _about(release: Release) -> frozenset[str]:
    """Return the columns that it tells of: those that it is over, and those that it is told by."""
    return _names(release) | frozenset(name.partition(" of ")[0] for key in release.by for name in names_in(key))


def _decides(release: Release) -> frozenset[str]:
    """Return the columns that decide which rows it is of, as their datasets call them; but for those that rows meet by."""
    conditions = frozenset[Expression]().union(release.rows.shared, *release.rows.inputs.values())
    asked = (each for each in conditions if not _is_match(each))
    return frozenset(name.partition(" of ")[0] for each in asked for name in names_in(each))


def _is_match(condition: Expression) -> bool:
    return isinstance(condition, Compare) and isinstance(condition.left, Column) and isinstance(condition.right, Column)


def _plain(release: Release) -> str:
    """Return an aggregate as the columns' owner calls it."""
    columns = {column for _, column in release.sources}
    function, _, over = release.function.partition(" ")
    what = ", ".join(sorted(columns)) or "*"
    if release.family == "count of groups":  # how many different ones there are, of which its own groups are by some
        by = {name.partition(" of ")[0] for key in release.by for name in names_in(key)}
        what = f"distinct {', '.join(sorted(columns - by or columns))}" if columns else what
    return f"{function}({what}){' over a window' if over else ''}"


def _compare(
    one: Release,
    other: Release,
    names: tuple[str, str],
    has_minimum: Callable[[str], bool],
    twins: Mapping[str, str],
) -> Iterator[_Found]:
    common = sorted(set(one.rows.inputs) & set(other.rows.inputs))
    if _are_disjoint(one, other, common) or _are_disjoint(other, one, common):
        return
    everything = frozenset(one.rows.datasets & other.rows.datasets)
    changed = _changed_rows(one.rows, other.rows, common) | (twins.keys() & common)
    ways = [*_inputs(one.rows, other.rows, names), *_conditions(one.rows, other.rows, changed, names)]
    ways += [_may_hold_the_same(name, own) for name, own in sorted(twins.items())]
    others = [*_decided(one, other, names)]
    others_too = everything if others or _tells_of_others(one) or _tells_of_others(other) else changed
    affected = others_too | (set(one.rows.inputs) ^ set(other.rows.inputs)) | set(twins.values())
    if ways or others:
        guarded = any(has_minimum(dataset) for dataset in affected)
        if guarded or others or twins or not (is_within_groups_of(one, other) or is_within_groups_of(other, one)):
            learns = _learns(one.rows, other.rows, changed, names, bool(others), twins)
            yield _Found("rows", frozenset(affected), (*ways, *others), learns)
        return
    if columns := _reweighed(one, other):
        how = f"{names[0]} computes {one.name}, {names[1]} {other.name}"
        what = f"{_list({column for _, column in columns})} of single rows, as far as somebody knows"
        learns = f"{{names}} of the same rows by different weights, and so {what} what it is multiplied by"
        yield _Found("weights", frozenset(dataset for dataset, _ in columns) & everything, (how,), learns)
        return
    yield from _groups(one, other, names, everything, has_minimum)


def _tells_of_others(release: Release) -> bool:
    """Whether a difference by one owner's rows tells of others': those that they meet, or that hold the same, or more.

    Added up in one table they tell nothing: whoever has the rows that only one answer is of can add these up.
    """
    return len(release.rows.tables) > 1 or release.family not in {*_ADDED, ROWS}


def _groups(
    one: Release, other: Release, names: tuple[str, str], datasets: frozenset[str], has_minimum: Callable[[str], bool]
) -> Iterator[_Found]:
    """Yield what the same rows tell that are shown in other groups, or in not all of them."""
    if one.shown != other.shown or one.shape != other.shape:
        how = [
            *_only("shows only groups or rows where ", one.shown, other.shown, names),
            *_only_texts("shows only ", one.shape, other.shape, names),
        ]
        yield _Found("groups", datasets, tuple(how), "{names} of the groups or rows that only one of them shows")
        return
    if one.keys == other.keys or (ROWS in (one.family, other.family) and not _about(one) & _about(other)):
        return
    how = [f"{name} {_told_by(each)}" for name, each in zip(names, (one, other), strict=True)]
    if not (is_told_by(one, other) or is_told_by(other, one)):
        learns = "{names} of the rows by which groups of the one differ from groups of the other"
        yield _Found("groups", datasets, tuple(how), learns)
    elif any(map(has_minimum, datasets)) and ROWS not in (one.family, other.family):
        learns = "{names} of groups that are too small to be shown, where they are all that is missing from a total"
        yield _Found("groups", datasets, tuple(how), learns)


def _told_by(release: Release) -> str:
    return f"{'lists rows' if release.family == ROWS else 'groups'} by {_list(release.keys)}"


def _are_disjoint(one: Release, other: Release, common: list[str]) -> bool:
    """Whether it is certain that no row is among both: each is of a row of every table, and those of one differ.

    What is added up of one table's columns has to be of other rows of that table, however those of others differ.
    """
    about = {dataset for dataset, _ in one.sources | other.sources}
    for table in one.rows.tables:
        shared = table & set(common)
        is_one_table = any(shared <= theirs for theirs in other.rows.tables)
        if not shared or not is_one_table or (about and not about & shared):
            continue
        if all(one.rows.passed[dataset].is_disjoint_from(other.rows.passed[dataset]) for dataset in shared):
            return True
    return False


def _changed_rows(one: Rows, other: Rows, common: list[str]) -> frozenset[str]:
    """Return the datasets of which not certainly the same rows are among both."""
    return frozenset(
        dataset
        for dataset in common
        if one.inputs[dataset] != other.inputs[dataset]
        and not (
            one.passed[dataset].is_within(other.passed[dataset])
            and other.passed[dataset].is_within(one.passed[dataset])
        )
    )


def _inputs(one: Rows, other: Rows, names: tuple[str, str]) -> Iterator[str]:
    for name, mine, theirs in ((names[0], one, other), (names[1], other, one)):
        only = sorted(set(mine.inputs) - set(theirs.inputs))
        if only:
            yield f"only {name} is of {_list(only)}"


def _conditions(one: Rows, other: Rows, changed: frozenset[str], names: tuple[str, str]) -> Iterator[str]:
    by_text: dict[tuple[str, str], list[str]] = {}
    for dataset in sorted(changed):
        mine, theirs = one.passed[dataset], other.passed[dataset]
        asked = " and ".join(mine.unlike(theirs)), " and ".join(theirs.unlike(mine))
        by_text.setdefault(asked, []).append(dataset)
    for asked, datasets in by_text.items():
        if all(asked):
            yield f"{_list(datasets)}: {names[0]} asks for {asked[0]}; {names[1]} for {asked[1]}"
        elif any(asked):
            yield f"{_list(datasets)}: only {names[0] if asked[0] else names[1]} asks for {asked[0] or asked[1]}"


def _decided(one: Release, other: Release, names: tuple[str, str]) -> Iterator[str]:
    """Yield in what else the rows differ that are aggregated: what they are joined with, what groups have to meet."""
    yield from _only("asks for ", one.rows.shared, other.rows.shared, names)
    yield from _only_texts("is of ", one.rows.shape, other.rows.shape, names)
    if one.rows.beside != other.rows.beside:
        beside = [_list(each.rows.beside) for each in (one, other)]
        yield f"{names[0]} looks {beside[0]} up, {names[1]} {beside[1]}, with other conditions"
    if (one.is_weighed or other.is_weighed) and one.name != other.name:
        yield f"{names[0]} computes {one.name}, {names[1]} {other.name}"


def _only(verb: str, one: Conditions, other: Conditions, names: tuple[str, str]) -> Iterator[str]:
    mine, theirs = (frozenset(map(show_expression, each)) for each in (one, other))
    yield from _only_texts(verb, mine, theirs, names)


def _only_texts(verb: str, one: frozenset[str], other: frozenset[str], names: tuple[str, str]) -> Iterator[str]:
    for name, texts in ((names[0], one - other), (names[1], other - one)):
        if texts:
            yield f"only {name} {verb}{' and '.join(sorted(texts))}"


def _may_hold_the_same(name: str, twin: str) -> str:
    return f"{name} and {twin} have the same columns, and may have rows in common"


def _learns(
    one: Rows,
    other: Rows,
    changed: frozenset[str],
    names: tuple[str, str],
    is_unknown: bool,
    twins: Mapping[str, str],
) -> str:
    """Return what the difference is of; `{names}` stands for the aggregates."""
    alone = sorted(set(one.inputs) ^ set(other.inputs))
    left = [f"the rows of {_list(alone)} alone"] if alone and not is_unknown else []
    by_text: dict[str, list[str]] = {}
    for dataset in sorted(changed):
        mine, theirs = one.passed[dataset], other.passed[dataset]
        asked = " and ".join(mine.unlike(theirs)), " and ".join(theirs.unlike(mine))
        if dataset in twins and not any(asked):
            text = f"{twins[dataset]} lacks, and the other way round"
        elif mine.beyond(theirs) and theirs.beyond(mine):
            text = f"meet only one of ({asked[0]}) and ({asked[1]})"
        elif all(asked):  # the rows of the one are among the other's
            wide, narrow = asked if mine.beyond(theirs) else asked[::-1]
            text = f"meet {wide}, and not {narrow}"
        else:
            text = f"do not meet {asked[0] or asked[1]}"
        by_text.setdefault(text, []).append(dataset)
    left += [f"the rows of {_list(datasets)} that {text}" for text, datasets in by_text.items()]
    if is_unknown or not left:
        left.append(f"the rows that only one of {names[0]} and {names[1]} is of")
    # Conditions may hold braces, and a name is put in later.
    return "{names} of " + "; ".join(left).replace("{", "{{").replace("}", "}}")


def _list(items: Iterable[str]) -> str:
    return ", ".join(sorted(items)) or "nothing"
