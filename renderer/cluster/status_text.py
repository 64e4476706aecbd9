"""Standings as tables for people."""

import datetime

from rich.table import Table
from rich.text import Text

from renderer.cluster.status import PartyStatus, RunStatus
from renderer.printable import printable

_STYLES = {
    "succeeded": "green",
    "done already": "green",
    "rejected": "bold red",
    "failed": "bold red",
    "retrying": "yellow",
    "pending": "dim",
    "no access": "dim",
}
MAX_REASON = 400  # of the first line; `--json` and `ccd logs` have the rest


def age(seconds: float) -> str:
    """Return a time span as kubectl shows it, in its two largest units at most.

    >>> age(5), age(125), age(7205), age(90000), age(-3)
    ('5s', '2m5s', '2h', '1d1h', '0s')
    """
    units = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
    rest, shown = max(0, int(seconds)), ""
    for index, (name, size) in enumerate(units):
        if rest >= size or name == "s":
            smaller = units[index + 1] if index + 1 < len(units) else None
            shown = f"{rest // size}{name}"
            left = (rest % size) // smaller[1] if smaller else 0
            return shown + (f"{left}{smaller[0]}" if smaller and left else "")
    return shown


def parties_table(run: RunStatus, now: datetime.datetime) -> Table:
    """Return one run's parties, a row each."""
    table = _table("party", "phase", "verdict", "exit", "attempts", "age", "reason")
    for each in run.parties:
        standing = each.standing
        table.add_row(
            Text(each.party),
            Text(standing.phase, _STYLES.get(standing.phase, "")),
            Text(printable(standing.verdict)),
            Text("" if standing.exit_code is None else str(standing.exit_code)),
            Text(str(standing.attempts or "")),
            Text(_age_of(each, now)),
            Text(_short(standing.reason)),
        )
    return table


def runs_table(runs: tuple[RunStatus, ...], now: datetime.datetime) -> Table:
    """Return all runs, a row each."""
    table = _table("run", "parties", "exit", "age")
    for run in runs:
        phases = Text(", ").join(Text(f"{count} {phase}", _STYLES.get(phase, "")) for phase, count in run.phases)
        code = str(run.exit_code) if run.is_over and run.visible else ""
        begun = run.begun
        table.add_row(Text(run.run_id), phases, Text(code), Text(age((now - begun).total_seconds()) if begun else ""))
    return table


def _age_of(status: PartyStatus, now: datetime.datetime) -> str:
    return age((now - status.job.created).total_seconds()) if status.job else ""


def _short(reason: str) -> str:
    """Return what a reason says, and of what.

    >>> _short("the file is not there\\n  where: clinic/visits.csv\\n  fix: put it there")
    'the file is not there: clinic/visits.csv'
    """
    what, *more = reason.splitlines() or [""]
    where = [line.strip().removeprefix("where: ") for line in more if line.startswith("  where: ")]
    first = printable(": ".join([what, *where[:1]]))
    return first if len(first) <= MAX_REASON else first[: MAX_REASON - 1] + "…"


def _table(*titles: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in titles:
        table.add_column(title, overflow="fold", no_wrap=title in ("phase", "exit", "age"))
    return table
