"""Containers' output, kept as `<directory>/<party>/<attempt>-<container>.log` and read as the workers' events."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from renderer.local.observe import ContainerEnded, ContainerLine, ContainerStarted, Event
from renderer.local.private_files import private_directory


@dataclass
class LogFiles:
    """An observer that adds every line to the log of its container; a later run of the same Job adds, too."""

    directory: Path
    party_of: Mapping[str, str]  # by the Job's name
    _open: dict[tuple[str, int, str], TextIO] = field(default_factory=dict)

    def __call__(self, event: Event) -> None:
        """Write what concerns a log."""
        match event:
            case ContainerStarted():
                key = (event.job, event.attempt, event.container)
                self._open[key] = _append_to(self.path(*key))
            case ContainerLine():
                file = self._open[event.job, event.attempt, event.container]
                file.write(event.text + "\n")
                file.flush()
            case ContainerEnded():
                self._open.pop((event.job, event.attempt, event.container)).close()

    def path(self, job: str, attempt: int, container: str) -> Path:
        """Return where a container's log lies."""
        return self.directory / self.party_of.get(job, job) / log_name(attempt, container)

    def close(self) -> None:
        """Close what an interrupted run left open."""
        for file in self._open.values():
            file.close()
        self._open.clear()


def log_name(attempt: int, container: str) -> str:
    """Return what the file with a container's output is called."""
    return f"{attempt}-{container}.log"


def event_of(line: str) -> dict[str, Any] | None:
    """Return a worker's event, or None for any other line.

    >>> event_of('{"event": "step", "name": "s1"}')
    {'event': 'step', 'name': 's1'}
    >>> event_of("Traceback (most recent call last):") is None
    True
    """
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) and isinstance(value.get("event"), str) else None


def _append_to(path: Path) -> TextIO:
    private_directory(path.parent)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a", encoding="utf-8")
