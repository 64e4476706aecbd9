"""What is asked of every operator under MPC, asked of each: `tests.conclave.operators.matrix` lists them.

Right at the ends of what tables hold and on any table; at its declared cost; oblivious; telling what the plan lists; and
none that is not listed.
"""

import importlib
import inspect
import math
import pkgutil
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, is_dataclass
from decimal import Decimal
from functools import lru_cache
from typing import get_args

import duckdb
import pytest
from hypothesis import Phase, given, settings

import conclave.operators
from conclave.execute import Execution, execute
from conclave.ir import expressions, nodes
from conclave.ir.window import WindowFunction
from conclave.local.errors import EncodeProblem
from conclave.local.sqltext import to_sql
from conclave.mpc.errors import Outgrown, PeerLost
from conclave.plan.steps import MpcStep
from conclave.twin import run_alone
from tests.conclave.facts import held_facts
from tests.conclave.mpc.three import RecordingNetwork, connect
from tests.conclave.operators.matrix import (
    ANALYST,
    CASES,
    COMPUTE,
    ENTRIES,
    FILTERED,
    NAMES,
    OWNERS,
    TABLES,
    WHOLE,
    plan_of,
)
from tests.conclave.twins import assert_same_costs

__all__ = ["held_facts"]
pytestmark = pytest.mark.usefixtures("held_facts")
EACH = pytest.mark.parametrize("name", ENTRIES)
ALWAYS = {"answer", "row_count", "table_size", "range_check", "minimum_check", "key_check"}


class Tables:
    """What a walk needs of a local engine, in one connection for all of them: engines have tests of their own."""

    def __init__(self, datasets):
        self.connection = POOL.cursor()
        for name, table in datasets.items():
            self.register_table(name, table)

    def register_table(self, name, table):
        self.connection.register(name, table)

    def run(self, sql, step="query"):
        return self.connection.sql(sql).to_arrow_table()

    def answer(self, query, step="query"):
        return self.run(to_sql(query), step)


POOL = duckdb.connect(config={"threads": 1})


def of_twin(plan, case):
    """The answer by the plaintext twin, and each step's cost; None where a number outgrew its word."""
    try:
        answer, costs = run_alone(plan, Tables(datasets_of(case)))
    except (Outgrown, EncodeProblem):
        return None, {}
    return [tuple(row.values()) for row in answer.to_pylist()], costs


def of_three(plan, case):
    """Each party's walk, and what an observer of its wire has seen."""
    networks, datasets = connect((*COMPUTE, ANALYST), RecordingNetwork), datasets_of(case)

    def walk(name):
        try:
            own = Tables({dataset: table for dataset, table in datasets.items() if dataset.startswith(f"{name}/")})
            return execute(plan, name, networks[name], own, b"test", lambda _: None)
        except Exception as error:
            return error
        finally:
            networks[name].close()

    with ThreadPoolExecutor(len(networks)) as pool:
        ended = dict(zip(networks, pool.map(walk, networks), strict=True))
    for each in ended.values():
        if isinstance(each, Exception) and not isinstance(each, Outgrown | PeerLost):
            raise each
    return ended, {name: network.transcript for name, network in networks.items()}


def of_duckdb(name, is_filtered, case):
    """What DuckDB says over all rows, in numbers wide enough; None where even those are not."""
    entry = ENTRIES[name]
    sql = (entry.oracle or entry.sql).format(**(FILTERED if is_filtered else WHOLE))
    try:
        return pooled(case).execute(sql).fetchall()
    except duckdb.OutOfRangeException:
        return None


@lru_cache(maxsize=len(CASES) + 1)
def datasets_of(case):
    return case.arrow()


@lru_cache(maxsize=len(CASES) + 1)
def pooled(case):
    """All rows in one database."""
    connection, datasets = duckdb.connect(config={"threads": 1}), datasets_of(case)
    connection.execute("SET error_on_division_by_zero = false; SET ieee_floating_point_ops = false")
    for table, owners in OWNERS.items():
        for owner in owners:
            connection.register(f"{owner}/{table}", datasets[f"{owner}/{table}"])
        pooled = " UNION ALL ".join(f'FROM "{owner}/{table}"' for owner in owners)
        columns = ", ".join(map(widened, NAMES[table], NAMES[table].values()))
        connection.execute(f"CREATE TABLE {table} AS SELECT {columns} FROM ({pooled})")
    return connection


