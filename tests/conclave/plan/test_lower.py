import pytest

from conclave.ir.errors import TypeProblem, UnsupportedQuery
from conclave.ir.walk import owner_of
from conclave.plan.show import show_plan
from conclave.plan.steps import LocalStep, MpcStep, RevealStep, SendStep, ShareStep
from tests.conclave.golden import assert_golden
from tests.conclave.plan.samples import plan_of
from tests.conclave.sql.federation import FIXTURES

QUERIES = {
    "group-by": "SELECT ward, AVG(cost) AS mean FROM visits GROUP BY ward HAVING COUNT(*) >= 10 ORDER BY ward",
    "join": "SELECT SUM(value) AS total FROM visits JOIN labs ON visits.id = labs.id WHERE cost > 100",
    "joins-by-size": (
        "SELECT SUM(labs.value) AS total FROM visits JOIN labs ON visits.id = labs.id JOIN drugs ON drugs.id = labs.id"
    ),
    "top": "SELECT id, cost FROM visits ORDER BY cost DESC LIMIT 3",
    "one-owner": "SELECT COUNT(*) AS n FROM labs WHERE value > 3",
    "window": "SELECT ward, id FROM visits QUALIFY ROW_NUMBER() OVER (PARTITION BY ward ORDER BY cost DESC, id) <= 3",
    "sorted-already": (
        "SELECT ward, COUNT(DISTINCT v.id) AS n, MAX(value) AS m FROM visits v JOIN labs ON v.id = labs.id"
        " GROUP BY ward ORDER BY ward LIMIT 3"
    ),
    "sorted-by-what-tells-the-rest": (
        "SELECT labs.id, value, SUM(cost) AS s FROM visits JOIN labs ON visits.id = labs.id GROUP BY labs.id, value"
    ),
    "variance": "SELECT ward, STDDEV(cost) AS spread FROM visits GROUP BY ward",
    "long-strings": "SELECT diagnosis, COUNT(*) AS n FROM visits WHERE ward = 'ICU' GROUP BY diagnosis",
}


@pytest.mark.parametrize("name", QUERIES)
def test_the_plan_reads_as_its_golden(name):
    assert_golden(FIXTURES / "plans" / f"{name}.txt", f"{QUERIES[name]}\n\n{show_plan(plan_of(QUERIES[name]), {})}")


@pytest.mark.parametrize("name", QUERIES)
def test_steps_read_only_what_earlier_steps_made_and_owners_only_their_own(name):
    made = set()
    for step in plan_of(QUERIES[name]).steps:
        match step:
            case LocalStep(party=party, query=query) if owner_of(query) is not None:
                assert owner_of(query) == party
            case ShareStep(source=source) | RevealStep(source=source) | SendStep(source=source):
                assert source in made
            case MpcStep(operator=operator):
                assert owner_of(operator) is None
        made.add(step.name)


def test_owners_work_before_anyone_waits():
    kinds = [type(step) for step in plan_of(QUERIES["group-by"]).steps]
    assert kinds[:6] == [LocalStep] * 3 + [ShareStep] * 3


def test_equal_subtrees_are_computed_once():
    sql = (
        "WITH w AS (SELECT ward, COUNT(*) AS n FROM visits GROUP BY ward)"
        " SELECT ward, n / total AS part FROM w CROSS JOIN (SELECT SUM(n) AS total FROM w) t"
    )
    assert sum(isinstance(step, ShareStep) for step in plan_of(sql).steps) == 3


def test_an_outside_recipient_is_told_to_see_the_size_of_the_opened_table():
    outside, inside = plan_of(QUERIES["top"]), plan_of(QUERIES["top"], recipients=("alpha",))
    assert [d.to for d in outside.disclosures if d.kind == "table_size"] == [("regulator",)]
    assert [d.to for d in inside.disclosures if d.kind == "table_size"] == []


def test_an_owner_that_does_not_compute_is_told_nothing_of_shares():
    plan = plan_of(QUERIES["top"], compute=("bravo", "carol", "helper"))
    shares = [d for d in plan.disclosures if d.kind == "row_count" and d.step != "offer"]
    assert {name for d in shares for name in d.to} == {"bravo", "carol", "helper"}


def test_bytes_of_long_strings_travel_only_to_the_answer():
    texts = {step.texts for step in plan_of(QUERIES["long-strings"]).steps if isinstance(step, ShareStep)}
    assert texts == {frozenset({"diagnosis"})}
    counted = plan_of("SELECT COUNT(*) AS n FROM (SELECT DISTINCT diagnosis FROM visits) d")
    assert {step.texts for step in counted.steps if isinstance(step, ShareStep)} == {frozenset()}


def test_what_mpc_cannot_do_is_refused_at_its_place():
    with pytest.raises(UnsupportedQuery, match="under MPC there is no LENGTH"):
        plan_of(
            "SELECT LENGTH(CASE WHEN v.id > l.value THEN diagnosis ELSE 'long enough' END) AS n FROM visits v JOIN labs l ON v.id = l.id"
        )
    with pytest.raises(UnsupportedQuery, match="MAX needs the order") as refused:
        plan_of("SELECT a.ward, MAX(b.diagnosis) AS m\nFROM visits a JOIN visits b ON a.id = b.id GROUP BY a.ward")
    assert refused.value.at is not None
    assert refused.value.at.line == 1


