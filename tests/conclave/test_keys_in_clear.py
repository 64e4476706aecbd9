"""Queries whose keys a party may see, from SQL to answer: DuckDB's rows, at the announced views and costs."""

import pytest
from hypothesis import example, given, settings

from conclave.compile import compile_query
from conclave.estimate import estimate
from conclave.plan.show import learned, show_plan
from conclave.plan.steps import MpcStep
from tests.conclave.golden import assert_golden
from tests.conclave.scores import (
    ALL,
    AREAS,
    COMPUTE,
    KEYS,
    KINDS,
    PERSON_ROWS,
    PERSONS,
    SCORE_ROWS,
    SCORES,
    arrow,
    assert_answered,
    data_of,
    run,
    tables,
)
from tests.conclave.sql.federation import FIXTURES

QUERIES = {
    "average by area": "SELECT area, AVG(score) AS mean, COUNT(*) AS n FROM persons JOIN scores ON ssn = person GROUP BY area",
    "left join": "SELECT ssn, area, kind, score FROM scores LEFT JOIN persons ON person = ssn",
    "left join of repeated keys": "SELECT ssn, area, kind, score FROM persons LEFT JOIN scores ON ssn = person",
    "groups of one owner's column": "SELECT kind, MIN(score) AS low FROM scores GROUP BY kind",
    "in": "SELECT person, score FROM scores WHERE person IN (SELECT ssn FROM persons)",
    "not exists": "SELECT area FROM persons WHERE NOT EXISTS (SELECT 1 FROM scores WHERE person = ssn)",
    "two steps": (
        "SELECT area, SUM(n) AS n FROM (SELECT person, COUNT(*) AS n FROM scores GROUP BY person) s"
        " JOIN persons ON person = ssn GROUP BY area"
    ),
    "pairs of two keys": (
        "SELECT a.score AS x, b.score AS y FROM scores a JOIN scores b ON a.person = b.person AND a.kind = b.kind"
    ),
}
SEEN = {"one": AREAS | {("scores", "kind"): ("ftc",)}, "another": dict.fromkeys(KINDS, ("bank-b",)), "all": KINDS}


@pytest.mark.parametrize("seen", SEEN)
@pytest.mark.parametrize("name", QUERIES)
@given(persons=PERSON_ROWS, first=SCORE_ROWS, second=SCORE_ROWS)
@example(persons=[], first=[], second=[])
@example(persons=[(1, "north", None), (None, "", None)], first=[(1, "x", 5), (1, "x", 5), (None, "x", 2)], second=[])
@settings(max_examples=1, deadline=None)
def test_the_answer_is_what_a_database_says(name, seen, persons, first, second):
    sql = QUERIES[name]
    plan = compile_query(sql, tables(), ("analyst",), COMPUTE, cleartext=SEEN[seen])
    assert any(isinstance(step, MpcStep) and step.seen_by for step in plan.steps)
    assert_answered(plan, sql, data_of(persons, first, second))


PLANS = {
    "keys-seen-by-one": (QUERIES["average by area"], AREAS),
    "keys-seen-by-all": (QUERIES["average by area"], ALL),
    "keys-that-repeat": (QUERIES["left join of repeated keys"], KEYS),
}


@pytest.mark.parametrize("name", PLANS)
def test_the_plan_says_who_sees_which_keys(name):
    sql, cleartext = PLANS[name]
    plan = compile_query(sql, tables(), ("analyst",), COMPUTE, cleartext=cleartext)
    assert_golden(FIXTURES / "plans" / f"{name}.txt", f"{sql}\n\n{show_plan(plan, {})}")


def test_nobody_sees_keys_that_are_not_shown_to_the_same_party():
    sql = QUERIES["average by area"]
    for cleartext in (
        {},
        {("persons", "ssn"): COMPUTE},
        {("persons", "ssn"): ("ftc",), ("scores", "person"): ("bank-a",)},
        {("persons", "ssn"): ("stranger",), ("scores", "person"): ("stranger",)},
    ):
        plan = compile_query(sql, tables(), ("analyst",), COMPUTE, cleartext=cleartext)
        assert not any(isinstance(step, MpcStep) and step.seen_by for step in plan.steps)
        assert not [fact for facts in learned(plan).values() for fact in facts if "random order" in fact]


def test_a_computed_key_is_not_one_that_may_be_seen():
    sql = "SELECT COUNT(*) AS n FROM persons JOIN scores ON ssn + 1 = person"
    plan = compile_query(sql, tables(), ("analyst",), COMPUTE, cleartext=KEYS)
    assert not any(isinstance(step, MpcStep) and step.seen_by for step in plan.steps)


@pytest.mark.parametrize("seen", ["one", "another"])
def test_the_rehearsal_costs_what_the_run_costs(seen):
    plan = compile_query(QUERIES["average by area"], tables(), ("analyst",), COMPUTE, cleartext=SEEN[seen])
    data = {
        "ftc/persons": arrow(PERSONS, [(n, f"area {n % 3}", None) for n in range(20)]),
        "bank-a/scores": arrow(SCORES, [(n, "x", n) for n in range(20)]),
        "bank-b/scores": arrow(SCORES, [(n * 2, "x", n) for n in range(20)]),
    }
    expected, ended = estimate(plan, 20), run(plan, data)
    for name in [step.name for step in plan.steps if isinstance(step, MpcStep)]:
        taken = [r for party in COMPUTE for r in ended[party].steps if r.name == name]
        assert {r.rounds for r in taken} == {expected[name].rounds}
        assert max(r.bytes_sent for r in taken) == expected[name].bytes_sent