def widened(name, kind):
    wide = {"integer not null": "BIGINT", "smallint": "BIGINT"}.get(kind)
    return f"CAST({name} AS {wide}) AS {name}" if wide else name


def plain(value):
    match value:
        case bool() | None | str():
            return value
        case int():
            return value
        case Decimal():
            return int(value) if value == int(value) else float(value)
    return float(value)


def is_same(a, b):
    if isinstance(a, float) or isinstance(b, float):
        return a is not None and b is not None and math.isclose(a, b, rel_tol=1e-7, abs_tol=2e-5)
    return a == b and isinstance(a, bool) == isinstance(b, bool)


def assert_same(name, got, wanted, why):
    got, wanted = ([tuple(map(plain, row)) for row in rows] for rows in (got, wanted))
    assert len(got) == len(wanted), (name, why, got, wanted)
    if not ENTRIES[name].is_ordered:
        left = list(got)
        for row in wanted:
            like = next((k for k, other in enumerate(left) if all(map(is_same, other, row))), None)
            assert like is not None, (name, why, row, left)
            del left[like]
    else:
        assert all(all(map(is_same, a, b)) for a, b in zip(got, wanted, strict=True)), (name, why, got, wanted)


def check(name, is_filtered, case, why):
    """Hold the twin to DuckDB; return the answer, None if a number outgrew its word where it may."""
    wanted, (got, _) = of_duckdb(name, is_filtered, case), of_twin(plan_of(name, is_filtered), case)
    if got is None or wanted is None:
        assert got is None, (name, why, "DuckDB ran out of digits, and nobody noticed")
        assert ENTRIES[name].is_checked, (name, why)
        assert case.is_at_ends, (name, why)
        return None
    assert_same(name, got, wanted, why)
    return got


@pytest.mark.deep
@EACH
def test_it_answers_as_duckdb_does_at_the_ends_of_what_tables_hold(name):
    for why, case in CASES.items():
        if why != "no row but on the right" or reads_others(name):
            check(name, True, case, why)
    # Where all rows exist by the tables' shape it takes other ways.
    check(name, False, CASES["no row"], "no row")
    check(name, False, CASES["NULLs among values"], "NULLs among values")


def reads_others(name):
    return "{r}" in ENTRIES[name].sql or " u" in ENTRIES[name].sql


@pytest.mark.deep
@given(case=TABLES)
# An example takes seconds, so that looking for a smaller one would take an hour.
@settings(max_examples=4, phases=[Phase.explicit, Phase.generate])
def test_every_operator_answers_as_duckdb_does_on_any_table(case):
    for name in ENTRIES:
        check(name, True, case, "any")


@pytest.mark.deep
@EACH
def test_three_parties_answer_alike_at_the_declared_cost_and_show_nothing_of_the_data(name):
    """Two inputs of equal shape; where keys or numbers are told, two that agree in what is told.

    What rounds and bytes there are is declared by primitives; the twin counts those, so that an operator that does more
    is found.
    """
    first, plan, seen = CASES["all alike"], plan_of(name, True), []
    for case in (first, same_shape(first, ENTRIES[name].is_open)):
        got, costs = of_twin(plan, case)
        ended, transcripts = of_three(plan, case)
        assert all(isinstance(each, Execution) for each in ended.values())
        assert_same_costs(plan, ended, costs)
        assert_same(name, [tuple(r.values()) for r in ended[ANALYST].answer.to_pylist()], got, "three parties")
        seen.append(transcripts)
    assert all(map(len, seen[0].values()))
    assert seen[0] == seen[1]


