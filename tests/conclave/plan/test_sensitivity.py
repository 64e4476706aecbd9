"""How much one subject moves an answer: what is said, against all that neighbouring datasets really do in DuckDB."""

from dataclasses import replace
from fractions import Fraction

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conclave.ir.expressions import Literal
from conclave.ir.guard import Clamp, Listed, NoiseAsked, Protection
from conclave.ir.nodes import Concat, Scan
from conclave.ir.noise import Noise
from conclave.ir.types import Decimal, Double, Field, Integer, Varchar
from conclave.ir.walk import nodes_in
from conclave.local.sqltext import to_sql
from conclave.passes.add_noise import add_noise
from conclave.passes.clamp_scans import clamp_scans
from conclave.passes.guard_groups import guard_groups
from conclave.passes.optimise import optimise
from conclave.plan.sensitivity import Sensitivity, Unbounded
from conclave.sql.bind import bind

STAYS = (Field("patient", Integer(32)), Field("ward", Varchar(2)), Field("days", Integer(32)), Field("cost", Double()))
PERSONS = (Field("person", Integer(32), nullable=False), Field("region", Varchar(2)), Field("paid", Decimal(9, 2)))
WARDS = Listed("ward", tuple(Literal(ward, Varchar(2)) for ward in ("A", "B")))
BOUNDS = Clamp("days", Literal(-3, Integer(32)), Literal(5, Integer(32)))
PAID = Clamp("paid", Literal(0, Decimal(9, 2)), Literal(10, Decimal(9, 2)))
ROWS = 2


def stays(owner: str) -> Scan:
    return Scan("stays", f"{owner}/stays", owner, STAYS)


TABLES = {
    "stays": Concat((stays("alpha"), stays("bravo"))),
    "persons": Scan("persons", "carol/persons", "carol", PERSONS, frozenset({"person"})),
}
OF_STAYS = Protection((), clamps=(BOUNDS,), listed=(WARDS,), noise=NoiseAsked(Fraction(1), "patient", ROWS))
OF_PERSONS = Protection((), clamps=(PAID,), noise=NoiseAsked(Fraction(1), "person", 1))
ASKED = {"alpha/stays": OF_STAYS, "bravo/stays": OF_STAYS}
ALL = {**ASKED, "carol/persons": OF_PERSONS}


def noisy(sql: str, asked, tables=None):
    return add_noise(clamp_scans(guard_groups(bind(sql, tables or TABLES, ("analyst",)), asked), asked), asked)


def traced(root, asked) -> Sensitivity:
    found = Sensitivity(asked)
    found.held(root)
    return found


def moved(root, asked) -> dict[str, Fraction]:
    """By column: how much one subject of all datasets together moves it."""
    released = traced(root, asked).released
    return {name: sum(by.values(), Fraction(0)) for each in released.values() for name, by in each.items()}


QUERIES = [
    ("SELECT COUNT(*) AS n, COUNT(days) AS d, SUM(days) AS s FROM stays", ASKED),
    ("SELECT ward, COUNT(*) AS n, SUM(days) AS s FROM stays GROUP BY ward", ASKED),
    ("SELECT SUM(days) AS s FROM stays WHERE ward = 'A' AND days <> 1", ASKED),
    ("SELECT SUM(CASE WHEN days > 0 THEN days * days - 2 END) AS s FROM stays", ASKED),
    ("SELECT ward, SUM(1 - days) AS s FROM stays JOIN persons ON patient = person GROUP BY ward", ASKED),
    ("SELECT SUM(days) AS s, SUM(paid) AS p, COUNT(*) AS n FROM stays JOIN persons ON patient = person", ALL),
    ("SELECT COUNT(*) AS n FROM stays LEFT JOIN persons ON patient = person WHERE region = 'x'", ASKED),
    ("SELECT SUM(days) AS s FROM stays WHERE patient IN (SELECT person FROM persons)", ASKED),
    ("SELECT COUNT(*) AS n FROM stays AS a JOIN (SELECT patient AS p FROM stays) AS b ON patient = p", ASKED),
]

