"""A run's progress for people: a live table in a terminal, plain lines elsewhere."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from renderer.local.logs import event_of
from renderer.local.observe import ContainerEnded, ContainerLine, ContainerStarted, Event, JobEnded, PodWaits

# Events worth a plain line of their own; the others only change the live table.
TOLD = frozenset({"data checked", "accepted", "run ended", "failed", "result stored", "done already", "peer refused"})


@dataclass
class PartyProgress:
    """Where one party is."""

    phase: str = "waits"
    doing: str = ""
    steps: set[str] = field(default_factory=set)  # the names of those it has done


@dataclass
class Progress:
    """An observer that shows how far every party is."""

    console: Console
    party_of: Mapping[str, str]  # by the Job's name
    started: float = field(default_factory=time.monotonic)
    parties: dict[str, PartyProgress] = field(default_factory=dict)
    put_in: dict[str, int] = field(default_factory=dict)  # rows, by the step that shares them
    _live: Live | None = None

    def __post_init__(self) -> None:
        self.parties = {party: PartyProgress() for party in sorted(self.party_of.values())}

    def __enter__(self) -> "Progress":
        """Begin to show."""
        if self.console.is_terminal:
            # Drawn on events and not by a thread: processes are started beside it.
            self._live = Live(self._table(), console=self.console, auto_refresh=False, transient=False)
            self._live.start(refresh=True)
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the last state standing."""
        if self._live is not None:
            self._live.update(self._table(), refresh=True)
            self._live.stop()

    def __call__(self, event: Event) -> None:
        """Take in what happened."""
        party = self.party_of.get(event.job, event.job)
        progress = self.parties[party]
        match event:
            case ContainerStarted():
                progress.phase, progress.doing = event.container, ""
                told = event.container if event.attempt == 1 else f"{event.container}, attempt {event.attempt}"
            case ContainerLine():
                found = event_of(event.text)
                told = self._take(progress, found) if found else ""
            case ContainerEnded():
                told = f"{event.container} ended with {event.exit_code}" if event.exit_code else ""
            case PodWaits():
                progress.phase, progress.doing = "waits", f"attempt {event.attempt} in {event.wait_s:g} s"
                told = progress.doing
            case JobEnded():
                progress.phase = "done" if event.succeeded else f"failed with {event.exit_code}"
                progress.doing, told = event.reason, f"{progress.phase} {event.reason}".strip()
        if self._live is not None:
            self._live.update(self._table(), refresh=True)
        elif told:
            seconds = time.monotonic() - self.started
            self.console.print(f"{seconds:6.1f} s  {party:<12} {told}", highlight=False, markup=False)

    def _take(self, progress: PartyProgress, event: dict[str, Any]) -> str:
        """Note a worker's event; return the line it is worth, if any."""
        name = str(event["event"])
        if name == "step":
            step, is_done = str(event.get("name")), bool(event.get("is_done"))
            progress.doing = f"{step}: {event.get('kind')}"
            is_new = is_done and step not in progress.steps
            progress.steps |= {step} if is_done else set()
            return f"did {progress.doing}" if is_new else ""
        if name == "put into MPC":
            if isinstance(rows := event.get("rows"), int):
                self.put_in[str(event.get("step"))] = rows
            return ""
        progress.doing = name
        what = event.get("what") or event.get("reason")
        return (f"{name}: {what}" if what else name) if name in TOLD else ""

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for title in ("party", "phase", "steps done", ""):
            table.add_column(title, min_width=8)
        for party, progress in self.parties.items():
            table.add_row(party, progress.phase, str(len(progress.steps) or ""), progress.doing)
        return table
