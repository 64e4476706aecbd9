"""What owners order before they share it, and MPC merges: which steps, that DuckDB's answer comes out, what it saves."""

from dataclasses import replace
from functools import cache

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from conclave.compile import compile_query
from conclave.ir.guard import Protection
from conclave.ir.nodes import Concat, Scan
from conclave.ir.types import Field, Integer, parse_type
from conclave.mpc.twin import Twin
from conclave.operators.input import InputColumn, InputTable, known_to_all
from conclave.operators.sort import SortKey, key_planes
from conclave.plan.runs import without_runs
from conclave.plan.show import describe
from conclave.plan.steps import MpcStep, ShareStep
from conclave.twin import run_alone
from tests.conclave.mpc.three import NAMES
from tests.conclave.operators.matrix import CASES, COMPUTE, ENTRIES, TABLES, plan_of
from tests.conclave.operators.test_matrix import Tables, assert_same, check, of_three, of_twin, same_shape
from tests.conclave.protected import ROWS, answer, compiled, expected

# Of the matrix's queries over whole tables: how many owners' rows a step merges.
MERGED = {
    "set operations": 5, "intersection": 5, "group by several": 3, "count distinct": 3, "ungrouped": 3, "distinct": 3,
    "semi join": 5, "anti join": 5, "in": 5, "aggregates before a join": 2, "aggregates before a left join": 2,
    "aggregates before several joins": 2, "groups of groups": 3, "groups of some groups": 3, "groups in order": 3,
    "some groups in order": 3, "windows over groups": 3, "windows over some groups": 3,
    "sums of different values": 3, "inner join, unique by several keys": 4, "left join, unique by several keys": 4,
    "quantiles": 3, "medians of all": 3, "quantiles of all": 3,
}  # fmt: skip


def merges_in(plan):
    return [step.merges for step in plan.steps if isinstance(step, MpcStep) and step.merges]


def sorting_all(plan):
    return replace(plan, steps=tuple(map(without_runs, plan.steps)))


def rounds_of(costs):
    return sum(cost.rounds for cost in costs.values())


@pytest.mark.parametrize("name", ENTRIES)
def test_steps_merge_what_owners_have_put_in_order_and_nothing_else(name):
    (*counts,) = map(len, merges_in(plan_of(name, False)))
    assert counts == ([MERGED[name]] if name in MERGED else [])
    # What exists is found out under MPC here, so that rows that do not stand between others.
    assert merges_in(plan_of(name, True)) == []


@pytest.mark.deep
@pytest.mark.parametrize("name", MERGED)
def test_merged_rows_answer_as_duckdb_does_at_the_ends_of_what_tables_hold(name):
    for why, case in CASES.items():
        got, plan = check(name, False, case, why), plan_of(name, False)
        answer, _ = of_twin(sorting_all(plan), case)
        assert (got is None) == (answer is None)
        if got is not None and not ENTRIES[name].is_ordered:
            assert_same(name, got, answer, "with all sorts")


@pytest.mark.deep
@given(case=TABLES)
@settings(max_examples=6, phases=[Phase.explicit, Phase.generate])
def test_merged_rows_answer_as_duckdb_does_on_any_table(case):
    for name in MERGED:
        check(name, False, case, "any")


@pytest.mark.deep
@pytest.mark.parametrize("name", ["group by several", "anti join", "windows over groups"])
def test_three_parties_merge_alike_and_show_nothing_of_the_data(name):
    first, plan, seen = CASES["all alike"], plan_of(name, False), []
    for case in (first, same_shape(first, False)):
        got, _ = of_twin(plan, case)
        ended, transcripts = of_three(plan, case)
        assert_same(name, [tuple(r.values()) for r in ended["analyst"].answer.to_pylist()], got, "three parties")
        seen.append(transcripts)
    assert seen[0] == seen[1]


