"""Two answers together: what may differ by some rows is reported, what certainly does not is not."""

import time

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conclave.compile import compile_query
from conclave.ir.nodes import Concat
from policy.across import Answer, differences
from policy.releases import releases_of
from policy.twins import called_alike, twins
from tests.policy.conftest import COLUMNS, scan

PARTIES = ("alpha", "bravo", "carol")


def table(*owners, name="visits"):
    scans = tuple(scan(f"{owner}/{name}", columns=COLUMNS["alpha/visits"]) for owner in owners)
    return scans[0] if len(scans) == 1 else Concat(scans)


def answer(name, sql, owners=("alpha",), to=("analyst",)):
    tables = {"visits": table(*owners), "people": scan("bravo/people"), "others": table(*owners)}
    return Answer(name, to, releases_of(compile_query(sql, tables, to, PARTIES).query))


def found(one, other, minimum=False, **how):
    return differences(answer("A", one, **how), answer("B", other, **how), lambda dataset: minimum)


SUM = "SELECT SUM(pay) AS s FROM visits"
BY_DEPT = "SELECT dept, SUM(pay) AS s FROM visits GROUP BY dept"
REPORTED = [
    ("one value is left out", SUM, f"{SUM} WHERE id <> 7", "alpha/visits: only B asks for id <> 7"),
    ("one value is left out by NOT IN", f"{SUM} WHERE id NOT IN (7, 8)", f"{SUM} WHERE id <> 7",
     "alpha/visits: A asks for id <> 7 and id <> 8; B for id <> 7"),
    ("a list is shorter", f"{SUM} WHERE dept IN ('a', 'b')", f"{SUM} WHERE dept IN ('a', 'b', 'c')",
     "alpha/visits: A asks for dept in ('a', 'b'); B for dept in ('a', 'b', 'c')"),
    ("a window is shifted", f"{SUM} WHERE age BETWEEN 1 AND 9", f"{SUM} WHERE age BETWEEN 2 AND 10",
     "alpha/visits: A asks for age >= 1 and age <= 9; B for age >= 2 and age <= 10"),
    ("a window is wider", f"{SUM} WHERE age < 9", f"{SUM} WHERE age <= 9", "alpha/visits: A asks for age <= 8; B for age <= 9"),
    ("NULL is left out", SUM, f"{SUM} WHERE age IS NOT NULL", "alpha/visits: only B asks for age is not null"),
    ("a mean is a sum and a count", "SELECT AVG(pay) AS m FROM visits", f"{SUM} WHERE id <> 7", "only B asks"),
    ("a CASE is a condition", SUM, "SELECT SUM(CASE WHEN id <> 7 THEN pay ELSE 0 END) AS s FROM visits",
     "alpha/visits: only B asks for id <> 7"),
    ("so is a FILTER", SUM, "SELECT SUM(pay) FILTER (WHERE id <> 7) AS s FROM visits", "only B asks for id <> 7"),
    ("a CASE of several branches weighs", SUM,
     "SELECT SUM(CASE WHEN id = 7 THEN 0 WHEN id = 8 THEN 1 ELSE pay END) AS s FROM visits", "A computes sum(pay), B"),
    ("a count of ones is a count", "SELECT COUNT(*) AS n FROM visits", "SELECT SUM(1) AS n FROM visits WHERE id <> 7",
     "only B asks for id <> 7"),
    ("a count of different ones", "SELECT COUNT(DISTINCT ssn) AS n FROM visits",
     "SELECT COUNT(DISTINCT ssn) AS n FROM visits WHERE id <> 7", "only B asks for id <> 7"),
    ("labels only", "SELECT DISTINCT dept FROM visits", "SELECT DISTINCT dept FROM visits WHERE id <> 7", "id <> 7"),
    ("an extreme", "SELECT MAX(pay) AS m FROM visits", "SELECT MAX(pay) AS m FROM visits WHERE id <> 7", "id <> 7"),
    ("whatever a subquery calls it", SUM, "SELECT SUM(p) AS t FROM (SELECT pay AS p, id AS k FROM visits) AS q WHERE k <> 7",
     "alpha/visits: only B asks for id <> 7"),
    ("groups of which one is incomplete", BY_DEPT, f"{SUM} WHERE id <> 7", "only B asks for id <> 7"),
    ("HAVING", BY_DEPT, f"{BY_DEPT} HAVING COUNT(*) > 5", "only B shows only groups or rows where"),
    ("a LIMIT", BY_DEPT, f"{BY_DEPT} ORDER BY s LIMIT 3", "only B shows only the first 3"),
    ("a join partner", SUM, "SELECT SUM(pay) AS s FROM visits JOIN people ON id = pid", "only B is of bravo/people"),
    ("a match that is asked for", SUM, f"{SUM} WHERE id IN (SELECT pid FROM people WHERE income > 9)",
     "only B is of semi join with bravo/people"),
    ("another match", f"{SUM} WHERE id NOT IN (SELECT pid FROM people WHERE income > 9)",
     f"{SUM} WHERE id NOT IN (SELECT pid FROM people WHERE income > 8)", "anti join with bravo/people where income > 8"),
    ("a condition on both sides of a join", "SELECT SUM(pay) AS s FROM visits JOIN people ON id = pid",
     "SELECT SUM(pay) AS s FROM visits JOIN people ON id = pid WHERE income <> pay", "pay of alpha/visits"),
    ("one more column that adds nothing", SUM, "SELECT SUM(pay + 0 * id) AS s FROM visits WHERE id <> 7", "id <> 7"),
    ("a sum that counts", "SELECT COUNT(*) AS n FROM visits", "SELECT SUM(1 + 0 * id) AS n FROM visits WHERE id <> 7",
     "id <> 7"),
    ("a sum of squares", "SELECT VAR_POP(pay) AS v FROM visits", "SELECT SUM(pay * pay) AS s FROM visits WHERE id <> 7",
     "id <> 7"),
    ("the last quantile", "SELECT MAX(pay) AS m FROM visits",
     "SELECT QUANTILE_DISC(pay, 1.0) AS m FROM visits WHERE id <> 7", "id <> 7"),
    ("a total of groups of which one is left out", SUM,
     "SELECT SUM(p) AS s FROM (SELECT id, SUM(pay) AS p FROM visits GROUP BY id) AS q WHERE p <> 100", "<> 100"),
    ("and is computed with", SUM,
     "SELECT SUM(2 * p) AS s FROM (SELECT id, SUM(pay) AS p FROM visits GROUP BY id) AS q WHERE p <> 100", "<> 100"),
    ("what is not understood is not the same", f"{SUM} WHERE age + 1 > 3", f"{SUM} WHERE age > 2", "A asks for"),
    ("a CASE within arithmetic leaves rows out", SUM,
     "SELECT SUM(pay * CASE WHEN id <> 7 THEN 1 END) AS s FROM visits", "A computes sum(pay), B"),
    ("so does division by zero", SUM, "SELECT SUM(pay * (id - 7) / (id - 7)) AS s FROM visits", "A computes sum(pay), B"),
    ("a subquery asks for other groups",
     f"{SUM} WHERE id NOT IN (SELECT pid FROM people GROUP BY pid HAVING SUM(income) > 9)",
     f"{SUM} WHERE id NOT IN (SELECT pid FROM people GROUP BY pid HAVING SUM(income) > 8)", ""),
]  # fmt: skip
NOT_REPORTED = [
    ("the same question", f"{SUM} WHERE id <> 7", f"{SUM} WHERE NOT (7 = id)"),
    ("other rows", f"{SUM} WHERE age < 9", f"{SUM} WHERE age >= 9"),
    ("another list", f"{SUM} WHERE dept IN ('a', 'b')", f"{SUM} WHERE dept IN ('c')"),
    ("another column", SUM, "SELECT SUM(age) AS s FROM visits WHERE id <> 7"),
    ("another aggregate", "SELECT MIN(pay) AS s FROM visits", "SELECT MAX(pay) AS s FROM visits WHERE id <> 7"),
    ("one of the groups", BY_DEPT, f"{SUM} WHERE dept = 'a'"),
    ("other groups", BY_DEPT, SUM),
    ("other rows on both sides of a join", "SELECT COUNT(*) AS n FROM visits JOIN people ON id = pid WHERE age < 9",
     "SELECT COUNT(*) AS n FROM visits JOIN people ON id = pid WHERE age >= 9"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other", "how"), [case[1:] for case in REPORTED], ids=[case[0] for case in REPORTED])
def test_answers_that_differ_by_some_rows_are_reported(one, other, how):
    there, back = found(one, other), found(other, one)
    assert any(how in each for difference in there for each in difference.how), there
    assert len(there) == len(back)
    assert all(difference.holders == ("analyst",) for difference in there)


@pytest.mark.parametrize(("one", "other"), [case[1:] for case in NOT_REPORTED], ids=[case[0] for case in NOT_REPORTED])
def test_answers_that_tell_nothing_together_are_not(one, other):
    assert found(one, other) == found(other, one) == ()


@pytest.mark.parametrize(("one", "other"), [(BY_DEPT, f"{SUM} WHERE dept = 'a'"), (BY_DEPT, SUM)])
def test_under_a_minimum_a_total_tells_of_the_groups_that_are_not_shown(one, other):
    assert found(one, other, minimum=True)


def test_what_one_answer_tells_alone_is_no_matter_of_two():
    """A query of several groupings is for the verifier; asked again, it tells nothing more."""
    shares = "SELECT dept, n, total FROM (SELECT dept, COUNT(*) AS n FROM visits GROUP BY dept) AS g"
    twice = f"{shares} CROSS JOIN (SELECT COUNT(*) AS total FROM visits) AS t"
    assert found(twice, twice, minimum=True) == ()
    assert found(twice, "SELECT COUNT(*) AS n FROM visits", minimum=True) == ()
    assert found(twice, "SELECT COUNT(*) AS n FROM visits WHERE id <> 7", minimum=True)


def test_of_two_answers_that_tell_two_things_like_is_held_against_like():
    both = "SELECT COUNT(*) AS n, COUNT(age) AS known FROM visits"
    (difference,) = found(both, f"{both} WHERE id <> 7")
    assert difference.aggregates == ("count(*)", "count(age)")
    assert difference.how == ("alpha/visits: only B asks for id <> 7",)


def test_it_is_said_what_is_learnt():
    (difference,) = found(SUM, f"{SUM} WHERE id <> 7")
    assert difference.learns == "sum(pay) of the rows of alpha/visits that do not meet id <> 7"
    assert difference.affected == ("alpha/visits",)


def test_an_owner_left_out_is_what_the_difference_is_of():
    both, one = answer("A", SUM, ("alpha", "bravo")), answer("B", SUM, ("alpha",))
    (difference,) = differences(both, one, lambda dataset: False)
    assert difference.affected == ("bravo/visits",)
    assert difference.how == ("only A is of bravo/visits",)
    replaced = answer("B", SUM, ("alpha", "carol"))
    (difference,) = differences(both, replaced, lambda dataset: False)
    assert difference.affected == ("bravo/visits", "carol/visits")


def test_who_knows_the_rows_already_learns_nothing():
    to = ("bravo",)
    both, one = answer("A", SUM, ("alpha", "bravo"), to), answer("B", SUM, ("alpha",), to)
    assert differences(both, one, lambda dataset: False) == ()


OWN = "SELECT {} FROM visits JOIN people ON id = pid WHERE income > {}"
MERGED = "SELECT COUNT(*) AS n FROM (SELECT id FROM visits UNION SELECT pid FROM people WHERE income > {}) AS u"
LARGEST = (
    "SELECT MAX(v) AS m FROM (SELECT pay AS v FROM visits UNION ALL SELECT income FROM people WHERE income > {}) AS u"
)
TOTAL = (
    "SELECT SUM(v) AS s FROM (SELECT pay AS v FROM visits UNION ALL SELECT income FROM people WHERE income > {}) AS u"
)


@pytest.mark.parametrize(
    ("sql", "tells"), [(OWN.format("SUM(pay) AS s", "{}"), True), (MERGED, True), (LARGEST, True), (TOTAL, False)]
)
def test_rows_of_ones_own_tell_of_the_others_that_they_meet_or_hide(sql, tells):
    one, other = (answer(name, sql.format(income), to=("bravo",)) for name, income in (("A", 3), ("B", 4)))
    reported = differences(one, other, lambda dataset: False)
    assert bool(reported) == tells
    assert all("alpha/visits" in each.affected for each in reported)


def test_who_gets_one_answer_each_would_have_to_put_them_together():
    one, other = answer("A", SUM, to=("analyst",)), answer("B", f"{SUM} WHERE id <> 7", to=("carol",))
    (difference,) = differences(one, other, lambda dataset: False)
    assert difference.holders == ()
    assert difference.together == ("analyst", "carol")


def test_a_logical_table_is_called_what_its_author_likes():
    (difference,) = found(SUM, "SELECT SUM(pay) AS s FROM others WHERE id <> 7")
    assert difference.affected == ("alpha/visits",)


def test_weights_are_said_and_whose_column_they_are_of():
    (difference,) = found(SUM, "SELECT SUM(pay * ssn) AS s FROM visits")
    assert (difference.kind, difference.affected) == ("weights", ("alpha/visits",))
    assert difference.how == ("A computes sum(pay), B sum(pay * ssn)",)
    assert difference.learns == (
        "sum(pay) and sum(pay, ssn) of the same rows by different weights, and so pay of single rows, as far as somebody knows"
        " what it is multiplied by"
    )
    assert not found("SELECT SUM(pay * age) AS s FROM visits", "SELECT SUM(pay * age - 3 * age * pay) AS s FROM visits")


def test_a_dataset_with_the_same_columns_may_hold_the_same_rows():
    query = compile_query(
        SUM, {"visits": scan("alpha/again", columns=COLUMNS["alpha/visits"])}, ("analyst",), PARTIES
    ).query
    columns = frozenset(COLUMNS["alpha/visits"])
    names = twins({"alpha/visits": columns}, {"alpha/again": columns})
    assert names == {"alpha/again": "alpha/visits"}
    assert (
        twins({"alpha/visits": columns}, {"bravo/visits": columns}) == {}
    )  # of another owner, they are others' people
    assert twins({"alpha/visits": columns}, {"alpha/again": columns - {"id"}}) == {}
    again = Answer("B", ("analyst",), releases_of(called_alike(query, names)))
    assert differences(answer("A", SUM), Answer("B", ("analyst",), releases_of(query)), lambda _: False) == ()
    (difference,) = differences(answer("A", SUM), again, lambda _: False, {"alpha/visits": "alpha/again"})
    assert difference.affected == ("alpha/again", "alpha/visits")
    assert difference.how == ("alpha/visits and alpha/again have the same columns, and may have rows in common",)
    assert difference.learns == "sum(pay) of the rows of alpha/visits that alpha/again lacks, and the other way round"
    others = answer("A", f"{SUM} WHERE age < 9")
    (difference,) = differences(others, again, lambda _: False, {"alpha/visits": "alpha/again"})
    assert difference.how[0] == "alpha/visits: only A asks for age <= 8"


def test_a_number_of_different_ones_is_called_so():
    sql = "SELECT dept, COUNT(DISTINCT ssn) AS n FROM visits GROUP BY dept"
    several = sql.replace("GROUP BY", "WHERE id <> 7 GROUP BY")
    (difference,) = differences(answer("A", sql), answer("B", several), lambda _: False)
    assert difference.aggregates == ("count(distinct ssn)",)


@pytest.mark.parametrize(
    ("one", "other", "learns"),
    [
        ("age < 9", "age < 12", "meet age <= 11, and not age <= 8"),
        ("age < 12", "age < 9", "meet age <= 11, and not age <= 8"),
        ("age >= 2 AND age < 9", "age >= 2 AND age < 12", "meet age >= 2 and age <= 11, and not age >= 2 and age <= 8"),
        ("age < 9", "id <> 7", "meet only one of (age <= 8) and (id <> 7)"),
        ("age < 9", "age < 9 AND id <> 7", "do not meet id <> 7"),
    ],
)
def test_what_is_left_of_two_windows_is_said_of_both(one, other, learns):
    (difference,) = differences(answer("A", f"{SUM} WHERE {one}"), answer("B", f"{SUM} WHERE {other}"), lambda _: False)
    assert difference.learns == f"sum(pay) of the rows of alpha/visits that {learns}"


def test_what_is_computed_again_and_again_is_held_in_bounded_time():
    steps = "SELECT pay AS x0, id FROM visits"
    for n in range(25):
        steps = f"SELECT x{n} * 1 + x{n} AS x{n + 1}, id FROM ({steps}) AS q{n}"
    started = time.process_time()
    query = f"SELECT SUM(x25) AS s FROM ({steps}) AS q"
    assert found(query, f"{query} WHERE id <> 7")
    assert time.process_time() - started < 10


ROWS = [(n, n % 3, n % 4 if n % 5 else None) for n in range(40)]
atoms = st.one_of(
    st.builds("{} {} {}".format, st.just("id"), st.sampled_from(("<>", "=", "<", ">=")), st.integers(0, 39)),
    st.builds("{} {} {}".format, st.just("age"), st.sampled_from(("<>", "=", "<=", ">")), st.integers(0, 3)),
    st.sampled_from(("age IS NULL", "age IS NOT NULL", "pay IN (0, 1)", "pay NOT IN (2)", "age BETWEEN 1 AND 2")),
)
wheres = st.recursive(
    atoms,
    lambda inner: st.one_of(
        inner.map("NOT ({})".format), st.builds("({}) {} ({})".format, inner, st.sampled_from(("AND", "OR")), inner)
    ),
    max_leaves=4,
)


def rows_of(where):
    rows = ", ".join(f"({n}, {pay}, {'NULL' if age is None else age})" for n, pay, age in ROWS)
    return {row[0] for row in duckdb.sql(f"SELECT id FROM (VALUES {rows}) AS t(id, pay, age) WHERE {where}").fetchall()}


@settings(max_examples=80, deadline=None)
@given(one=wheres, other=wheres)
def test_what_is_not_reported_is_of_the_same_rows_or_of_none_in_common(one, other):
    """The independent definition: on these rows, each answer is of the other's rows, or of none of them."""
    if not found(f"{SUM} WHERE {one}", f"{SUM} WHERE {other}"):
        mine, theirs = rows_of(one), rows_of(other)
        assert mine == theirs or not mine & theirs
