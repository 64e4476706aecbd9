"""The objects of many runs, most of them filled into casts: texts of which only the run's own words are left open.

Runs over the same datasets with the same recipients differ in their names and in what their `run.json` says of the run.
So an object's text is made from its template for the first two such runs; then once more for a run whose words are
recognised, and cut where these stand. Who fills a cast needs no template, and makes the same text: a cast is kept only
if it gives the second run's text to the letter, and else the template is used for good.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from types import SimpleNamespace
from typing import Any

from renderer.spec import Member, PlannedRun

Make = Callable[[PlannedRun, Member], str]

# A run's words. A document that says them, too, has no cast: it would not give the text.
_RUN_ID, _WORKFLOW, _FIRST_LINE, _LAST_LINE = "zz-the-run-of-a-cast", "zz-the-workflow-of-a-cast", "zz-first", "zz-last"
# How a line of `run.json` is broken and indented is told by the cast itself.
_WORDS = re.compile(rf"({_RUN_ID}|{_WORKFLOW}|{_FIRST_LINE}\s+{_LAST_LINE})")
_SETTINGS = tuple(field.name for field in fields(PlannedRun) if field.name not in ("run", "members"))


@dataclass(frozen=True)
class _Cast:
    """A text, cut around each of the run's words."""

    pieces: tuple[str, ...]
    words: tuple[str, ...]
    breaks: tuple[str, ...]  # of lines, in what is said of the run

    def fill(self, run: PlannedRun) -> str:
        """Return the text of a run."""
        said = {_RUN_ID: run.run.run_id, _WORKFLOW: run.run.workflow}
        for broken in self.breaks:
            said[_lines(broken)] = run.run_text.replace("\n", broken)
        parts = [""] * (len(self.pieces) + len(self.words))
        parts[::2], parts[1::2] = self.pieces, [said[word] for word in self.words]
        return "".join(parts)


class _Patterned(PlannedRun):
    """A run whose words are recognised in what is made of it."""

    @cached_property
    def run_text(self) -> str:
        """Stands for all lines."""
        return _lines("\n")


class Casts:
    """Makes the texts of runs' objects."""

    def __init__(self, makers: Mapping[str, Make]) -> None:
        self._makers = makers
        # With a run for each, so that what the key names by identity is there for as long.
        self._known: dict[tuple[object, ...], tuple[PlannedRun, dict[str, _Cast] | None]] = {}

    def texts(self, run: PlannedRun, member: Member) -> Iterator[tuple[str, str]]:
        """Yield the name and the text of each of a member's objects."""
        settings = [getattr(run, name) for name in _SETTINGS]
        key = (id(member), *map(id, run.members), run.run.image, *settings)
        first, casts = self._known.get(key, (None, None))
        if casts is None and first is not None:
            casts = self._casts(run, member)
        self._known[key] = first or run, casts
        for name, make in self._makers.items():
            yield name, casts[name].fill(run) if casts and name in casts else make(run, member)

    def _casts(self, run: PlannedRun, member: Member) -> dict[str, _Cast]:
        # Nothing else of a run is in all its like: whoever makes an object of more than this is told so here.
        words: Any = SimpleNamespace(run_id=_RUN_ID, workflow=_WORKFLOW, image=run.run.image)
        patterned = _Patterned(words, run.members, **{name: getattr(run, name) for name in _SETTINGS})
        casts = {name: _cast(make(patterned, member)) for name, make in self._makers.items()}
        return {name: cast for name, cast in casts.items() if cast.fill(run) == self._makers[name](run, member)}


def _cast(text: str) -> _Cast:
    parts = _WORDS.split(text)
    words = tuple(parts[1::2])
    breaks = {word[len(_FIRST_LINE) : -len(_LAST_LINE)] for word in words if word.startswith(_FIRST_LINE)}
    return _Cast(tuple(parts[::2]), words, tuple(sorted(breaks)))


def _lines(broken: str) -> str:
    return f"{_FIRST_LINE}{broken}{_LAST_LINE}"
