import json

import pytest

from conclave.plan.wire import digest, encode, to_json
from tests.conclave.plan.samples import plan_of

QUERY = "SELECT ward, SUM(cost) AS total FROM visits WHERE day > DATE '2020-02-01' AND cost > 1.5 GROUP BY ward"


def test_equal_queries_have_equal_digests_wherever_their_words_stand():
    assert digest(plan_of(QUERY)) == digest(plan_of(QUERY.replace(" WHERE", "\n\n  WHERE")))


@pytest.mark.parametrize(
    "other",
    [
        QUERY.replace("1.5", "1.6"),
        QUERY.replace("SUM", "MAX"),
        QUERY.replace("total", "sum"),
        QUERY.replace("2020", "2021"),
        QUERY.replace(">", "<"),
    ],
)
def test_any_difference_in_meaning_is_one_in_the_digest(other):
    assert digest(plan_of(QUERY)) != digest(plan_of(other))


def test_who_computes_and_who_learns_is_part_of_the_plan():
    plans = [
        plan_of(QUERY),
        plan_of(QUERY, recipients=("alpha",)),
        plan_of(QUERY, compute=("bravo", "alpha", "carol")),
    ]
    assert len({digest(plan) for plan in plans}) == 3


def test_a_plan_is_canonical_json():
    read = json.loads(encode(plan_of(QUERY)))
    assert read["kind"] == "Plan"
    assert json.dumps(read, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() == encode(
        plan_of(QUERY)
    )


def test_what_a_plan_cannot_hold_is_refused():
    with pytest.raises(TypeError, match="object"):
        to_json(object())
