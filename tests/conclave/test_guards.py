"""Groups of too few subjects, counted over all owners: what three parties open, against DuckDB with the rule written out."""

from itertools import combinations

import pytest

from conclave.ir.errors import UnsupportedQuery
from conclave.ir.guard import Protection
from conclave.ir.nodes import Aggregate
from conclave.ir.walk import nodes_in
from conclave.local.errors import TooFewSubjectsLocally
from conclave.mpc.errors import ProtocolError, TooFewSubjects
from conclave.plan.show import learned
from conclave.plan.steps import LocalStep, MpcStep
from tests.conclave.protected import TABLES, answer, compiled, expected, run

THREE = Protection(("patient",), 3)
BOTH = {"alpha/visits": THREE, "bravo/visits": THREE}
PERSONS = {"carol/persons": Protection(("person",), 2)}
ENOUGH = "HAVING COUNT(DISTINCT patient) >= 3"
VALUE = "CASE WHEN COUNT(DISTINCT patient) FILTER (WHERE days IS NOT NULL) >= 3 THEN {} END"

# Title: what is asked, and what DuckDB is asked that holds all rows.
CASES = {
    "every aggregate of a group": (
        "SELECT ward, COUNT(*) AS n, SUM(cost) AS c, MIN(cost) AS lo, MAX(cost) AS hi, AVG(cost) AS m FROM visits GROUP BY ward",
        f"SELECT ward, COUNT(*), SUM(cost), MIN(cost), MAX(cost), AVG(cost) FROM visits GROUP BY ward {ENOUGH}",
    ),
    "an aggregate over what is often NULL": (
        "SELECT ward, COUNT(*) AS n, COUNT(days) AS d, SUM(days) AS s, AVG(days) AS m, MAX(days) AS hi FROM visits GROUP BY ward",
        "SELECT ward, COUNT(*), "
        + ", ".join(VALUE.format(call) for call in ("COUNT(days)", "SUM(days)", "AVG(days)", "MAX(days)"))
        + f" FROM visits GROUP BY ward {ENOUGH}",
    ),
    "variance and quantiles": (
        "SELECT ward, VAR_POP(cost) AS v, MEDIAN(cost) AS m FROM visits GROUP BY ward",
        f"SELECT ward, VAR_POP(cost), MEDIAN(cost) FROM visits GROUP BY ward {ENOUGH}",
    ),
    "no group by": (
        "SELECT SUM(cost) AS c, COUNT(*) AS n FROM visits WHERE ward = 'A'",
        "SELECT SUM(cost), COUNT(*) FROM visits WHERE ward = 'A'",
    ),
    "no group by, and too few": ("SELECT SUM(cost) AS c, COUNT(*) AS n FROM visits WHERE ward = 'C'", "SELECT NULL, NULL"),
    "no group by, and nobody": ("SELECT SUM(cost) AS c, COUNT(*) AS n FROM visits WHERE cost > 999", "SELECT NULL, NULL"),
    "distinct": ("SELECT DISTINCT ward FROM visits", f"SELECT ward FROM visits GROUP BY ward {ENOUGH}"),
    "how many persons": (
        "SELECT ward, COUNT(DISTINCT patient) AS p, COUNT(*) AS n FROM visits GROUP BY ward",
        f"SELECT ward, COUNT(DISTINCT patient), COUNT(*) FROM visits GROUP BY ward {ENOUGH}",
    ),
    "how many values": (
        "SELECT COUNT(DISTINCT ward) AS w, COUNT(*) AS n FROM visits", "SELECT COUNT(DISTINCT ward), COUNT(*) FROM visits",
    ),
    "having": (
        "SELECT ward FROM visits GROUP BY ward HAVING COUNT(*) < 5",
        f"SELECT ward FROM visits GROUP BY ward {ENOUGH} AND COUNT(*) < 5",
    ),
    "a limit takes no suppressed group": (
        "SELECT ward, COUNT(*) AS n FROM visits GROUP BY ward ORDER BY n LIMIT 1",
        f"SELECT ward, COUNT(*) AS n FROM visits GROUP BY ward {ENOUGH} ORDER BY n LIMIT 1",
    ),
    "a total of groups is without those that are suppressed": (
        "SELECT SUM(n) AS t FROM (SELECT ward, COUNT(*) AS n FROM visits GROUP BY ward) AS v",
        f"SELECT SUM(n) FROM (SELECT ward, COUNT(*) AS n FROM visits GROUP BY ward {ENOUGH})",
    ),
    "persons first": (
        "SELECT ward, SUM(c) AS s FROM (SELECT ward, patient, SUM(cost) AS c FROM visits GROUP BY ward, patient) AS v GROUP BY ward",
        f"SELECT ward, SUM(cost) FROM visits GROUP BY ward {ENOUGH}",
    ),
    "window functions number and add up groups that are there": (
        """SELECT ward, NTILE(2) OVER (ORDER BY ward) AS t, LAG(COUNT(*), 1, 0) OVER (ORDER BY ward) AS l,
        FIRST_VALUE(SUM(cost)) OVER (ORDER BY ward DESC) AS f, PERCENT_RANK() OVER (ORDER BY ward) AS p,
        SUM(COUNT(*)) OVER (ORDER BY ward ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS r FROM visits GROUP BY ward""",
        f"""SELECT ward, NTILE(2) OVER (ORDER BY ward), LAG(COUNT(*), 1, 0) OVER (ORDER BY ward),
        FIRST_VALUE(SUM(cost)) OVER (ORDER BY ward DESC), PERCENT_RANK() OVER (ORDER BY ward),
        SUM(COUNT(*)) OVER (ORDER BY ward ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM visits GROUP BY ward {ENOUGH}""",
    ),
    "all totals of groups are without those that are suppressed": (
        "SELECT ward, SUM(n) AS t FROM (SELECT ward, cost < 99 AS k, COUNT(*) AS n FROM visits GROUP BY ward, k) AS v GROUP BY ROLLUP (ward)",
        f"""SELECT ward, SUM(n) FROM (SELECT ward, COUNT(*) AS n FROM visits GROUP BY ward {ENOUGH}) AS v
        GROUP BY ROLLUP (ward)""",
    ),
    "the first of the groups that are there": (
        "SELECT ARG_MIN(ward, n) AS w, ARG_MAX(ward, n) AS m FROM (SELECT ward, COUNT(*) AS n FROM visits GROUP BY ward) AS v",
        f"SELECT ARG_MIN(ward, n), ARG_MAX(ward, n) FROM (SELECT ward, COUNT(*) AS n FROM visits GROUP BY ward {ENOUGH}) AS v",
    ),
    "those who meet a condition": (
        "SELECT ward, COUNT_IF(cost > 20) AS n, BOOL_OR(cost > 20) AS b FROM visits GROUP BY ward",
        f"""SELECT ward, CASE WHEN COUNT(DISTINCT patient) FILTER (WHERE cost > 20) >= 3 THEN COUNT_IF(cost > 20) END,
        CASE WHEN COUNT(DISTINCT patient) FILTER (WHERE cost > 20) >= 3 THEN TRUE END FROM visits GROUP BY ward {ENOUGH}""",
    ),
    "a subquery over suppressed groups": (
        "SELECT COUNT(*) AS n FROM visits WHERE ward IN (SELECT ward FROM visits GROUP BY ward)",
        f"SELECT COUNT(*) FROM visits WHERE ward IN (SELECT ward FROM visits GROUP BY ward {ENOUGH})",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("sql", "oracle"), CASES.values(), ids=CASES)
def test_what_is_opened_is_what_the_rule_leaves(sql, oracle):
    assert answer(compiled(sql, BOTH)) == expected(oracle)


@pytest.mark.parametrize("owners", [c for n in (1, 2) for c in combinations(BOTH, n)], ids="+".join)
def test_the_strictest_of_all_that_contribute_counts(owners):
    """A group of both owners' rows is held to each one's minimum, and all whose owner says so are subjects."""
    sql = "SELECT ward, COUNT(*) AS n FROM visits GROUP BY ward"
    known = Protection(("patient",))
    asked = {owner: Protection(("patient",), 4) if owner in owners else known for owner in BOTH}
    oracle = "SELECT ward, COUNT(*) FROM visits GROUP BY ward HAVING COUNT(DISTINCT patient) >= 4"
    assert answer(compiled(sql, asked)) == expected(oracle)


def test_who_is_with_several_owners_is_one_subject_and_who_is_not_named_is_none():
    counted = "SELECT ward, COUNT(*) FROM visits GROUP BY ward HAVING COUNT(DISTINCT patient) >= 3"
    by_rows = counted.replace("DISTINCT patient", "*")
    assert expected(counted) != expected(by_rows)  # or this test says nothing
    assert answer(compiled("SELECT ward, COUNT(*) AS n FROM visits GROUP BY ward", BOTH)) == expected(counted)


JOIN = "SELECT region, COUNT(*) AS n, SUM(cost) AS c FROM visits JOIN persons ON patient = person GROUP BY region"


@pytest.mark.parametrize("asked", [BOTH, PERSONS, BOTH | PERSONS], ids=["left", "right", "both"])
def test_a_join_that_repeats_rows_repeats_no_subject(asked):
    least = max(p.least for p in asked.values())
    oracle = f"{JOIN} HAVING COUNT(DISTINCT person) >= {least}"
    plan = compiled(JOIN, asked)
    assert answer(plan) == expected(oracle)
    guards = [node.guards for node in nodes_in(plan.query) if isinstance(node, Aggregate)]
    assert [len(each) for each in guards] == [1]  # matched keys are one subject, counted once


def test_rows_that_meet_by_something_else_are_of_both_sides_subjects():
    sql = """SELECT v.ward, COUNT(*) AS n FROM visits AS v JOIN visits AS w ON v.ward = w.ward
        WHERE w.days > 4 GROUP BY v.ward"""
    oracle = f"{sql} HAVING COUNT(DISTINCT v.patient) >= 3 AND COUNT(DISTINCT w.patient) >= 3"
    assert answer(compiled(sql, BOTH)) == expected(oracle)


@pytest.mark.parametrize(
    ("recipients", "others"),
    [(("alpha",), "bravo"), (("bravo",), "alpha"), (("alpha", "bravo"), None), (("alpha", "analyst"), "bravo")],
)
def test_a_recipients_own_subjects_hide_nobody_from_it(recipients, others):
    """Whoever has rows in a group knows them: of those that it does not know there have to be enough."""
    two = Protection(("patient",), 2)
    sql = "SELECT ward, COUNT(*) AS n FROM visits GROUP BY ward"
    counts = " AND ".join(
        f"COUNT(DISTINCT patient) FILTER (WHERE owner = '{owner}') >= 2"
        for owner in ([others] if others else ["alpha", "bravo"])
    )
    marked = """(SELECT *, 'alpha' AS owner FROM "alpha/visits" UNION ALL SELECT *, 'bravo' FROM "bravo/visits")"""
    oracle = f"SELECT ward, COUNT(*) FROM {marked} GROUP BY ward HAVING {counts}"
    plan = compiled(sql, {"alpha/visits": two, "bravo/visits": two}, recipients)
    assert answer(plan) == expected(oracle)


def test_persons_cannot_be_told_apart_first_where_a_recipients_own_do_not_count():
    sql = "SELECT COUNT(*) AS n FROM (SELECT ward, patient FROM visits GROUP BY ward, patient) AS v"
    with pytest.raises(UnsupportedQuery, match="cannot be counted without the rows of alpha"):
        compiled(sql, BOTH, ("alpha",))


def test_an_owner_that_asks_itself_is_told_everything():
    sql = "SELECT region, COUNT(*) AS n FROM persons GROUP BY region"
    plan = compiled(sql, {"carol/persons": Protection(("person",), 99)}, ("carol",))
    assert answer(plan) == expected(sql)


ALONE = "SELECT region, COUNT(*) AS n, MAX(person) AS p FROM persons WHERE person <> 3 AND person <> 1 GROUP BY region"


def test_one_owners_groups_are_suppressed_in_its_own_sql():
    plan = compiled(ALONE, PERSONS)
    assert not any(isinstance(step, MpcStep) for step in plan.steps)
    assert answer(plan) == expected(f"{ALONE} HAVING COUNT(DISTINCT person) >= 2")
    total = "SELECT COUNT(*) AS n, MIN(person) AS p FROM persons WHERE person < {}"
    assert answer(compiled(total.format(3), PERSONS)) == expected(total.format(3))
    assert answer(compiled(total.format(2), PERSONS)) == [(None, None)]


def test_a_group_of_too_few_ends_the_run_where_the_policy_says_so():
    strict = {dataset: Protection(("patient",), 3, ends_run=True) for dataset in BOTH}
    sql = "SELECT ward, COUNT(*) AS n FROM visits WHERE ward = '{}' GROUP BY ward"
    assert answer(compiled(sql.format("A"), strict)) == expected(sql.format("A"))
    ended = run(compiled(sql.format("C"), strict))
    assert [type(ended[name]) for name in ("alpha", "bravo", "carol")] == [TooFewSubjects] * 3
    assert isinstance(ended["analyst"], ProtocolError)
    # Also where only an aggregate's values are of too few: in B there are three, of whom two are known to have stayed.
    days = "SELECT ward, SUM(days) AS s FROM visits WHERE ward = '{}' GROUP BY ward"
    assert answer(compiled(days.format("A"), strict)) == expected(days.format("A"))
    assert isinstance(run(compiled(days.format("B"), strict))["alpha"], TooFewSubjects)


def test_one_owners_group_of_too_few_ends_the_run_in_its_own_sql():
    strict = {"carol/persons": Protection(("person",), 2, ends_run=True)}
    fine = ALONE.replace("AND person <> 1 ", "")
    assert answer(compiled(fine, strict)) == expected(fine)
    assert isinstance(run(compiled(ALONE, strict))["carol"], TooFewSubjectsLocally)
    total = "SELECT COUNT(*) AS n, MIN(person) AS p FROM persons WHERE person < 2"
    assert isinstance(run(compiled(total, strict))["carol"], TooFewSubjectsLocally)


def test_guarded_rows_are_not_grouped_before_mpc_and_no_subject_is_counted_twice():
    plan = compiled("SELECT ward, COUNT(*) AS n FROM visits GROUP BY ward", BOTH)
    assert not any(isinstance(n, Aggregate) for s in plan.steps if isinstance(s, LocalStep) for n in nodes_in(s.query))


def test_the_plan_says_what_is_suppressed():
    plan = compiled("SELECT ward, COUNT(*) AS n FROM visits GROUP BY ward", BOTH)
    assert "groups under 3 subjects are suppressed" in learned(plan)["analyst"]
    strict = {dataset: Protection(("patient",), 3, ends_run=True) for dataset in BOTH}
    told = learned(compiled("SELECT ward, COUNT(*) AS n FROM visits GROUP BY ward", strict))
    assert any("too few subjects, which ends the run" in fact for fact in told["carol"])


def test_without_protections_a_plan_is_as_it_was():
    sql = "SELECT ward, COUNT(*) AS n FROM visits GROUP BY ward"
    assert compiled(sql, {}) == compiled(sql, {"alpha/visits": Protection(("patient",), 1)})
    assert TABLES["visits"].parts[0].clamps == ()


def test_values_that_count_once_are_counted_and_not_added_up():
    with pytest.raises(UnsupportedQuery, match="DISTINCT"):
        compiled("SELECT SUM(DISTINCT cost) AS s FROM visits", BOTH)
