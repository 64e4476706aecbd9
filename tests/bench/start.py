"""How long a worker takes from its exec to its first MPC round: real processes of a worked example, with few rows.

All parties' `ccd-worker compute` start at once, after their `fetch`, as in `tests.bench.scale`. The round is the first one
of the first step on shares: everything comes before it that has to, so the parties have met, exchanged and judged their
policies, loaded their data, agreed on seeds, run their own SQL and shared what it gave. (The very first frames of the MPC
engine are earlier: those of the seeds.) Phases end with events that the worker logs anyway.

Python's byte code and the machine code of loops are there, as an installation leaves them; a run that is not counted has
brought them into memory. Those who only receive the answer have no such round, and are left out.
"""

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from tests.bench.questions import QUESTIONS
from tests.bench.scale import CLAIM, IN_CLEAR, lay_out, run_containers
from tests.bench.stamped import PROGRAM

ROWS = 100  # of each dataset
# A phase, and the event it ends with: the last one so named up to the first MPC step, or with these fields.
PHASES = {
    "python": "python",  # the interpreter itself, with what its environment has it import
    "load": "waiting for peers",  # the worker and its libraries; run spec and identity are checked
    "meet": "peer connected",  # waits for the slowest: TLS with all
    "agree": "accepted",  # documents exchanged, signatures verified, query compiled, policies judged, verdicts exchanged
    "data": "heard",  # own data in the local engine, and everybody said so
    "seeds": "step",  # the MPC engine has agreed on its keys
    "share": "mpc",  # own SQL, and everybody's shares are where they belong
}


@dataclass(frozen=True)
class Mark:
    """An event, with the age of the process and its processor time then."""

    name: str
    age_s: float
    cpu_s: float


def run_start(workflow: str, repeat: int, scratch: Path | None = None) -> dict[str, Any]:
    """Return how the workers started in the fastest of `repeat` runs.

    Raises:  SystemExit if a worker fails.
    """
    with tempfile.TemporaryDirectory(prefix="ccd-start-", dir=scratch) as directory:
        root = Path(directory)
        with duckdb.connect() as connection:
            question = QUESTIONS[IN_CLEAR.get(workflow, (workflow,))[0]]
            question.write(root / CLAIM, ROWS, "parquet", connection)
        runs = [_once(workflow, root) for _ in range(1 + repeat)][1:]
    workers, fetch = min(runs, key=lambda run: max(marks[-1].age_s for marks in run[0].values()))
    return {
        "start": workflow,
        "seconds": max(marks[-1].age_s for marks in workers.values()),
        # With a core of its own a worker takes this long, and what it waits for its peers.
        "cpu_seconds": max(marks[-1].cpu_s for marks in workers.values()),
        "all_seconds": [max(marks[-1].age_s for marks in run.values()) for run, _ in runs],
        "all_cpu_seconds": [max(marks[-1].cpu_s for marks in run.values()) for run, _ in runs],
        "workers": {name: _phases_of(marks) for name, marks in workers.items()},
        "fetch_seconds": fetch.seconds,
        "fetch_cpu_seconds": fetch.cpu_seconds,
        "processors": len(os.sched_getaffinity(0)),
        "runs": repeat,
        "load": round(os.getloadavg()[0], 1),
    }


def lines_of(report: dict[str, Any]) -> str:
    """Return the report for people."""
    first = (
        f"{report['start']}: {report['seconds']:.2f} s to the first MPC round, {len(report['workers'])} workers at once"
        f" on {report['processors']} processors; processor time of one {report['cpu_seconds']:.2f} s;"
        f" fetch before it {report['fetch_seconds']:.2f} s"
    )
    lines = [first, "  seconds (of processor time)" + "".join(f"{phase:>16}" for phase in PHASES)]
    for name, phases in report["workers"].items():
        cells = [f"{each['seconds']:.2f} ({each['cpu_seconds']:.2f})" for each in phases.values()]
        lines.append(f"  {name:27}" + "".join(f"{cell:>16}" for cell in cells))
    return "\n".join(lines)


def _once(workflow: str, root: Path) -> tuple[dict[str, list[Mark]], Any]:
    run, members = lay_out(workflow, root)
    fetch = run_containers("fetch", members, root)
    run_containers("compute", members, root, PROGRAM)
    logs = {name: root / "work" / f"{name}.compute.log" for name in members if name in run.mpc.compute}
    marks = {name: _marks_of(log.read_text()) for name, log in logs.items()}
    for each in (root / "work").iterdir():
        shutil.rmtree(each) if each.is_dir() else each.unlink()
    return marks, fetch


def _marks_of(log: str) -> list[Mark]:
    """Return when each phase ended."""
    marks: dict[str, Mark] = {}
    for line in log.splitlines():
        age_s, cpu_s, text = line.split(" ", 2)
        told = json.loads(text)
        event = told["event"]
        if event == "step" and told["kind"] == "mpc":
            event = "mpc"
        if event == "step" and "step" in marks:
            continue
        marks[event] = Mark(event, float(age_s), float(cpu_s))
        if event == "mpc":
            return [marks[end] for end in PHASES.values()]
    raise SystemExit("there was no MPC step")


def _phases_of(marks: list[Mark]) -> dict[str, dict[str, float]]:
    before = [Mark("exec", 0.0, 0.0), *marks[:-1]]
    return {
        phase: {"seconds": round(now.age_s - then.age_s, 3), "cpu_seconds": round(now.cpu_s - then.cpu_s, 3)}
        for phase, then, now in zip(PHASES, before, marks, strict=True)
    }