a_stay = st.tuples(
    st.sampled_from([1, 2, 3, None]),
    st.sampled_from(["A", "B", "C", None]),
    st.sampled_from([-9, -3, 0, 1, 5, 50, None]),
    st.just(0.5),
)
some_stays = st.lists(a_stay, max_size=8)
some_persons = st.lists(
    st.tuples(st.integers(1, 4), st.sampled_from("xy"), st.integers(-5, 1500).map(lambda n: f"{n / 100:.2f}")),
    unique_by=lambda row: row[0],
    max_size=4,
)


def totals(root, data) -> dict[tuple, dict[str, Fraction]]:
    """The totals under the noise, by group, in units of the last digit."""
    (noise,) = (node for node in nodes_in(root) if isinstance(node, Noise))
    kinds = {f.name: f.type for f in noise.schema}
    with duckdb.connect() as connection:
        for name, (columns, rows) in data.items():
            connection.execute(f'CREATE TABLE "{name}" ({columns})')
            if rows:
                marks = ", ".join("?" for _ in rows[0])
                connection.executemany(f'INSERT INTO "{name}" VALUES ({marks})', rows)
        table = connection.execute(to_sql(noise.source)).to_arrow_table().to_pylist()
    found = {}
    for row in table:
        group = tuple(row[key] for key in noise.keys)
        found[group] = {}
        for each in noise.columns:
            unit = 10 ** kinds[each.column].scale if isinstance(kinds[each.column], Decimal) else 1
            found[group][each.column] = Fraction(row[each.column] or 0) * unit
    return found


def dataset(alpha, bravo, persons):
    columns = "patient INTEGER, ward VARCHAR, days INTEGER, cost DOUBLE"
    of_persons = "person INTEGER, region VARCHAR, paid DECIMAL(9, 2)"
    return {"alpha/stays": (columns, alpha), "bravo/stays": (columns, bravo), "carol/persons": (of_persons, persons)}


def replaced(rows, subject, data):
    """As many rows of one other subject in the place of all rows of one."""
    newcomer = data.draw(st.sampled_from([subject, 9]))
    return [(newcomer, *data.draw(a_stay)[1:]) if row[0] == subject else row for row in rows]


@pytest.mark.parametrize(("sql", "asked"), QUERIES)
@settings(max_examples=25)  # two databases are made for each
@given(alpha=some_stays, bravo=some_stays, persons=some_persons, data=st.data())
def test_no_neighbour_moves_a_total_by_more(sql, asked, alpha, bravo, persons, data):
    root = noisy(sql, asked)
    subject = data.draw(st.sampled_from([1, 2, 3, None]))
    others = persons
    if "carol/persons" in asked:
        paid = data.draw(st.integers(-5, 1500))
        others = [(row[0], "y", f"{paid / 100:.2f}") if row[0] == subject else row for row in persons]
    before = totals(root, dataset(alpha, bravo, persons))
    after = totals(root, dataset(replaced(alpha, subject, data), replaced(bravo, subject, data), others))
    for name, most in moved(root, asked).items():
        groups = before.keys() | after.keys()
        change = sum(abs(before.get(g, {}).get(name, 0) - after.get(g, {}).get(name, 0)) for g in groups)
        assert change <= most


@pytest.mark.parametrize(("sql", "asked"), QUERIES)
def test_the_passes_do_not_change_it(sql, asked):
    root = noisy(sql, asked)
    assert moved(optimise(root), asked) == moved(root, asked)


def test_it_is_reached_where_it_can_be():
    """Otherwise more noise would be added than needed: two rows at each of two owners, from -3 to 5."""
    root = noisy("SELECT SUM(days) AS s FROM stays", ASKED)
    low, high = [(1, "A", -9, 0.5)] * 2, [(1, "A", 50, 0.5)] * 2
    before, after = (totals(root, dataset(rows, rows, []))[()]["s"] for rows in (low, high))
    assert after - before == moved(root, ASKED)["s"] == 32


