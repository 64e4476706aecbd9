"""The shape of a YAML text: all of it but the strings in its quotes and the lines of its block texts.

Texts of one shape have one structure: a map's keys, a list's length and every plain scalar are part of it. So what was
found out about the structure of one text, by reading it slowly and with its lines, holds for the next one of its
shape, and only the strings are still to be looked at. A template makes thousands of files of a few shapes.
"""

import copy
import json
import re
from dataclasses import dataclass
from typing import Any

from policy.problem import Path
from policy.yaml import Lines, Place

_QUOTED = re.compile(r'"([^"\\\n]*(?:\\.[^"\\\n]*)*)"')
# A block in a list's item is left alone: its key stands deeper than its line does, and so do the keys after it.
_BLOCK = re.compile(r"^( *)(?!- )([^\s#][^\n]*: \|\n)(?:\1 [^\n]*\n|\n)*", re.MULTILINE)
_ODD = bytes({*range(0x20), 0x7F} - {ord("\n")})  # YAML reads them in its own ways, or not at all


@dataclass(frozen=True)
class Shape:
    """A text taken apart."""

    key: str
    strings: tuple[str, ...]  # in the text's order, without their quotes, but with their escapes


@dataclass(frozen=True)
class Mould:
    """A document with holes for its strings, and with no block texts."""

    value: Any
    holes: tuple[Path, ...]  # what the strings are, in the text's order
    around: tuple[Any, ...]  # the map or list that each of them lies in

    def fill(self, strings: tuple[str, ...]) -> Any:
        """Return the document of a text with the same shape, until the next one. Its block texts are left empty."""
        for hole, around, string in zip(self.holes, self.around, strings, strict=True):
            around[hole[-1]] = json.loads(f'"{string}"') if "\\" in string else string
        return self.value

    def copy(self, holes: tuple[Path, ...]) -> "Mould":
        """Return another mould, filled as this one is, with some of its holes."""
        return _mould(copy.deepcopy(self.value), holes)


def shape_of(text: str) -> Shape | None:
    """Return the shape of a text, or None if only a YAML reader can tell what its strings are."""
    if not text.isascii() or len(text.encode().translate(None, _ODD)) < len(text):
        return None
    if ": |\n" in text:
        text = "".join(_BLOCK.split(text))  # their first lines stay
    bare = _without_comments(text)
    # Without an escape, every quote begins or ends a string: then there is nothing to search for.
    has_escapes = "\\" in bare
    parts = _QUOTED.split(bare) if has_escapes else bare.split('"')
    key, strings = "\0".join(parts[::2]), tuple(parts[1::2])
    if len(parts) % 2 == 0 or "\n" in "".join(strings) or '"' in key or "'" in bare:
        return None
    return None if has_escapes and not _are_json(strings) else Shape(key, strings)


def mould_of(text: str, value: Any, lines: Lines) -> Mould | None:
    """Return the mould of a text that was read as `value`; None if its quotes do not stand around its values."""
    places = {place: path for path, place in lines.values.items() if isinstance(_at(value, path), str)}
    holes: list[Path] = []
    bare = _without_comments(text)
    blocks = [match.span() for match in _BLOCK.finditer(bare)]
    rows = bare.split("\n")
    texts = {path for place, path in places.items() if rows[place.line - 1].startswith("|", place.column - 1)}
    for match in _QUOTED.finditer(bare):
        if any(bare.index("\n", start) < match.start() < end for start, end in blocks):
            continue
        path = places.get(_place(bare, match.start()))
        if path is None:
            return None
        holes.append(path)
    if () in holes:  # the text is nothing but a string
        return None
    return _mould(_hollow(value, (), {*texts, *holes}), tuple(holes))


def _mould(value: Any, holes: tuple[Path, ...]) -> Mould:
    return Mould(value, holes, tuple(_at(value, hole[:-1]) for hole in holes))


def _are_json(strings: tuple[str, ...]) -> bool:
    """Whether each of the strings is written as JSON would be, and so means the same in YAML."""
    quoted = [f'"{string}"' for string in strings]
    try:
        json.loads(f"[{','.join(quoted)}]")
    except ValueError:
        return False
    return True


def _without_comments(text: str) -> str:
    """Return the text with nothing in its comment lines; that they are there is part of a shape."""
    kept, start, sign = list[str](), 0, text.find("#")
    while sign >= 0:
        end = text.find("\n", sign)
        if not text[text.rfind("\n", 0, sign) + 1 : sign].strip(" "):
            kept.append(text[start : sign + 1])
            start = end if end >= 0 else len(text)
        sign = text.find("#", end) if end >= 0 else -1
    return "".join([*kept, text[start:]])


def _place(text: str, offset: int) -> Place:
    start = text.rfind("\n", 0, offset) + 1
    return Place(text.count("\n", 0, offset) + 1, offset - start + 1)


def _at(value: Any, path: Path) -> Any:
    for part in path:
        value = value[part]
    return value


def _hollow(value: Any, path: Path, inside: set[Path]) -> Any:
    """Return a copy of the value with nothing in the texts at the paths `inside`."""
    if isinstance(value, dict):
        return {key: _hollow(item, (*path, key), inside) for key, item in value.items()}
    if isinstance(value, list):
        return [_hollow(item, (*path, index), inside) for index, item in enumerate(value)]
    return "" if path in inside else value
