"""The table of what CCD's *dogma* accepted or refused, row by row, and what a policy must say instead."""

from conclave.compile import compile_query
from policy.verify import Request, verify
from tests.policy.conftest import judge, policy, refused, scan

# The steward's intention there: ssn is private, all else may be read.
PRIVATE_SSN = {"id": ["open"], "dept": ["open"], "pay": ["open"], "age": ["open"]}


def test_a_workflow_that_claims_another_schema_than_the_file_has_is_refused():
    claimed = scan("alpha/visits", columns={"id": "bigint", "dept": "varchar(5)"})
    plan = compile_query("SELECT id, dept FROM visits", {"visits": claimed}, ("analyst",), ("alpha", "bravo", "carol"))
    verdict = verify(plan, {"alpha/visits": policy("alpha/visits", PRIVATE_SSN)}, Request("research"))
    assert [reason.code for reason in verdict.reasons] == ["header-mismatch"]
    assert "column 2 of alpha/visits is declared as dept varchar(5), not ssn bigint" in verdict.reasons[0].what


def test_the_right_names_with_another_type_or_order_are_refused():
    for columns in ({"id": "integer"}, {"ssn": "bigint", "id": "bigint"}):
        rest = {"dept": "varchar(5)", "pay": "integer", "age": "integer"}
        claimed = scan("alpha/visits", columns={"id": "bigint", "ssn": "bigint", **rest} | columns)
        if list(columns) == ["ssn", "id"]:
            claimed = scan("alpha/visits", columns={**columns, **rest})
        tables = {"visits": claimed}
        plan = compile_query("SELECT id FROM visits", tables, ("analyst",), ("alpha", "bravo", "carol"))
        verdict = verify(plan, {"alpha/visits": policy("alpha/visits", PRIVATE_SSN)}, Request("research"))
        assert [reason.code for reason in verdict.reasons] == ["header-mismatch"]


def test_raw_private_values_are_refused(decide):
    assert decide("SELECT id, ssn FROM visits", PRIVATE_SSN) == {("ssn", "open")}


def test_a_sum_by_a_unique_id_is_the_value_itself(decide):
    sql = "SELECT id, SUM(ssn) AS s FROM visits GROUP BY id"
    assert decide(sql, {**PRIVATE_SSN, "ssn": ["sum"]}, unique=("id",)) == {("ssn", "open")}
    # Without anything known of id, the sum is a sum.
    assert decide(sql, {**PRIVATE_SSN, "ssn": ["sum"]}) == set()


def test_a_sum_by_the_subject_is_one_persons(decide):
    sql = "SELECT SUM(pay) AS s FROM visits GROUP BY id"
    granted = {"id": ["group_key"], "pay": ["sum"]}
    columns = {
        "id": {"type": "bigint", "subject": True},
        "ssn": {"type": "bigint"},
        "dept": {"type": "varchar(5)"},
        "pay": {"type": "integer"},
        "age": {"type": "integer"},
    }
    assert decide(sql, granted, columns=columns) >= {("pay", "open")}
    assert decide(sql, granted) == set()


def test_a_filter_on_a_private_column_is_a_flow_from_it(decide):
    sql = "SELECT dept, SUM(id) AS s FROM visits WHERE ssn = 123 GROUP BY dept"
    assert decide(sql, PRIVATE_SSN) == {("ssn", "filter")}


def test_projecting_away_undoes_no_filter(decide):
    sql = "SELECT id, dept FROM (SELECT id, dept, ssn FROM visits WHERE ssn > 5) AS v"
    assert decide(sql, PRIVATE_SSN) == {("ssn", "filter")}
    assert decide(sql, {**PRIVATE_SSN, "ssn": ["filter"]}) == set()


def test_a_private_column_that_is_projected_away_unused_is_no_obstacle(decide):
    assert decide("SELECT id, dept FROM (SELECT * FROM visits) AS v", PRIVATE_SSN) == set()


def test_a_join_from_which_only_allowed_columns_are_kept_is_accepted():
    sql = "SELECT dept, region FROM visits JOIN people ON id = pid"
    visits = policy("alpha/visits", {"id": ["join_key"], "dept": ["open"]})
    people = policy("bravo/people", {"pid": ["join_key"], "region": ["open"]})
    assert judge(sql, visits, people).decision == "accept"
    no_key = policy("bravo/people", {"region": ["open"]})
    assert refused(judge(sql, visits, no_key)) == {("pid", "join_key")}


def test_min_and_max_are_no_sums(decide):
    for function in ("min", "max"):
        sql = f"SELECT dept, {function.upper()}(pay) AS m FROM visits GROUP BY dept"
        assert decide(sql, {"dept": ["group_key"], "pay": ["sum", "mean", "count"]}) == {("pay", function)}
