"""More ways to be told more than was granted, by joins and groups that show nothing of a dataset but that it is there."""

from dataclasses import replace

import pytest

from conclave.compile import compile_query
from conclave.ir.nodes import Concat
from policy.verify import Request, verify
from tests.policy.conftest import judge, policy, refused, scan

TELLING = {
    "a constant": "SELECT DISTINCT 1 AS one FROM visits",
    "a constant group": "SELECT 1 AS one FROM visits GROUP BY 1",
    "a constant key": "SELECT pid FROM people JOIN (SELECT DISTINCT 3 AS k FROM visits) AS v ON pid = k",
    "a label made up": "SELECT region FROM people UNION SELECT 'x' FROM visits",
}


@pytest.mark.parametrize("sql", TELLING.values(), ids=TELLING)
def test_that_a_group_is_there_tells_of_rows(sql):
    open_to_all = policy("bravo/people", {name: ["open"] for name in ("pid", "region", "income")})
    assert refused(judge(sql, policy("alpha/visits"), open_to_all)) == {(None, "count")}
    assert refused(judge(sql, policy("alpha/visits", {"age": ["count"]}), open_to_all)) == set()


def test_a_group_by_a_column_is_told_by_its_label_alone():
    assert refused(judge("SELECT DISTINCT dept FROM visits", policy("alpha/visits", {"dept": ["group_key"]}))) == set()


def checked(sql, alpha):
    """The verdict on a join of bravo's people with a table of alpha's and carol's, both of whom declare its keys."""
    columns = {"id": "bigint not null", "ssn": "bigint not null", "dept": "varchar(5) not null"}
    columns |= {"pay": "integer not null", "age": "integer"}
    parts = [
        replace(scan(dataset, columns=columns), table="visits", unique_in_table=frozenset({"id"}))
        for dataset in ("alpha/visits", "carol/visits")
    ]
    tables = {"visits": Concat(tuple(parts)), "people": scan("bravo/people")}
    plan = compile_query(sql, tables, ("alpha",), ("alpha", "bravo", "carol"))
    assert any(disclosure.kind == "key_check" for disclosure in plan.disclosures)
    everything = [{"to": ["alpha"], "purposes": ["*"], "columns": {name: ["open"] for name in columns}}]
    carol = policy("alpha/visits", grants=everything)
    carol = carol.model_copy(update={"metadata": carol.metadata.model_copy(update={"dataset": "carol/visits"})})
    granted = [{"to": ["alpha"], "purposes": ["*"], "columns": {n: ["open"] for n in ("pid", "region", "income")}}]
    policies = {"alpha/visits": alpha, "carol/visits": carol, "bravo/people": policy("bravo/people", grants=granted)}
    return verify(plan, policies, Request("research"))


# Carol, who computes, brings a row with id 7: whether keys repeat tells whether alpha's row 7 earns more than the mean.
NARROWED = """SELECT SUM(income) AS s FROM people JOIN
    (SELECT id FROM visits WHERE pay > (SELECT AVG(pay) FROM visits)) AS v ON pid = id"""


def test_what_decides_which_declared_keys_are_checked_is_for_the_owner_to_grant():
    """Alpha alone gets the answer, and the condition is computed under MPC: no size tells of it."""
    verdict = checked(NARROWED, policy("alpha/visits"))
    assert {("id", "join_key", "bravo"), ("pay", "filter", "bravo")} <= {
        (r.column, r.capability, r.recipient) for r in verdict.reasons
    }
    assert "whether keys of several owners repeat, seen to bravo" in {r.flow[-1] for r in verdict.reasons}
    columns = {"id": ["join_key"], "pay": ["filter", "mean", "sum", "count"]}
    for to in ("alpha", "carol"):
        granting = policy("alpha/visits", grants=[{"to": [to], "purposes": ["*"], "columns": columns}])
        assert checked(NARROWED, granting).reasons == ()


