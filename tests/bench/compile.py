"""How long TPC-H's queries take to compile: `python -m tests.bench.compile [--repeat N] [--cleartext] [--json]`.

From SQL text to the plan over three parties, as every worker does it before it runs: no file is read. Processor time of
the fastest of --repeat runs, since a shared machine only ever adds to it, and the share of each stage. With --cleartext all
columns may be seen by one of the three: then there are most plans to choose from.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from conclave.compile import plan_of
from conclave.ir.nodes import Concat, Node, Scan
from conclave.ir.types import Field, parse_type
from conclave.local import sqltext
from conclave.passes.optimise import optimise
from conclave.plan.cleartext import Cleartext
from conclave.plan.steps import MpcSetting
from conclave.plan.wire import digest
from conclave.sql.bind import bind

MOST_MS = 300.0  # for each query, all stages together
QUERIES = Path(__file__).parents[1] / "fixtures" / "tpch.sql"
PARTIES = ("alpha", "bravo", "carol")
OWNERS = {
    "customer": "alpha", "nation": "bravo", "region": "bravo", "supplier": "bravo", "part": "carol", "partsupp": "carol",
}  # fmt: skip
COLUMNS = {
    "customer": "c_custkey bigint, c_name varchar(25), c_address varchar(40), c_nationkey integer, c_phone varchar(15), "
    "c_acctbal decimal(15,2), c_mktsegment varchar(10), c_comment varchar(117)",
    "nation": "n_nationkey integer, n_name varchar(25), n_regionkey integer, n_comment varchar(152)",
    "region": "r_regionkey integer, r_name varchar(25), r_comment varchar(152)",
    "supplier": "s_suppkey bigint, s_name varchar(25), s_address varchar(40), s_nationkey integer, s_phone varchar(15), "
    "s_acctbal decimal(15,2), s_comment varchar(101)",
    "part": "p_partkey bigint, p_name varchar(55), p_mfgr varchar(25), p_brand varchar(10), p_type varchar(25), "
    "p_size integer, p_container varchar(10), p_retailprice decimal(15,2), p_comment varchar(23)",
    "partsupp": "ps_partkey bigint, ps_suppkey bigint, ps_availqty integer, ps_supplycost decimal(15,2), "
    "ps_comment varchar(199)",
    "orders": "o_orderkey bigint, o_custkey bigint, o_orderstatus varchar(1), o_totalprice decimal(15,2), "
    "o_orderdate date, o_orderpriority varchar(15), o_clerk varchar(15), o_shippriority integer, o_comment varchar(79)",
    "lineitem": "l_orderkey bigint, l_partkey bigint, l_suppkey bigint, l_linenumber integer, l_quantity decimal(15,2), "
    "l_extendedprice decimal(15,2), l_discount decimal(15,2), l_tax decimal(15,2), l_returnflag varchar(1), "
    "l_linestatus varchar(1), l_shipdate date, l_commitdate date, l_receiptdate date, l_shipinstruct varchar(25), "
    "l_shipmode varchar(10), l_comment varchar(44)",
}
KEYS = {
    "customer": "c_custkey", "nation": "n_nationkey", "region": "r_regionkey", "supplier": "s_suppkey",
    "part": "p_partkey", "orders": "o_orderkey",
}  # fmt: skip
T = TypeVar("T")


@dataclass(frozen=True)
class Row:
    """Milliseconds of processor time for one query."""

    query: str
    bind_ms: float
    optimise_ms: float
    plan_ms: float
    digest_ms: float

    @property
    def total_ms(self) -> float:
        """All stages."""
        return self.bind_ms + self.optimise_ms + self.plan_ms + self.digest_ms


def tables() -> dict[str, Node]:
    """Return TPC-H's tables as their owners would declare them: orders and lineitem in three parts."""
    made: dict[str, Node] = {}
    for table, columns in COLUMNS.items():
        named = (column.strip().split(" ") for column in columns.replace("(15,2)", "(15;2)").split(","))
        schema = tuple(Field(name, parse_type(kind.replace(";", ",")), nullable=False) for name, kind in named)
        unique = frozenset({KEYS[table]} if table in KEYS else ())
        keys = frozenset({("ps_partkey", "ps_suppkey")} if table == "partsupp" else ())
        owners = (OWNERS[table],) if table in OWNERS else PARTIES
        scans = tuple(
            Scan(table, f"{o}/{table}", o, schema, unique, unique, keys=keys, keys_in_table=keys) for o in owners
        )
        made[table] = scans[0] if len(scans) == 1 else Concat(scans)
    return made


def queries() -> dict[str, str]:
    """Return TPC-H's queries by their numbers."""
    return dict(block.split("\n", 1) for block in QUERIES.read_text().split("-- ")[1:])


def all_shown(over: dict[str, Node]) -> Cleartext:
    """Return that one party may see every column."""
    return {(table, field.name): PARTIES[:1] for table, node in over.items() for field in node.schema}


def measure(sql: str, over: dict[str, Node], name: str, repeat: int, shown: Cleartext | None = None) -> Row:
    """Return the fastest of `repeat` compilations, by stages; nothing of one is left for the next."""
    setting = MpcSetting("replicated3", PARTIES)
    rows = []
    for _ in range(repeat):
        sqltext.to_sql.cache_clear()
        sqltext._select.cache_clear()
        bound, bind_ms = timed(lambda: bind(sql, over, ("analyst",)))
        best, optimise_ms = timed(lambda bound=bound: optimise(bound))
        plan, plan_ms = timed(lambda best=best: plan_of(best, setting, cleartext=shown))
        _, digest_ms = timed(lambda plan=plan: digest(plan))
        rows.append(Row(name, bind_ms, optimise_ms, plan_ms, digest_ms))
    return min(rows, key=lambda row: row.total_ms)


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """Return what `work` does, and its processor time in milliseconds."""
    started = time.process_time()
    result = work()
    return result, round((time.process_time() - started) * 1000, 2)


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.compile", description=__doc__)
    parser.add_argument("--repeat", type=int, default=5, help="runs to take the fastest of (default: %(default)s)")
    parser.add_argument("--cleartext", action="store_true", help="one party may see all columns as keys")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line instead of a table")
    asked = parser.parse_args()
    if asked.repeat < 1:
        parser.error("--repeat takes at least one run")
    over, slowest = tables(), 0.0
    if not asked.json:
        print(f"{'query':>5} {'bind':>8} {'optimise':>8} {'plan':>8} {'digest':>8} {'cpu ms':>8}")
    for name, sql in queries().items():
        row = measure(sql, over, name, asked.repeat, all_shown(over) if asked.cleartext else None)
        slowest = max(slowest, row.total_ms)
        stages = (row.bind_ms, row.optimise_ms, row.plan_ms, row.digest_ms, row.total_ms)
        line = " ".join(f"{ms:8.1f}" for ms in stages)
        said = json.dumps({**asdict(row), "total_ms": round(row.total_ms, 2), "most_ms": MOST_MS})
        print(said if asked.json else f"{name:>5} {line}", flush=True)
    if not asked.json:
        print(f"slowest: {slowest:.0f} ms of {MOST_MS:.0f}")


if __name__ == "__main__":
    main()
