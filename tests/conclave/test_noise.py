"""Noise from the query to the opened answer: three parties, and DuckDB over the rows that are read, to hold them to it."""

import threading
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest

from conclave.execute import execute
from conclave.ir.expressions import Literal
from conclave.ir.guard import Clamp, Listed, NoiseAsked, Protection
from conclave.ir.nodes import Scan
from conclave.ir.noise import Noise, deviation
from conclave.ir.types import Integer, Varchar
from conclave.ir.walk import nodes_in
from conclave.local.duckdb import LocalEngine
from conclave.local.sqltext import to_sql
from conclave.mpc.deal import deal
from conclave.mpc.inprocess import connect_all
from conclave.mpc.laplace import Noise as OwnNoise
from conclave.mpc.party import Party
from conclave.operators.noise import no_noise
from conclave.plan.show import show_plan
from conclave.plan.steps import SendStep, ShareStep
from tests.conclave.mpc.test_secrecy import looks_uniform
from tests.conclave.mpc.three import NAMES, run_parties
from tests.conclave.protected import COMPUTE, ROWS, answer, arrow, compiled, expected, ordered, scan

DAYS = Clamp("days", Literal(0, Integer(32)), Literal(8, Integer(32)))
WARDS = Listed("ward", tuple(Literal(ward, Varchar(2)) for ward in ("A", "B", "Z")))
REGIONS = Listed("region", tuple(Literal(region, Varchar(1)) for region in ("x", "y")))
NEARLY_NONE = Fraction(10**6)  # of epsilon: the chance that any noise is not 0 is below 10**-30


def asking(epsilon, rows=99, subject: str | None = "patient"):
    protection = Protection((), clamps=(DAYS,), listed=(WARDS,), noise=NoiseAsked(Fraction(epsilon), subject, rows))
    return {
        **dict.fromkeys(("alpha/visits", "bravo/visits"), protection),
        "carol/persons": Protection(listed=(REGIONS,)),
    }


READ = "(SELECT patient, ward, CASE WHEN days > 8 THEN 8 ELSE days END AS days, cost FROM visits WHERE ward IN ('A', 'B', 'Z')) AS v"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT COUNT(*) AS n, SUM(days) AS s, COUNT(days) AS d FROM visits",
        "SELECT SUM(days) AS s FROM visits WHERE patient IS NOT NULL AND days > 2",
        "SELECT AVG(days) AS m FROM visits",
        "SELECT SUM(days * 2 - 1) AS s, SUM(CASE WHEN days > 3 THEN 1 ELSE 0 END) AS n FROM visits WHERE days > 0",
        "SELECT COUNT(*) AS n FROM visits JOIN persons ON patient = person WHERE region = 'x'",
    ],
)
def test_without_much_noise_the_answer_is_that_of_the_rows_that_are_read(sql):
    plan = compiled(sql, asking(NEARLY_NONE))
    assert any(isinstance(node, Noise) for node in nodes_in(plan.query))
    assert answer(plan) == expected(sql.replace("FROM visits", f"FROM {READ}"))


def test_groups_are_those_that_are_listed_whatever_the_data():
    """No row is of ward Z; there are rows of C, D and of no ward, which nobody hears of."""
    sql = "SELECT ward, COUNT(*) AS n, SUM(days) AS s FROM visits GROUP BY ward"
    found = answer(compiled(sql, asking(NEARLY_NONE)))
    oracle = expected(f"SELECT ward, COUNT(*), SUM(days) FROM {READ} GROUP BY ward")
    assert found == ordered([*oracle, ("Z", 0, 0)])


def test_groups_by_what_a_join_brings_are_listed_too():
    sql = "SELECT region, ward, SUM(days) AS s FROM visits JOIN persons ON patient = person GROUP BY region, ward"
    found = answer(compiled(sql, asking(NEARLY_NONE)))
    some = {(r, w): s or 0 for r, w, s in expected(sql.replace("FROM visits", f"FROM {READ}"))}
    assert found == ordered([(r, w, some.get((r, w), 0)) for r in "xy" for w in "ABZ"])


