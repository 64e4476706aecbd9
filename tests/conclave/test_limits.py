"""Numbers that would outgrow a word are refused where they lie; those at the edge come out right."""

import duckdb
import pytest

from conclave.limits import bounds
from conclave.plan.steps import MpcStep
from renderer.answer import rows_of
from renderer.read_off import TrialProblem
from renderer.trial import parse_tables, prepare

OWNERS = ("alpha", "bravo", "carol")


@pytest.fixture
def trial(tmp_path):
    """Compile a query over a table `t` of several owners, and a table `o` of carol."""

    def make(query, t, o=None):
        with duckdb.connect() as connection:
            files = {f"t={owner}": rows for owner, rows in zip(OWNERS, t, strict=False)}
            files |= {"o=carol": o} if o else {}
            paths = {}
            for k, (option, rows) in enumerate(files.items()):
                paths[option] = tmp_path / f"{k}.parquet"
                connection.execute(f"COPY ({rows}) TO '{paths[option]}'")
        parts = ",".join(f"{option[2:]}:{path}" for option, path in paths.items() if option.startswith("t="))
        return prepare(query, parse_tables([f"t={parts}", *(f"o=carol:{paths['o=carol']}" for _ in [o] if o)]), None)

    return make


def values(*rows, columns="k, b"):
    listed = ", ".join(f"({', '.join(map(str, row))})" for row in rows)
    return f"SELECT * FROM (VALUES {listed}) v({columns})"


def answer_of(trial):
    return [tuple(row.values()) for row in rows_of(trial.run(lambda _: None).answer)]


JOINED = "SELECT k, {} AS x FROM t JOIN o ON k = j"
HUGE = 9 * 10**18
REFUSED = {
    "a sum of owners' sums": ("SELECT SUM(b) AS x FROM t", f"{HUGE}::BIGINT", None),
    "a sum in groups": ("SELECT k, SUM(b) AS x FROM t GROUP BY k", f"{-HUGE}::BIGINT", None),
    "an average beyond what a double holds": ("SELECT AVG(b) AS x FROM t", "5000000000::BIGINT", None),
    "an average of decimals": ("SELECT AVG(b) AS x FROM t", "5000000000.25::DECIMAL(14,2)", None),
    "an average of joined rows": ("SELECT AVG(b) AS x FROM t JOIN o ON k = j", "5000000000::BIGINT", "1"),
    "a sum of two numbers": (JOINED.format("b + c"), f"{HUGE}::BIGINT", f"{HUGE}::BIGINT"),
    "a difference": (JOINED.format("b - c"), f"{-HUGE}::BIGINT", f"{HUGE}::BIGINT"),
    "a product": (JOINED.format("b * c"), "4000000000::BIGINT", "4000000000::BIGINT"),
    "a product with a narrow number": (JOINED.format("b * c"), "5000000000::BIGINT", "2147483647::INT"),
    "a product of decimals": (JOINED.format("b * c"), "99999999999.5::DECIMAL(14,2)", "99999999999.5::DECIMAL(14,2)"),
    "a double beside a large number": (JOINED.format("b + c"), "2000000000::INT", "1.5::DOUBLE"),
    "a comparison with finer numbers": (JOINED.format("c > b"), f"{HUGE}::BIGINT", "1.5::DECIMAL(9,2)"),
    "a comparison with a finer result": ("SELECT k FROM t JOIN o ON k = j WHERE b > c + 0.5", f"{HUGE}::BIGINT", "1"),
    "a division of large numbers": (JOINED.format("b / c"), f"{HUGE}::BIGINT", "7"),
    "a sum by a constant": ("SELECT SUM(b) / 100 AS x FROM t", f"{10**12}::BIGINT", None),
    "a sum of doubles by a small constant": ("SELECT SUM(b) / 0.01 AS x FROM t", "900000000::DOUBLE", None),
    "a sum of doubles times a constant": ("SELECT SUM(b) * 100.5 AS x FROM t", "20000000::DOUBLE", None),
    "a remainder of a large number": (JOINED.format("b % c"), f"{HUGE}::BIGINT", "7"),
    "a remainder by a large number": (JOINED.format("c // b"), f"{2 * 10**18}::BIGINT", "7"),
    "a sum so far": ("SELECT SUM(b) OVER (ORDER BY k) AS x FROM t", f"{HUGE}::BIGINT", None),
    "a sum of sums before": (
        "SELECT SUM(x) AS x FROM (SELECT LAG(b) OVER (ORDER BY k) AS x FROM t) y",
        f"{HUGE}::BIGINT",
        None,
    ),
    "a median beyond what a double holds": ("SELECT MEDIAN(b) AS x FROM t", "5000000000::BIGINT", None),
    "a variance of large numbers": ("SELECT VAR_POP(b) AS x FROM t", "2100000000::BIGINT", None),
    "a condition on a sum": ("SELECT k FROM t GROUP BY k HAVING SUM(b) > 0.5", f"{HUGE}::BIGINT", None),
}


