"""YAML 1.2 as our documents use it: one document of maps, lists and plain scalars, with each node's place.

Refused: aliases and anchors (a few bytes can stand for gigabytes), tags (they name types to build), merge
keys, duplicate keys (readers disagree which one counts), keys that are no text, NaN and infinity, very deep
or large texts.
"""

import math
from dataclasses import dataclass, field
from typing import Any, NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer
from ruamel.yaml.error import MarkedYAMLError, YAMLError, YAMLStreamError
from ruamel.yaml.events import AliasEvent, StreamEndEvent
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from policy.problem import DocumentError, Path, Problem, field_name

MAX_CHARACTERS = 128 * 1024
MAX_DEPTH = 32
MAX_DIGITS = 15  # every integer stays exact in JSON
TAG = "tag:yaml.org,2002:"
KEY_TAGS = ("str", "timestamp")


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a text; both count from 1."""

    line: int
    column: int


@dataclass(frozen=True)
class Lines:
    """Where each field of a document stands, so that later checks can name lines too."""

    file: str
    # A map's entry stands at its key, a list's item at its start, a block text's value at its `|`.
    keys: dict[Path, Place] = field(default_factory=dict)
    values: dict[Path, Place] = field(default_factory=dict)

    def at(self, path: Path) -> Place:
        """Return the place of the field at `path`, or of the nearest field around it that is written down."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.keys:
                return self.keys[path[:length]]
        return Place(1, 1)

    def problem(self, path: Path, what: str, fix: str | None = None) -> Problem:
        """Return what is wrong with the field at `path`."""
        place = self.at(path)
        return Problem(self.file, place.line, place.column, field_name(path), what, fix)


def read_yaml(text: str, file: str) -> tuple[Any, Lines]:
    """Return the document's value as dicts, lists and scalars, and where everything in it stands.

    Raises:  DocumentError for what is no such YAML.
    """
    lines = Lines(file)
    if len(text) > MAX_CHARACTERS:
        what = f"the document has {len(text)} characters, at most {MAX_CHARACTERS} are read"
        raise DocumentError([Problem(file, 1, 1, "", what, "split it")])
    try:
        root = _yaml().compose(text)
    except (YAMLError, YAMLStreamError) as error:
        raise DocumentError([_syntax_problem(error, file)]) from None
    if root is None:
        raise DocumentError(
            [Problem(file, 1, 1, "", "the document is empty", "write apiVersion, kind, metadata, spec")]
        )
    problems: list[Problem] = []
    value = _construct(root, (), lines, problems)
    if problems:
        raise DocumentError(problems)
    return value, lines


class _Refused(MarkedYAMLError):
    """Valid YAML that our documents do not use."""


class _PlainComposer(Composer):
    """Composes one document and looks at each event first: nothing is built of what is refused."""

    def compose_document(self) -> Any:
        if getattr(self.parser.peek_event(), "version", None) or getattr(self.parser.peek_event(), "tags", None):
            self._refuse("directives are not taken: documents are YAML 1.2")
        document = super().compose_document()
        if not self.parser.check_event(StreamEndEvent):
            self._refuse("a second document begins here; a file holds one")
        return document

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.parser.peek_event()
        if isinstance(event, AliasEvent) or event.anchor is not None:
            self._refuse("anchors and aliases are not taken; write the value out")
        if event.ctag is not None:
            self._refuse("tags are not taken; write plain values")
        if self.depth >= MAX_DEPTH:
            self._refuse(f"nested deeper than {MAX_DEPTH} levels")
        return super().compose_node(parent, index)

    def _refuse(self, what: str) -> NoReturn:
        raise _Refused(problem=what, problem_mark=self.parser.peek_event().start_mark)


def _yaml() -> YAML:
    yaml = YAML(typ="safe", pure=True)
    yaml.Composer = _PlainComposer
    return yaml


def _syntax_problem(error: Exception, file: str) -> Problem:
    what, mark = "this is not YAML", None
    fix: str | None = "look here and in the line before for a colon, a quote, a bracket or blanks too many or too few"
    if isinstance(error, MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        # Without the snippet that ruamel adds: it quotes the text around.
        words = filter(None, [error.context, error.problem])
        what = ": ".join([what, *words])
        if r"'\t'" in str(error.problem):
            fix = "indent with blanks; a tab is none"
        elif error.context == "while scanning an alias":
            fix = 'put * in quotes: "*"'
        if isinstance(error, _Refused):
            what, fix = str(error.problem), None
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    return Problem(file, line, column, "", what, fix)


def _construct(node: Node, path: Path, lines: Lines, problems: list[Problem]) -> Any:
    place = _place(node)
    lines.values[path] = place
    lines.keys.setdefault(path, place)
    match node:
        case MappingNode():
            return _construct_map(node, path, lines, problems)
        case SequenceNode():
            return [_construct(item, (*path, i), lines, problems) for i, item in enumerate(node.value)]
        case ScalarNode():
            try:
                return scalar_value(_tag(node), str(node.value))
            except ValueError as error:
                problems.append(lines.problem(path, str(error)))
    return None


def _construct_map(node: MappingNode, path: Path, lines: Lines, problems: list[Problem]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        place = _place(key_node)
        if not isinstance(key_node, ScalarNode) or _tag(key_node) not in KEY_TAGS:
            what, fix = "a key here is not text", "put it in quotes; merge keys (<<) are not taken"
            problems.append(Problem(lines.file, place.line, place.column, field_name(path), what, fix))
            continue
        key = str(key_node.value)
        if key in result:
            first = lines.keys[(*path, key)]
            what = f"written twice, first on line {first.line}"
            field = field_name((*path, key))
            problems.append(Problem(lines.file, place.line, place.column, field, what, "keep one"))
            continue
        lines.keys[(*path, key)] = place
        result[key] = _construct(value_node, (*path, key), lines, problems)
    return result


def scalar_value(tag: str, text: str) -> str | int | float | bool | None:
    """Return what a scalar is that resolves to `tag`, which is written without its prefix.

    Raises:  ValueError if it is none that documents may hold.
    """
    match tag:
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int":
            return _integer(text)
        case "float":
            return _real(text)
    # Dates stay text: the models that want a date parse it, and 2027-06-30 is not a moment.
    return text


def _real(text: str) -> float:
    # YAML writes .inf and .nan with a leading point.
    if not any(character.isdigit() for character in text) or not math.isfinite(float(text.replace("_", ""))):
        raise ValueError("infinity and NaN are no values here")
    return float(text.replace("_", ""))


def _integer(text: str) -> int:
    digits = text.replace("_", "")
    bases = {"0x": 16, "0o": 8, "0b": 2}
    number = int(digits, bases.get(digits.lstrip("+-")[:2].lower(), 10))
    if abs(number) >= 10**MAX_DIGITS:
        raise ValueError(f"a whole number has at most {MAX_DIGITS} digits here; put names and ids in quotes")
    return number


def _tag(node: Node) -> str:
    return str(node.tag or "").removeprefix(TAG)


def _place(node: Node) -> Place:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)
