"""An independent word on what a minimum means: of fewer people than that, an accepted answer tells nothing at all.

Random queries over random data in which too few people are: every such data must give the same answer, none included.
"""

import random

import duckdb
import pytest

from conclave.compile import compile_query
from conclave.ir.errors import QueryProblem
from policy.protections import protections_of
from policy.verify import Request, verify
from tests.policy.conftest import COLUMNS, policy, scan
from tests.policy.test_interference import Queries, answer, rows_for

N_QUERIES = 700
LEAST_ACCEPTED = 30  # or the test says little
SUBJECTS = {"alpha/visits": "id", "bravo/people": "pid"}
TOO_MANY = 6  # values are 0 to 4 there


def asks(dataset: str, least: int):
    kinds = COLUMNS[dataset]
    columns = {n: {"type": t.removesuffix(" not null"), "subject": n == SUBJECTS[dataset]} for n, t in kinds.items()}
    clauses = {"columns": columns, "minimum": {"subjects": least}} if least else {}
    return policy(dataset, {name: ["open"] for name in kinds}, **clauses)


def accepted(sql, policies, recipients):
    tables = {dataset.split("/")[1]: scan(dataset) for dataset in COLUMNS}
    try:
        plan = compile_query(sql, tables, recipients, ("alpha", "bravo", "carol"), protections_of(policies))
    except QueryProblem:
        return None
    return plan if verify(plan, policies, Request("research")).decision == "accept" else None


@pytest.mark.deep
@pytest.mark.parametrize(
    ("asking", "recipients"),
    [
        (("alpha/visits", "bravo/people"), ("analyst",)),
        (("alpha/visits",), ("analyst",)),
        (("bravo/people",), ("analyst",)),
        (("alpha/visits",), ("bravo",)),
    ],
    ids=["both owners", "alpha", "bravo", "alpha, and bravo is told"],
)
def test_an_accepted_answer_tells_nothing_of_too_few(asking, recipients):
    policies = {dataset: asks(dataset, TOO_MANY if dataset in asking else 0) for dataset in COLUMNS}
    grant = {"to": ("*",), "purposes": ("*",)}
    for dataset, word in policies.items():
        spec = word.spec.model_copy(update={"grants": tuple(g.model_copy(update=grant) for g in word.spec.grants)})
        policies[dataset] = word.model_copy(update={"spec": spec})
    rng, queries, n_accepted = random.Random(5), Queries(5), 0
    with duckdb.connect() as connection:
        for _ in range(N_QUERIES):
            sql = queries.query()
            plan = accepted(sql, policies, recipients)
            if plan is None or not any(f'"{dataset}"' in repr_of(plan) for dataset in asking):
                continue
            n_accepted += 1
            for _ in range(2):
                data = {dataset: rows_for(rng, dataset, 6) for dataset in COLUMNS}
                other = {d: rows_for(rng, d, rng.choice((0, 1, 9))) if d in asking else data[d] for d in COLUMNS}
                assert answer(connection, plan.query, data) == answer(connection, plan.query, other), sql
    assert n_accepted >= LEAST_ACCEPTED / (1 if len(asking) == 2 else 4), n_accepted


def repr_of(plan) -> str:
    return " ".join(step.sql for step in plan.steps if hasattr(step, "sql"))
