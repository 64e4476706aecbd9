"""Random tables and random queries over them, of all that the language has; by seed, so that each can be made again.

What depends on the last bits of a double is not asked for: MPC's doubles are fixed point, so quotients and means are put
out but never compared, grouped by or ordered by.
"""

import datetime
import decimal
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

# Columns and their kinds, by table. `f` is cut into three, one of which may be empty; `p` has a key of one column, `q`
# one of two, `m` none.
TABLES = {
    "f": {
        "id": "int", "k": "text", "g": "int", "v": "int", "w": "int", "d": "decimal", "x": "double", "b": "bool",
        "dt": "date", "s": "text",
    },
    "p": {"g": "int", "label": "text", "rate": "decimal", "since": "date"},
    "m": {"g": "int", "n": "int", "k": "text"},
    "q": {"v": "int", "g": "int", "c": "int"},
}  # fmt: skip
OWNERS = {"f": ("alpha", "bravo", "carol"), "p": ("bravo",), "m": ("carol", "alpha"), "q": ("carol",)}
_TYPES = {
    "int": "INTEGER", "text": "VARCHAR", "decimal": "DECIMAL(7,2)", "double": "DOUBLE", "bool": "BOOLEAN", "date": "DATE",
}  # fmt: skip
_EXACT = ("int", "text", "decimal", "bool", "date")
_WORDS = ("", "a", "B", "bb", "abc", "Zoe")
_LONG = ("a rather long text", "another text", "a rather long one")


def make_files(seed: int, folder: Path) -> list[str]:
    """Write the tables' parts as Parquet; return them as `ccd try` takes them."""
    rng, options = random.Random(seed), []
    with duckdb.connect() as connection:
        for table, columns in TABLES.items():
            rows = list(_rows(table, rng))
            rng.shuffle(rows)
            owners = OWNERS[table]
            cuts = sorted(rng.choice((0, rng.randint(0, len(rows)))) for _ in owners[1:])
            parts = []
            for n, (start, end) in enumerate(zip([0, *cuts], [*cuts, len(rows)], strict=True)):
                name = f"{table}{n}"
                connection.execute(f"CREATE TABLE {name} ({', '.join(f'{c} {_TYPES[k]}' for c, k in columns.items())})")
                marks = ", ".join("?" * len(columns))
                for row in rows[start:end]:
                    connection.execute(f"INSERT INTO {name} VALUES ({marks})", row)
                connection.execute(f"COPY {name} TO '{folder}/{name}.parquet'")
                parts.append(f"{owners[n]}:{folder}/{name}.parquet")
            options.append(f"{table}={','.join(parts)}")
    return options


def _rows(table: str, rng: random.Random) -> list[tuple[object, ...]]:
    n_rows = rng.choice((0, 1, 3, 12, 25))
    match table:
        case "p":
            keys = rng.sample(range(-3, 6), min(n_rows, 7))
            return [(g, *(_value(kind, rng) for kind in ("text", "decimal", "date"))) for g in keys]
        case "q":
            pairs = rng.sample([(v, g) for v in range(-4, 5) for g in range(-3, 6)], n_rows)
            return [(v, g, _value("int", rng)) for v, g in pairs]
        case "f":
            n_rows = rng.choice((2, 9, 20, 30))
            kinds = [*TABLES["f"].values()][1:-1]
            return [(n * 3, *(_value(kind, rng) for kind in kinds), rng.choice(_LONG)) for n in range(n_rows)]
    return [tuple(_value(kind, rng) for kind in TABLES[table].values()) for _ in range(n_rows)]


def _value(kind: str, rng: random.Random) -> object:
    if rng.random() < 0.15:
        return None
    match kind:
        case "int":
            return rng.choice((rng.randint(-4, 5), rng.randint(-4, 5), rng.randint(-900, 900)))
        case "text":
            return rng.choice(_WORDS)
        case "decimal":
            return decimal.Decimal(rng.choice((rng.randint(-300, 300), rng.randint(-9999, 9999)))) / 100
        case "double":
            return rng.randint(-160, 160) / 8
        case "bool":
            return rng.random() < 0.5
    return datetime.date(2020, 1, 1) + datetime.timedelta(rng.choice((0, 30, 31, 59, rng.randint(0, 800))))