REFUSED = [
    ("SELECT patient, days FROM stays", ASKED, "no noise"),
    ("SELECT patient, COUNT(*) AS n FROM stays GROUP BY patient", ASKED, "which groups there are by patient"),
    ("SELECT SUM(patient) AS s FROM stays", ASKED, "no bounds on patient"),
    ("SELECT SUM(cost) AS s FROM stays", ASKED, "adds up doubles"),
    ("SELECT SUM(days / 2) AS s FROM stays", ASKED, "adds up doubles"),
    ("SELECT SUM(days // 2) AS s FROM stays", ASKED, "no bounds"),
    ("SELECT MAX(days) AS m FROM stays", ASKED, "no noise for MAX"),
    ("SELECT MEDIAN(days) AS m FROM stays", ASKED, "no noise for QUANTILE"),
    ("SELECT VAR_POP(days) AS v FROM stays", ASKED, "no noise for variances"),
    ("SELECT COUNT(DISTINCT patient) AS n FROM stays", ASKED, "no noise for COUNT(DISTINCT"),
    ("SELECT DISTINCT patient FROM stays", ASKED, "which groups there are by patient"),
    ("SELECT COUNT(*) AS n FROM (SELECT ROW_NUMBER() OVER (ORDER BY days) AS r FROM stays) AS t WHERE r < 3", ASKED, "decide about"),
    ("SELECT COUNT(*) AS n FROM persons LEFT JOIN stays ON person = patient", ASKED, "left join"),
    ("SELECT COUNT(*) AS n FROM persons WHERE person NOT IN (SELECT patient FROM stays WHERE patient IS NOT NULL)", ASKED, "join"),
    ("SELECT COUNT(*) AS n FROM stays JOIN persons ON ward = region", ASKED, "any number of times"),
    ("SELECT COUNT(*) AS n FROM stays AS a JOIN (SELECT ward AS w FROM stays) AS b ON ward = w", ASKED, "any number of times"),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "asked", "why"), REFUSED)
def test_what_is_not_bounded_is_said_and_gets_no_noise(sql, asked, why):
    root = noisy(sql, asked)
    assert not any(isinstance(node, Noise) for node in nodes_in(root))
    with pytest.raises(Unbounded) as caught:
        traced(root, asked)
    assert why in caught.value.what
    assert caught.value.fix


def test_totals_are_no_keys_of_groups_with_noise():
    """Whether there is a group of this very total would be told, and all others left out."""
    root = noisy("SELECT COUNT(*) AS n, SUM(days) AS s FROM stays", ASKED)
    (node,) = (each for each in nodes_in(root) if isinstance(each, Noise))
    named = replace(node, keys=("n",), domains=((Literal(7, Integer()),),), columns=node.columns[1:])
    with pytest.raises(Unbounded, match="without noise"):
        Sensitivity(ASKED).held(named)


def test_more_groups_than_can_all_be_told_are_refused():
    days = Listed("days", tuple(Literal(day, Integer(32)) for day in range(6000)))
    many = Protection((), clamps=(BOUNDS,), listed=(WARDS, days), noise=NoiseAsked(Fraction(1), "patient", ROWS))
    asked = dict.fromkeys(ASKED, many)
    with pytest.raises(Unbounded, match="every one of 12000 groups"):
        traced(noisy("SELECT ward, days, COUNT(*) AS n FROM stays GROUP BY ward, days", asked), asked)
    assert moved(noisy("SELECT days, COUNT(*) AS n FROM stays GROUP BY days", asked), asked) == {"n": 8}


def test_a_minimum_of_others_beside_noise_is_not_bounded():
    asked = {**ASKED, "bravo/stays": Protection(("patient",), 10)}
    root = noisy("SELECT COUNT(*) AS n FROM stays", asked)
    with pytest.raises(Unbounded, match="minimum of subjects"):
        traced(root, asked)


def test_rows_that_are_not_read_as_the_policy_says_are_refused():
    root = noisy("SELECT COUNT(*) AS n FROM stays", ASKED)
    more = {
        name: Protection(clamps=(BOUNDS,), listed=(WARDS,), noise=NoiseAsked(Fraction(1), "patient", 1))
        for name in ASKED
    }
    with pytest.raises(Unbounded, match="without the limits on its rows"):
        traced(root, more)


def test_without_noise_asked_for_a_query_stays_as_it_is():
    plain = bind("SELECT ward, COUNT(*) AS n FROM stays GROUP BY ward", TABLES, ("analyst",))
    assert add_noise(plain, {"alpha/stays": Protection(clamps=(BOUNDS,))}) is plain
    only_others = noisy("SELECT COUNT(*) AS n FROM persons", ASKED)
    assert not any(isinstance(node, Noise) for node in nodes_in(only_others))
