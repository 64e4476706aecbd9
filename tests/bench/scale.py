"""The worked examples at scale: whole runs of real workers, beside DuckDB over all rows in one place.

What is run is `ccd-worker fetch` and `ccd-worker compute`, a process each for every party, over TLS on loopback: policies
and signatures, the copy from the volume with its digest, the check of the file, the run, the signed manifest, the result.
Only what comes after, the upload to a store, is left out. The data lies in Parquet, made before the clock starts and
deleted when all is done; answers are compared with DuckDB's.
"""

import csv
import json
import math
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from policy.identity import load_private_key, new_identity
from policy.parse import parse_policy
from policy.signature import sign
from renderer.check import load_workspace
from renderer.dev.ports import free_ports
from renderer.documents import POLICIES
from tests.bench.questions import QUESTIONS
from worker.runspec import FilesSource, Own, Run, RunSpec

EXAMPLES = Path(__file__).parents[2] / "examples"
# Worked examples with keys in the clear: the regulator sees social security numbers in an order that nobody knows, and
# both bureaus' policies grant that.
IN_CLEAR = {
    "credit-scores-in-clear": (
        "credit-scores",
        dict.fromkeys(("demographics.ssn", "demographics.zip", "scores.ssn"), ("treasury",)),
        "    cleartextTo: {ssn: [treasury]}\n",
    )
}
# Of each dataset: 100 million trips in all, 300,000 records in all, 200,000 of each kind a hospital.
USUAL_ROWS = {
    "market-concentration": 33_333_334,
    "credit-scores": 100_000,
    "aspirin-count": 200_000,
    "comorbidity": 200_000,
    "credit-scores-in-clear": 100_000,
}
WARM_ROWS = 1_000  # of a run before the clock starts, which leaves compiled loops and libraries in memory
WORKER = "from worker.cli import main; main()"
CLAIM = "data"


@dataclass(frozen=True)
class Spent:
    """What a phase took: by the clock, and each party's processor time and largest memory."""

    seconds: float
    cpu_seconds: dict[str, float]
    peak_mib: dict[str, int]


def run_scale(workflow: str, rows: int, repeat: int, scratch: Path | None = None) -> dict[str, Any]:
    """Return what runs of a worked example with `rows` in each dataset took, and DuckDB; the fastest of each.

    Raises:  SystemExit if a worker fails, or the answer is not DuckDB's.
    """
    with tempfile.TemporaryDirectory(prefix="ccd-scale-", dir=scratch) as directory:
        root = Path(directory)
        fixed, question = math.inf, QUESTIONS[IN_CLEAR.get(workflow, (workflow,))[0]]
        for warm in (True, False):
            # In a process of its own: a worker's peak would begin with that of who starts it.
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as maker:
                maker.submit(_write, question.workflow, root, WARM_ROWS if warm else rows).result()
            runs = [_once(workflow, root) for _ in range(1 if warm else repeat)]
            if warm:
                fixed = _cpu_seconds(runs[0][0])
        stored = sum(file.stat().st_size for file in (root / CLAIM).rglob("*.parquet"))
    ours = min((own for own, _ in runs), key=lambda own: sum(phase.seconds for phase in own.values()))
    plain = min((other for _, other in runs), key=lambda other: other["seconds"])
    seconds, cpu_seconds = sum(phase.seconds for phase in ours.values()), _cpu_seconds(ours)
    return {
        "scale": workflow,
        "rows_of_each_dataset": rows,
        "rows": rows * len(question.datasets),
        "stored_mib": stored >> 20,
        "seconds": round(seconds, 2),
        "duckdb_seconds": round(plain["seconds"], 2),
        "ratio": round(seconds / plain["seconds"], 2),
        "peak_mib": max(max(phase.peak_mib.values()) for phase in ours.values()),
        "duckdb_peak_mib": plain["peak_mib"],
        # On a machine that others use, these tell more than the clock.
        "cpu_seconds": round(cpu_seconds, 2),
        "duckdb_cpu_seconds": round(plain["cpu_seconds"], 2),
        "cpu_ratio": round(cpu_seconds / plain["cpu_seconds"], 2),
        # Each has a machine of its own in earnest; here, where they share one, this is what the busiest takes.
        "busiest_cpu_ratio": round(_busiest(ours) / plain["cpu_seconds"], 2),
        # Processes start, libraries load and parties meet however few rows there are: what a thousand rows took.
        "fixed_cpu_seconds": round(fixed, 2),
        "cpu_ratio_beyond_fixed": round(max(0.0, cpu_seconds - fixed) / plain["cpu_seconds"], 2),
        "phases": {name: vars(phase) for name, phase in ours.items()},
        "runs": repeat,
        "load": round(os.getloadavg()[0], 1),
    }


def _write(workflow: str, root: Path, rows: int) -> None:
    with duckdb.connect(config={"memory_limit": "2GB", "temp_directory": str(root / "spill")}) as connection:
        connection.execute("SET enable_progress_bar = false")
        QUESTIONS[workflow].write(root / CLAIM, rows, "parquet", connection)


def line_of(report: dict[str, Any]) -> str:
    """Return the report for people."""
    phases = ", ".join(f"{name} {phase['seconds']:.1f} s" for name, phase in report["phases"].items())
    return (
        f"{report['scale']:22}{report['rows']:>14,} rows {report['seconds']:8.1f} s ({phases}), {report['peak_mib']} MiB"
        f" a process; DuckDB {report['duckdb_seconds']:.1f} s, {report['duckdb_peak_mib']} MiB; ratio {report['ratio']},"
        f" of CPU time {report['cpu_ratio']}, beyond the first thousand rows {report['cpu_ratio_beyond_fixed']},"
        f" of the busiest party {report['busiest_cpu_ratio']}"
    )


