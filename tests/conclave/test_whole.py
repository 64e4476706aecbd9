"""Under a minimum or noise, whether numbers fit is asked of whole columns: which rows a query picks makes no difference."""

import pyarrow as pa
import pytest

from conclave.ir.expressions import Literal
from conclave.ir.guard import Clamp, Protection
from conclave.ir.types import Integer
from conclave.local.errors import EncodeProblem, LocalError
from conclave.plan.steps import ShareStep
from conclave.reach import reach_of
from tests.conclave import protected
from tests.conclave.protected import compiled, run

MINIMUM = {name: Protection(subjects=("patient",), least=2) for name in ("alpha/visits", "bravo/visits")}
SMALL, HUGE = 10, 1 << 62
QUERIES = {
    "sum": "SELECT SUM(cost) AS s FROM visits WHERE ward {}",
    "mean": "SELECT AVG(cost) AS m FROM visits WHERE ward {}",
    "of those with a value": "SELECT AVG(CASE WHEN ward {} THEN cost END) AS m FROM visits",
    "by person first": "SELECT SUM(s) AS t FROM (SELECT patient, SUM(cost) AS s FROM visits WHERE ward {} GROUP BY patient) AS v",
    "joined": "SELECT SUM(cost) AS s FROM visits JOIN persons ON patient = person WHERE ward {}",
}


@pytest.fixture
def cost_of_the_first(monkeypatch):
    """Set what alpha's first row costs: that of patient 1 in ward A."""

    def change(cost: int) -> None:
        table = protected.ROWS["alpha/visits"]
        rows = [(*table[0][:3], cost), *table[1:]]
        monkeypatch.setitem(protected.ROWS, "alpha/visits", rows)

    return change


def ending(sql: str, protections) -> str:
    ended = run(compiled(sql, protections))
    problem = next((each for each in ended.values() if isinstance(each, EncodeProblem | LocalError)), None)
    if problem is not None:
        return str(problem)
    assert isinstance(ended["analyst"], pa.Table), ended
    return "answered"


QUICK = ("mean", "by person first")


@pytest.mark.parametrize(
    "sql",
    [pytest.param(sql, id=name, marks=() if name in QUICK else pytest.mark.deep) for name, sql in QUERIES.items()],
)
def test_how_a_run_ends_does_not_hang_on_the_rows_that_are_picked(sql, cost_of_the_first):
    with_it, without_it = sql.format("= 'A'"), sql.format("<> 'A'")
    cost_of_the_first(HUGE)
    assert ending(with_it, MINIMUM) == ending(without_it, MINIMUM) != "answered"
    cost_of_the_first(SMALL)
    assert ending(with_it, MINIMUM) == ending(without_it, MINIMUM) == "answered"


def test_without_a_minimum_only_what_is_shared_is_looked_at(cost_of_the_first):
    cost_of_the_first(HUGE)
    assert ending(QUERIES["mean"].format("<> 'A'"), {}) == "answered"
    assert ending(QUERIES["mean"].format("= 'A'"), {}) != "answered"


def limits(sql: str, protections=MINIMUM) -> set[int]:
    plan = compiled(sql, protections)
    reaches = [reach_of(plan, step) for step in plan.steps if isinstance(step, ShareStep)]
    assert not any(reach.open for reach in reaches)
    return {whole.most for reach in reaches for whole in reach.wholes}


def test_the_limits_are_the_same_whatever_constants_an_author_writes():
    sqls = [f"SELECT AVG(CASE WHEN days > {n} THEN cost END) AS m FROM visits" for n in (0, 7, 1000)]
    assert len({frozenset(limits(sql)) for sql in sqls}) == 1


@pytest.mark.parametrize("factor", ["* 1000000", "* 1e8", "/ 0.0000001"])
def test_what_a_constant_would_make_too_large_is_left_open_for_the_verifier(factor):
    plan = compiled(f"SELECT AVG(CASE WHEN ward = 'A' THEN days {factor} END) AS m FROM visits", MINIMUM)
    assert all(reach_of(plan, step).open for step in plan.steps if isinstance(step, ShareStep))


def test_within_an_owners_bounds_nothing_is_looked_at():
    ends = (Literal(0, Integer(64)), Literal(1000, Integer(64)))
    bounded = {name: Protection(subjects=("patient",), least=2, clamps=(Clamp("cost", *ends),)) for name in MINIMUM}
    assert limits("SELECT SUM(cost) AS s, AVG(cost) AS m FROM visits WHERE ward = 'A'", bounded) == set()
