"""What steps were estimated to cost, beside what they took."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from conclave.execute import Execution
from conclave.forecast import Forecast
from conclave.plan.show import size

_UNITS = ("rounds", "bytes", "seconds")
_CAPTION = "bytes are all parties' together; estimated for as many rows as owners have put into MPC"


@dataclass(frozen=True)
class Taken:
    """One step: what it took, over all parties, and what was estimated; None for steps that MPC has no part in."""

    name: str
    kind: str
    actual: Forecast
    estimated: Forecast | None

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        told = {"name": self.name, "kind": self.kind, "actual": _json(self.actual)}
        return told if self.estimated is None else {**told, "estimated": _json(self.estimated)}


def taken_in(executions: Iterable[Execution], estimated: Mapping[str, Forecast]) -> tuple[Taken, ...]:
    """Return what each step took, of all parties' walks through a plan."""
    found: dict[str, list[Any]] = {}
    for execution in executions:
        for report in execution.steps:
            found.setdefault(report.name, []).append(report)
    return tuple(
        Taken(
            name,
            reports[0].kind,
            Forecast(
                max(r.rounds for r in reports), sum(r.bytes_sent for r in reports), max(r.seconds for r in reports)
            ),
            estimated.get(name),
        )
        for name, reports in sorted(found.items(), key=lambda item: (_ORDER.index(item[1][0].kind), item[0]))
    )


def taken_of(manifest: Mapping[str, Any], estimated: Mapping[str, Forecast]) -> tuple[Taken, ...]:
    """Return what each step took, as a manifest says."""
    return tuple(
        Taken(s["name"], s["kind"], Forecast(s["rounds"], s["bytes"], s["seconds"]), estimated.get(s["name"]))
        for s in manifest.get("steps", ())
    )


def table_of_taken(steps: Iterable[Taken]) -> Table:
    """Return a table for a terminal."""
    table = Table(box=None, header_style="bold", pad_edge=False, caption=_CAPTION, caption_justify="left")
    table.add_column("step")
    table.add_column("kind")
    for unit in _UNITS:
        table.add_column(unit, justify="right")
        table.add_column("estimated", justify="right", style="dim")
    shown = list(steps)
    for step in [*shown, _whole(shown)]:
        cells = zip(_cells(step.actual), _cells(step.estimated), strict=True)
        table.add_row(step.name, step.kind, *(cell for pair in cells for cell in pair))
    return table


_ORDER = ("local", "share", "mpc", "reveal", "send")


def _whole(steps: list[Taken]) -> Taken:
    return Taken("all", "", _sum(s.actual for s in steps), _sum(s.estimated for s in steps if s.estimated is not None))


def _sum(costs: Iterable[Forecast]) -> Forecast:
    listed = list(costs)
    return Forecast(sum(c.rounds for c in listed), sum(c.size_bytes for c in listed), sum(c.seconds for c in listed))


def _cells(cost: Forecast | None) -> tuple[str, str, str]:
    return ("", "", "") if cost is None else (str(cost.rounds), size(cost.size_bytes), f"{cost.seconds:.2f} s")


def _json(cost: Forecast) -> dict[str, Any]:
    return {"rounds": cost.rounds, "bytes": cost.size_bytes, "seconds": cost.seconds}
