"""Other engines for comparison, each installed once into an environment of its own under a cache directory."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.bench.spu_run import MOST_ROWS as SPU_MOST_ROWS
from tests.bench.spu_run import run_spu

MPYC = "mpyc==0.11"
# MPyC works element by element in Python: more rows than this would take minutes and not change the rate.
MOST_ROWS = {"multiply": 20_000, "and": 200, "compare": 500, "sort": 256}
SPU = "spu==0.9.5"


def run_peer(name: str, op: str, rows: int, key_bits: int) -> dict[str, Any]:
    """Return the peer's report, or why there is none."""
    if name == "spu":
        return {"name": "spu", "version": SPU.partition("==")[2], "protocol": "ABY3", **_spu(op, rows, key_bits)}
    if op not in MOST_ROWS:
        return {"name": "mpyc", "refused": f"MPyC has no operation for {op}"}
    python = _environment(MPYC, "numpy", "gmpy2")
    used = min(rows, MOST_ROWS[op])
    script = Path(__file__).with_name("mpyc_peer.py")
    command = [str(python), str(script), op, str(used), str(key_bits), "-M3", "--no-log"]
    # The script starts the other parties itself (-M3), and its party 0 prints the report.
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        return {"name": "mpyc", "refused": f"MPyC failed: {done.stderr.strip().splitlines()[-1:]}"}
    return {"name": "mpyc", "version": MPYC.partition("==")[2], **json.loads(lines[0])}


def _spu(op: str, rows: int, key_bits: int) -> dict[str, Any]:
    if op not in SPU_MOST_ROWS:
        return {"refused": f"SPU has no operation for {op}"}
    return run_spu(_environment(SPU), op, rows, key_bits)


def environment_of(requirement: str) -> Path:
    """Return the Python of the environment that holds a requirement; it is there once that has been installed."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "ccd-bench"
    return cache / requirement / "bin" / "python"


def _environment(requirement: str, *beside: str) -> Path:
    python = environment_of(requirement)
    if not python.exists():
        made = python.parents[1].with_name(f"{requirement}.{os.getpid()}")
        subprocess.run([sys.executable, "-m", "venv", str(made)], check=True)
        pip = [str(made / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, requirement, *beside], check=True, stdout=sys.stderr)
        made.rename(python.parents[1])  # only a whole one is ever found
    return python
