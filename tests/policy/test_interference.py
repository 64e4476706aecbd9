"""What an accepted answer must not depend on: columns of which its recipient holds no grant, and rows of such datasets."""

import contextlib
import itertools
import random
from collections.abc import Iterator
from typing import TypeVar

import duckdb
import pytest

from conclave.ir.errors import QueryProblem
from conclave.ir.nodes import Collect, Limit, Sort
from conclave.local.sqltext import duckdb_type, to_sql, view_name
from conclave.plan.steps import Plan
from policy.verify import Request, verify
from tests.policy.conftest import COLUMNS, VISITS, plan, policy, scan

N_QUERIES = 200
LEAST_ACCEPTED = 15  # or the test says little
STRUCTURE = ("group_key", "filter", "join_key")
STATISTICS = ("sum", "min", "max", "mean", "count", "group_key", "count_distinct")


Rows = list[dict[str, object]]
Data = dict[str, Rows]
Grants = dict[str, list[str]]
T = TypeVar("T")


class Queries:
    """Random queries over visits and people."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def pick(self, *choices: T) -> T:
        return self.random.choice(choices)

    def query(self) -> str:
        sql = self.pick(*[self.select()] * 5, self.combined())
        return sql + self.order(sql)

    def order(self, sql: str) -> str:
        names = sorted({f"c{n}" for n in range(4) if f" AS c{n}" in sql.split(" FROM ")[0]})
        by = ", ".join(names)
        return (
            self.pick("", "", f" ORDER BY {by} LIMIT 2", f" ORDER BY {by} LIMIT 2 OFFSET 1", f" ORDER BY {by}")
            if names
            else ""
        )

    def combined(self) -> str:
        word = self.pick("UNION", "UNION ALL", "EXCEPT", "INTERSECT")
        left, right = self.pick("visits v", "people v"), self.pick("visits v", "people v")
        return f"SELECT {self.column(left)} AS c0 FROM {left} {word} SELECT {self.column(right)} AS c0 FROM {right}{self.where((right,))}"

    def select(self) -> str:
        sources, text = self.sources()
        where = self.where(sources)
        if self.random.random() < 0.3:
            items = [self.value(sources), *[self.scalar(sources)] * self.random.randint(0, 1)]
            return f"SELECT {self.pick('', 'DISTINCT ')}{self.named(items)} FROM {text}{where}"
        keys = [self.value(sources) for _ in range(self.pick(0, 1, 0, 1, 2))]
        calls = [self.aggregate(sources) for _ in range(self.random.randint(0 if keys else 1, 2))]
        sets = self.pick(*["{}"] * 4, "ROLLUP ({})", "CUBE ({})", "GROUPING SETS (({}), ())")
        group = f" GROUP BY {sets.format(', '.join(keys))}" if keys else ""
        having = f" HAVING {self.aggregate(sources)} > 1" if self.random.random() < 0.2 else ""
        return f"SELECT {self.named([*keys, *calls])} FROM {text}{where}{group}{having}"

    def named(self, items: list[str]) -> str:
        return ", ".join(f"{item} AS c{n}" for n, item in enumerate(items))

    def sources(self) -> tuple[tuple[str, ...], str]:
        first, second = self.pick(("visits v", "people w"), ("people v", "visits w"), ("visits v", "visits w"))
        if self.random.random() < 0.4:
            return (first,), first
        how = self.pick("", "LEFT ", "RIGHT ", "SEMI ", "ANTI ", "LEFT ", "FULL ")
        shape = self.pick("table", "table", "flagged", "distinct", "constant", "counted")
        key, other = self.column(first), self.column(second)
        table = second.split()[0]
        on = f"{key} = {other}"
        match shape:
            case "flagged":
                joined, second = f"(SELECT {other.split('.')[1]} AS k, 1 AS flag FROM {table}) w", "flagged w"
            case "distinct":
                joined, second = f"(SELECT DISTINCT {other.split('.')[1]} AS k, 1 AS flag FROM {table}) w", "flagged w"
            case "constant":
                joined, second = f"(SELECT DISTINCT 3 AS k, 1 AS flag FROM {table}) w", "flagged w"
            case "counted":
                joined = f"(SELECT {other.split('.')[1]} AS k, COUNT(*) AS flag FROM {table} GROUP BY 1) w"
                second = "flagged w"
            case _:
                joined = second
        if shape != "table":
            on = f"{key} = w.k"
        if self.random.random() < 0.2:
            on += f" AND {self.condition((first if how == 'RIGHT ' else second,))}"
        seen = (first,) if how in ("SEMI ", "ANTI ") else (first, second)
        return seen, f"{first} {how}JOIN {joined} ON {on}"

    def column(self, *sources: str) -> str:
        table, alias = self.pick(*sources).split()
        if table == "flagged":
            return f"w.{self.pick('k', 'flag', 'flag')}"
        names = [
            n for n, kind in COLUMNS[f"{'alpha' if table == 'visits' else 'bravo'}/{table}"].items() if "int" in kind
        ]
        return f"{alias}.{self.pick(*names)}"

    def value(self, sources: tuple[str, ...]) -> str:
        a, b = self.column(*sources), self.column(*sources)
        return self.pick(
            a, a, a, a, f"{a} + {b}", f"{a} * {b}", f"COALESCE({a}, 0)", f"CASE WHEN {self.condition(sources)} THEN {b} ELSE 0 END",
            f"{a} IS NULL", f"FLOOR({a} / 2)", "1", f"GREATEST({a}, {b})", f"{a} // 2", self.window(a, sources),
        )  # fmt: skip

    def window(self, a: str, sources: tuple[str, ...]) -> str:
        by, order = self.column(*sources), self.column(*sources)
        call = self.pick(
            f"SUM({a})", f"COUNT({a})", "COUNT(*)", f"MAX({a})", "RANK()", "DENSE_RANK()", "PERCENT_RANK()", "CUME_DIST()",
            "NTILE(2)", f"FIRST_VALUE({a})", f"LAG({a}, 1, 0)", f"LEAD({a})",
        )  # fmt: skip
        over = self.pick(f"PARTITION BY {by} ORDER BY {order}", f"ORDER BY {order}", f"ORDER BY {order}, {by} DESC")
        is_total = call.split("(")[0] in ("SUM", "COUNT", "MAX")
        frame = self.pick("", " ROWS BETWEEN 1 PRECEDING AND CURRENT ROW") if is_total else ""
        return f"{call} OVER ({over}{frame})"

    def aggregate(self, sources: tuple[str, ...]) -> str:
        a, b = self.column(*sources), self.column(*sources)
        call = self.pick(
            f"COUNT_IF({self.condition(sources)})", f"BOOL_OR({self.condition(sources)})", f"ANY_VALUE({a})", f"MODE({a})",
            f"ARG_MAX({a}, {b})", f"ARG_MIN({a}, {b})", f"COVAR_POP({a}, {b})", f"REGR_COUNT({a}, {b})", f"CORR({a}, {b})",
            "COUNT(*)", f"COUNT({a})", f"SUM({a})", f"AVG({a})", f"MIN({a})", f"MAX({a})", f"COUNT(DISTINCT {a})",
            f"SUM(DISTINCT {a})", "MAX(1)", "COUNT(1)", f"SUM({self.value(sources)} * 1)", f"SUM({a}) * 1.0 / COUNT(*)",
        )  # fmt: skip
        if self.random.random() < 0.15 and "/" not in call:
            call += f" FILTER (WHERE {self.condition(sources)})"
        return call

    def condition(self, sources: tuple[str, ...]) -> str:
        a, b = self.column(*sources), self.column(*sources)
        return self.pick(
            f"{a} > 1",
            f"{a} = {b}",
            f"{a} IS NULL",
            f"{a} <> 2",
            f"NOT ({a} < {b} OR {a} = 3)",
            f"{a} % 2 = 1",
            "1 = 1",
        )

    def scalar(self, sources: tuple[str, ...]) -> str:
        table = self.pick("visits q", "people q")
        call, tie = self.aggregate((table,)), f"{self.column(table)} = {self.column(*sources)}"
        return self.pick(f"(SELECT {call} FROM {table} WHERE {tie})", f"(SELECT {call} FROM {table})")

    def where(self, sources: tuple[str, ...]) -> str:
        table, a, negated = self.pick("visits q", "people q"), self.column(*sources), self.pick("", "NOT ")
        inner, tie = self.column(table), f"{self.column(table)} = {self.column(*sources)}"
        rest = self.pick("", f" AND {self.condition((table,))}", f" AND {self.column(table)} < {self.column(*sources)}")
        alone = self.pick("", f" WHERE {self.condition((table,))}")
        asked = self.pick(
            self.condition(sources),
            f"{a} {negated}IN (SELECT {inner} FROM {table}{alone})",
            f"{negated}EXISTS (SELECT 1 FROM {table} WHERE {tie}{rest})",
            f"{negated}EXISTS (SELECT 1 FROM {table}{alone})",
            f"{a} < {self.scalar(sources)}",
            f"3 {negated}IN (SELECT {inner} FROM {table})",
            f"{a} > ALL (SELECT {inner} FROM {table}{alone})",
            f"{a} = ANY (SELECT {inner} FROM {table}{alone})",
            f"({self.condition(sources)} OR {a} {negated}IN (SELECT {inner} FROM {table}{alone}))",
            f"({negated}EXISTS (SELECT 1 FROM {table} WHERE {tie}) OR {self.condition(sources)})",
        )
        return self.pick("", f" WHERE {asked}", f" WHERE {self.condition(sources)} AND {asked}")


def rows_for(rng: random.Random, dataset: str, n_rows: int) -> Rows:
    def value(kind: str) -> object:
        if "not null" not in kind and rng.random() < 0.2:
            return None
        return rng.choice("ab") if kind.startswith("varchar") else rng.randint(0, 4)

    return [{n: value(kind) for n, kind in COLUMNS[dataset].items()} for _ in range(n_rows)]


def load(connection: duckdb.DuckDBPyConnection, data: Data) -> None:
    for dataset, rows in data.items():
        fields = scan(dataset, columns=COLUMNS.get(dataset, VISITS)).schema
        columns = [f"[{', '.join(literal(row[f.name]) for row in rows)}]::{duckdb_type(f.type)}[]" for f in fields]
        shown = ", ".join(f"unnest({c}) AS {f.name}" for c, f in zip(columns, fields, strict=True))
        connection.execute(f"CREATE OR REPLACE TABLE {view_name(dataset)} AS SELECT {shown}")


def literal(value: object) -> str:
    return "NULL" if value is None else repr(value)


def answer(connection: duckdb.DuckDBPyConnection, query: Collect, data: Data) -> list[str]:
    load(connection, data)
    found = [repr(row) for row in connection.sql(to_sql(query)).fetchall()]
    return found if isinstance(query.source, Sort | Limit) else sorted(found)


def alike_in(rng: random.Random, rows: Rows, value: str, statistic: str, structure: set[str], keep_n: bool) -> Rows:
    """Return other rows of which, in each class of rows that agree in `structure`, the value has the same statistic."""
    classes: dict[tuple[object, ...], list[object]] = {}
    for row in rows:
        classes.setdefault(tuple(row[n] for n in sorted(structure)), []).append(row[value])
    made: Rows = []
    times = rng.choice((1, 2)) if statistic == "mean" and not keep_n else 1
    for key, values in classes.items():
        for other in similar(rng, values, statistic, keep_n) * times:
            row = rows_for(rng, "alpha/visits", 1)[0]
            made.append({**row, **dict(zip(sorted(structure), key, strict=True)), value: other})
    return made


def similar(rng: random.Random, values: list[object], statistic: str, keep_n: bool) -> list[object]:
    known = [v for v in values if isinstance(v, int)]
    n_more = 0 if keep_n else rng.randint(0, 2)
    match statistic:
        case "sum" | "mean" if known:
            n_more = 0 if statistic == "mean" else n_more
            spread = [*known, *[0] * n_more]
            a, b = rng.randrange(len(spread)), rng.randrange(len(spread))
            spread[a] += 3
            spread[b] -= 3
            return [*spread, *[None] * (len(values) - len(known))]
        case "min" if known:
            return [min(known), *(min(known) + rng.randint(0, 3) for _ in values[1:]), *[min(known) + 1] * n_more]
        case "max" if known:
            return [max(known), *(max(known) - rng.randint(0, 3) for _ in values[1:]), *[max(known)] * n_more]
        case "count":
            return [None if v is None else rng.randint(0, 9) for v in values]
        case "group_key" | "count_distinct":  # by other names: `test_distinct_interference`
            return [*values, *(rng.choice(values) for _ in range(n_more))]
    return values


def hidden_in(sql: str) -> list[dict[str, frozenset[str]]]:
    """Return what may be kept from the recipient of a query: one column that it reads, or all of a dataset."""
    read = {d: [n for n in COLUMNS[d] if f'"{n}"' in sql] for d in COLUMNS if view_name(d) in sql}
    columns = [{d: frozenset({name})} for d, names in read.items() for name in names]
    return columns + [{d: frozenset(COLUMNS[d])} for d in read]


def changed(rng: random.Random, data: Data, hidden: dict[str, frozenset[str]]) -> Data:
    """The same data with other values in hidden columns, and other rows of a dataset that is hidden as a whole."""
    made = dict(data)
    for dataset, names in hidden.items():
        rows, is_whole = data[dataset], len(names) == len(COLUMNS[dataset])
        others = rows_for(rng, dataset, rng.choice((0, 1, 4, 9)) if is_whole else len(rows))
        made[dataset] = (
            others
            if is_whole
            else [{n: other[n] if n in names else row[n] for n in row} for row, other in zip(rows, others, strict=True)]
        )
    return made


def differ(connection: duckdb.DuckDBPyConnection, query: Collect, data: Data, other: Data) -> bool:
    return answer(connection, query, data) != answer(connection, query, other)


def accepts(compiled: Plan, visits: Grants, people: Grants) -> bool:
    policies = {"alpha/visits": policy("alpha/visits", visits), "bravo/people": policy("bravo/people", people)}
    return verify(compiled, policies, Request("research")).decision == "accept"


def plans(seed: int) -> Iterator[tuple[str, Plan]]:
    queries = Queries(seed)
    for _ in range(N_QUERIES):
        sql = queries.query()
        with contextlib.suppress(QueryProblem):
            yield sql, plan(sql)


@pytest.mark.deep
def test_no_accepted_answer_depends_on_what_is_not_granted_at_all() -> None:
    rng = random.Random(1)
    with duckdb.connect() as connection:
        for sql, compiled in plans(1):
            for hidden in hidden_in(to_sql(compiled.query)):
                visits, people = (
                    {name: ["open"] for name in names if name not in hidden.get(dataset, ())}
                    for dataset, names in COLUMNS.items()
                )
                for _ in range(4 if accepts(compiled, visits, people) else 0):
                    data = {dataset: rows_for(rng, dataset, 5) for dataset in COLUMNS}
                    assert not differ(connection, compiled.query, data, changed(rng, data, hidden)), (sql, hidden)


@pytest.mark.deep
def test_an_accepted_answer_tells_of_a_column_what_is_granted_and_no_more() -> None:
    """One column may be told of by one statistic, the others may decide: the same statistics give the same answer."""
    rng, n_accepted = random.Random(2), 0
    people = {name: ["open"] for name in COLUMNS["bravo/people"]}
    with duckdb.connect() as connection:
        for sql, compiled in plans(2):
            read = [name for name in ("id", "ssn", "pay", "age") if f'"{name}"' in to_sql(compiled.query)]
            for value, statistic in itertools.product(read, STATISTICS):
                structure = {name for name in read if name != value}
                visits = {name: [*STRUCTURE, "join_payload"] for name in structure}
                if not accepts(compiled, {**visits, value: [statistic, "join_payload"]}, people):
                    continue
                n_accepted += 1
                for _ in range(4):
                    data = {dataset: rows_for(rng, dataset, 5) for dataset in COLUMNS}
                    rows = alike_in(rng, data["alpha/visits"], value, statistic, structure, keep_n=bool(structure))
                    other = {**data, "alpha/visits": rows}
                    assert not differ(connection, compiled.query, data, other), (sql, value, statistic)
    assert n_accepted >= LEAST_ACCEPTED
