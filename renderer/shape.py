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

_QUOTED = re.compile(r'"(?:[^"\\\n]|\\.)*"')
# A block in a list's item is left alone: its key stands deeper than its line does, and so do the keys after it.
_BLOCK = re.compile(r"^(?P<indent> *)(?!- )[^\s#][^\n]*: \|\n(?:(?P=indent) [^\n]*\n|\n)*", re.MULTILINE)
_COMMENT = re.compile(r"^( *)#[^\n]*$", re.MULTILINE)


@dataclass(frozen=True)
class Shape:
    """A text taken apart."""

    key: str
    strings: tuple[str, ...]  # that stood in quotes, in the text's order


@dataclass(frozen=True)
class _Hole:
    """Where one of the strings goes."""

    index: int


@dataclass(frozen=True)
class Mould:
    """A document with holes for its strings."""

    value: Any

    def fill(self, strings: tuple[str, ...]) -> Any:
        """Return the document of a text with the same shape. What block texts say is that of the first one."""
        return _fill(self.value, strings)


def shape_of(text: str) -> Shape | None:
    """Return the shape of a text, or None if only a YAML reader can tell what its strings are."""
    bare = _COMMENT.sub(r"\1#", _BLOCK.sub(_first_line, text))
    if not text.isascii() or "\t" in text or "\r" in text or "'" in bare:
        return None
    key = _QUOTED.sub("\0", bare)
    if '"' in key:
        return None
    try:
        strings = tuple(json.loads(quoted) for quoted in _QUOTED.findall(bare))
    except ValueError:
        return None
    return Shape(key, strings)


def mould_of(text: str, value: Any, lines: Lines) -> Mould | None:
    """Return the mould of a text that was read as `value`; None if its quotes do not stand around its values."""
    places = {place: path for path, place in lines.values.items() if isinstance(_at(value, path), str)}
    holes: dict[Path, _Hole] = {}
    bare = _COMMENT.sub(r"\1#", text)
    blocks = [match.span() for match in _BLOCK.finditer(bare)]
    index = 0
    for match in _QUOTED.finditer(bare):
        if any(bare.index("\n", start) < match.start() < end for start, end in blocks):
            continue
        path = places.get(_place(bare, match.start()))
        if path is None:
            return None
        holes[path] = _Hole(index)
        index += 1
    return Mould(_hollow(value, (), holes))


def _first_line(block: re.Match[str]) -> str:
    return block[0].partition("\n")[0] + "\n"


def _place(text: str, offset: int) -> Place:
    start = text.rfind("\n", 0, offset) + 1
    return Place(text.count("\n", 0, offset) + 1, offset - start + 1)


def _at(value: Any, path: Path) -> Any:
    for part in path:
        value = value[part]
    return value


def _hollow(value: Any, path: Path, holes: dict[Path, _Hole]) -> Any:
    if isinstance(value, dict):
        return {key: _hollow(item, (*path, key), holes) for key, item in value.items()}
    if isinstance(value, list):
        return [_hollow(item, (*path, index), holes) for index, item in enumerate(value)]
    return holes.get(path, value)


def _fill(value: Any, strings: tuple[str, ...]) -> Any:
    if isinstance(value, dict):
        return {key: _fill(item, strings) for key, item in value.items()}
    if isinstance(value, list):
        return [_fill(item, strings) for item in value]
    return strings[value.index] if isinstance(value, _Hole) else value
