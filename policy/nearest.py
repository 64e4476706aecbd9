"""The name that somebody meant who wrote another one."""

import difflib
from collections.abc import Iterable

NEAR = 0.7  # how much of a name has to be right: `nulable` is, and `volume` is no `columns`


def did_you_mean(written: str, known: Iterable[str]) -> str | None:
    """Return a question for the known name that is most like what is written, if any is.

    >>> did_you_mean("instutute", ["hospital", "institute"])
    'did you mean institute?'
    """
    near = difflib.get_close_matches(written, list(known), n=1, cutoff=NEAR)
    return f"did you mean {near[0]}?" if near else None
