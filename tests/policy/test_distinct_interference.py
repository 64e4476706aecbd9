"""An independent word on what `count_distinct` tells: how many different values there are, whichever these are.

Random queries over random data. Of some columns nothing is granted but `count_distinct`; of the others, what lets them
decide. Whoever sees numbers of different values of any rows that the others can pick knows which rows' values are equal, and
no more: so in each class of rows that agree in all others the same values may be called otherwise, by other names that
differ where they did; and come as often as they like. How many rows owners put into MPC may hang on whether there is a NULL,
too, and where the others decide, on how many rows they leave.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

import duckdb
import pytest

from conclave.compile import compile_query
from conclave.ir.errors import QueryProblem
from conclave.ir.nodes import Concat
from conclave.local.sqltext import to_sql, view_name
from conclave.plan.steps import LocalStep, Plan, ShareStep
from policy.document import Policy
from policy.regrouped import regrouped
from policy.verify import Request, verify
from tests.policy.conftest import PEOPLE, VISITS, policy, scan
from tests.policy.test_interference import STRUCTURE, Data, Queries, Rows, answer, differ, load, rows_for

N_QUERIES = 600
LEAST_ACCEPTED = 100  # or the test says little
N_WORLDS = 4
OWNERS = ("alpha/visits", "carol/visits", "bravo/people")


class Different(Queries):
    """Random queries with numbers of different values, in each of the ways to say them."""

    def select(self) -> str:
        if self.random.random() < 0.6:
            return super().select()
        sources, text = self.sources()
        key, value = self.column(*sources), self.column(*sources)
        rows = f"FROM {text}{self.where(sources)}"
        counted = f"COUNT(DISTINCT {value}) AS n, {self.pick('SUM', 'COUNT', 'MAX')}({self.column(*sources)}) AS s"
        having = self.pick("", "", " HAVING COUNT(*) > 1")
        return self.pick(
            f"SELECT COUNT({self.pick('x', '*')}) AS c0 FROM (SELECT DISTINCT {value} AS x {rows}) AS g",
            f"SELECT COUNT({self.pick('x', '*')}) AS c0 FROM (SELECT DISTINCT {value} AS x, {key} AS k {rows}) AS g",
            f"SELECT k AS c0, COUNT(x) AS c1, SUM(n) AS c2 FROM"
            f" (SELECT {key} AS k, {value} AS x, COUNT(*) AS n {rows} GROUP BY k, x{having}) AS g GROUP BY k",
            f"SELECT {self.pick('MAX(n)', 'AVG(n)', 'SUM(s)')} AS c0 FROM (SELECT {key} AS k, {counted} {rows} GROUP BY k) AS g",
            f"SELECT n AS c0, COUNT(DISTINCT k) AS c1 FROM (SELECT {key} AS k, {counted} {rows} GROUP BY k) AS g GROUP BY n",
            f"SELECT COUNT(DISTINCT x) AS c0{self.pick('', ', COUNT(DISTINCT y) AS c1')} FROM ({self.put_together()}) AS u",
            f"SELECT y AS c0, COUNT(DISTINCT x) AS c1 FROM ({self.put_together()}) AS u GROUP BY y",
            f"SELECT COUNT(x) AS c0 FROM ({self.put_together('UNION', 'UNION ALL')}) AS u",
        )

    def order(self, sql: str) -> str:
        first = sql.split(" FROM ")[
            0
        ]  # up to a subquery in the list it would not be by all columns, and rows could tie
        return super().order(sql) if first.count("(") == first.count(")") else ""

    def sources(self) -> tuple[tuple[str, ...], str]:
        alone = self.pick("visits v", "people v")
        return ((alone,), alone) if self.random.random() < 0.5 else super().sources()

    def where(self, sources: tuple[str, ...]) -> str:
        return super().where(sources) if self.random.random() < 0.5 else ""

    def put_together(self, *words: str) -> str:
        parts = []
        for table in (self.pick("visits v", "people v"), self.pick("visits v", "people v")):
            x, y = (self.pick(*[self.column(table)] * 4, "3", f"{self.column(table)} % 2") for _ in range(2))
            parts.append(f"SELECT {x} AS x, {y} AS y FROM {table}{self.where((table,))}")
        return f" {self.pick(*words or ('UNION ALL',))} ".join(parts)

    def aggregate(self, sources: tuple[str, ...]) -> str:
        if self.random.random() < 0.15:
            return super().aggregate(sources)
        over = self.pick(*[self.column(*sources)] * 3, self.value(sources))
        asked = f" FILTER (WHERE {self.condition(sources)})" if self.random.random() < 0.15 else ""
        return self.pick(*[f"COUNT(DISTINCT {over}){asked}"] * 4, f"COUNT(DISTINCT {over}) * 1.0 / COUNT(*)")


@dataclass(frozen=True)
class Case:
    """A query, and what is granted for it."""

    sql: str
    plan: Plan
    read: frozenset[str]  # all numbers that the query reads
    hidden: dict[str, frozenset[str]]  # of which values are counted, and no more
    is_open: bool  # bravo's people are, all of it
    is_counted: bool  # the number of rows is granted, too
    computes: frozenset[str]  # the datasets of which numbers of what is computed are granted, too

    def policies(self) -> dict[str, Policy]:
        found = {}
        for dataset in OWNERS:
            computes = dataset in self.computes
            deciding = [*STRUCTURE, "join_payload", *["count"] * self.is_counted, *["count_distinct"] * computes]
            granted = dict.fromkeys(columns_of(dataset), deciding)
            if dataset == "bravo/people" and self.is_open:
                granted = {name: ["open"] for name in granted}
            granted |= {name: ["count_distinct", "join_payload"] for name in self.hidden.get(dataset, ())}
            made = policy(dataset.replace("carol", "alpha"), granted, expressions=computes)
            metadata = made.metadata.model_copy(update={"dataset": dataset})
            found[dataset] = made.model_copy(update={"metadata": metadata})
        return found

    @property
    def is_accepted(self) -> bool:
        return verify(self.plan, self.policies(), Request("research")).decision == "accept"


def cases(seed: int) -> Iterator[Case]:
    queries, rng = Different(seed), random.Random(seed)
    alpha, bravo = scan("alpha/visits"), scan("bravo/people")
    both = Concat((alpha, replace(alpha, dataset="carol/visits", owner="carol")))
    for _ in range(N_QUERIES):
        sql = queries.query()
        try:
            tables = {"visits": rng.choice((alpha, both)), "people": bravo}
            plan = compile_query(sql, tables, ("analyst",), ("alpha", "bravo", "carol"))
        except QueryProblem:
            continue
        text = to_sql(plan.query)
        read = [(d, n) for d in OWNERS if view_name(d) in text for n in columns_of(d) if f'"{n}"' in text]
        read = [(d, n) for d, n in read if "int" in columns_of(d)[n]]
        if not read:
            continue
        names = frozenset(name for _, name in read)
        for picked in (*((each,) for each in read), *(rng.sample(read, min(len(read), 2)) for _ in range(2))):
            hidden: dict[str, frozenset[str]] = {}
            for dataset, name in picked:
                of_both = name in VISITS and rng.random() < 0.6
                for of in ("alpha/visits", "carol/visits") if of_both else (dataset,):
                    hidden[of] = hidden.get(of, frozenset()) | {name}
            is_open, is_counted = (rng.random() < 0.5 for _ in range(2))
            computes = frozenset(d for d in OWNERS if rng.random() < 0.4 and len(hidden.get(d, ())) < 2)
            yield Case(sql, plan, names, hidden, is_open and "bravo/people" not in hidden, is_counted, computes)


def columns_of(dataset: str) -> dict[str, str]:
    return PEOPLE if dataset == "bravo/people" else VISITS


def world(rng: random.Random) -> Data:
    def few(dataset: str, n_rows: int) -> Rows:
        rows = rows_for(rng, dataset, n_rows)
        return [{n: v % 3 if isinstance(v, int) else v for n, v in row.items()} for row in rows]

    visits = {f"{owner}/visits": few("alpha/visits", rng.randint(3, 7)) for owner in ("alpha", "carol")}
    return {**visits, "bravo/people": few("bravo/people", 5)}


def alike(rng: random.Random, case: Case, data: Data, *, as_many: bool, keeps_nulls: bool) -> Data:
    """Return other data that are the same for whoever knows numbers of different values, and all other columns."""
    own, others = list(range(20)), rng.sample(range(20), 20)
    made = dict(data)
    for dataset, hidden in case.hidden.items():
        names = own if dataset in case.computes else others  # what is computed tells by and by which values there are
        classes: dict[tuple[object, ...], Rows] = {}
        for row in data[dataset]:
            classes.setdefault(tuple(row[n] for n in sorted(case.read - hidden) if n in row), []).append(row)
        made[dataset] = []
        for rows in classes.values():
            n_rows = len(rows) + (0 if as_many else rng.randint(0, 2))
            columns = {n: renamed(rng, [row[n] for row in rows], names, n_rows, n, keeps_nulls) for n in sorted(hidden)}
            made[dataset] += [{**rows[0], **{n: values[i] for n, values in columns.items()}} for i in range(n_rows)]
    return made


def renamed(
    rng: random.Random, values: list[object], names: list[int], n_rows: int, column: str, keeps_nulls: bool
) -> list[object]:
    """Return so many values, of which just as many are different: each by its other name, and as often as it comes."""
    found: list[object] = sorted({names[value] for value in values if isinstance(value, int)})
    may_be_null = None in values if keeps_nulls else "not null" not in {**VISITS, **PEOPLE}[column]
    if may_be_null and (keeps_nulls or rng.random() < 0.5) and len(found) < n_rows:
        found.append(None)
    found += [rng.choice(found) if found else None for _ in range(n_rows - len(found))]
    return rng.sample(found, n_rows)


def sizes(connection: duckdb.DuckDBPyConnection, compiled: Plan, data: Data) -> dict[str, object]:
    """Return how many rows owners put into MPC."""
    load(connection, data)
    queries = {step.name: step.query for step in compiled.steps if isinstance(step, LocalStep)}
    shared = [s for s in compiled.steps if isinstance(s, ShareStep) and not s.is_one_row and s.source in queries]
    counted = {step.name: f"SELECT COUNT(*) FROM ({to_sql(queries[step.source])}) AS q" for step in shared}
    return {name: connection.sql(sql).fetchall() for name, sql in counted.items()}


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(2))
def test_numbers_of_different_values_tell_how_many_and_nothing_else(seed):
    rng, n_accepted, n_changed = random.Random(seed), 0, 0
    with duckdb.connect() as connection:
        for number, case in enumerate(cases(seed)):
            if not case.is_accepted:
                continue
            n_accepted += 1
            for _ in range(N_WORLDS):
                data = world(rng)
                other = alike(rng, case, data, as_many=case.is_counted, keeps_nulls=False)
                n_changed += data != other
                assert not differ(connection, case.plan.query, data, other), (seed, number, case.sql, case.hidden)
                other = alike(rng, case, data, as_many=True, keeps_nulls=True)
                found = sizes(connection, case.plan, data), sizes(connection, case.plan, other)
                assert found[0] == found[1], (seed, number, case.sql, case.hidden)
    assert n_accepted >= LEAST_ACCEPTED
    assert n_changed >= n_accepted


@pytest.mark.deep
def test_a_query_that_is_grouped_once_again_has_the_same_answer():
    """What the flow is traced over, for the query itself."""
    rng, n_other = random.Random(3), 0
    with duckdb.connect() as connection:
        for case in cases(3):
            query = regrouped(case.plan.query)
            if query == case.plan.query or " OVER " in case.sql or " LIMIT " in case.sql:
                continue  # which of two equal rows comes first is nobody's word
            n_other += 1
            assert query.schema == case.plan.query.schema
            for _ in range(3):
                data = world(rng)
                once, as_compiled = (sorted(answer(connection, each, data)) for each in (query, case.plan.query))
                assert once == as_compiled, case.sql
    assert n_other >= LEAST_ACCEPTED