def same_shape(case, keeps_keys):
    """Other values in as many rows: others exist, and others are equal; or, keeping keys and which rows exist, others yet."""
    changed = type(case)([], [], [])
    for n, row in enumerate(case.t):
        e, k = (row[0], row[1]) if keeps_keys else (n % 2 == 0, None if n == 3 else n)
        v = row[3] + 7 + n if keeps_keys else None
        changed.t.append((e, k, -n, v, None, -0.5, None, "", False))
    for n, row in enumerate(case.r):
        e, k = (row[0], row[1]) if keeps_keys else (n == 1, -n)
        changed.r.append((e, k, 2 - n, None, "y"))
    changed.u.extend((row[0] if keeps_keys else None, None, "") for row in case.u)
    return changed


@EACH
def test_it_tells_what_the_plan_lists_and_its_steps_say_so(name):
    told = {each.kind for is_filtered in (False, True) for each in plan_of(name, is_filtered).disclosures}
    assert told <= ALWAYS | ENTRIES[name].tells


def parts_in(value):
    """Yield everything that a plan's operators and expressions are made of."""
    if is_dataclass(value) and not isinstance(value, type):
        yield value
        for each in fields(value):
            yield from parts_in(getattr(value, each.name))
    elif isinstance(value, tuple):
        for each in value:
            yield from parts_in(each)


def found_in_plans():
    return {
        (type(part), getattr(part, "operator", None) or getattr(part, "function", None) or getattr(part, "how", None))
        for name in ENTRIES
        for step in plan_of(name, True).steps
        if isinstance(step, MpcStep)
        for part in parts_in(step.operator)
    }


def test_no_operator_function_or_expression_is_missing():
    found = found_in_plans()
    kinds = {kind for kind, _ in found}
    # A Scan is read by its owner, a Collect is the whole query; a Sort without a limit is the recipients' own.
    assert set(get_args(nodes.Node)) - kinds == {nodes.Scan, nodes.Collect}
    assert set(get_args(expressions.Expression)) <= kinds
    for kind, words in (
        (expressions.Arithmetic, expressions.ArithmeticOperator),
        (expressions.Compare, expressions.ComparisonOperator),
        (expressions.Logic, expressions.LogicOperator),
        (expressions.Spread, expressions.SpreadFunction),
        (nodes.WindowOutput if hasattr(nodes, "WindowOutput") else None, WindowFunction),
        (nodes.Join, nodes.JoinKind),
    ):
        if kind is not None:
            assert {word for each, word in found if each is kind} == set(get_args(words)), kind
    aggregates = {word for each, word in found if each is nodes.AggregateOutput}
    expanded = {"avg", *nodes.SPREADS}  # the passes leave none of these
    assert aggregates == set(get_args(nodes.AggregateFunction)) - expanded


def own_functions():
    """Yield every public function of the operators that a party takes part in."""
    for module in pkgutil.iter_modules(conclave.operators.__path__, "conclave.operators."):
        for name, thing in vars(importlib.import_module(module.name)).items():
            function = inspect.unwrap(thing) if callable(thing) else None
            is_own = inspect.isfunction(function) and function.__module__ == module.name and not name.startswith("_")
            if is_own and "me" in inspect.signature(function).parameters:
                yield function


def test_every_function_that_a_party_takes_part_in_says_what_it_reveals():
    silent = [f"{f.__module__}.{f.__name__}" for f in own_functions() if "Reveals" not in (f.__doc__ or "")]
    assert silent == [], silent
    assert len(list(own_functions())) > 40


# What a plan never asks for as it is: `distinct` is a grouping of all columns, openings have tests of their own.
NOT_IN_PLANS = {"distinct", "open_parts"}


@pytest.mark.deep
def test_every_function_that_a_party_takes_part_in_is_run_by_some_entry():
    wanted = {function.__code__: function.__name__ for function in own_functions()}
    run = set()

    def note(frame, event, _):
        if event == "call" and frame.f_code in wanted:
            run.add(frame.f_code)

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        for name, is_filtered in [*((name, True) for name in ENTRIES), ("totals beside rows", False)]:
            of_twin(plan_of(name, is_filtered), CASES["NULLs among values"])
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]
    missing = {wanted[code] for code in wanted.keys() - run} - NOT_IN_PLANS
    assert missing == set(), "give them an entry in tests/conclave/operators/matrix.py"
