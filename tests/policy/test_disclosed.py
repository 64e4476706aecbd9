"""What is said to be told of whose columns is what the verifier asks grants for: over the corpus, and nothing more."""

import pytest

from conclave.ir.errors import UnsupportedQuery
from policy.disclosed import told
from policy.permissions import Permission, granted
from policy.verify import verify
from tests.policy.conftest import plan, policy
from tests.policy.test_corpus import CASES
from tests.policy.test_suggest import GRANTABLE, bare, of_corpus


def permissions_of(each, policies):
    column = each.column or next(iter(policies[each.dataset].spec.columns))
    for capability in set(each.needs) - {"expressions"}:
        over = "expressions" in each.needs and capability != "join_payload"
        yield Permission(each.dataset, each.recipient, over, column, capability)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_grant_of_what_is_told_is_what_the_verifier_asks_for(case):
    try:
        made, policies, request = of_corpus(case)
    except UnsupportedQuery:
        pytest.skip("no plan, nothing is told")
    policies = bare(policies)
    found = [each for each in told(made, policies, request.purpose) if each.dataset in policies]
    recipients = set(made.query.recipients)

    refused = verify(made, policies, request).reasons
    flows = {
        (r.recipient, r.dataset, r.column or "") for r in refused if r.code in GRANTABLE if r.recipient in recipients
    }
    assert {(each.recipient, each.dataset, each.column) for each in found} <= flows

    wanted = [one for each in found for one in permissions_of(each, policies)]
    left = verify(made, granted(policies, wanted, request.purpose), request).reasons
    # What else those who compute see on the way, keys and sizes, is no part of the answer.
    of_answer = [r for r in left if r.code in GRANTABLE if r.recipient in recipients and " answer" in f" {r.flow[-1]}"]
    assert not of_answer


def test_each_form_of_each_column_is_told_once_and_its_owner_is_told_nothing():
    sql = "SELECT dept, AVG(pay) AS pay, SUM(age * 2) AS age FROM visits WHERE ssn > 9 GROUP BY dept"
    found = told(plan(sql, recipients=("analyst", "alpha")), {}, "research")
    assert [(each.recipient, each.column, each.what, each.needs) for each in found] == [
        ("analyst", "age", "sum(an expression over age)", ("sum", "expressions")),
        ("analyst", "dept", "groups made by dept", ("group_key",)),
        ("analyst", "pay", "mean(pay)", ("mean",)),
        ("analyst", "ssn", "which rows count, by ssn", ("filter",)),
    ]


def test_what_stands_for_a_person_is_known_by_its_policy():
    marked = policy("alpha/visits", columns={name: {"type": kind.removesuffix(" not null"), **({"subject": True} if name == "id" else {})} for name, kind in {"id": "bigint", "ssn": "bigint", "dept": "varchar(5)", "pay": "integer", "age": "integer"}.items()})  # fmt: skip
    made = plan("SELECT MAX(pay) AS pay FROM visits GROUP BY id")
    of = {each.column: each.what for each in told(made, {"alpha/visits": marked}, "research")}
    assert of["pay"] == "what is computed from pay, row by row"
    assert {each.column: each.what for each in told(made, {}, "research")}["pay"] == "max(pay)"
