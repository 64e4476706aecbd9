from dataclasses import replace

import pytest

from conclave.compile import compile_query
from conclave.ir.nodes import Concat, Join, Scan
from conclave.ir.types import Field, Integer
from conclave.passes.optimise import optimise
from conclave.passes.order_joins import most_rows
from conclave.plan.bounded import bounded_side, most_alike
from conclave.plan.show import learned, show_plan
from conclave.plan.steps import Bounded, MpcStep
from conclave.sql.bind import bind

COMPUTE = ("alpha", "bravo", "carol")


def scan(table, owner, columns, said=None, **how):
    fields = tuple(Field(name, Integer()) for name in columns)
    return Scan(table, f"{owner}/{table}", owner, fields, most_matches=frozenset((said or {}).items()), **how)


VISITS = tuple(scan("visits", owner, ("id", "ward", "day"), {"id": 8, "ward": 50}) for owner in ("alpha", "bravo"))
TABLES = {
    "visits": Concat(VISITS),
    "drugs": scan("drugs", "carol", ("person", "drug"), {"person": 4}),
    "beds": scan("beds", "carol", ("bed", "floor")),
    "wards": scan("wards", "carol", ("no", "size"), unique=frozenset({"no"})),
}


@pytest.mark.parametrize(
    ("sql", "names", "expected"),
    [
        ("SELECT id, ward FROM visits", {"id"}, 8),
        ("SELECT id, ward FROM visits", {"id", "ward"}, 8),
        ("SELECT id AS i, ward AS w FROM visits WHERE day > 3", {"w"}, 50),
        ("SELECT id + 1 AS id FROM visits", {"id"}, None),
        ("SELECT id, day FROM visits", {"day"}, None),
        ("SELECT id FROM visits UNION ALL SELECT id FROM visits", {"id"}, 16),
        ("SELECT id FROM visits UNION ALL SELECT person AS id FROM drugs", {"id"}, 12),
        ("SELECT id FROM visits UNION ALL SELECT bed AS id FROM beds", {"id"}, None),
        ("SELECT id, day, COUNT(*) AS n FROM visits GROUP BY id, day", {"id"}, 8),
        ("SELECT id, day, COUNT(*) AS n FROM visits GROUP BY id, day", {"day"}, None),
        ("SELECT id, ROW_NUMBER() OVER (ORDER BY day) AS n FROM visits", {"id", "n"}, 8),
        ("SELECT id, size FROM visits JOIN wards ON ward = no", {"id"}, 8),
        ("SELECT id, size FROM wards JOIN visits ON ward = no", {"id"}, 8),
        ("SELECT id FROM visits WHERE ward IN (SELECT bed FROM beds)", {"id"}, 8),
        ("SELECT id, floor FROM visits JOIN beds ON ward = bed", {"id"}, None),
        ("SELECT id, n FROM visits CROSS JOIN (SELECT COUNT(*) AS n FROM beds) b", {"id"}, 8),
    ],
)
def test_how_often_a_key_comes_follows_from_what_is_said_of_tables(sql, names, expected):
    root = bind(sql, TABLES, ("alpha",))
    assert most_alike(root, frozenset(names)) == expected
    assert most_alike(optimise(root), frozenset(names)) == expected


def test_the_side_that_repeats_less_is_taken_where_none_is_unique():
    visits, drugs, beds, wards = TABLES.values()
    assert bounded_side(Join(visits, drugs, (("id", "person"),))) == Bounded("right", 4)
    assert bounded_side(Join(drugs, visits, (("person", "id"),), "left")) == Bounded("left", 4)
    assert bounded_side(Join(visits, beds, (("id", "bed"),))) == Bounded("left", 8)
    assert bounded_side(Join(beds, beds_again(), (("bed", "b"),))) is None
    assert bounded_side(Join(visits, wards, (("id", "no"),))) is None
    assert bounded_side(Join(visits, drugs, (("id", "person"),), "semi")) is None


def beds_again():
    return scan("beds", "carol", ("b", "f"))


# By columns of both sides: otherwise one is aggregated before.
JOINED = "SELECT ward, drug, COUNT(*) AS n FROM visits JOIN drugs ON id = person GROUP BY ward, drug"


def test_the_plan_says_that_it_is_checked_and_all_members_see_it():
    plan = compile_query(JOINED, TABLES, ("dora",), COMPUTE)
    (step,) = (s for s in plan.steps if isinstance(s, MpcStep) and s.bounded is not None)
    assert step.bounded == Bounded("right", 4)
    assert "join on id = person, up to 4 rows of a key on the right" in show_plan(plan, {})
    told = f"whether more than 4 rows agree in person ({step.name}), which ends the run"
    assert all(told in learned(plan)[name] for name in (*COMPUTE, "dora"))


def test_keys_that_somebody_sees_need_no_word_of_how_often_they_come():
    keys = {("visits", "id"): COMPUTE, ("drugs", "person"): COMPUTE}
    plan = compile_query(JOINED, TABLES, ("dora",), COMPUTE, cleartext=keys)
    assert all(step.bounded is None for step in plan.steps if isinstance(step, MpcStep))
    assert not any(d.kind == "match_check" for d in plan.disclosures)


BY_WARD = "SELECT ward, COUNT(*) AS n FROM visits JOIN drugs ON id = person GROUP BY ward"
BOTH_JOINS = """SELECT floor, drug, SUM(day) AS d FROM visits JOIN beds ON ward = bed JOIN drugs ON bed = person
    GROUP BY floor, drug"""
# The visits' days could be summed by ward before both joins; the second would be of other rows than the query's.
IN_ORDER = BOTH_JOINS.replace("JOIN drugs", "LEFT JOIN drugs")


@pytest.mark.parametrize(("sql", "n_checks"), [(JOINED, 1), (BY_WARD, 0), (BOTH_JOINS, 1), (IN_ORDER, 2)])
def test_nothing_is_checked_where_aggregates_go_first_nor_of_rows_that_the_query_does_not_join(sql, n_checks):
    tables = TABLES | {"drugs": scan("drugs", "alpha", ("person", "drug"), {"person": 4})}
    plan = compile_query(sql, tables, ("dora",), COMPUTE)
    assert sum(d.kind == "match_check" for d in plan.disclosures) == n_checks
    unsaid = tables | {"visits": Concat(tuple(map(silent, VISITS))), "drugs": silent(tables["drugs"])}
    assert not any(d.kind == "match_check" for d in compile_query(sql, unsaid, ("dora",), COMPUTE).disclosures)


def silent(table):
    return replace(table, most_matches=frozenset())


def test_a_join_is_as_large_as_is_said():
    parts = Concat(tuple(replace(visit, most_rows=500) for visit in VISITS))
    drugs = replace(TABLES["drugs"], most_rows=300)
    assert most_rows(Join(parts, drugs, (("id", "person"),))) == 4000
    assert most_rows(Join(drugs, parts, (("person", "id"),))) == 4000
    assert most_rows(Join(drugs, parts, (("person", "id"),), "left")) == 4300
    assert most_rows(Join(silent(drugs), parts, (("person", "id"),), "left")) == 2400
