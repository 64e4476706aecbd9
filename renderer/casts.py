"""The objects of many runs, most of them filled into casts: texts of which only the run's own words are left open.

Runs over the same datasets with the same recipients differ in their names and in what their `run.json` says of the run.
So an object's text is made from its template for the first two such runs; then once more for a run whose words are
recognised, and cut where these stand. Who fills a cast needs no template, and makes the same text: a cast is kept only
if it gives the second run's text to the letter, and else the template is used for good.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
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
_PLAIN_NAME = re.compile("[-a-z0-9]+")
_SETTINGS = tuple(field.name for field in fields(PlannedRun) if field.name not in ("run", "members"))


@dataclass(frozen=True)
class Words:
    """What may stand in a cast, and has a run's own words in its place."""

    run_id: str
    workflow: str
    text: str  # of the run

    @cached_property
    def of_names(self) -> dict[str, str]:
        """The run's names, by what stands for them."""
        return {_RUN_ID: self.run_id, _WORKFLOW: self.workflow}

    @cached_property
    def are_plain(self) -> bool:
        """Whether none of them can end the scalar, the line or the block that it stands in."""
        names_are = _PLAIN_NAME.fullmatch(self.run_id) and _PLAIN_NAME.fullmatch(self.workflow)
        return bool(names_are) and self.text.isascii() and self.text.replace("\n", "").isprintable()


@dataclass(frozen=True, eq=False)
class Cast:
    """A text, cut around each of the run's words."""

    pieces: tuple[str, ...]
    words: tuple[str, ...]

    @cached_property
    def pattern(self) -> str:
        """The text, with what stands for each word in its place."""
        return _woven(self.pieces, self.words)

    @cached_property
    def _breaks(self) -> dict[str, str]:
        """How lines are broken, by what stands for them."""
        return {word: word[len(_FIRST_LINE) : -len(_LAST_LINE)] for word in self.words if word.startswith(_FIRST_LINE)}

    def fill(self, words: Words) -> str:
        """Return the text of a run."""
        said = dict(words.of_names)
        for word, broken in self._breaks.items():
            said[word] = words.text.replace("\n", broken)
        return _woven(self.pieces, [said[word] for word in self.words])


def cast_of(text: str) -> Cast:
    """Return the cast of a text in which something stands for each of the run's words."""
    parts = _WORDS.split(text)
    return Cast(tuple(parts[::2]), tuple(parts[1::2]))


def _woven(pieces: Sequence[str], words: Sequence[str]) -> str:
    parts = [""] * (len(pieces) + len(words))
    parts[::2], parts[1::2] = pieces, words
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
        self._known: dict[tuple[object, ...], tuple[PlannedRun, dict[str, Cast] | None]] = {}

    def texts(self, run: PlannedRun, member: Member) -> Iterator[tuple[str, str, Cast | None]]:
        """Yield the name and the text of each of a member's objects, and the cast that it was filled into."""
        settings = [getattr(run, name) for name in _SETTINGS]
        key = (id(member), *map(id, run.members), run.run.image, *settings)
        first, casts = self._known.get(key, (None, None))
        if casts is None and first is not None:
            casts = self._casts(run, member)
        self._known[key] = first or run, casts
        words = words_of(run)
        for name, make in self._makers.items():
            cast = casts.get(name) if casts else None
            yield name, make(run, member) if cast is None else cast.fill(words), cast

    def _casts(self, run: PlannedRun, member: Member) -> dict[str, Cast]:
        # Nothing else of a run is in all its like: whoever makes an object of more than this is told so here.
        words: Any = SimpleNamespace(run_id=_RUN_ID, workflow=_WORKFLOW, image=run.run.image)
        patterned = _Patterned(words, run.members, **{name: getattr(run, name) for name in _SETTINGS})
        casts = {name: cast_of(make(patterned, member)) for name, make in self._makers.items()}
        said = words_of(run)
        return {name: cast for name, cast in casts.items() if cast.fill(said) == self._makers[name](run, member)}


def words_of(run: PlannedRun) -> Words:
    """Return a run's own words."""
    return Words(run.run.run_id, run.run.workflow, run.run_text)


def _lines(broken: str) -> str:
    return f"{_FIRST_LINE}{broken}{_LAST_LINE}"
