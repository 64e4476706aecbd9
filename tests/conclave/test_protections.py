"""Bounds and padding: what three parties open is what DuckDB says of the clamped rows; sizes tell less."""

import decimal
import threading
from dataclasses import replace

import numpy as np
import pytest

from conclave.ir.expressions import Literal
from conclave.ir.guard import Clamp, Protection, rounded_up
from conclave.ir.types import Integer
from conclave.local.duckdb import LocalEngine
from conclave.local.sqltext import to_sql
from conclave.mpc.inprocess import connect_all
from conclave.operators.input import InputColumn, InputTable, exchange_inputs
from conclave.plan.show import describe, learned
from conclave.plan.steps import ShareStep
from policy.document import PolicyColumn
from policy.protections import clamp_of
from tests.conclave.protected import COMPUTE, answer, arrow, compiled, expected, run, scan

DAYS = Clamp("days", Literal(2, Integer(32)), Literal(5, Integer(32)))
CLAMPED = "(SELECT patient, ward, CASE WHEN days < 2 THEN 2 WHEN days > 5 THEN 5 ELSE days END AS days, cost FROM {})"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT ward, SUM(days) AS s, COUNT(days) AS n, MAX(days) AS hi FROM visits GROUP BY ward",
        "SELECT SUM(days) AS s, MIN(days) AS lo FROM visits WHERE days > 3",
        "SELECT days, COUNT(*) AS days_2 FROM visits GROUP BY days",
        "SELECT region, SUM(days * 2) AS s FROM visits JOIN persons ON patient = person GROUP BY region",
    ],
)
def test_values_count_as_their_bounds(sql):
    both = dict.fromkeys(("alpha/visits", "bravo/visits"), Protection(clamps=(DAYS,)))
    assert answer(compiled(sql, both)) == expected(sql.replace("FROM visits", f"FROM {CLAMPED.format('visits')} AS v"))
    assert answer(compiled(sql, both)) != expected(sql)  # or this says nothing


def test_only_the_owner_who_asks_for_it_has_bounds():
    sql = "SELECT SUM(days) AS s FROM visits"
    alpha = CLAMPED.format('"alpha/visits"')
    oracle = f'SELECT SUM(days) FROM (SELECT * FROM {alpha} AS a UNION ALL FROM "bravo/visits")'
    assert answer(compiled(sql, {"alpha/visits": Protection(clamps=(DAYS,))})) == expected(oracle)


@pytest.mark.parametrize(
    ("kind", "bounds", "within"),
    [
        ("integer", (-1.5, 2.5), (-1, 2)),
        ("smallint", (-1e9, 1e9), (-32768, 32767)),
        ("decimal(5,2)", (0.001, 1e6), (decimal.Decimal("0.01"), decimal.Decimal("999.99"))),
        ("double", (-0.25, 0.1), (-0.25, 0.1)),
        ("integer", (0.1, 0.9), None),
        ("double", (0.0, float("inf")), None),
        ("bigint", (float("nan"), 1.0), None),
    ],
)
def test_bounds_are_values_of_the_type_within_them(kind, bounds, within):
    clamp = clamp_of("x", PolicyColumn(type=kind, bounds=bounds))
    assert (clamp and (clamp.low.value, clamp.high.value)) == within


def test_a_clamped_scan_reads_every_other_value_as_it_is():
    with LocalEngine() as engine:
        engine.register_table("alpha/visits", arrow("alpha/visits"))
        read = engine.run(to_sql(replace(scan("alpha/visits"), clamps=(DAYS,)))).to_pydict()
    plain = arrow("alpha/visits").to_pydict()
    assert read["days"] == [day if day is None else min(max(day, 2), 5) for day in plain.pop("days")]
    assert {name: read[name] for name in plain} == plain


GROUPED = "SELECT ward, COUNT(*) AS n, SUM(cost) AS c, MIN(days) AS lo FROM visits GROUP BY ward"
PADDED = dict.fromkeys(("alpha/visits", "bravo/visits"), Protection(padding=10))


@pytest.mark.parametrize(
    "sql",
    [
        GROUPED,
        "SELECT patient, days FROM visits WHERE cost > 1000",
        "SELECT SUM(cost) AS s, COUNT(*) AS n, MAX(days) AS hi FROM visits",
        "SELECT region, COUNT(*) AS n FROM visits JOIN persons ON patient = person GROUP BY region",
        "SELECT ward, region FROM visits LEFT JOIN persons ON patient = person ORDER BY ward, region LIMIT 4",
        "SELECT ward FROM visits WHERE patient IN (SELECT person FROM persons WHERE region = 'x')",
        "SELECT person FROM persons WHERE person NOT IN (SELECT patient FROM visits WHERE patient IS NOT NULL)",
    ],
)
def test_rows_that_pad_change_no_answer(sql):
    if "LIMIT" in sql:  # equal rows may be cut off in any order: hold only the order's columns to DuckDB
        assert [row[0] for row in answer(compiled(sql, PADDED))] == [row[0] for row in expected(sql)]
    else:
        assert answer(compiled(sql, PADDED | {"carol/persons": Protection(padding=4)})) == expected(sql)


