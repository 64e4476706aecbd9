"""Whose rows are cut before MPC, and whose are not: beside tests/fixtures/passes/push_limit_down.txt."""

import pytest

from conclave.compile import compile_query
from conclave.estimate import estimate
from conclave.ir.guard import Protection
from conclave.ir.nodes import Filter, Limit
from conclave.ir.walk import nodes_in
from conclave.plan.steps import LocalStep, ShareStep
from tests.conclave.sql.federation import TABLES

THREE = ("alpha", "bravo", "carol")
COSTS = "SELECT ward, cost FROM visits"


def is_cut(
    sql: str, recipients: tuple[str, ...] = ("regulator",), protections: dict[str, Protection] | None = None
) -> bool:
    """Return whether all owners cut their own rows; some of them alone never do."""
    plan = compile_query(sql, TABLES, recipients, THREE, protections)
    shared = {step.source for step in plan.steps if isinstance(step, ShareStep)}
    queries = [step.query for step in plan.steps if isinstance(step, LocalStep) and step.name in shared]
    cut = [any(isinstance(node, Limit | Filter) for node in nodes_in(query)) for query in queries]
    assert len(set(cut)) == 1
    return cut[0]


@pytest.mark.parametrize(
    ("sql", "for_strangers", "for_owners"),
    [
        # Of rows that cost the same an owner would know which of its own it picked.
        (f"{COSTS} ORDER BY cost LIMIT 3", True, False),
        (f"{COSTS} ORDER BY cost, ward LIMIT 3", True, True),
        (f"{COSTS} LIMIT 3", False, False),
        (f"{COSTS} QUALIFY ROW_NUMBER() OVER (ORDER BY cost) <= 3", True, False),
        (f"{COSTS} QUALIFY RANK() OVER (ORDER BY cost) <= 3", True, True),
        (f"{COSTS} QUALIFY DENSE_RANK() OVER (PARTITION BY ward ORDER BY cost) < 3", True, True),
        (f"{COSTS} QUALIFY RANK() OVER (ORDER BY cost) > 3", False, False),
        (f"{COSTS} QUALIFY RANK() OVER (ORDER BY cost) < 3 OR ward = 1", False, False),
    ],
)
def test_rows_are_cut_where_no_recipient_could_tell_its_own_apart(sql, for_strangers, for_owners):
    assert (is_cut(sql), is_cut(sql, ("regulator", "bravo"))) == (for_strangers, for_owners)


def test_how_many_rows_ranks_keep_is_not_told_for_an_owner_that_alone_gets_the_answer():
    ranked = f"{COSTS} QUALIFY RANK() OVER (ORDER BY cost) <= 3"
    assert is_cut(ranked, ("regulator",))
    assert is_cut(ranked, ("alpha", "bravo"))
    assert not is_cut(ranked, ("alpha",))
    assert is_cut(f"{COSTS} ORDER BY cost, ward LIMIT 3", ("alpha",))  # which are three, whatever they hold


def test_rows_that_are_grouped_under_a_minimum_are_not_cut():
    sql = f"SELECT SUM(cost) AS cost FROM ({COSTS} ORDER BY cost LIMIT 3) AS dearest"
    assert is_cut(sql)
    assert not is_cut(sql, protections={"alpha/visits": Protection(("id",), least=2)})


def test_costs_are_of_what_is_left():
    plan = compile_query(f"{COSTS} ORDER BY cost LIMIT 3", TABLES, ("regulator",), THREE)
    assert estimate(plan, 50) == estimate(plan, 3)