def test_a_sum_of_what_is_open_counts_the_other_sides_rows():
    """Who may see each income can tell how many rows of visits each of them met."""
    sql = "SELECT region, SUM(income) AS s FROM visits JOIN people ON id = pid GROUP BY region"
    alpha = policy("alpha/visits", {"id": ["join_key"]})
    for seen, wanted in ((["open"], {(None, "count")}), (["sum", "join_payload"], set())):
        bravo = policy("bravo/people", {"pid": ["join_key"], "region": ["open"], "income": seen})
        assert refused(judge(sql, alpha, bravo)) == wanted


WHOLE = "SELECT region, SUM(income) AS s FROM people JOIN visits ON pid = id GROUP BY region"


@pytest.mark.parametrize("picked", ["WHERE visits.ssn = 7", "WHERE visits.age > 90", "WHERE id = 7"])
def test_under_a_minimum_no_query_picks_the_rows_whose_keys_are_checked(picked):
    """Whether the run ends would tell whether alpha and carol both have the one person that the author thinks of."""
    own = {
        name: column.model_dump(mode="json", exclude_none=True)
        for name, column in policy("alpha/visits").spec.columns.items()
    }
    columns = own | {"id": {"type": "bigint", "subject": True}}
    open_to_all = [{"to": ["*"], "purposes": ["*"], "columns": {n: ["open"] for n in ("id", "ssn", "age")}}]
    alpha = policy("alpha/visits", grants=open_to_all, columns=columns, minimum={"subjects": 3})
    picks = "whether its keys repeat in the rows that the query picks is checked"
    reasons = checked(WHOLE.replace("GROUP", f"{picked} GROUP"), alpha).reasons
    assert [r.code for r in reasons if picks in r.what] == ["minimum-not-met"]
    assert not any(picks in r.what for r in checked(WHOLE, alpha).reasons)


def test_keys_that_only_a_rewritten_plan_looks_at_are_for_the_owners_to_grant():
    """Aggregated before the join, `people` leaves the ids of visits to tell the rows apart; in the query they do not."""
    columns = {"id": "bigint not null", "ward": "bigint not null", "day": "bigint not null"}
    own = {"unique": frozenset({"id"}), "unique_in_table": frozenset({"id"})}
    parts = tuple(
        replace(scan(f"{owner}/visits", columns=columns), table="visits", **own) for owner in ("alpha", "carol")
    )
    tables = {"visits": Concat(parts), "people": scan("bravo/people")}
    tables["fees"] = scan("bravo/fees", columns={"payer": "bigint not null", "fee": "integer not null"})
    sql = """SELECT day, SUM(fee) AS s FROM (SELECT id, day FROM visits LEFT JOIN people ON ward = pid) AS v
        JOIN fees ON id = payer GROUP BY day"""
    plan = compile_query(sql, tables, ("bravo",), ("alpha", "bravo", "carol"))
    assert any(disclosure.kind == "key_check" for disclosure in plan.disclosures)
    everything = {name: ["open"] for name in columns}

    def grants(dataset, to):
        own = {"columns": {name: {"type": kind.removesuffix(" not null")} for name, kind in columns.items()}}
        made = policy("alpha/visits", grants=[{"to": [to], "purposes": ["*"], "columns": everything}], **own)
        return made.model_copy(update={"metadata": made.metadata.model_copy(update={"dataset": dataset})})

    policies = {"alpha/visits": grants("alpha/visits", "nobody"), "carol/visits": grants("carol/visits", "bravo")}
    told = {r.flow[-1] for r in verify(plan, policies, Request("research")).reasons if r.dataset == "alpha/visits"}
    assert "whether keys of several owners repeat, seen to bravo" in told
    policies["alpha/visits"] = grants("alpha/visits", "bravo")
    told = {r.dataset for r in verify(plan, policies, Request("research")).reasons}
    assert "alpha/visits" not in told
