"""Many answers about one column: as many things told as there may be people in a group are reported, fewer are not."""

import pytest

from policy.accumulated import accumulations
from tests.policy.test_across import answer

LEAST = 4
MEDIAN = "SELECT dept, MEDIAN(pay) AS m FROM visits GROUP BY dept"
LOW, HIGH = "SELECT QUANTILE_CONT(pay, 0.25) AS q FROM visits", "SELECT QUANTILE_CONT(pay, 0.75) AS q FROM visits"
SUM, MAX = "SELECT SUM(pay) AS s FROM visits", "SELECT MAX(pay) AS s FROM visits"


def found(now, *before, least=LEAST, to=("analyst",), **how):
    """Return what the last of several answers adds up to: each earlier one its SQL, or that and its recipients."""
    earlier = [each if isinstance(each, tuple) else (each, to) for each in before]
    answers = [answer(f"A{n}", sql, to=who, **how) for n, (sql, who) in enumerate(earlier, 1)]
    return [each.difference for each in accumulations(answer("B", now, to=to, **how), answers, lambda dataset: least)]


def test_one_quantile_after_another_is_a_list():
    (many,) = found(HIGH, MEDIAN, LOW, MAX)
    assert (many.kind, many.affected, many.holders, many.together) == ("numbers", ("alpha/visits",), ("analyst",), ())
    assert many.how == (
        "A1 tells quantile_cont(pay, 0.5)",
        "A2 tells quantile_cont(pay, 0.25)",
        "A3 tells max(pay)",
        "B tells quantile_cont(pay, 0.75)",
    )
    assert many.learns == "4 numbers made of pay: of a group of 4 people they tell what it is in each row"


ENOUGH = [
    ("a variance is a sum and one of squares", "SELECT STDDEV(pay) AS s FROM visits", (LOW, HIGH)),
    ("so are sums of several owners", "SELECT VAR_POP(pay) AS s FROM visits", (MAX, LOW)),
    ("other weights", "SELECT SUM(pay * age) AS s FROM visits", (SUM, LOW, HIGH)),
    ("the other values of pairs count, too", "SELECT SUM(age * pay) AS s FROM visits WHERE dept = 'a'", (SUM, LOW, HIGH)),
    ("of any rows and groups", f"{MAX} WHERE age > 30", (MEDIAN, f"{LOW} WHERE dept = 'a'", HIGH)),
    ("whatever a query calls it", "SELECT MAX(p) AS m FROM (SELECT pay AS p FROM visits) AS q", (MEDIAN, LOW, HIGH)),
]  # fmt: skip
TOO_FEW = [
    ("three", MAX, (MEDIAN, LOW)),
    ("a mean is a sum", "SELECT AVG(pay) AS m FROM visits", (SUM, LOW, MAX)),
    ("the same again", MAX, (MEDIAN, LOW, HIGH, MAX)),
    ("the same of other rows", f"{MAX} WHERE age > 30", (MAX, MEDIAN, f"{MEDIAN.replace('GROUP', 'WHERE id = 1 GROUP')}")),
    ("numbers of rows", "SELECT COUNT(*) AS n FROM visits", (MEDIAN, LOW, HIGH)),
    ("another column", "SELECT MAX(age) AS m FROM visits", (MEDIAN, LOW, HIGH)),
    ("so many at once, which the verifier refuses",
     "SELECT MIN(pay) AS a, MAX(pay) AS b, MEDIAN(pay) AS c, SUM(pay) AS d FROM visits", (LOW,)),
]  # fmt: skip


@pytest.mark.parametrize(("now", "before"), [case[1:] for case in ENOUGH], ids=[case[0] for case in ENOUGH])
@pytest.mark.parametrize("owners", [("alpha",), ("alpha", "bravo")])
def test_as_many_as_people_are_reported(now, before, owners):
    pays = [each for each in found(now, *before, owners=owners) if any("pay" in name for name in each.aggregates)]
    assert [each.affected for each in pays] == [tuple(f"{owner}/visits" for owner in owners)]
    assert len(pays[0].aggregates) >= LEAST


@pytest.mark.parametrize(("now", "before"), [case[1:] for case in TOO_FEW], ids=[case[0] for case in TOO_FEW])
@pytest.mark.parametrize("owners", [("alpha",), ("alpha", "bravo")])
def test_fewer_are_not(now, before, owners):
    assert found(now, *before, owners=owners) == []


def test_without_a_minimum_nothing_is_counted():
    assert found(HIGH, MEDIAN, LOW, MAX, least=0) == []


def test_only_what_one_recipient_was_told_is_its_own():
    both, bravo = ("analyst", "bravo"), ("bravo",)
    (many,) = found(HIGH, (MEDIAN, both), (LOW, both), (MAX, bravo), to=both)
    assert many.holders == ("bravo",)
    (many,) = found(HIGH, (MEDIAN, ("analyst",)), (LOW, bravo), (MAX, bravo), to=("analyst",))
    assert (many.holders, many.together) == ((), ("analyst", "bravo"))


def test_an_owner_learns_nothing_of_its_own():
    assert found(HIGH, MEDIAN, LOW, MAX, to=("alpha",)) == []
    (many,) = found(HIGH, MEDIAN, LOW, MAX, to=("alpha", "carol"), owners=("alpha",))
    assert many.holders == ("carol",)


def test_the_first_that_told_is_named():
    earlier = [
        answer(name, sql)
        for name, sql in (("counts", "SELECT COUNT(*) AS n FROM visits"), ("one", MEDIAN), ("two", LOW))
    ]
    (many,) = accumulations(
        answer("now", "SELECT MIN(pay) AS a, MAX(pay) AS b FROM visits"), earlier, lambda dataset: LEAST
    )
    assert many.since.name == "one"
