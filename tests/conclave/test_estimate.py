from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest

from conclave.compile import compile_query
from conclave.estimate import estimate, rehearse
from conclave.execute import execute
from conclave.ir.nodes import Aggregate, Concat, Scan
from conclave.ir.types import Field, Integer
from conclave.local.duckdb import LocalEngine
from conclave.mpc.inprocess import connect_all
from conclave.plan.steps import MpcStep, ShareStep

FIELDS = (Field("k", Integer(16), nullable=False), Field("v", Integer(32)))
PARTIES = ("alpha", "bravo", "carol")
TABLES = {"t": Concat(tuple(Scan("t", f"{name}/t", name, FIELDS) for name in PARTIES))}

TWO_GROUPINGS = """
    SELECT a.k, s, n FROM (SELECT k, SUM(v) AS s FROM t GROUP BY k) AS a
    JOIN (SELECT k, COUNT(*) AS n, MAX(v) AS m FROM t GROUP BY k) AS b ON a.k = b.k"""


def run(plan, n_rows):
    """Execute a plan over random rows; return each party's reports of MPC steps."""
    networks = connect_all(PARTIES, 60.0)

    def party(name):
        engine = LocalEngine()
        generator = np.random.default_rng(len(name) + n_rows)
        engine.register_table(
            f"{name}/t",
            pa.table(
                {
                    "k": pa.array(np.arange(n_rows), pa.int16()),
                    "v": pa.array(generator.integers(0, 9, n_rows), pa.int32()),
                }
            ),
        )
        try:
            return execute(plan, name, networks[name], engine, b"test", lambda _: None).steps
        finally:
            networks[name].close()

    with ThreadPoolExecutor(3) as pool:
        return list(pool.map(party, PARTIES))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT k, SUM(v) AS s FROM t GROUP BY k HAVING SUM(v) > 3",
        "SELECT SUM(v * v) / COUNT(*) AS m FROM t WHERE v > 2",
        "SELECT k, v FROM t ORDER BY v DESC, k LIMIT 4",
        "SELECT k, RANK() OVER (PARTITION BY k ORDER BY v) AS r, MAX(v) OVER (ORDER BY v) AS m, LAG(v) OVER (ORDER BY k) AS l FROM t",
        TWO_GROUPINGS,
        "SELECT k, STDDEV(v) AS s, MEDIAN(v) AS m, QUANTILE_DISC(v, 0.9) AS q FROM t GROUP BY k HAVING SUM(v) % 3 = 1",
    ],
)
@pytest.mark.parametrize("n_rows", [5, 40])
def test_the_rehearsal_costs_what_the_run_costs(sql, n_rows):
    plan = compile_query(sql, TABLES, ("alpha",), PARTIES)
    expected = estimate(plan, n_rows)
    reports = run(plan, n_rows)
    mpc = {r.name for r in reports[0] if r.kind == "mpc"}
    assert mpc
    for name in mpc:
        taken = [r for steps in reports for r in steps if r.name == name]
        assert {r.rounds for r in taken} == {expected[name].rounds}
        assert max(r.bytes_sent for r in taken) == expected[name].bytes_sent


@pytest.mark.parametrize("are_few", [True, False])
def test_steps_that_need_nothing_of_each_other_share_rounds_unless_their_rows_are_many(are_few, monkeypatch):
    plan = compile_query(TWO_GROUPINGS, TABLES, ("alpha",), PARTIES)
    monkeypatch.setattr("conclave.mpc_steps.MOST_ROWS", 100 if are_few else 10)
    (costs, *_), (in_turn, *_) = (
        rehearse(plan, {step.name: 9 for step in plan.steps if isinstance(step, ShareStep)}, side_by_side)
        for side_by_side in (True, False)
    )
    # What an aggregate that runs beside another costs in rounds is only what it is longer.
    grouped = [step.name for step in plan.steps if isinstance(step, MpcStep) and isinstance(step.operator, Aggregate)]
    alone = [in_turn[name].rounds for name in grouped]
    assert len(grouped) == 2
    if are_few:
        assert sum(costs[name].rounds for name in grouped) == max(alone)
        assert sum(cost.rounds for cost in costs.values()) == sum(cost.rounds for cost in in_turn.values()) - min(alone)
    assert sum(cost.bytes_sent for cost in costs.values()) == sum(cost.bytes_sent for cost in in_turn.values())
    # The run itself decides by its rows.
    taken = {report.name: report.rounds for report in run(plan, 9)[0]}
    assert {name: taken[name] for name in grouped} == {
        name: (costs if are_few else in_turn)[name].rounds for name in grouped
    }