@dataclass(frozen=True)
class Value:
    """An expression, its kind, and whether it is the same to the last bit everywhere."""

    sql: str
    kind: str
    is_exact: bool = True


@dataclass(frozen=True)
class Source:
    """What a FROM offers."""

    sql: str
    columns: tuple[Value, ...]
    key: str = ""  # a column that tells all rows apart


class Queries:
    """Makes queries, one after the other."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.n_aliases = 0

    def query(self) -> str:
        """Return a query; in the order that it asks for, no two rows can change places unnoticed."""
        sql, items = self.pick(self.select, self.select, self.select, self.combined)(self.rng.choice((0, 0, 1)))
        if all(item.is_exact for item in items) and self.chance(0.3):
            order = ", ".join(f"{n + 1}{self.rng.choice(('', ' DESC', ' NULLS FIRST'))}" for n in range(len(items)))
            limit = f" LIMIT {self.rng.randint(0, 8)}" if self.chance(0.6) else ""
            limit += f" OFFSET {self.rng.randint(0, 4)}" if self.chance(0.3) else ""
            if self.chance(0.3):
                sql = f"WITH z AS ({sql}) SELECT * FROM z ORDER BY {order}{limit}"
            else:
                sql = f"SELECT * FROM ({sql}) AS z ORDER BY {order}{limit}"
        return sql

    def pick(self, *choices: Callable[[int], tuple[str, list[Value]]]) -> Callable[[int], tuple[str, list[Value]]]:
        return self.rng.choice(choices)

    def chance(self, p: float) -> bool:
        return self.rng.random() < p

    def alias(self) -> str:
        self.n_aliases += 1
        return f"t{self.n_aliases}"

    # What queries are made of.

    def combined(self, depth: int) -> tuple[str, list[Value]]:
        kinds = [self.rng.choice(_EXACT) for _ in range(self.rng.randint(1, 2))]
        word = self.rng.choice(("UNION", "UNION ALL", "EXCEPT", "INTERSECT"))
        sides = []
        for _ in range(2):
            source = self.source(depth)
            values = [self.of_kind(source, kind) for kind in kinds]
            shown = ", ".join(f"{value.sql} AS c{n}" for n, value in enumerate(values))
            sides.append(f"SELECT {shown} FROM {source.sql}{self.where(source)}")
        return f" {word} ".join(sides), [Value(f"c{n}", kind) for n, kind in enumerate(kinds)]

    def select(self, depth: int) -> tuple[str, list[Value]]:
        source = self.source(depth)
        return self.grouped(source) if self.chance(0.5) else self.plain(source)

    def plain(self, source: Source) -> tuple[str, list[Value]]:
        items = [self.value(source) for _ in range(self.rng.randint(1, 3))]
        asked = self.looked_up(source) if self.chance(0.12) else None
        items += [asked] if asked is not None else []
        windows = [self.window(source) for _ in range(self.rng.choice((0, 0, 1, 2)))]
        qualify, distinct = "", "DISTINCT " if self.chance(0.15) and all(v.is_exact for v in items) else ""
        if windows and not distinct and self.chance(0.3):
            qualify = f" QUALIFY {self.window(source, only='number').sql} <= {self.rng.randint(0, 3)}"
        shown = items if distinct else [*items, *windows]
        return self.said(distinct, shown, source, self.where(source), qualify)

    def grouped(self, source: Source) -> tuple[str, list[Value]]:
        keys = [self.value(source, exact=True) for _ in range(self.rng.choice((0, 1, 1, 2)))]
        calls = [self.aggregate(source) for _ in range(self.rng.randint(1, 3))]
        by = ", ".join(str(n + 1) for n in range(len(keys)))
        sets = self.rng.choice(("ROLLUP ({})", "CUBE ({})", "GROUPING SETS (({}), ())")) if self.chance(0.12) else "{}"
        group = f" GROUP BY {sets.format(by)}" if keys else ""
        if keys and sets != "{}" and self.chance(0.5):
            calls.append(Value(f"GROUPING({', '.join(key.sql for key in keys)})", "int"))
        exact = [call for call in calls if call.is_exact and call.kind in ("int", "decimal")]
        having = ""
        if exact and self.chance(0.3):
            asked = self.rng.choice(exact)
            called = f"c{len(keys) + calls.index(asked)}" if self.chance(0.4) else asked.sql
            having = f" HAVING {called} {self.operator()} 2"
        ranks = []
        if exact and keys and sets == "{}" and self.chance(0.25):
            by = self.rng.choice(exact).sql
            over = self.rng.choice(
                (f"RANK() OVER (ORDER BY {by} DESC)", f"SUM({by}) OVER ()", f"COUNT(*) OVER (ORDER BY {by})")
            )
            ranks.append(Value(over, "int"))
        return self.said("", [*keys, *calls, *ranks], source, self.where(source), group + having)

    def said(self, distinct: str, items: list[Value], source: Source, where: str, rest: str) -> tuple[str, list[Value]]:
        shown = ", ".join(f"{item.sql} AS c{n}" for n, item in enumerate(items))
        named = [replace(item, sql=f"c{n}") for n, item in enumerate(items)]
        return f"SELECT {distinct}{shown} FROM {source.sql}{where}{rest}", named

    def source(self, depth: int) -> Source:
        first = self.table(depth)
        if self.chance(0.5):
            return first
        if self.chance(0.15) and depth == 0:
            return self.with_pairs()
        second = self.table(0)
        mine, yours = (self.joinable(source) for source in (first, second))
        if mine is None or yours is None:
            return first
        how = self.rng.choice(("", "", "LEFT ", "LEFT ", "RIGHT ", "FULL ", "SEMI ", "ANTI "))
        on = f"{mine.sql} = {yours.sql}"
        if how == "" and self.chance(0.3):
            on += f" AND {self.condition(replace(first, columns=first.columns + second.columns))}"
        elif how in ("LEFT ", "SEMI ", "ANTI ") and self.chance(0.3):
            on += f" AND {self.condition(second)}"
        columns = first.columns if how in ("SEMI ", "ANTI ") else first.columns + second.columns
        key = first.key if how in ("SEMI ", "ANTI ") else ""
        both = Source(f"{first.sql} {how}JOIN {second.sql} ON {on}", columns, key)
        return self.joined_to_one_more(both) if how in ("", "LEFT ") and self.chance(0.25) else both

    def joined_to_one_more(self, source: Source) -> Source:
        third, mine = self.table(0), self.joinable(source)
        yours = self.joinable(third)
        if mine is None or yours is None:
            return source
        how = self.rng.choice(("", "LEFT ", "SEMI ", "ANTI "))
        columns = source.columns if how in ("SEMI ", "ANTI ") else source.columns + third.columns
        return Source(f"{source.sql} {how}JOIN {third.sql} ON {mine.sql} = {yours.sql}", columns)

    def with_pairs(self) -> Source:
        a, b = self.alias(), self.alias()
        how = self.rng.choice(("", "LEFT "))
        return Source(
            f"f {a} {how}JOIN q {b} ON {a}.v = {b}.v AND {a}.g = {b}.g",
            (*_columns("f", a), *_columns("q", b)),
            f"{a}.id",
        )

    def table(self, depth: int) -> Source:
        alias = self.alias()
        if depth > 0:
            sql, items = self.select(depth - 1)
            return Source(f"({sql}) {alias}", tuple(replace(item, sql=f"{alias}.{item.sql}") for item in items))
        name = self.rng.choice(("f", "f", "f", *TABLES))
        return Source(f"{name} {alias}", _columns(name, alias), {"f": f"{alias}.id", "p": f"{alias}.g"}.get(name, ""))

    def joinable(self, source: Source) -> Value | None:
        found = [c for c in source.columns if c.kind == "int" and c.is_exact]
        return self.rng.choice(found) if found else None

    # Expressions.

    def of_kind(self, source: Source, kind: str) -> Value:
        """Return a value of the kind that can be compared."""
        found = [column for column in source.columns if column.kind == kind and column.is_exact]
        if not found:
            return Value(_constant(kind, self.rng), kind)
        column = self.rng.choice(found)
        if not self.chance(0.5):
            return column
        a, b = column.sql, self.rng.choice(found).sql
        shapes = {
            "int": (
                "{a} + {b}", "{a} - {b} * 2", "{a} // 3", "{a} % 4", "{a} // {b}", "{a} % {b}", "GREATEST({a}, {b}, 0)",
                "LEAST({a}, {b})", "COALESCE({a}, {b}, 7)", "NULLIF({a}, {b})", "ABS({a})", "-{a}", "MOD({a}, -3)",
                "CASE WHEN {c} THEN {a} WHEN {b} > 0 THEN {b} END", "{a} & 6", "{a} | ({b})", "XOR({a}, 5)", "IF({c}, {a}, 0)",
                "CAST(GREATEST(LEAST({a}, 9), -9) ** 3 AS BIGINT)", "CASE {a} WHEN 1 THEN {b} WHEN 2 THEN 0 ELSE {a} END", "SIGN({a})",
            ),
            "decimal": ("{a} + {b}", "{a} - 1.50", "ROUND({a}, 1) + 0.00", "FLOOR({a}) + 0.00", "CEIL({a}) + 0.00", "TRUNC({a}) + 0.00", "ABS({a})",  "GREATEST({a}, {b})", "-{a}", "COALESCE({a}, 0.25)", "CASE WHEN {c} THEN {a} ELSE {b} END"),
            "text": ("COALESCE({a}, 'none')", "CASE WHEN {c} THEN {a} ELSE 'zz' END", "LEFT({a}, 1)", "RIGHT({a}, 2)"),
            "bool": ("NOT {a}", "{a} AND {c}", "{a} OR {b}", "{c}", "{a} IS NOT DISTINCT FROM {b}"),
            "date": (
                "{a} + 3", "CAST({a} - INTERVAL 2 WEEK AS DATE)", "CAST(DATE_TRUNC('month', {a}) AS DATE)", "LEAST({a}, {b})", "COALESCE({a}, DATE '2021-02-03')", "LAST_DAY({a})",
            ),
        }[kind]  # fmt: skip
        condition = self.comparison(source)
        return Value(f"({self.rng.choice(shapes).format(a=a, b=b, c=condition)})", kind)

    def looked_up(self, source: Source) -> Value | None:
        """Return a question that each row asks of another table."""
        key, alias, table = self.joinable(source), self.alias(), self.rng.choice(("m", "p", "q"))
        if key is None:
            return None
        inner = Source(f"{table} {alias}", _columns(table, alias))
        own, of = self.joinable(inner), self.of_kind(inner, "int")
        assert own is not None
        call = self.rng.choice((f"MAX({of.sql})", f"COUNT({of.sql})", f"SUM({of.sql})", "COUNT(*)"))
        tied = f" WHERE {own.sql} = {key.sql}" if self.chance(0.7) else ""
        if self.chance(0.3):
            by = f"{self.rng.choice(inner.columns).sql}{self.rng.choice(('', ' DESC', ' NULLS FIRST'))}"
            return Value(f"(SELECT {of.sql} FROM {inner.sql}{tied} ORDER BY {by}, {of.sql} + 0 LIMIT 1)", "int")
        return Value(f"(SELECT {call} FROM {inner.sql}{tied})", "int")

    def value(self, source: Source, exact: bool = False) -> Value:
        if exact or self.chance(0.7):
            return self.of_kind(source, self.rng.choice(_EXACT))
        a, b = self.number(source).sql, self.of_kind(source, "int").sql
        shape = self.rng.choice(("{a} / {b}", "{a} / 7", "{a} * 0.5e0", "SQRT(ABS({a}))", "CAST({a} AS DOUBLE) - {b}"))
        return Value(f"({shape.format(a=a, b=b)})", "double", is_exact=False)

    def number(self, source: Source) -> Value:
        found = [c for c in source.columns if c.kind in ("int", "decimal", "double")]
        return self.rng.choice(found) if found else Value("5", "int")

    def raw_double(self, source: Source) -> Value:
        """Return a column of doubles as they came in: eighths, which fixed point holds."""
        found = [c for c in source.columns if c.kind == "double" and c.is_exact]
        return self.rng.choice(found) if found else self.of_kind(source, "int")

    def aggregate(self, source: Source) -> Value:
        call = self.rng.choice(
            ("COUNT", "SUM", "SUM", "AVG", "MIN", "MAX", "COUNT(DISTINCT", "SPREAD", "QUANTILE", "CONDITION", "PAIR")
        )
        match call:
            case "COUNT":
                return Value(self.rng.choice(("COUNT(*)", f"COUNT({self.value(source, exact=True).sql})")), "int")
            case "COUNT(DISTINCT":
                return Value(f"COUNT(DISTINCT {self.of_kind(source, self.rng.choice(_EXACT)).sql})", "int")
            case "MIN" | "MAX":
                of = self.of_kind(source, self.rng.choice(("int", "decimal", "date")))
                return Value(f"{call}({of.sql}){self.filtered(source)}", of.kind)
            case "SPREAD":
                of = self.rng.choice(
                    (self.of_kind(source, "int"), self.of_kind(source, "decimal"), self.raw_double(source))
                )
                name = self.rng.choice(("VAR_SAMP", "VAR_POP", "STDDEV", "STDDEV_POP"))
                return Value(f"{name}({of.sql})", "double", is_exact=False)
            case "CONDITION":
                name = self.rng.choice(("COUNT_IF", "BOOL_OR", "BOOL_AND"))
                return Value(
                    f"{name}({self.comparison(source)}){self.filtered(source)}", "int" if name == "COUNT_IF" else "bool"
                )
            case "PICK" if source.key:
                of = self.of_kind(source, self.rng.choice(("int", "decimal", "date")))
                if self.chance(0.4):
                    by = f"{self.rng.choice(source.columns).sql}{self.rng.choice(('', ' DESC', ' NULLS FIRST'))}"
                    return Value(f"FIRST({of.sql} ORDER BY {by}, {source.key}){self.filtered(source)}", of.kind)
                return Value(
                    f"{self.rng.choice(('ARG_MAX', 'ARG_MIN'))}({of.sql}, {source.key}){self.filtered(source)}", of.kind
                )
            case "PICK" if self.chance(0.5):
                of = self.of_kind(source, self.rng.choice(("int", "text", "bool", "date")))
                return Value(f"MODE({of.sql}){self.filtered(source)}", "mode", is_exact=False)
            case "PICK":
                return Value(f"SUM({self.of_kind(source, 'bool').sql})", "int")
            case "PAIR":
                one, other = self.of_kind(source, "int"), self.of_kind(source, self.rng.choice(("int", "decimal")))
                name = self.rng.choice(
                    ("COVAR_POP", "COVAR_SAMP", "REGR_AVGX", "REGR_COUNT", "CORR", "REGR_SLOPE", "REGR_R2")
                )
                return Value(f"{name}({one.sql}, {other.sql})", "double", is_exact=False)
            case "QUANTILE":
                of = self.rng.choice(
                    (self.of_kind(source, "int"), self.of_kind(source, "date"), self.raw_double(source))
                )
                p = self.rng.choice((0, 0.1, 0.5, 0.8, 1))
                if of.kind == "date" or self.chance(0.5):
                    return Value(f"QUANTILE_DISC({of.sql}, {p})", of.kind)
                return Value(f"QUANTILE_CONT({of.sql}, {p})", "double", is_exact=False)
        of = self.of_kind(source, self.rng.choice(("int", "decimal")))
        is_sum = call == "SUM"
        return Value(f"{call}({of.sql}){self.filtered(source)}", of.kind if is_sum else "double", is_exact=is_sum)

    def filtered(self, source: Source) -> str:
        return f" FILTER (WHERE {self.comparison(source)})" if self.chance(0.2) else ""

    def window(self, source: Source, only: str = "") -> Value:
        by = f"PARTITION BY {self.value(source, exact=True).sql} " if self.chance(0.6) else ""
        order = self.of_kind(source, self.rng.choice(("int", "date", "decimal"))).sql
        how = self.rng.choice(("", " DESC", " DESC NULLS FIRST"))
        ties = f"ORDER BY {order}{how}"
        whole = f"{ties}, {source.key}" if source.key else ""
        of = self.of_kind(source, self.rng.choice(("int", "decimal")))
        total = self.rng.choice((f"SUM({of.sql})", f"MIN({of.sql})", f"MAX({of.sql})"))
        if only or self.chance(0.3):
            call = self.rng.choice(("RANK()", "DENSE_RANK()", "COUNT(*)"))
            if whole and self.chance(0.5):
                call, ties = "ROW_NUMBER()", whole
            return Value(f"{call} OVER ({by}{ties})", "int")
        if whole and self.chance(0.35):
            return self.at_rows(of, by, whole)
        if whole and self.chance(0.4):
            moved = f"{self.rng.choice(('LAG', 'LEAD'))}({of.sql}, {self.rng.choice((1, 2, 5))})"
            call = self.rng.choice((moved, moved, total))
            return Value(f"{call} OVER ({by}{whole}{'' if call == moved else ' ROWS UNBOUNDED PRECEDING'})", of.kind)
        if self.chance(0.3):
            return Value(f"AVG({of.sql}) OVER ({by}{ties})", "double", is_exact=False)
        return Value(f"{total} OVER ({self.rng.choice((by, by + ties))})", of.kind)

    def at_rows(self, of: Value, by: str, order: str) -> Value:
        """Return a window function that is short for others, in an order that tells all rows apart."""
        before, after = self.rng.randint(0, 3), self.rng.randint(0, 2)
        every = "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING"
        moving = f"ROWS BETWEEN {before} PRECEDING AND {after} FOLLOWING"
        call, kind, frame = self.rng.choice(
            (
                (f"NTILE({self.rng.choice((1, 2, 3, 7))})", "int", ""),
                ("PERCENT_RANK()", "double", ""),
                ("CUME_DIST()", "double", ""),
                (f"{self.rng.choice(('LAG', 'LEAD'))}({of.sql}, {self.rng.randint(0, 3)}, 7)", of.kind, ""),
                (f"FIRST_VALUE({of.sql})", of.kind, ""),
                (f"LAST_VALUE({of.sql})", of.kind, every),
                (f"NTH_VALUE({of.sql}, {self.rng.randint(1, 3)})", of.kind, self.rng.choice(("", every))),
                (f"{self.rng.choice(('SUM', 'MIN', 'MAX'))}({of.sql})", of.kind, moving),
                (f"COUNT({self.rng.choice((of.sql, '*'))})", "int", moving),
                (f"AVG({of.sql})", "double", moving),
                (f"SUM({of.sql})", of.kind, "ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING"),
            )
        )
        return Value(f"{call} OVER ({by}{order} {frame})", kind, is_exact=kind != "double")

    # Conditions.

    def operator(self) -> str:
        return self.rng.choice(("=", "<>", "<", "<=", ">", ">="))

    def comparison(self, source: Source) -> str:
        columns = [c for c in source.columns if c.is_exact or c.kind != "double"]
        if not columns:
            return "1 = 1"
        column = self.rng.choice(columns)
        other = self.rng.choice([c for c in columns if c.kind == column.kind])
        constant = _constant(column.kind, self.rng)
        shapes = [f"{column.sql} {self.operator()} {constant}", f"{column.sql} IS NULL", f"{column.sql} = {other.sql}"]
        pair = f"({column.sql}, {columns[0].sql})"
        shapes.append(f"{pair} {self.rng.choice(('=', '<>'))} ({other.sql}, {columns[0].sql})")
        if column.kind in ("int", "decimal", "date"):
            shapes += [
                f"{pair} {self.operator()} ({constant}, {columns[0].sql})",
                f"{pair} IN (({constant}, {columns[0].sql}), (NULL, {columns[0].sql}))",
                f"{column.sql} {self.operator()} {other.sql}",
                f"{column.sql} BETWEEN {constant} AND {other.sql}",
            ]
        if column.kind == "text":
            shapes += [f"STARTS_WITH({column.sql}, 'b')", f"CONTAINS({column.sql}, 'b')", f"SUFFIX({column.sql}, 'b_')"]
            shapes += [f"{column.sql} ILIKE 'a%'", f"{column.sql} IN ({constant}, 'B')", f"{column.sql} LIKE '%b%'"]
            # Of what is of several owners MPC tests these; where it may be, theirs alone stay with the owners.
            both = f"COALESCE({column.sql}, {other.sql})"
            shapes += [f"{both} LIKE 'b%'", f"{both} NOT LIKE {constant}", f"{column.sql} LIKE 'a%'"]
            shapes[0] = f"{column.sql} <> {constant}"
        return self.rng.choice(shapes)

    def condition(self, source: Source) -> str:
        a, b = self.comparison(source), self.comparison(source)
        return self.rng.choice((a, a, f"NOT ({a})", f"({a} OR {b})", f"({a} AND NOT {b})", f"({a}) IS TRUE"))

    def where(self, source: Source) -> str:
        if self.chance(0.4):
            return ""
        asked, key = self.condition(source), self.joinable(source)
        if key is None or self.chance(0.5):
            return f" WHERE {asked}"
        alias, table = self.alias(), self.rng.choice(("m", "p", "f", "q"))
        inner = Source(f"{table} {alias}", _columns(table, alias))
        own, negated = self.joinable(inner), self.rng.choice(("", "NOT "))
        assert own is not None
        question = self.rng.choice(
            (
                f"{key.sql} {negated}IN (SELECT {own.sql} FROM {inner.sql} WHERE {self.condition(inner)})",
                f"{negated}EXISTS (SELECT 1 FROM {inner.sql} WHERE {own.sql} = {key.sql} AND {self.condition(inner)})",
                f"{key.sql} {self.operator()} (SELECT MAX({own.sql}) FROM {inner.sql})",
                f"{key.sql} {self.operator()} {self.rng.choice(('ANY', 'ALL'))} (SELECT {own.sql} FROM {inner.sql})",
                f"{key.sql} {self.operator()} (SELECT COUNT(*) FROM {inner.sql} WHERE {own.sql} = {key.sql})",
            )
        )
        return f" WHERE {self.rng.choice((question, f'{asked} AND {question}', f'({asked} OR {question})'))}"


def _columns(table: str, alias: str) -> tuple[Value, ...]:
    return tuple(Value(f"{alias}.{name}", kind) for name, kind in TABLES[table].items())


def _constant(kind: str, rng: random.Random) -> str:
    match kind:
        case "int":
            return str(rng.randint(-3, 5))
        case "decimal":
            return rng.choice(
                ("1.25", "-0.50", "2.00", "17.50")
            )  # DuckDB rounds others to the digits of sums beside them
        case "text":
            return rng.choice(("'a'", "'B'", "'abc'", "''"))
        case "bool":
            return rng.choice(("TRUE", "FALSE"))
        case "date":
            return rng.choice(("DATE '2020-03-01'", "DATE '2021-01-31' - INTERVAL 1 MONTH"))
    return "0.5e0"