# Two owners with keys of 64 bits, any of which may be NULL.
PAIR = {
    "t": {"k": "bigint", "i": "bigint not null", "v": "integer"},
    "u": {"uk": "bigint", "ui": "bigint", "x": "integer"},
}
WHOSE = {"t": ("alpha", "bravo"), "u": ("bravo",)}
JOINS = {
    "unique on the right": "SELECT k, v, x FROM t JOIN u ON k = uk",
    "unique on the left": "SELECT uk, x, v FROM u JOIN t ON uk = k",
    "left join": "SELECT k, v, x FROM t LEFT JOIN u ON k = uk",
    "left join, unique on the left": "SELECT uk, x, v FROM u LEFT JOIN t ON uk = k",
    "two keys": "SELECT k, i, v, x FROM t JOIN u ON i = ui AND k = uk",
    "semi join": "SELECT k, v FROM t SEMI JOIN u ON k = uk",
    "anti join": "SELECT uk, x FROM u ANTI JOIN t ON uk = k",
    "groups": "SELECT k, i, SUM(v) AS s, COUNT(*) AS n, MIN(v) AS m FROM t GROUP BY k, i",
    "medians": "SELECT k, QUANTILE_DISC(i, 0.5) AS m, COUNT(v) AS n FROM t GROUP BY k",
    "medians of two columns": "SELECT QUANTILE_DISC(k, 0.25) AS a, QUANTILE_DISC(i, 0.75) AS b FROM t",
    "groups of a join": "SELECT x, SUM(v) AS s FROM t JOIN u ON k = uk GROUP BY x",
}
ENDS = [-(1 << 63), (1 << 63) - 1, -1, 0, 1]
WORDS = st.one_of(st.none(), st.sampled_from(ENDS), st.integers(-2, 3))
T = st.lists(
    st.tuples(WORDS, WORDS.filter(lambda x: x is not None), st.one_of(st.none(), st.integers(-9, 9))), max_size=9
)
U = st.dictionaries(WORDS, st.tuples(WORDS, st.integers(-9, 9)), max_size=7)


def fields(table):
    return tuple(Field(n, parse_type(t.removesuffix(" not null")), "not null" not in t) for n, t in PAIR[table].items())


@cache
def planned(name):
    """`uk` tells the rows of u apart."""
    scans = {
        table: [
            Scan(table, f"{owner}/{table}", owner, fields(table), frozenset({"uk"} if table == "u" else ()))
            for owner in owners
        ]
        for table, owners in WHOSE.items()
    }
    tables = {table: Concat(tuple(parts)) if len(parts) > 1 else parts[0] for table, parts in scans.items()}
    return compile_query(JOINS[name], tables, ("analyst",), COMPUTE)


def arrow(table, rows):
    columns = list(zip(*rows, strict=True)) or [()] * len(PAIR[table])
    kinds = {"bigint": pa.int64(), "integer": pa.int32()}
    named = zip(PAIR[table].items(), columns, strict=True)
    return pa.table({name: pa.array(values, kinds[kind.removesuffix(" not null")]) for (name, kind), values in named})


@pytest.mark.parametrize("name", JOINS)
@given(t=T, u=U)
@example(t=[], u={})
@example(t=[(None, 0, None)] * 3, u={None: (0, 1), 0: (0, 2)})
@example(t=[(end, end, 1) for end in ENDS] * 2, u={end: (end, n) for n, end in enumerate(ENDS)})
@example(t=[(7, 7, 7)] * 9, u={7: (7, 1)})
@settings(max_examples=12, deadline=None)
def test_two_owners_rows_are_joined_and_grouped_as_duckdb_does_it(name, t, u):
    plan, right = planned(name), [(key, *rest) for key, rest in u.items()]
    data = {"alpha/t": arrow("t", t[::2]), "bravo/t": arrow("t", t[1::2]), "bravo/u": arrow("u", right)}
    got, costs = run_alone(plan, Tables(data))
    with duckdb.connect() as database:
        database.register("t", pa.concat_tables([data["alpha/t"], data["bravo/t"]]))
        database.register("u", data["bravo/u"])
        wanted = database.execute(JOINS[name]).fetchall()
    assert sorted(map(repr, (tuple(map(plain, row.values())) for row in got.to_pylist()))) == sorted(
        repr(tuple(map(plain, row))) for row in wanted
    )
    assert merges_in(plan)
    _, all_costs = run_alone(sorting_all(plan), Tables(data))
    assert rounds_of(costs) < rounds_of(all_costs) or len(t) < 2