@pytest.mark.parametrize(("query", "value", "other"), REFUSED.values(), ids=REFUSED)
def test_numbers_that_would_wrap_are_refused_without_being_told(query, value, other, trial):
    t = [values((1, value)), values((1, value))]
    with pytest.raises(TrialProblem, match=r"column .* larger in size|column .* add up to more") as caught:
        trial(query, t, values((1, other), (3, other), columns="j, c") if other else None).run(lambda _: None)
    digits = value.split(":")[0].lstrip("-").split(".")[0]
    assert digits not in str(caught.value)


def test_sums_come_out_right_up_to_the_bound(trial):
    quarter = 2**61 - 1
    t = [
        values((1, f"{quarter}::BIGINT"), (2, f"{-quarter}::BIGINT")),
        values((1, f"{quarter}::BIGINT"), (3, "7::BIGINT")),
    ]
    assert sorted(answer_of(trial("SELECT k, SUM(b) AS x FROM t GROUP BY k", t))) == [
        (1, 2 * quarter),
        (2, -quarter),
        (3, 7),
    ]


def test_an_average_of_large_sums_is_no_large_average(trial):
    rows = [(1, "1000000000::BIGINT")] * 40
    ((mean,),) = answer_of(trial("SELECT AVG(b) AS x FROM t", [values(*rows), values(*rows, (1, "NULL"))]))
    assert mean == pytest.approx(10**9)


def test_a_share_of_a_sum_may_be_small_however_large_the_sum(trial):
    ((share,),) = answer_of(trial("SELECT SUM(b) / 1000000 AS x FROM t", [values((1, f"{10**14}::BIGINT"))] * 2))
    assert share == pytest.approx(2 * 10**8)


def test_products_come_out_right_up_to_the_bound(trial):
    root = 3_037_000_499
    t = [values((1, f"{root}::BIGINT"), (2, f"{-root}::BIGINT")), values((3, "NULL::BIGINT"))]
    o = values((1, f"{root}::BIGINT"), (2, f"{root}::BIGINT"), (3, "1::BIGINT"), columns="j, c")
    assert sorted(answer_of(trial(JOINED.format("b * c"), t, o)), key=str) == [(1, root**2), (2, -(root**2)), (3, None)]


def test_extremes_that_are_only_compared_or_grouped_need_no_bound(trial):
    t = [values((1, f"{2**63 - 1}::BIGINT"), (2, f"({-(2**63 - 1)} - 1)::BIGINT")), values((1, f"{2**63 - 1}::BIGINT"))]
    query = "SELECT MIN(b) AS low, MAX(b) AS high, COUNT(b) AS n FROM t"
    assert not bounds(trial(query, t).plan)
    assert answer_of(trial(query, t)) == [(-(2**63), 2**63 - 1, 3)]
    assert len(answer_of(trial("SELECT DISTINCT b FROM t", t))) == 2


def test_what_a_join_repeats_is_not_bounded_as_if_it_came_once(trial):
    t = [values((1, "5::BIGINT"), (1, "6::BIGINT")), values((1, "7::BIGINT"))]
    o = values((1, "8::BIGINT"), (2, "9::BIGINT"), columns="j, c")
    found = bounds(trial("SELECT SUM(b) AS x, SUM(c) AS y FROM t JOIN o ON k = j", t, o).plan)
    assert {(bound.column, bound.is_total) for bound in found} == {("b", True)}


def double(value):
    return f"{value}::DOUBLE"


