"""Text of others in a forge's Markdown: shown as it is, and doing nothing.

What is not seen, or turns around what is read, is spelled out.
"""

import re
from collections.abc import Iterator

from renderer.printable import printable

_MARKS = re.compile(r"([\\`*_\[\]|~])")
_CALLS = re.compile(r"([@#!])(?=\w)")
_LINKS = re.compile(r"(:(?=//)|\bwww(?=\.))", re.IGNORECASE)
_BACKTICKS = re.compile(r"`+")


def escape(text: str) -> str:
    """Return text that Markdown and HTML show as it is, and that calls nobody.

    Forges look for `@somebody`, `#1` and addresses after all escapes are undone, so an invisible space stands in between.
    """
    html = "\n".join(_lines(text)).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    harmless = _LINKS.sub(r"\1&#8203;", _CALLS.sub(r"\1&#8203;", _MARKS.sub(r"\\\1", html)))
    return harmless.replace("\n", "<br>")


def code_in_a_cell(text: str) -> str:
    """Return text as code within a table, which is cut into cells before code is told from anything else."""
    shown = printable(text)
    return "<code>" + "".join(c if c.isalnum() or c in " ,()" else f"&#{ord(c)};" for c in shown) + "</code>"


def code(text: str) -> str:
    """Return text as code, in more backticks than it holds; not for a table."""
    line = " ".join(_lines(text))
    longest = max((len(run) for run in _BACKTICKS.findall(line)), default=0)
    fence = "`" * (longest + 1)
    space = " " if longest else ""
    return f"{fence}{space}{line}{space}{fence}"


def fence(language: str, text: str) -> Iterator[str]:
    """Yield text as a block of code, fenced by more backticks than it holds."""
    longest = max((len(run) for run in _BACKTICKS.findall(text)), default=0)
    fence = "`" * max(3, longest + 1)
    yield f"{fence}{language}"
    yield "\n".join(_lines(text))
    yield fence


def _lines(text: str) -> Iterator[str]:
    return map(printable, text.split("\n"))
