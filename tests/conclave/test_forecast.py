"""What a plan is said to cost with many rows, of rehearsals with few, against what a walk with many rows takes."""

import pytest

from conclave.compile import compile_query
from conclave.forecast import forecast
from tests.conclave.test_estimate import PARTIES, TABLES, run


@pytest.mark.parametrize(
    ("sql", "n_rows"),
    [
        ("SELECT k, SUM(v) AS s, MAX(v) AS m FROM t GROUP BY k HAVING SUM(v) > 3", 1000),
        ("SELECT k, COUNT(*) AS n, SUM(v) / COUNT(*) AS q FROM t GROUP BY k", 1000),
        ("SELECT COUNT(*) AS n FROM t a JOIN t b ON a.v = b.v", 200),  # every pair of rows
    ],
)
def test_many_rows_cost_what_is_forecast_from_few(sql, n_rows):
    plan = compile_query(sql, TABLES, ("alpha",), PARTIES)
    said = forecast(plan, {f"{name}/t": n_rows for name in PARTIES})
    reports = run(plan, n_rows)
    for name in {r.name for r in reports[0] if r.kind == "mpc"}:
        taken = [r for steps in reports for r in steps if r.name == name]
        shared = sum(r.bytes_sent for r in taken)
        assert max(r.rounds for r in taken) == pytest.approx(said[name].rounds, rel=0.05), name
        assert shared == pytest.approx(said[name].size_bytes, rel=0.1, abs=200), name


def test_few_rows_are_rehearsed_as_they_are():
    plan = compile_query("SELECT k, v FROM t ORDER BY k LIMIT 3", TABLES, ("alpha",), PARTIES)
    said, reports = forecast(plan, {f"{name}/t": 40 for name in PARTIES}), run(plan, 40)
    for name in {r.name for r in reports[0] if r.kind == "mpc"}:
        taken = [r for steps in reports for r in steps if r.name == name]
        assert (said[name].rounds, said[name].size_bytes) == (taken[0].rounds, sum(r.bytes_sent for r in taken))


def test_a_plan_without_mpc_costs_nothing():
    plan = compile_query("SELECT v FROM t", {"t": TABLES["t"].parts[0]}, ("alpha",), PARTIES)
    assert forecast(plan, {"alpha/t": 5}) == {}