# What is computed under MPC, from numbers that are all small enough by themselves: just fits, and just does not.
COMPUTED = {
    "a product of doubles": (JOINED.format("b * c"), double(30000), double(35000), double(36000)),
    "a quotient of doubles": (JOINED.format("b / c"), double(1), double(1.2e-9), double(9e-10)),
    "a product of products": (JOINED.format("b * c * b"), "100000::BIGINT", "100000000::BIGINT", "900000000::BIGINT"),
    "a sum of what a join repeats": ("SELECT SUM(c) AS x FROM t JOIN o ON k = j", "1", f"{2**60}::BIGINT", f"{2**62 - 9}::BIGINT"),
    "a sum in groups of products": (
        "SELECT k, SUM(b * c) AS x FROM t JOIN o ON k = j GROUP BY k", "1000000000::BIGINT", "1000000000::BIGINT", "3000000000::BIGINT",
    ),
    "a condition on a product": ("SELECT k FROM t JOIN o ON k = j WHERE b * c > 7", double(30000), double(35000), double(36000)),
}  # fmt: skip


@pytest.mark.parametrize(("query", "value", "fits", "outgrows"), COMPUTED.values(), ids=COMPUTED)
def test_what_outgrows_its_word_under_mpc_ends_the_run_without_an_answer(query, value, fits, outgrows, trial):
    t = [values((1, value)), values((1, value))]
    fitting = trial(query, t, values((1, fits), (3, fits), columns="j, c"))
    assert [d.kind for d in fitting.plan.disclosures].count("range_check") == 1
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE t AS {t[0]} UNION ALL {t[1]}")
        connection.execute(f"CREATE TABLE o AS {values((1, fits), (3, fits), columns='j, c')}")
        wanted = [tuple(map(float, row)) for row in connection.sql(query).fetchall()]
    assert [tuple(map(float, row)) for row in answer_of(fitting)] == [pytest.approx(row, rel=0.2) for row in wanted]
    with pytest.raises(TrialProblem, match="does not fit its 64-bit word"):
        trial(query, t, values((1, outgrows), (3, fits), columns="j, c")).run(lambda _: None)


IRRELEVANT = {
    "a row that has no partner": (JOINED.format("b * c"), (2, double(10**9))),
    "a row that a condition drops": (f"{JOINED.format('b * c')} WHERE b < 10", (1, double(10**9))),
    "a branch that is not taken": (JOINED.format("CASE WHEN b < 10 THEN b * c ELSE 0 END"), (1, double(10**9))),
    "a value that is not there": (JOINED.format("b * c"), (1, "NULL::DOUBLE")),
}


@pytest.mark.parametrize(("query", "row"), IRRELEVANT.values(), ids=IRRELEVANT)
def test_what_is_not_part_of_the_answer_may_be_as_large_as_it_will(query, row, trial):
    made = trial(
        query, [values((1, double(5))), values(row)], values((1, double(10**8)), (3, double(1)), columns="j, c")
    )
    assert "range_check" in {disclosure.kind for disclosure in made.plan.disclosures}
    assert (1, 5e8) in [tuple(map(float, each)) for each in answer_of(made) if None not in each]


FITTING = (
    "SELECT k, SUM(b) AS s, AVG(b) AS a, COUNT(*) AS n, MIN(b) AS low, MAX(b) AS high FROM t GROUP BY k",
    "SELECT k, SUM(c) AS s, AVG(c) AS a FROM t JOIN o ON k = j GROUP BY k",
    "SELECT k, MEDIAN(b) AS m, QUANTILE_DISC(b, 0.5) AS q FROM t GROUP BY k",
    JOINED.format("b + c"),
    JOINED.format("b * c"),
    JOINED.format("b / 7"),
    JOINED.format("b // c"),
    "SELECT k, SUM(b) OVER (PARTITION BY k ORDER BY b) AS s, AVG(b) OVER (PARTITION BY k) AS a FROM t",
    "SELECT k FROM t GROUP BY k HAVING SUM(b) > 3.5",
)


@pytest.mark.parametrize("query", FITTING)
def test_where_nothing_can_outgrow_its_word_nothing_is_looked_at(query, trial):
    made = trial(
        query, [values((1, "5::INT")), values((2, "6::INT"))], values((1, "7::INT"), (2, "8::INT"), columns="j, c")
    )
    assert all(step.checked is None for step in made.plan.steps if isinstance(step, MpcStep))
    assert "range_check" not in {disclosure.kind for disclosure in made.plan.disclosures}
