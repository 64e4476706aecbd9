"""Queries over tables whose rows may be counted on the way: DuckDB's rows, fewer of them carried, and told so."""

import pytest
from hypothesis import example, given, settings

from conclave.compile import compile_query
from conclave.estimate import estimate
from conclave.plan.compaction import may_compact
from conclave.plan.show import learned, show_plan
from conclave.plan.steps import MpcStep
from tests.conclave.golden import assert_golden
from tests.conclave.scores import (
    AREAS,
    COMPUTE,
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

BOTH = frozenset({"persons", "scores"})
# With how many steps drop rows, where nobody sees keys.
QUERIES = {
    "groups, then a join, then groups": (
        2,
        "SELECT area, SUM(n) AS n FROM (SELECT person, COUNT(*) AS n FROM scores GROUP BY person) s"
        " JOIN persons ON person = ssn GROUP BY area",
    ),
    "a condition on several owners' rows": (
        1,
        "SELECT a.kind, COUNT(*) AS n, MIN(a.score) AS low FROM scores a JOIN scores b ON a.person = b.person"
        " WHERE a.score < b.score GROUP BY a.kind",
    ),
    "having, then a window": (
        1,
        "SELECT kind, n, RANK() OVER (ORDER BY n) AS r FROM"
        " (SELECT kind, COUNT(*) AS n FROM scores GROUP BY kind HAVING COUNT(*) > 1) g",
    ),
    "in, then groups": (
        1,
        "SELECT kind, MAX(score) AS high FROM scores WHERE person IN (SELECT ssn FROM persons) GROUP BY kind",
    ),
    "a left join whose rows are all kept": (
        1,
        "SELECT area, n FROM persons LEFT JOIN (SELECT person, COUNT(*) AS n FROM scores GROUP BY person) s"
        " ON ssn = person",
    ),
    "what is matched twice, then limited": (
        1,
        "SELECT a.person, a.score + b.score AS s FROM scores a JOIN scores b ON a.person = b.person"
        " AND a.kind = b.kind ORDER BY s, a.person LIMIT 3",
    ),
    "a union of what is left": (
        1,
        "SELECT k, COUNT(*) AS n FROM (SELECT person AS k FROM scores WHERE person IN (SELECT ssn FROM persons)"
        " UNION ALL SELECT score AS k FROM scores WHERE score IN (SELECT ssn FROM persons)) u GROUP BY k",
    ),
}


def made(sql, countable=BOTH, **options):
    return compile_query(sql, tables(), ("analyst",), COMPUTE, countable=countable, **options)


def dropping(plan):
    return [step.name for step in plan.steps if isinstance(step, MpcStep) and step.is_compacted]


@pytest.mark.parametrize("name", QUERIES)
@given(persons=PERSON_ROWS, first=SCORE_ROWS, second=SCORE_ROWS)
@example(persons=[], first=[], second=[])
@example(persons=[(1, "north", None), (None, "", None)], first=[(1, "x", 5), (1, "x", 5), (None, "x", 2)], second=[])
@example(persons=[(4, "", None)], first=[(2, "x", 2)], second=[(3, None, 3)])  # nothing is left anywhere
@settings(max_examples=1, deadline=None)
def test_the_answer_is_what_a_database_says(name, persons, first, second):
    n_steps, sql = QUERIES[name]
    plan = made(sql)
    assert len(dropping(plan)) == n_steps
    assert_answered(plan, sql, data_of(persons, first, second))


@pytest.mark.parametrize("name", QUERIES)
def test_nothing_is_dropped_or_counted_unless_all_tables_below_are_named(name):
    _, sql = QUERIES[name]
    for countable in (frozenset(), frozenset({"persons"}), frozenset({"beds"})):
        plan = made(sql, countable)
        assert not dropping(plan)
        assert plan == compile_query(sql, tables(), ("analyst",), COMPUTE)


def test_of_rows_that_are_only_opened_none_are_dropped():
    assert not dropping(made("SELECT person FROM scores WHERE person IN (SELECT ssn FROM persons)"))
    assert not dropping(made("SELECT COUNT(*) AS n FROM scores WHERE person IN (SELECT ssn FROM persons)"))


def test_where_all_see_the_keys_there_is_nothing_to_drop():
    _, sql = QUERIES["groups, then a join, then groups"]
    assert not dropping(made(sql, cleartext=KINDS))
    assert len(dropping(made(sql, cleartext=AREAS))) == 2  # one party sees them, and the others count no groups


def test_what_is_dropped_is_told_to_every_member():
    plan = made(QUERIES["in, then groups"][1])
    (name,) = dropping(plan)
    assert {party for party, facts in learned(plan).items() if f"how many rows {name} has" in facts} == {
        "analyst",
        *COMPUTE,
    }
    shown = made(QUERIES["in, then groups"][1], cleartext=AREAS)
    assert [step.seen_by for step in shown.steps if isinstance(step, MpcStep) and step.is_compacted] == [("ftc",)]
    assert f"how many rows {name} has" in learned(shown)["ftc"]  # a row with a NULL key is one, and does not look so
    assert all(may_compact(step) for step in plan.steps if isinstance(step, MpcStep) and step.is_compacted)
    assert_golden(FIXTURES / "plans" / "sizes-told.txt", show_plan(plan, {}))


def test_later_steps_work_on_the_rows_that_are_left_and_the_estimate_is_of_all():
    sql = QUERIES["in, then groups"][1]
    data = {
        "ftc/persons": arrow(PERSONS, [(7, "north", None), *((-n, "x", None) for n in range(1, 40))]),
        "bank-a/scores": arrow(SCORES, [(n, "x", n) for n in range(40)]),
        "bank-b/scores": arrow(SCORES, [(n, "yy", n) for n in range(40)]),
    }

    def taken(plan):
        steps = [report for report in run(plan, data)[COMPUTE[0]].steps if report.kind == "mpc"]
        return [(report.rounds, report.bytes_sent) for report in steps]

    plan, whole = made(sql), made(sql, frozenset())
    *_, (_, with_two_rows) = taken(plan)
    *_, (_, with_eighty) = taken(whole)
    assert with_two_rows * 10 < with_eighty
    # Rows that are known to exist are not sorted by whether they do; dropping is a shuffle and an opening.
    (name,) = dropping(plan)
    last = plan.steps[-2].name
    assert estimate(plan, 40)[last].bytes_sent <= estimate(whole, 40)[last].bytes_sent
    assert estimate(plan, 40)[name].rounds == estimate(whole, 40)[name].rounds + 4
