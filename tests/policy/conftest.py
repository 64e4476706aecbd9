"""Two data owners, alpha (visits) and bravo (people); analyst owns nothing. Plans come from SQL."""

import pytest

from conclave.compile import compile_query
from conclave.ir.nodes import Collect, Scan
from conclave.ir.types import Field, parse_type
from conclave.plan.steps import Plan
from policy.document import Policy
from policy.verify import Request, verify

VISITS = {
    "id": "bigint not null",
    "ssn": "bigint not null",
    "dept": "varchar(5) not null",
    "pay": "integer not null",
    "age": "integer",
}
PEOPLE = {"pid": "bigint not null", "region": "varchar(5) not null", "income": "integer not null"}
COLUMNS = {"alpha/visits": VISITS, "bravo/people": PEOPLE}


def scan(dataset, unique=(), columns=None):
    owner, table = dataset.split("/")
    columns = columns or COLUMNS[dataset]
    fields = (Field(n, parse_type(t.removesuffix(" not null")), "not null" not in t) for n, t in columns.items())
    return Scan(table, dataset, owner, tuple(fields), frozenset(unique))


def policy(dataset, granted=None, /, **spec):
    """A policy that grants something to the analyst for research; other clauses, or all grants, by name."""
    own = {n: {"type": t.removesuffix(" not null")} for n, t in COLUMNS[dataset].items()}
    grant = {"to": ["analyst"], "purposes": ["research"], "columns": granted or {}}
    grant["expressions"] = spec.pop("expressions", False)
    return Policy.model_validate(
        {
            "apiVersion": "ccd.dev/v1alpha1",
            "kind": "Policy",
            "metadata": {"dataset": dataset, "version": 3},
            "spec": {"columns": own, "grants": [grant] if granted else [], **spec},
        }
    )


def plan(sql, recipients=("analyst",), unique=(), tables=None):
    tables = tables or {dataset.split("/")[1]: scan(dataset, unique) for dataset in COLUMNS}
    return compile_query(sql, tables, tuple(recipients), ("alpha", "bravo", "carol"))


def judge(sql, *policies, **how):
    return verify(plan(sql, **how), {p.metadata.dataset: p for p in policies}, Request("research"))


def judge_tree(root, *policies):
    """The verdict on a tree that SQL cannot say (yet): the verifier takes whatever the IR can hold."""
    query = Collect(root, ("analyst",))
    made = Plan(query=query, mpc=None, steps=(), disclosures=(), answer=root.schema)
    return verify(made, {p.metadata.dataset: p for p in policies}, Request("research"))


def refused(verdict):
    """What was missing, as a set of (column, capability)."""
    return {(reason.column, reason.capability) for reason in verdict.reasons}


@pytest.fixture
def decide():
    """Return the set of what `columns` of visits lack for a query over visits alone; empty: accepted."""

    def decide(sql, granted, /, unique=(), **clauses):
        return refused(judge(sql, policy("alpha/visits", granted, **clauses), unique=unique))

    return decide
