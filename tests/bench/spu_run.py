"""One operation in SPU with ABY3: our inputs go out as files, its opened result comes back and is checked as ours is."""

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench.workloads import WORKLOADS

# Enough for the rate to stand, and not minutes: SPU sorts thousands of rows a second and multiplies millions.
MOST_ROWS = {
    "multiply": 1 << 20,
    "and": 1 << 18,
    "compare": 1 << 18,
    "sort": 1 << 14,
    "groupby_sum": 1 << 14,
    "join": 1 << 14,
}
# Its words are compared by the sign of their difference, which has to fit; a join's key grows by one bit.
MOST_BITS = {"compare": 62, "sort": 62, "groupby_sum": 62, "join": 61}
TIMEOUT_S = 600


def run_spu(python: Path, op: str, rows: int, key_bits: int, seed: int = 1) -> dict[str, Any]:
    """Return what SPU took, in three processes over loopback, or that it failed.

    Raises:  SystemExit if it opened to something else than numpy computes.
    """
    rows, bits = min(rows, MOST_ROWS[op]), min(key_bits, MOST_BITS.get(op, 64))
    inputs = WORKLOADS[op].inputs(rows, bits, np.random.default_rng(seed))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for k, column in enumerate(inputs):
            np.save(folder / f"in{k}.npy", column.view(np.int64), allow_pickle=False)
        script = Path(__file__).with_name("spu_peer.py")
        command = [str(python), str(script), str(folder), op]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        if done.returncode or not lines:
            return {"refused": f"SPU failed: {done.stderr.strip().splitlines()[-1:]}"}
        outputs = [np.load(folder / f"out{k}.npy", allow_pickle=False) for k in range(len(list(folder.glob("out*"))))]
    if not is_right(outputs, WORKLOADS[op].expected(inputs, bits)):
        raise SystemExit(f"{op} of {rows} rows in SPU opened to something else than numpy computes")
    report = json.loads(lines[-1])
    seconds = report["seconds"]
    return {"rows": rows, "key_bits": bits, **report, "seconds": round(seconds, 4), "rows_per_s": round(rows / seconds)}


def is_right(outputs: list[np.ndarray], expected: list[np.ndarray]) -> bool:
    """Whether it is the expected result; rows of a group-by or join, which come with a valid bit, in any order."""
    opened = [column if column.dtype == np.bool_ else column.view(np.uint64) for column in outputs]
    if len(opened) > len(expected):
        valid = opened.pop() != 0
        opened = [column[valid] for column in opened]
        order, wanted = np.lexsort(opened[::-1]), np.lexsort(expected[::-1])
        opened, expected = [column[order] for column in opened], [column[wanted] for column in expected]
    return all(np.array_equal(mine, theirs) for mine, theirs in zip(opened, expected, strict=True))
