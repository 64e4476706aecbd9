"""DuckDB over everybody's rows: `python -m tests.bench.plain`, a run and a folder as JSON in, a JSON line out."""

import json
import resource
import sys
import time
from pathlib import Path

import duckdb

from tests.bench.pooled import pool
from worker.runspec import Run


def main() -> None:
    """Answer the run's query, and say what it took; imports and the connection are ready before the clock starts."""
    told = json.load(sys.stdin)
    run = Run.model_validate(told["run"])
    with duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false")
        pool(connection, run, Path(told["folder"]), "parquet")
        wall, cpu = time.perf_counter(), time.process_time()
        rows = connection.sql(run.query).fetchall()
        seconds, cpu_seconds = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(json.dumps({"answer": rows, "seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mib": peak}, default=str))


if __name__ == "__main__":
    main()
