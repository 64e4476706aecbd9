"""What plans are chosen by: prices from shapes alone, held to rehearsals of the protocols."""

from dataclasses import replace

import pytest

from conclave.compile import compile_query
from conclave.estimate import rehearse
from conclave.ir.nodes import Aggregate, Concat, Join, Scan
from conclave.ir.types import Field, parse_type
from conclave.mpc.merge import pays
from conclave.plan.prices import price_of, prices_of
from conclave.plan.steps import MpcStep, ShareStep
from conclave.plan.tariff import put_in_order, sort

THREE = ("alpha", "bravo", "carol")
N_ROWS = 96  # of each owner


def scan(table, owner, columns, unique=()):
    fields = tuple(Field(name, parse_type(kind), is_nullable) for name, (kind, is_nullable) in columns.items())
    return Scan(table, f"{owner}/{table}", owner, fields, frozenset(unique), frozenset(unique), most_rows=N_ROWS)


def tables(key, is_nullable, is_unique=True, most=None):
    left = {"k": (key, is_nullable), "x": ("integer", False), "y": ("bigint", True)}
    right = {"rk": (key, is_nullable), "v": ("integer", True), "w": ("bigint", False)}
    other = scan("r", "bravo", right, ("rk",) if is_unique else ())
    if most is not None:
        other = replace(other, most_matches=frozenset({("rk", most)}))
    return {"l": Concat(tuple(scan("l", owner, left) for owner in THREE)), "r": other}


BY_KEYS = {
    "join": "SELECT x, y, v, w FROM l JOIN r ON k = rk",
    "left join": "SELECT x, v, w FROM l LEFT JOIN r ON k = rk",
    "left join of many": "SELECT v, x, y FROM r LEFT JOIN l ON k = rk",
    "semi join": "SELECT x, y FROM l WHERE k IN (SELECT rk FROM r)",
    "groups": "SELECT k, SUM(x // 2) AS a, COUNT(y // 2) AS b FROM l GROUP BY k",
    "pairs": "SELECT x, v, w FROM l JOIN r ON k = rk",
    "bounded": "SELECT x, v, w FROM l JOIN r ON k = rk",
    "groups of groups": "SELECT k, SUM(n) AS n FROM (SELECT k, x, SUM(y // 2) AS n FROM l GROUP BY k, x) GROUP BY k",
    "extremes": "SELECT k, MAX(y // 2) AS a, MIN(y // 2 + x) AS b FROM l GROUP BY k",
}

# Of a scan the levels round up, and whether rows may not exist is not priced.
LESS_SURE = {"extremes": 0.3, "groups of groups": 0.2}


SEEN = {"nobody": (), "one": ("carol",), "all": THREE}
# All who see the keys keep no more rows than there are groups: how many that are for the next, only the data knows.
VIEWS = [(name, seen) for name in BY_KEYS for seen in SEEN if (name, seen) != ("groups of groups", "all")]


@pytest.mark.parametrize(("key", "is_nullable"), [("smallint", False), ("integer", True), ("bigint", False)])
@pytest.mark.parametrize(("name", "view"), VIEWS)
def test_prices_are_those_of_a_rehearsal(name, key, is_nullable, view):
    seen = SEEN[view]
    over = tables(key, is_nullable, name not in ("pairs", "bounded"), 3 if name == "bounded" else None)
    shown = {("l", "k"): seen, ("l", "x"): seen, ("r", "rk"): seen} if seen else {}
    plan = compile_query(BY_KEYS[name], over, ("alpha",), THREE, cleartext=shown)
    said = prices_of(plan)
    costs = rehearse(plan, {step.name: N_ROWS for step in plan.steps if isinstance(step, ShareStep)})
    steps = [s for s in plan.steps if isinstance(s, MpcStep) and isinstance(s.operator, Join | Aggregate)]
    assert steps
    for step in steps:
        size_bytes, rounds = sum(each[step.name].bytes_sent for each in costs), costs[0][step.name].rounds
        assert said[step.name].size_bytes == pytest.approx(size_bytes, rel=LESS_SURE.get(name, 0.1)), step
        assert said[step.name].rounds == pytest.approx(rounds, rel=0.3, abs=6), step


def test_a_plan_costs_what_its_steps_cost():
    plan = compile_query(BY_KEYS["groups of groups"], tables("integer", False), ("alpha",), THREE)
    steps = prices_of(plan)
    assert price_of(plan).rounds == sum(each.rounds for each in steps.values())
    assert price_of(plan).size_bytes == sum(each.size_bytes for each in steps.values())


@pytest.mark.parametrize("bits", [17, 33, 49, 65, 97])
def test_runs_are_priced_as_merged_where_the_parties_would_merge_them(bits):
    for runs in ([n] * k for n in (100, 1000, 10_000, 100_000, 1_000_000) for k in (2, 3, 4)):
        n_rows = sum(runs)
        is_merged = put_in_order(n_rows, bits, runs) != sort(n_rows, bits)
        assert is_merged == pays(runs, bits), (runs, bits)
