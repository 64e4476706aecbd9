"""The documents' YAML, by a reader in C: the same value and the same places as `policy.yaml`, or that reader itself.

Workers never use it: what is agreed upon is read by one reader there. Here, where hundreds of documents are read at a
time, most time went into taking them apart. Whatever is not plainly right, or lies where YAML's versions and readers
differ, is left to the slow one: every refusal and every message is its own.
"""

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.nodes import ScalarNode

from policy.problem import Path
from policy.yaml import KEY_TAGS, MAX_CHARACTERS, MAX_DEPTH, TAG, Lines, Place, read_yaml, scalar_value

# No tab, no carriage return, no line separator of YAML 1.1, no byte order mark: readers disagree about them.
_PLAIN_TEXT = re.compile("[\n\x20-\x7e\xa1-\u1fff\u2030-\ud7ff\U00010000-\U0010ffff]*")
_BLOCK = re.compile(r"[|>][-+]?\n +[^ \n]")
_N_SCALARS = 10_000
_HAS_C = hasattr(yaml, "CSafeLoader")


class _Unclear(Exception):
    """Something that the slow reader has to judge."""


def read_quickly(text: str, file: str) -> tuple[Any, Lines]:
    """Return what `read_yaml` returns.

    Raises:  DocumentError as `read_yaml` does.
    """
    return quick_reading(text, file) or read_yaml(text, file)


def quick_reading(text: str, file: str) -> tuple[Any, Lines] | None:
    """Return what `read_yaml` returns, or None if that has to look itself."""
    if not _HAS_C or len(text) > MAX_CHARACTERS or not _PLAIN_TEXT.fullmatch(text):
        return None
    lines = Lines(file)
    try:
        return _document(_sure_events(text), lines), lines
    except (_Unclear, yaml.YAMLError):
        return None


def _sure_events(text: str) -> Iterator[yaml.Event]:
    """Yield the text's events, as far as all readers of YAML agree about them.

    Raises:  _Unclear where they may not.
    """
    for event in yaml.parse(text, yaml.CSafeLoader):
        if isinstance(event, yaml.NodeEvent) and (event.anchor is not None or getattr(event, "tag", None) is not None):
            raise _Unclear
        if isinstance(event, yaml.ScalarEvent):
            is_quoted, is_block = event.style in ("'", '"'), event.style in ("|", ">")
            # Where nothing stands, and how a block of lines begins.
            if not event.value and not is_quoted:
                raise _Unclear
            if is_block and not _BLOCK.match(text, event.start_mark.index):
                raise _Unclear
        yield event


def _document(events: Iterator[yaml.Event], lines: Lines) -> Any:
    next(events)  # the stream begins
    start = next(events)
    if not isinstance(start, yaml.DocumentStartEvent) or start.version or start.tags:
        raise _Unclear
    value = _value(next(events), events, (), lines)
    # How often a document may be said to end, and what follows then, each reader has its own mind about.
    if next(events).explicit or not isinstance(next(events), yaml.StreamEndEvent):
        raise _Unclear
    return value


def _value(event: yaml.Event, events: Iterator[yaml.Event], path: Path, lines: Lines) -> Any:
    if isinstance(event, yaml.AliasEvent) or len(path) >= MAX_DEPTH - 1:
        raise _Unclear
    lines.values[path] = place = _place(event)
    lines.keys.setdefault(path, place)
    if isinstance(event, yaml.ScalarEvent):
        if not event.implicit[0]:
            return event.value
        value = _plain(event.value)
        if isinstance(value, _Unclear):
            raise value
        return value
    if isinstance(event, yaml.MappingStartEvent):
        return _map(events, path, lines)
    items: list[Any] = []
    for item in events:
        if isinstance(item, yaml.SequenceEndEvent):
            break
        items.append(_value(item, events, (*path, len(items)), lines))
    return items


def _map(events: Iterator[yaml.Event], path: Path, lines: Lines) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for event in events:
        if isinstance(event, yaml.MappingEndEvent):
            break
        if not isinstance(event, yaml.ScalarEvent):
            raise _Unclear
        key = event.value
        if key in result or (event.implicit[0] and _tag(key) not in KEY_TAGS):
            raise _Unclear
        own = (*path, key)
        lines.keys[own] = _place(event)
        result[key] = _value(next(events), events, own, lines)
    return result


@lru_cache(_N_SCALARS)
def _plain(text: str) -> str | int | float | bool | _Unclear | None:
    try:
        return scalar_value(_tag(text), text)
    except ValueError:
        return _Unclear()


@lru_cache(_N_SCALARS)
def _tag(text: str) -> str:
    """Return what a plain scalar is, by the slow reader's own rules."""
    return str(_resolver().resolve(ScalarNode, text, (True, False))).removeprefix(TAG)


@cache
def _resolver() -> Any:
    return YAML(typ="safe", pure=True).resolver


def _place(event: yaml.Event) -> Place:
    mark = event.start_mark
    return Place(mark.line + 1, mark.column + 1)
