"""The command: measure one operation, or all of them at their usual sizes."""

import argparse
import json
from pathlib import Path
from typing import Any

from tests.bench.endpoint import line_of, run_endpoint
from tests.bench.peers import run_peer
from tests.bench.run import run_bench
from tests.bench.scale import USUAL_ROWS, run_scale
from tests.bench.scale import line_of as scale_line
from tests.bench.start import lines_of, run_start
from tests.bench.workloads import WORKLOADS

DESCRIPTION = "Measure the MPC engine: three processes of this machine, joined by TCP on loopback."
EPILOG = """\
what is timed     from the moment all three hold their shares until the result is shared: not the start of a process,
                  not the making of inputs, not the opening. Every opened result is compared with numpy's.
what is reported  the fastest of --repeat runs (a shared machine only ever slows one down), and the processor time of
                  each party in it. `rows` of a join are those of both tables together; a sort carries one 64-bit
                  column beside its key. Bytes are what a party sends, without headers; `least` is what the first could
                  do with in the same protocol if every number took just the bits that it needs. `x input` is by how
                  many times the inputs' size in the clear a party's memory grows, at its peak.

examples
  python -m tests.bench                                             a table of all operations
  python -m tests.bench --op sort --rows 262144 --key-bits 32       one operation
  python -m tests.bench --op compare --rows 1000000 --tls --json    over TLS 1.3, as JSON
  python -m tests.bench --op compare --rows 10000 --delay 20ms      on links of 20 ms, where rounds decide
  python -m tests.bench --op multiply --rows 1000000 --peer mpyc    beside MPyC (installed once, in a cache)
  python -m tests.bench --op sort --rows 16384 --peer spu           beside SPU with ABY3, in the same way
  python -m tests.bench --op merge --rows 262144 --peer sort        two owners' sorted rows, beside a sort of as many
  python -m tests.bench --endpoint swift --mib 1024 --json          fetch from a real Swift, beside curl
  python -m tests.bench --scale                                     whole runs of the worked examples, beside DuckDB
  python -m tests.bench --start                                     three workers, to their first MPC round
  python -m tests.bench --scale market-concentration --rows 433333334 --repeat 1 --scratch /var/tmp --json
"""
USUAL = [
    ("multiply", 1 << 22, 64),
    ("and", 1 << 22, 64),
    ("compare", 1 << 20, 64),
    ("shuffle", 1 << 20, 64),
    ("sort", 1 << 18, 32),
    ("sort", 1 << 16, 64),
    ("groupby_sum", 1 << 18, 32),
    ("join", 1 << 18, 32),
]


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--op", choices=sorted(WORKLOADS), help="what to measure; default: everything, at usual sizes")
    parser.add_argument(
        "--rows",
        type=int,
        help=f"how many (default: {1 << 18}); with --scale, of each dataset (default: as documented)",
    )
    parser.add_argument("--key-bits", type=int, default=64, help="width of keys and operands (default: %(default)s)")
    parser.add_argument("--tls", action="store_true", help="TLS 1.3 with fresh identities, as between workers")
    parser.add_argument(
        "--delay",
        type=_milliseconds,
        default=0.0,
        help="how long each byte is on its way, such as 20ms (default: as loopback)",
    )
    parser.add_argument("--repeat", type=int, default=3, help="runs to take the fastest of (default: %(default)s)")
    parser.add_argument(
        "--peer",
        choices=["mpyc", "spu", "sort"],
        help="run the same in another engine, or a sort for a merge, and compare rates",
    )
    parser.add_argument("--endpoint", choices=["swift"], help="measure a worker's fetch in the place of the MPC engine")
    parser.add_argument(
        "--scale",
        nargs="?",
        const="all",
        choices=["all", *USUAL_ROWS],
        help="run a worked example, or all, from files in Parquet to the result: real workers, beside DuckDB",
    )
    parser.add_argument(
        "--start",
        nargs="?",
        const="credit-scores",
        choices=list(USUAL_ROWS),
        help="how long the workers of a worked example take to their first MPC round (default: %(const)s, of three)",
    )
    parser.add_argument("--scratch", type=Path, help="where --scale keeps data and workers' copies until it ends")
    parser.add_argument("--mib", type=int, default=256, help="how much is fetched (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line instead of a table")
    asked = parser.parse_args()
    if asked.endpoint:
        if asked.op or not 1 <= asked.mib <= 5120 or asked.repeat < 1:
            parser.error("--endpoint takes 1 to 5120 --mib, at least one --repeat, and no --op")
        fetched = run_endpoint(asked.mib, asked.repeat)
        print(json.dumps(fetched) if asked.json else line_of(fetched), flush=True)
        return
    if asked.start:
        if asked.op or asked.scale or asked.repeat < 1:
            parser.error("--start takes at least one --repeat, and neither --op nor --scale")
        started = run_start(asked.start, asked.repeat, asked.scratch)
        print(json.dumps(started) if asked.json else lines_of(started), flush=True)
        return
    if asked.scale:
        if asked.op or asked.repeat < 1 or (asked.rows is not None and asked.rows < 2):
            parser.error("--scale takes two --rows or more, at least one --repeat, and no --op")
        for workflow in USUAL_ROWS if asked.scale == "all" else [asked.scale]:
            scaled = run_scale(workflow, asked.rows or USUAL_ROWS[workflow], asked.repeat, asked.scratch)
            print(json.dumps(scaled) if asked.json else scale_line(scaled), flush=True)
        return
    jobs = [(asked.op, asked.rows or 1 << 18, asked.key_bits)] if asked.op else USUAL
    if not asked.json:
        print(
            _line(
                "op",
                "rows",
                "bits",
                "tls",
                "seconds",
                "rows/s",
                "cpu s per party",
                "B/row",
                "least",
                "rounds",
                "ms/round",
                "MB",
                "x input",
                "ratio",
            )
        )
    for op, rows, bits in jobs:
        low, high = WORKLOADS[op].key_bits
        if not low <= bits <= high or rows < 2 or asked.repeat < 1:
            parser.error(f"{op} takes keys of {low} to {high} bits, two rows or more, and at least one run")
        report = {
            **run_bench(op, rows, bits, asked.tls, asked.repeat, delay_ms=asked.delay),
            "peer": None,
            "ratio": None,
        }
        if asked.peer:
            is_own = asked.peer == "sort"
            report["peer"] = _beside(op, rows, bits, asked) if is_own else run_peer(asked.peer, op, rows, bits)
            if "rows_per_s" in report["peer"]:
                report["ratio"] = round(report["rows_per_s"] / report["peer"]["rows_per_s"], 1)
        print(json.dumps(report) if asked.json else _row(report), flush=True)


