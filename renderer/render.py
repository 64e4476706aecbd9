"""Fill a template: what goes into its blanks and loops is decided in Python.

Every text goes through the filter `yaml`, so that nothing from a document can end its own scalar; `renderer.layout`
reads the result back.
"""

import json
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path, PurePosixPath

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

import templates
from renderer.kept_templates import KeptTemplates

# What YAML allows in a quoted scalar as it is; line separators are left out, since they would be folded.
_PRINTABLE = (
    (0x20, 0x7E),
    (0xA0, 0x2027),
    (0x202A, 0xD7FF),
    (0xE000, 0xFEFE),
    (0xFF00, 0xFFFD),
    (0x10000, 0x10FFFF),
)
_JSON = json.JSONEncoder(ensure_ascii=False)
_N_SCALARS = 10_000  # the objects of a run say the same few names and words again and again


@dataclass(frozen=True)
class RenderedFile:
    """One file of the tree, its path relative to the federation's directory."""

    path: PurePosixPath
    text: str
    is_current: bool = field(default=False, compare=False)  # it was seen to lie in the tree just so


@lru_cache(_N_SCALARS, typed=True)  # True equals 1, and is another scalar
def yaml_scalar(value: str | int | bool) -> str:
    """Return the value as one YAML scalar, in JSON's spelling.

    >>> print(yaml_scalar('a: "b"'), yaml_scalar(True))
    "a: \\"b\\"" true
    """
    text = _JSON.encode(value)
    # JSON leaves no control character but DEL, so nearly every text is YAML already.
    return text if text.isascii() and "\x7f" not in text else "".join(map(_escape, text))


def render(template: str, context: object) -> str:
    """Return the template filled from `context`.

    Raises:  jinja2.UndefinedError for a blank that `context` does not fill.
    """
    return _template(template).render(ctx=context)


@cache
def _template(name: str) -> Template:
    return _ENVIRONMENT.get_template(name)


def _block(text: str, indent: int) -> str:
    """Return the lines of a block text, as they stand below the first; none of them is empty."""
    return text.replace("\n", "\n" + " " * indent)


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
        auto_reload=False,
        bytecode_cache=KeptTemplates(Path(templates.__path__[0], "__pycache__"), [Path(__file__)]),
    )
    environment.filters["yaml"] = yaml_scalar
    environment.filters["block"] = _block
    return environment


_ENVIRONMENT = _environment()