@pytest.mark.parametrize(
    ("name", "rounds", "size"), [("unique on the right", 0.75, 0.45), ("groups", 0.6, 0.35), ("medians", 0.6, 0.45)]
)
def test_a_merge_takes_fewer_bytes_and_rounds(name, rounds, size):
    plan, n = planned(name), 400
    data = {
        f"{owner}/{table}": arrow(table, [(k * 7919 % 1009, k, k % 5) for k in range(start, start + n)])
        for start, (owner, table) in enumerate([("alpha", "t"), ("bravo", "t"), ("bravo", "u")])
    }
    (got, costs), (answer, all_costs) = (run_alone(each, Tables(data)) for each in (plan, sorting_all(plan)))
    assert sorted(got.to_pylist(), key=repr) == sorted(answer.to_pylist(), key=repr)
    step = next(step.name for step in plan.steps if isinstance(step, MpcStep) and step.merges)
    assert costs[step].rounds < rounds * all_costs[step].rounds
    assert costs[step].bytes_sent < size * all_costs[step].bytes_sent


def plain(value):
    return None if value is None else int(value)


def test_the_plan_says_who_orders_and_what_is_merged():
    plan = planned("unique on the right")
    said = [describe(step, plan)[1] for step in plan.steps]
    assert "secret-share l1 (k, v), ordered by k" in said
    assert any("join on k = uk, merging s1, s2, s3 where that is faster than sorting" in line for line in said)


def test_a_table_is_ordered_once_for_the_first_step_that_merges_it():
    sql = "SELECT k, COUNT(*) AS n FROM t GROUP BY k"
    both = f"SELECT a.k, a.n, b.n AS m FROM ({sql}) a JOIN (SELECT i, COUNT(*) AS n FROM t GROUP BY i) b ON a.k = b.i"
    plan = compile_of(both)
    orders = {step.order for step in plan.steps if isinstance(step, ShareStep)}
    assert orders == {("k",), ("i",)}  # each owner's groups are two tables
    shares = {step.name: step.order for step in plan.steps if isinstance(step, ShareStep)}
    for step in plan.steps:
        assert isinstance(step, MpcStep) is False or len({shares[name] for name in step.merges}) <= 1


def compile_of(sql, **options):
    parts = tuple(Scan("t", f"{owner}/t", owner, fields("t")) for owner in WHOSE["t"])
    return compile_query(sql, {"t": Concat(parts)}, ("analyst",), COMPUTE, **options)


@pytest.mark.parametrize("asked", [Protection(("i",), 3), None])
def test_where_an_owner_asks_for_subjects_everything_is_sorted(asked):
    plan = compile_of("SELECT k, COUNT(*) AS n FROM t GROUP BY k", protections={"alpha/t": asked} if asked else None)
    assert bool(merges_in(plan)) == (asked is None)


@pytest.mark.parametrize("protocol", ["replicated3", "cheetah"])
def test_under_cheetah_nobody_orders_anything(protocol):
    parts = tuple(Scan("t", f"{owner}/t", owner, fields("t")) for owner in WHOSE["t"])
    compute = COMPUTE if protocol == "replicated3" else COMPUTE[:2]
    sql = "SELECT k, COUNT(*) AS n FROM t GROUP BY k"
    plan = compile_query(sql, {"t": Concat(parts)}, ("alpha",), compute, protocol=protocol)
    assert bool(merges_in(plan)) == (protocol == "replicated3")


