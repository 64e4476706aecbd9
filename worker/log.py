"""Structured log lines: one JSON object a line on stderr, one event a line. No values, no secrets, no free text of others."""

import datetime
import json
import sys
from dataclasses import dataclass, field
from typing import TextIO

Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class Log:
    """Writes events. `fields` stand in every line; `for_` adds to them."""

    stream: TextIO = field(default_factory=lambda: sys.stderr)
    fields: tuple[tuple[str, Scalar], ...] = ()

    def for_(self, **fields: Scalar) -> "Log":
        """Return a log whose lines carry `fields` too."""
        return Log(self.stream, (*self.fields, *fields.items()))

    def event(self, event: str, **fields: Scalar) -> None:
        """Write one line."""
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        line = {"time": now, "event": event, **dict(self.fields), **fields}
        self.stream.write(json.dumps(line, ensure_ascii=True) + "\n")
        self.stream.flush()