def _beside(op: str, rows: int, bits: int, asked: argparse.Namespace) -> dict[str, Any]:
    """Return what our own sort takes for what is merged."""
    if op != "merge":
        return {"refused": f"{op} is nothing that a sort does, too"}
    return run_bench("sort", rows, bits, asked.tls, asked.repeat, delay_ms=asked.delay)


def _milliseconds(text: str) -> float:
    try:
        delay = float(text.removesuffix("ms"))
    except ValueError:
        delay = -1.0
    if not 0 <= delay <= 10_000:
        raise argparse.ArgumentTypeError(f"{text} is no delay; write milliseconds from 0 to 10000, such as 20ms")
    return delay


def _row(report: dict[str, Any]) -> str:
    refused = (report.get("peer") or {}).get("refused")
    line = _line(
        report["op"],
        report["rows"],
        report["key_bits"],
        "yes" if report["tls"] else "no",
        f"{report['seconds']:.3f}",
        f"{report['rows_per_s']:,}",
        " ".join(f"{s:.3f}" for s in report["cpu_seconds_per_party"]),
        " ".join(f"{b / report['rows']:.0f}" for b in report["bytes_sent_per_party"]),
        f"{report['least_bytes_sent'] / report['rows']:.0f}",
        report["rounds"],
        f"{report['ms_per_round']:.2f}",
        max(report["peak_bytes_per_party"]) >> 20,
        report["memory_per_input"] or "-",
        report.get("ratio") or "-",
    )
    return f"{line}\n  no peer: {refused}" if refused else line


def _line(*cells: object) -> str:
    widths = (12, 9, 5, 4, 8, 12, 20, 15, 6, 7, 9, 6, 8, 8)
    return " ".join(f"{cell:>{width}}" for cell, width in zip(map(str, cells), widths, strict=True))


if __name__ == "__main__":
    main()
