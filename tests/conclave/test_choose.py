"""Of several plans the cheaper one runs, and keys are seen only where that saves enough to be worth it."""

from dataclasses import replace

import pytest

from conclave.compile import compile_query
from conclave.ir.nodes import Concat, Join
from conclave.plan.prices import price_of
from conclave.plan.show import learned, show_plan
from conclave.plan.steps import MpcStep, Plan
from conclave.plan.tariff import time_us
from conclave.plan.wire import digest
from tests.conclave.scores import ALL, AREAS, COMPUTE, KEYS, KINDS, scan, tables
from tests.conclave.test_keys_in_clear import QUERIES

TWICE = {("a", "k"): ("ftc",), ("b", "j"): ("ftc",), ("a", "g"): ("ftc",)}


def seen_steps(plan: Plan):
    return [step for step in plan.steps if isinstance(step, MpcStep) and step.seen_by]


def of_rows(n_rows):
    """Return tables a and b, whose keys repeat, of so many rows by their owners' word."""
    a = Concat(tuple(scan(f"{o}/a", {"k": "integer", "g": "integer", "x": "integer"}) for o in ("ftc", "bank-a")))
    b = scan("bank-b/b", {"j": "integer", "y": "integer"})
    declared = tuple(replace(part, most_rows=n_rows) for part in a.parts)
    return {"a": replace(a, parts=declared), "b": replace(b, most_rows=n_rows)}


def compiled(sql, over, cleartext=None):
    return compile_query(sql, over, ("analyst",), COMPUTE, cleartext=cleartext)


@pytest.mark.parametrize("cleartext", [AREAS, ALL], ids=["one", "all"])
def test_a_view_that_saves_much_is_taken_and_the_plan_says_what_was_left_out(cleartext):
    plan = compiled(QUERIES["average by area"], tables(), cleartext)
    without = compiled(QUERIES["average by area"], tables())
    assert len(seen_steps(plan)) == len(plan.choices) == 2
    assert time_us(price_of(without)) * 4 >= time_us(price_of(plan)) * 5
    for choice in plan.choices:
        assert choice.costs == price_of(plan)
        assert time_us(choice.would_cost) * 4 >= time_us(choice.costs) * 5
        assert f"left out: {choice.left_out}, ~{choice.would_cost.rounds} rounds" in show_plan(plan, {})


def test_a_view_of_keys_that_stand_in_order_already_is_not_taken():
    # The inner grouping leaves its groups by (person, kind): the outer one has nothing to sort, and shuffling costs more.
    sql = "SELECT person, COUNT(*) AS n FROM (SELECT person, kind FROM scores GROUP BY person, kind) s GROUP BY person"
    only = {("scores", "person"): ("ftc",)}
    plan = compiled(sql, tables(), only)
    assert seen_steps(plan) == []
    (choice,) = plan.choices
    assert (choice.taken, choice.left_out) == ("keys that nobody sees", "keys that ftc may see")
    assert time_us(choice.costs) * 5 > time_us(choice.would_cost) * 4 > 0
    assert not [fact for facts in learned(plan).values() for fact in facts if "random order" in fact]


def test_a_view_is_left_where_the_other_steps_cost_nearly_all():
    # A sort by dates that nobody may see outweighs a grouping by one bit that somebody may.
    over = {"a": Concat(tuple(scan(f"{o}/a", {"b": "boolean", "x": "date"}) for o in ("ftc", "bank-a")))}
    sql = "SELECT b, COUNT(*) AS n FROM (SELECT x, b FROM a GROUP BY x, b) s GROUP BY b"
    plan = compiled(sql, over, {("a", "b"): ("ftc",)})
    assert seen_steps(plan) == []
    assert [choice.taken for choice in plan.choices] == ["keys that nobody sees"]


@pytest.mark.parametrize(("n_rows", "is_aggregated_before"), [(70, False), (100_000, True)])
def test_pairs_are_compared_only_where_that_is_cheaper(n_rows, is_aggregated_before):
    sql = "SELECT k, SUM(x) AS s, SUM(y) AS t FROM a JOIN b ON k = j GROUP BY k"
    plan = compiled(sql, of_rows(n_rows))
    (join,) = (s for s in plan.steps if isinstance(s, MpcStep) and isinstance(s.operator, Join))
    assert (join.unique_side is not None) == is_aggregated_before
    (choice,) = plan.choices
    assert time_us(choice.costs) <= time_us(choice.would_cost)
    assert ("aggregated" in choice.taken) == is_aggregated_before


def test_views_are_weighed_against_a_plan_that_needs_none():
    # Seen keys make pairs, which are grouped then; without a view one side is aggregated before the join.
    sql = "SELECT g, SUM(x) AS s, SUM(y) AS t FROM a JOIN b ON k = j GROUP BY g"
    plan = compiled(sql, of_rows(100_000), TWICE)
    without = compiled(sql, of_rows(100_000))
    is_worth = time_us(price_of(without)) * 4 >= time_us(price_of(plan)) * 5
    assert is_worth == bool(seen_steps(plan))
    assert price_of(without).rounds > price_of(plan).rounds


def test_every_worker_makes_the_same_choice():
    for cleartext in (KEYS, AREAS, KINDS):
        one, other = (compiled(QUERIES["two steps"], tables(), cleartext) for _ in range(2))
        assert digest(one) == digest(other)
        assert one.choices == other.choices


def test_without_anything_to_choose_nothing_is_said():
    plan = compiled("SELECT kind, COUNT(*) AS n FROM scores GROUP BY kind", tables())
    assert plan.choices == ()
    assert "chosen by" not in show_plan(plan, {})
