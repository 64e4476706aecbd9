"""COUNT(DISTINCT x): how many different values there are, and when that tells which.

Theory. The number is the same whatever the values are called, as long as different ones stay different. So it tells nothing
of which values there are, nor how often each comes. Put together with others in one column (UNION ALL), it is: who
knows the others can tell how many of them are among these, and of a single one, whether it is. That is a match, and is asked
for as one. What is computed may be any value that the author likes, so everybody knows it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from conclave.ir.errors import Position
from policy.personal import Source, is_among
from policy.uses import Use, Value, merged


def counted_once(
    over: Value, single: Mapping[str, Use], persons: frozenset[Source], step: str, at: Position | None
) -> Value:
    """Return the number of different values of a column in each group.

    `single`: the datasets of which a group holds one row or person. `persons`: the columns that stand for one each,
    once their values are told apart.
    """
    uses: list[Use] = []
    for use in over.uses:
        if not use.is_of_rows:
            uses.append(replace(use, total=None))
        elif use.dataset in single:
            uses.append(replace(use, kind="derived").via(step, at))
        else:
            made = replace(
                use,
                kind="count_distinct",
                over_expression=use.kind == "derived",
                of_persons=is_among(use, persons),
            ).via(step, at)
            uses += [made, *_matched(use, made, over)]
    return Value(merged(uses), over.influences)


def _matched(use: Use, made: Use, over: Value) -> Iterator[Use]:
    """Yield what is told of stored values besides, to whom: how many of them are among other values."""
    for other in over.uses if use.kind == "plain" else ():
        if not (other.is_of_rows and (other.dataset, other.column) == (use.dataset, use.column)):
            is_stored = other.kind == "plain" and other.column is not None
            yield replace(made, is_match=True, to_knowing=((other.dataset, other.column or ""),) if is_stored else ())
