"""Other engines for comparison, each installed once into an environment of its own under a cache directory."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

MPYC = "mpyc==0.11"
# MPyC works element by element in Python: more rows than this would take minutes and not change the rate.
MOST_ROWS = {"multiply": 20_000, "and": 200, "compare": 500, "sort": 256}
SPU_REFUSED = (
    "spu 0.9.5 can be installed, with the old jax and numpy that it pins, but no driver for it is written here; "
    "its measured figures stand in the engine's documents"
)


def run_peer(name: str, op: str, rows: int, key_bits: int) -> dict[str, Any]:
    """Return the peer's report, or why there is none."""
    if name == "spu":
        return {"name": "spu", "refused": SPU_REFUSED}
    if op not in MOST_ROWS:
        return {"name": "mpyc", "refused": f"MPyC has no operation for {op}"}
    python = _environment(MPYC)
    used = min(rows, MOST_ROWS[op])
    script = Path(__file__).with_name("mpyc_peer.py")
    command = [str(python), str(script), op, str(used), str(key_bits), "-M3", "--no-log"]
    # The script starts the other parties itself (-M3), and its party 0 prints the report.
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        return {"name": "mpyc", "refused": f"MPyC failed: {done.stderr.strip().splitlines()[-1:]}"}
    return {"name": "mpyc", "version": MPYC.partition("==")[2], **json.loads(lines[0])}


def _environment(requirement: str) -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "ccd-bench"
    python = cache / requirement / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(cache / requirement)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, requirement, "numpy", "gmpy2"], check=True, stdout=sys.stderr)
    return python
