"""What stands for single rows or persons: a column that is unique or the subject, or several that are a key together."""

from collections.abc import Iterable, Set

from policy.uses import Use, Value

Source = tuple[str, str]  # dataset, column
Personal = frozenset[frozenset[Source]]  # each of them tells rows apart, all of its columns together


def standing_for_rows(personal: Personal, values: Iterable[Value]) -> frozenset[Source]:
    """Return the columns that tell single rows apart where all of `values` are known: a key only if it is there whole.

    >>> key = frozenset({("alpha/visits", "ward"), ("alpha/visits", "bed")})
    >>> ward, bed = (Value((Use("alpha/visits", name, "plain"),)) for name in ("ward", "bed"))
    >>> standing_for_rows(frozenset({key}), [ward]), standing_for_rows(frozenset({key}), [ward, bed]) == key
    (frozenset(), True)
    """
    known = {(use.dataset, use.column) for value in values for use in value.uses if use.is_of_rows}
    return frozenset(source for alone in personal if alone <= known for source in alone)


def single_columns(personal: Personal, datasets: Set[str]) -> frozenset[Source]:
    """Return the columns of the datasets that tell their rows apart each by itself."""
    return frozenset(source for alone in personal if len(alone) == 1 for source in alone if source[0] in datasets)


def is_among(use: Use, sources: frozenset[Source]) -> bool:
    """Whether the use is of one of the columns."""
    return (use.dataset, use.column) in sources
