"""The shape of a YAML text: all of it but the strings in its quotes and the lines of its block texts.

Texts of one shape have one structure: a map's keys, a list's length and every plain scalar are part of it. So what was
found out about the structure of one text, by reading it slowly and with its lines, holds for the next one of its
shape, and only the strings are still to be looked at. A template makes thousands of files of a few shapes.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from policy.problem import Path
from policy.yaml import Lines, Place

_QUOTED = re.compile(r'("[^"\\\n]*(?:\\.[^"\\\n]*)*")')
# A block in a list's item is left alone: its key stands deeper than its line does, and so do the keys after it.
_BLOCK = re.compile(r"^( *)(?!- )([^\s#][^\n]*: \|\n)(?:\1 [^\n]*\n|\n)*", re.MULTILINE)
_COMMENT = re.compile(r"(\n *#)[^\n]*")
_ODD = bytes({*range(0x20), 0x7F} - {ord("\n")})  # YAML reads them in its own ways, or not at all
_HOLE = "\0hole\0"


@dataclass(frozen=True)
class Shape:
    """A text taken apart."""

    key: str
    strings: tuple[str, ...]  # in the text's order, with their quotes and escapes


@dataclass(frozen=True)
class Mould:
    """A document with holes for its strings, and with no block texts."""

    pieces: tuple[str, ...]  # its JSON, cut where the strings go
    holes: tuple[Path, ...]  # what the strings are, in the text's order

    def fill(self, strings: tuple[str, ...]) -> Any:
        """Return the document of a text with the same shape. Its block texts are left empty."""
        parts = [part for pair in zip(self.pieces[:-1], strings, strict=True) for part in pair]
        return json.loads("".join([*parts, self.pieces[-1]]))


def shape_of(text: str) -> Shape | None:
    """Return the shape of a text, or None if only a YAML reader can tell what its strings are."""
    if not text.isascii() or len(text.encode().translate(None, _ODD)) < len(text):
        return None
    if ": |\n" in text:
        text = "".join(_BLOCK.split(text))  # their first lines stay
    bare = _without_comments(text)
    parts = _QUOTED.split(bare)
    key, strings = "\0".join(parts[::2]), tuple(parts[1::2])
    if '"' in key or "'" in bare or ("\\" in bare and not _are_json(strings)):
        return None
    return Shape(key, strings)


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
    # A control character stands in no document that was read, and JSON escapes it.
    inside = {**dict.fromkeys(texts, ""), **dict.fromkeys(holes, _HOLE)}
    pieces = json.dumps(_hollow(value, (), inside)).split(json.dumps(_HOLE))
    assert len(pieces) == len(holes) + 1
    return Mould(tuple(pieces), tuple(holes))


def _are_json(strings: tuple[str, ...]) -> bool:
    """Whether each of the strings is written as JSON would be, and so means the same in YAML."""
    try:
        json.loads(f"[{','.join(strings)}]")
    except ValueError:
        return False
    return True


def _without_comments(text: str) -> str:
    """Return the text with nothing in its comment lines; that they are there is part of a shape."""
    return "".join(_COMMENT.split(f"\n{text}"))[1:]


def _place(text: str, offset: int) -> Place:
    start = text.rfind("\n", 0, offset) + 1
    return Place(text.count("\n", 0, offset) + 1, offset - start + 1)


def _at(value: Any, path: Path) -> Any:
    for part in path:
        value = value[part]
    return value


def _hollow(value: Any, path: Path, inside: dict[Path, str]) -> Any:
    """Return the value with other texts at the paths that `inside` has."""
    if isinstance(value, dict):
        return {key: _hollow(item, (*path, key), inside) for key, item in value.items()}
    if isinstance(value, list):
        return [_hollow(item, (*path, index), inside) for index, item in enumerate(value)]
    return inside.get(path, value)