def test_what_comes_after_the_noise_is_any_query():
    sql = """SELECT ward, n FROM (SELECT ward, COUNT(*) AS n FROM visits GROUP BY ward) AS g
             WHERE n > 1 AND ward <> 'A' ORDER BY n DESC LIMIT 1"""
    assert answer(compiled(sql, asking(NEARLY_NONE))) == [("B", 4)]
    total = "SELECT SUM(n) AS s, MAX(n) AS m FROM (SELECT ward, COUNT(*) AS n FROM visits GROUP BY ward) AS g"
    assert answer(compiled(total, asking(NEARLY_NONE))) == expected(
        f"SELECT SUM(n), MAX(n) FROM (SELECT ward, COUNT(*) AS n FROM {READ} GROUP BY ward)"
    )


def test_no_condition_goes_below_the_noise():
    sql = "SELECT ward, COUNT(*) AS n FROM visits GROUP BY ward HAVING ward = 'A'"
    plan = compiled(sql, asking(1))
    (noise,) = (node for node in nodes_in(plan.query) if isinstance(node, Noise))
    assert noise.n_groups == 3
    assert "filter" not in to_text(noise)


def to_text(node) -> str:
    return " ".join(type(each).__name__.lower() for each in nodes_in(node))


def test_no_more_rows_of_a_subject_are_read_than_the_policy_says():
    read = {}
    with LocalEngine() as engine:
        engine.register_table("alpha/visits", arrow("alpha/visits"))
        for rows in (1, 2, 99):
            plan = compiled("SELECT patient, ward, days, cost FROM visits", asking(1, rows))
            (of_alpha,) = (n for n in nodes_in(plan.query) if isinstance(n, Scan) and n.owner == "alpha")
            table = engine.run(to_sql(of_alpha), step="test")
            read[rows] = Counter(table["patient"].to_pylist())
    there = Counter(row[0] for row in ROWS["alpha/visits"] if row[1] in ("A", "B"))
    assert read[1] == Counter(there.keys())
    assert read[2] == Counter({patient: min(n, 2) for patient, n in there.items()})
    assert read[99] == there


def test_which_rows_of_a_subject_are_read_does_not_hang_on_others():
    def rows_of(patient, table):
        with LocalEngine() as engine:
            engine.register_table("alpha/visits", table)
            plan = compiled("SELECT patient, ward, days, cost FROM visits", asking(1, 1))
            (of_alpha,) = (n for n in nodes_in(plan.query) if isinstance(n, Scan) and n.owner == "alpha")
            rows = engine.run(to_sql(of_alpha), step="test").to_pylist()
        return [row for row in rows if row["patient"] == patient]

    table = arrow("alpha/visits")
    alone = table.filter([row[0] == 2 for row in ROWS["alpha/visits"]])
    assert rows_of(2, table) == rows_of(2, alone) != []


def test_one_owners_rows_alone_get_noise_from_three_parties_too():
    plan = compiled("SELECT COUNT(*) AS n FROM visits", asking(NEARLY_NONE), tables={"visits": scan("alpha/visits")})
    assert plan.mpc is not None
    assert not any(isinstance(step, SendStep) for step in plan.steps)
    assert answer(plan) == [(5,)]


def test_how_many_rows_are_shared_does_not_hang_on_the_data():
    grouped = compiled("SELECT ward, COUNT(*) AS n FROM visits GROUP BY ward", asking(1))
    assert [step.padding for step in grouped.steps if isinstance(step, ShareStep)] == [3, 3]
    joined = compiled("SELECT COUNT(*) AS n FROM visits JOIN persons ON patient = person", asking(1))
    of_visits = [step for step in joined.steps if isinstance(step, ShareStep) and step.party != "carol"]
    assert [step.hides_filters for step in of_visits] == [True, True]


def test_the_scale_is_what_a_subject_moves_times_the_columns_by_epsilon():
    def scales(sql, protections):
        return {
            e.column: e.scale
            for n in nodes_in(compiled(sql, protections).query)
            if isinstance(n, Noise)
            for e in n.columns
        }

    half = asking(Fraction(1, 2), rows=3)
    # Three rows at alpha, three at bravo; each row moves days by 8 at most; two columns share one half.
    assert scales("SELECT COUNT(*) AS n, SUM(days) AS s FROM visits", half) == {"n": 6 * 2 * 2, "s": 48 * 2 * 2}
    # In groups a subject leaves one and comes to another.
    assert scales("SELECT ward, COUNT(*) AS n FROM visits GROUP BY ward", half) == {"n": 12 * 2}
    by_row = asking(1, 1, subject=None)
    assert scales("SELECT COUNT(*) AS n FROM visits", by_row) == {"n": 2}
    of_one = {
        **asking(1),
        "bravo/visits": Protection(),
        "alpha/visits": Protection(noise=NoiseAsked(Fraction(1), "patient", 4)),
    }
    assert scales("SELECT COUNT(*) AS n FROM visits", of_one) == {"n": 4}


