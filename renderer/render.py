"""Fill a template and read the text back: what leaves here is YAML of one object with no key written twice.

Templates hold blanks and loops; what goes into them is decided in Python. Every blank goes through the filter
`yaml`, so that no name or text from a document can end its own scalar.
"""

import json
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

# What YAML allows in a quoted scalar as it is; line separators are left out, since they would be folded.
_PRINTABLE = (
    (0x20, 0x7E),
    (0xA0, 0x2027),
    (0x202A, 0xD7FF),
    (0xE000, 0xFEFE),
    (0xFF00, 0xFFFD),
    (0x10000, 0x10FFFF),
)


@dataclass(frozen=True)
class RenderedFile:
    """One file of the tree, its path relative to the federation's directory."""

    path: PurePosixPath
    text: str


def yaml_scalar(value: str | int | bool) -> str:
    """Return the value as one YAML scalar, in JSON's spelling.

    >>> print(yaml_scalar('a: "b"'), yaml_scalar(True))
    "a: \\"b\\"" true
    """
    return "".join(map(_escape, json.dumps(value, ensure_ascii=False)))


def render(template: str, context: object) -> str:
    """Return the template filled from `context`.

    Raises:  YAMLError if the text is not YAML, which a template's mistake alone can cause.
    """
    text = _ENVIRONMENT.get_template(template).render(ctx=context)
    if not isinstance(parse(text), dict):
        raise YAMLError(f"{template} does not make an object")
    return text


def parse(text: str) -> Any:
    """Return what the YAML text says. A key that is written twice is refused."""
    return YAML(typ="safe", pure=True).load(text)


def _escape(character: str) -> str:
    code = ord(character)
    if any(first <= code <= last for first, last in _PRINTABLE):
        return character
    return f"\\u{code:04x}"


def _environment() -> Environment:
    # The text is YAML, not HTML; the filter `yaml` does the escaping.
    environment = Environment(
        loader=PackageLoader("templates", package_path=""),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701
        keep_trailing_newline=True,
    )
    environment.filters["yaml"] = yaml_scalar
    return environment


_ENVIRONMENT = _environment()