def test_rows_that_pad_stand_behind_those_in_order():
    """Also where NULL is one of the keys, and padding rows are of three owners' tables."""
    padded = {name: Protection(padding=5) for name in ROWS}
    sql = "SELECT days, cost, COUNT(*) AS n, MAX(patient) AS hi FROM visits GROUP BY days, cost"
    plan = compiled(sql, padded)
    assert [len(merges) for merges in merges_in(plan)] == [2]
    assert answer(plan) == expected(sql)
    joined = "SELECT patient, days, region FROM visits JOIN persons ON patient = person"
    assert answer(compiled(joined, padded)) == expected(joined)


@given(
    rows=st.lists(st.tuples(WORDS, st.sampled_from(ENDS), WORDS), max_size=30),
    order=st.permutations(["a", "b", "c"]),
    padding=st.sampled_from([1, 7]),
)
@settings(deadline=None)
def test_what_an_owner_shares_is_in_the_order_that_the_engine_sorts_by(rows, order, padding):
    """Of words as they are shared: signed ones, codes of texts, which count from zero, NULLs and padding."""
    columns = (InputColumn("a", nullable=True), InputColumn("b", signed=False), InputColumn("c", nullable=True))
    plain = {}
    for k, column in enumerate(columns):
        nulls = np.array([row[k] is None for row in rows], bool)
        plain[column.name] = (
            np.array([77 if row[k] is None else row[k] for row in rows], np.int64),
            nulls if column.nullable else None,
        )
    me, table = Twin(NAMES), InputTable("t", "alpha", columns, 1000, padding, order=tuple(order))
    shared, unordered = known_to_all(table, plain, me), known_to_all(replace(table, order=()), plain, me)
    planes = key_planes(shared, [SortKey(name) for name in order], me)
    words = [planes[at : at + 64].words().own for at in range(0, planes.count, 64)]
    found = list(zip(*reversed([word.tolist() for word in words]), strict=True))
    assert found == sorted(found)
    contents = [sorted(zip(*(s.own.tolist() for s in each.shares()), strict=True)) for each in (shared, unordered)]
    assert contents[0] == contents[1]


def test_keys_of_other_widths_are_merged_as_numbers():
    """An integer beside a bigint: both are signed, and compared in all 64 bits."""
    left = Scan("l", "alpha/l", "alpha", (Field("a", Integer(32)), Field("v", Integer(32))))
    right = Scan("r", "bravo/r", "bravo", (Field("b", Integer(64)), Field("w", Integer(32))), frozenset({"b"}))
    sql = "SELECT a, v, w FROM l JOIN r ON a = b"
    plan = compile_query(sql, {"l": left, "r": right}, ("analyst",), COMPUTE)
    assert merges_in(plan)
    a, b = [-(1 << 31), -5, 0, 7, (1 << 31) - 1, 7], [(1 << 62), 7, -(1 << 31), -5, -(1 << 62), (1 << 31) - 1]
    data = {
        "alpha/l": pa.table({"a": pa.array(a, pa.int32()), "v": pa.array(range(6), pa.int32())}),
        "bravo/r": pa.table({"b": pa.array(b, pa.int64()), "w": pa.array(range(6), pa.int32())}),
    }
    got, _ = run_alone(plan, Tables(data))
    wanted = [(x, v, b.index(x)) for v, x in enumerate(a) if x in b]
    assert sorted(tuple(row.values()) for row in got.to_pylist()) == sorted(wanted)


def test_nor_is_anything_merged_where_the_minimum_is_kept_by_its_owner_alone():
    scans = [Scan(name, f"{owner}/{name}", owner, fields("t")) for owner, name in (("alpha", "t"), ("bravo", "r"))]
    sql = "SELECT a.k, a.n, b.n AS m FROM (SELECT k, COUNT(*) AS n FROM t GROUP BY k) a JOIN (SELECT k, COUNT(*) AS n FROM r GROUP BY k) b ON a.k = b.k"
    for asked in (None, {"alpha/t": Protection(("i",), 3)}):
        plan = compile_query(sql, dict(zip("tr", scans, strict=True)), ("analyst",), COMPUTE, asked)
        assert bool(merges_in(plan)) == (asked is None)