def test_the_plan_says_how_far_off_the_answer_is():
    text = show_plan(compiled("SELECT COUNT(*) AS n FROM visits", asking(1, 1)), {})
    assert "noise on n of scale 2" in text
    assert (
        "n, with noise of a standard deviation of 4.85: three discrete Laplace noises of scale 2, at epsilon 1" in text
    )


def keyed_run(plan, keys, spy=None) -> list[tuple]:
    names = (*COMPUTE, "analyst")
    networks = connect_all(names, 60.0)
    found = {}

    def walk(name):
        with LocalEngine() as engine:
            for dataset in ROWS:
                if dataset.startswith(f"{name}/"):
                    engine.register_table(dataset, arrow(dataset))
            found[name] = execute(plan, name, networks[name], engine, b"test", lambda _: None, keys.get(name)).answer
        networks[name].close()

    threads = [threading.Thread(target=walk, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [tuple(row.values()) for row in found["analyst"].to_pylist()]


def test_the_noise_is_the_sum_of_what_each_party_draws_with_its_own_key():
    plan = compiled("SELECT COUNT(*) AS n FROM visits", asking(Fraction(1, 10), 1))
    (noised,) = (each for node in nodes_in(plan.query) if isinstance(node, Noise) for each in node.columns)
    (step,) = (step.name for step in plan.steps if isinstance(getattr(step, "operator", None), Noise))
    (truth,) = answer(compiled("SELECT COUNT(*) AS n FROM visits", asking(NEARLY_NONE, 1)))[0]
    for first in (b"a", b"x"):
        keys = dict(zip(COMPUTE, (first * 32, b"b" * 32, b"c" * 32), strict=True))
        parts = [int(OwnNoise(keys[n]).draw(f"{step} 0", noised.scale, 1).view(np.int64)[0]) for n in COMPUTE]
        ((found,),) = keyed_run(plan, keys)
        assert found == truth + sum(parts)
        assert all(found != truth + part for part in parts)
        # Another attempt at the same run says the same.
        assert keyed_run(plan, keys) == [(found,)]


def test_what_a_party_holds_of_anothers_noise_is_uniform():
    """Here all noise is zero, so that only masks can make what is held look random; else its sum could be told."""

    def work(network):
        me = Party.setup(network, NAMES, b"noise")
        own = no_noise("m1 0", Fraction(1), 4096)
        return {dealer: deal(own, me, dealer=dealer) for dealer in range(3)}

    held = run_parties(work)
    for index, name in enumerate(NAMES):
        for dealer in {0, 1, 2} - {index}:
            seen = [part for part in held[name][dealer] if part.any()]
            assert len(seen) == 1  # one of the two parts that add up to the noise
            assert looks_uniform(seen[0].tobytes())


@pytest.mark.deep
def test_answers_of_many_runs_spread_as_the_plan_says():
    plan = compiled("SELECT ward, COUNT(*) AS n FROM visits GROUP BY ward", asking(Fraction(1, 5), 1))
    (noised,) = (each for node in nodes_in(plan.query) if isinstance(node, Noise) for each in node.columns)
    truth = dict(answer(compiled("SELECT ward, COUNT(*) AS n FROM visits GROUP BY ward", asking(NEARLY_NONE, 1))))
    off = []
    for run in range(60):
        keys = {name: bytes([run, k]) * 16 for k, name in enumerate(COMPUTE)}
        off += [n - truth[ward] for ward, n in keyed_run(plan, keys)]
    spread = deviation(noised.scale)
    assert len(off) == 180
    assert 0.75 < np.std(off) / spread < 1.3
    assert abs(np.mean(off)) < 4 * spread / len(off) ** 0.5