def _cpu_seconds(phases: dict[str, Spent]) -> float:
    return sum(sum(phase.cpu_seconds.values()) for phase in phases.values())


def _busiest(phases: dict[str, Spent]) -> float:
    """Return the processor time of the party that takes most, its containers together."""
    parties = {name for phase in phases.values() for name in phase.cpu_seconds}
    return max(sum(phase.cpu_seconds[name] for phase in phases.values()) for name in parties)


def _once(workflow: str, root: Path) -> tuple[dict[str, Spent], dict[str, Any]]:
    """Run the workers, and DuckDB before them, over what lies in `root`."""
    run, members = lay_out(workflow, root)
    plain = _plain(run, root)
    phases = {name: run_containers(name, members, root) for name in ("fetch", "compute")}
    with (root / "work" / run.outputs.writer / "result.csv").open(newline="") as file:
        _, *got = csv.reader(file)
    if not _agree(got, plain["answer"]):
        raise SystemExit(f"{workflow}: the parties' answer is not DuckDB's")
    shutil.rmtree(root / "work")
    return phases, plain


def lay_out(workflow: str, root: Path) -> tuple[Run, list[str]]:
    """Write each party's run spec, identity and signed policies; return the run and its parties."""
    example, shown, granted = IN_CLEAR.get(workflow, (workflow, {}, ""))
    planned = load_workspace(EXAMPLES).planned(example)
    ports = dict(zip((m.name for m in planned.members), free_ports(len(planned.members)), strict=True))
    found = {name: new_identity(name, days=1) for name in ports}
    told = tuple(
        m.model_copy(update={"certificate": found[m.name][1], "host": "localhost", "port": ports[m.name]})
        for m in planned.run.members
    )
    mpc = planned.run.mpc.model_copy(update={"cleartext": shown})
    run = planned.run.model_copy(update={"members": told, "mpc": mpc})
    for member in planned.members:
        secret = root / "secrets" / member.name / "identity" / "tls.key"
        secret.parent.mkdir(parents=True, exist_ok=True)
        secret.write_bytes(found[member.name][0])
        sources = tuple(_source(each.dataset, found[member.name][0], root, granted) for each in member.own.sources)
        own = Own(party=member.name, identity="identity", sources=sources, capacity=member.own.capacity)
        work = root / "work" / member.name
        work.mkdir(parents=True)
        (root / f"{member.name}.json").write_text(RunSpec(run=run, own=own).model_dump_json(by_alias=True))
    return run, list(ports)


def _source(dataset: str, key: bytes, root: Path, granted: str) -> FilesSource:
    """Put the example's policy, with what is granted besides, signed anew, beside the data; return where that lies."""
    path = f"{dataset}.parquet"
    name = f"{dataset.replace('/', '.')}.policy.yaml"
    text = (EXAMPLES / POLICIES / name).read_text().replace("  compute:\n", f"  compute:\n{granted}")
    beside = root / CLAIM / f"{path}.policy.yaml"
    beside.write_text(text)
    beside.with_name(f"{beside.name}.sig").write_text(sign(load_private_key(key), "policy", parse_policy(text, name)))
    return FilesSource(dataset=dataset, format="parquet", claim=CLAIM, path=path)


def run_containers(container: str, members: list[str], root: Path, program: str = WORKER) -> Spent:
    """Run one container of every party at once; `program` is what Python is given to run.

    Raises:  SystemExit if one fails.
    """
    began = time.perf_counter()
    logs = {name: (root / "work" / f"{name}.{container}.log").open("w+") for name in members}
    started = {name: _start(container, name, root, logs[name], program) for name in members}
    cpu, peak, failed = {}, {}, []
    for name, worker in started.items():
        _, status, usage = os.wait4(worker.pid, 0)
        worker.returncode = os.waitstatus_to_exitcode(status)
        cpu[name], peak[name] = round(usage.ru_utime + usage.ru_stime, 2), usage.ru_maxrss >> 10
        failed += [name] * (worker.returncode != 0)
    seconds = round(time.perf_counter() - began, 3)
    for name, log in logs.items():
        log.seek(0)
        if name in failed:
            print(f"{name}: {log.read()}", file=sys.stderr)
        log.close()
    if failed:
        raise SystemExit(f"{container} failed at {', '.join(failed)}; what went wrong stands above")
    return Spent(seconds, cpu, peak)


def _start(container: str, name: str, root: Path, log: Any, program: str) -> "subprocess.Popen[str]":
    own = {"spec": root / f"{name}.json", "work": root / "work" / name, "secrets": root / "secrets" / name}
    own["termination-log"] = root / "work" / f"{name}.ended"
    if container == "fetch":
        own["volumes"] = root
    options = [part for option, path in own.items() for part in (f"--{option}", str(path))]
    return subprocess.Popen([sys.executable, "-c", program, container, *options], stderr=log, text=True)


def _plain(run: Run, root: Path) -> dict[str, Any]:
    """Return what DuckDB answers over all rows, in a process of its own, and what that took."""
    told = json.dumps({"run": run.model_dump(mode="json", by_alias=True), "folder": str(root / CLAIM)})
    command = [sys.executable, "-m", "tests.bench.plain"]
    done = subprocess.run(command, input=told, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"DuckDB failed: {done.stderr}")
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def _agree(got: list[list[str]], expected: list[list[Any]]) -> bool:
    """Whether all rows are equal, fixed-point numbers as far as they can be."""
    return len(got) == len(expected) and all(
        math.isclose(float(mine), float(theirs), rel_tol=1e-6, abs_tol=1e-6)
        if isinstance(theirs, float)
        else mine == str(theirs)
        for row, wanted in zip(got, expected, strict=True)
        for mine, theirs in zip(row, wanted, strict=True)
    )