OF_BOTH = (
    "SELECT SUM(value) AS s FROM visits v JOIN labs l ON v.id = l.id WHERE CASE WHEN l.value > 1 THEN {} ELSE 'ICU' END"
)


@pytest.mark.parametrize("pattern", ["_CU", "%CU", "I%U", "I_%", "%I%"])
def test_patterns_of_more_than_how_a_text_begins_are_refused_where_only_mpc_could_test_them(pattern):
    with pytest.raises(UnsupportedQuery, match="and for no other pattern") as refused:
        plan_of(OF_BOTH.format("v.ward") + f" LIKE '{pattern}'")
    assert refused.value.at is not None
    with pytest.raises(UnsupportedQuery, match="under MPC there is no ILIKE"):
        plan_of(OF_BOTH.format("v.ward") + " ILIKE 'icu'")
    plan_of(f"SELECT SUM(value) AS s FROM visits v JOIN labs l ON v.id = l.id WHERE v.ward LIKE '{pattern}'")


@pytest.mark.parametrize(
    ("pattern", "is_shared"), [("dia%", True), ("dia", False), ("%", False), ("", False), (f"{'x' * 99}%", False)]
)
def test_bytes_of_long_strings_are_shared_where_mpc_looks_at_how_they_begin(pattern, is_shared):
    either = "CASE WHEN l.value > 1 THEN diagnosis ELSE 'of twenty characters' END"
    query = f"FROM visits v JOIN labs l ON v.id = l.id WHERE {either} LIKE '{pattern}'"
    for sql in (
        f"SELECT SUM(value) AS s {query}",
        f"SELECT SUM(value) AS s, {either} LIKE '{pattern}' AS b {query.split(' WHERE')[0]} GROUP BY b",
    ):
        shared = {name for step in plan_of(sql).steps if isinstance(step, ShareStep) for name in step.texts}
        assert shared == ({"diagnosis"} if is_shared else set())


def test_variances_of_many_decimals_are_refused_where_several_owners_take_part():
    with pytest.raises(TypeProblem, match="more than 4 decimals") as refused:
        plan_of("SELECT ward,\n  VAR_POP(CAST(cost AS DECIMAL(18, 6))) AS v FROM visits GROUP BY ward")
    assert refused.value.at is not None
    assert (refused.value.at.line, refused.value.fix) == (2, "cast them to double")


def test_rows_are_ordered_by_the_bytes_of_long_strings():
    plan = plan_of("SELECT ward FROM (SELECT ward, diagnosis FROM visits) v ORDER BY ward LIMIT 3")
    assert {step.texts for step in plan.steps if isinstance(step, ShareStep)} == {frozenset()}
    plan = plan_of("SELECT ward, diagnosis FROM visits ORDER BY diagnosis LIMIT 3")
    assert {step.texts for step in plan.steps if isinstance(step, ShareStep)} == {frozenset({"diagnosis"})}


@pytest.mark.parametrize("name", ["join"])
def test_a_join_knows_its_unique_side(name):
    joins = [step for step in plan_of(QUERIES[name]).steps if isinstance(step, MpcStep) and step.unique_side]
    assert [step.unique_side for step in joins] == ["right"]


def test_a_case_cannot_mix_what_is_packed_with_what_is_hashed():
    sql = "SELECT SUM(value) AS s FROM visits v JOIN labs l ON v.id = l.id"
    condition = "CASE WHEN l.value > 1 THEN {} ELSE v.ward END = 'x'"
    plan_of(f"{sql} WHERE {condition.format(repr('ICU'))}")
    with pytest.raises(UnsupportedQuery, match="one CASE cannot hold"):
        plan_of(f"{sql} WHERE {condition.format(repr('a long constant text'))}")


@pytest.mark.parametrize(
    ("sql", "column"),
    [
        ("SELECT ward, COUNT(*) AS n FROM visits GROUP BY ward HAVING AVG(cost) < 5e9", 73),
        ("SELECT ward, SUM(cost) * 1e12 AS n FROM visits GROUP BY ward", 26),
        ("SELECT SUM(id) * 9000000000000000000 AS x FROM visits", 18),
    ],
)
def test_a_constant_that_mpc_cannot_hold_is_refused_at_its_place(sql, column):
    with pytest.raises(TypeProblem, match="out of range") as refusal:
        plan_of(sql)
    assert (str(refusal.value.at), bool(refusal.value.fix)) == (f"line 1, column {column}", True)


def test_what_needs_nothing_but_the_answer_is_done_by_each_recipient():
    sql = "SELECT ward, ROUND(AVG(cost), 1) AS mean FROM visits GROUP BY ward ORDER BY mean DESC, ward"
    *_, reveal, first, second = plan_of(sql, recipients=("alpha", "regulator")).steps
    assert isinstance(reveal, RevealStep)
    assert [(step.party, step.sql) for step in (first, second)] == [
        (name, first.sql) for name in ("alpha", "regulator")
    ]
    assert 'round("mean", 1)' in first.sql
    assert 'ORDER BY "mean" DESC' in first.sql
    assert not any(
        "sort" in type(step.operator).__name__.lower() for step in plan_of(sql).steps if isinstance(step, MpcStep)
    )