def test_padding_and_guards_go_together():
    both = {name: Protection(("patient",), 3, padding=10) for name in PADDED}
    assert answer(compiled(GROUPED, both)) == answer(
        compiled(GROUPED, {n: Protection(("patient",), 3) for n in PADDED})
    )


def shared(n_rows, multiple):
    """What each compute party sees of a shared table: its number of rows, and every byte's length."""
    networks = connect_all(COMPUTE, 20.0)
    column = InputColumn("x", nullable=True)
    table = InputTable("t", "alpha", (column,), 1000, multiple)
    seen = {}

    def share(name):
        mine = {"t": {"x": (np.arange(n_rows), np.zeros(n_rows, np.bool_))}} if name == "alpha" else {}
        seen[name] = (exchange_inputs([table], mine, networks[name], COMPUTE)["t"].n_rows, networks[name].bytes_sent)

    threads = [threading.Thread(target=share, args=(name,)) for name in COMPUTE]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    for network in networks.values():
        network.close()
    return seen


def test_all_sizes_up_to_a_multiple_look_the_same():
    assert shared(0, 8) == shared(1, 8) == shared(7, 8) == shared(8, 8) != shared(9, 8)
    assert [rounded_up(n, 5) for n in (0, 1, 5, 6)] == [5, 5, 5, 10]
    assert [rounded_up(n, 1) for n in (0, 1)] == [0, 1]


NARROW = "SELECT ward, COUNT(*) AS n FROM visits WHERE patient = {} GROUP BY ward"


def test_where_few_would_be_suppressed_their_number_is_not_seen_either():
    """Nobody's answer holds anything of one patient; nor does the number of rows that go into MPC, or come out."""
    asked = {name: Protection(("patient",), 3) for name in PADDED}
    seen = []
    for patient in (2, 3, 999):
        plan = compiled(NARROW.format(patient), asked)
        assert answer(plan) == []
        seen.append(sizes(plan))
    assert seen[0] == seen[1] == seen[2]
    assert sizes(compiled(NARROW.format(2), {})) != sizes(compiled(NARROW.format(999), {}))  # or this says nothing


def sizes(plan, tables=None):
    """How many bytes each party has sent in all, as everybody on the network sees."""
    sent = {}

    def note(networks):
        sent.update({name: network.bytes_sent for name, network in networks.items()})

    ended = run(plan, note, tables=tables)
    assert not any(isinstance(each, Exception) for each in ended.values()), ended
    return sent


def test_owners_rows_without_conditions_are_shared_as_they_are():
    asked = {name: Protection(("patient",), 3) for name in PADDED}
    for sql, hides in ((GROUPED, False), (NARROW.format(2), True)):
        steps = [step for step in compiled(sql, asked).steps if isinstance(step, ShareStep)]
        assert [step.hides_filters for step in steps] == [hides, hides]


PARTS = " UNION ALL ".join(f"SELECT patient, ward, cost FROM visits WHERE cost = {k}" for k in range(6))


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT region, MAX(cost) AS m FROM ({PARTS}) AS v JOIN persons ON patient = person GROUP BY region",
        """SELECT region, MAX(v.cost) AS m FROM visits AS v JOIN visits AS w ON v.ward = w.ward
            JOIN persons ON v.patient = person GROUP BY region""",
    ],
    ids=["parts of a union", "a join that repeats rows"],
)
def test_however_rows_are_put_together_one_more_is_not_seen(sql):
    """A sum of numbers, or a number of pairs, rounded up once, would tell each of them nearly exactly."""
    asked, visits = {"alpha/visits": Protection(("patient",), 3, padding=10)}, arrow("alpha/visits")
    plan = compiled(sql, asked, tables={"visits": scan("alpha/visits"), "persons": scan("carol/persons")})
    persons = {"carol/persons": arrow("carol/persons")}
    assert sizes(plan, {"alpha/visits": visits.slice(0, 4), **persons}) == sizes(
        plan, {"alpha/visits": visits.slice(0, 8), **persons}
    )


def test_one_row_and_owners_who_do_not_ask_are_not_padded():
    steps = {
        s.party: s
        for s in compiled(GROUPED, {"alpha/visits": Protection(padding=10)}).steps
        if isinstance(s, ShareStep)
    }
    assert {party: step.padding for party, step in steps.items()} == {"alpha": 10, "bravo": 1}
    total = compiled("SELECT SUM(cost) AS s FROM visits", PADDED)
    assert {step.padding for step in total.steps if isinstance(step, ShareStep)} == {1}


def test_the_plan_says_what_is_padded():
    plan = compiled(GROUPED, PADDED)
    assert "how many rows alpha (s1, rounded up to a multiple of 10)" in " ".join(learned(plan)["carol"])
    step = next(step for step in plan.steps if isinstance(step, ShareStep))
    assert describe(step, plan)[1].endswith("with rows that do not exist up to a multiple of 10")
