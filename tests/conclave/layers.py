"""Random queries whose parts stand on one another: joins on groups, groups on windows, limits on joins; by seed.

Keys come several times, also on both sides of joins; texts are empty, of several bytes a letter, and up to 64 bytes long.
`tests.conclave.queries` makes all kinds of expressions; here it is about what rows are like on the way.
"""

import decimal
import random
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

TABLES = {
    "l": {"id": "int", "k": "int", "g": "int", "x": "int", "d": "decimal", "f": "double", "s": "short", "t": "long"},
    "r": {"j": "int", "h": "int", "y": "int", "e": "decimal", "u": "short", "w": "long"},
    "p": {"pk": "int", "pg": "int", "pn": "short", "pt": "long", "pd": "int"},
    "q": {"qj": "int", "qh": "int", "qy": "int"},
}
OWNERS = {"l": ("alpha", "bravo"), "r": ("carol", "alpha"), "p": ("bravo", "carol"), "q": ("carol",)}
KEYS = {"l": "id", "p": "pk"}
_TYPES = {"int": "INTEGER", "decimal": "DECIMAL(7,2)", "double": "DOUBLE", "short": "VARCHAR", "long": "VARCHAR"}
_SHORT = ("ABCDEFG", "", "a", "ab", "é", "ü1", "b")  # the first is as long as a word holds
_LONG = ("x" * 64, "", "a rather long text", "a rather long one", "ééééééééé", "a rather", "éé", "日本語のテキスト")
_LIKE_LONG = (
    "a rather%", "é%", "éééé%", "a rather long text", "", "%", "x" * 64, "x" * 63 + "%", "x" * 64 + "%", "日本語のテ%",
)  # fmt: skip
_LIKE_SHORT = ("a%", "%", "é%", "ABCD%", "ABCDEFG%", "", "ab")
_NUMBERS = ("int", "decimal")


def make_files(seed: int, folder: Path) -> list[str]:
    """Write the tables' parts as Parquet; return them as `ccd try` takes them."""
    rng, options = random.Random(seed), []
    with duckdb.connect() as connection:
        for table, columns in TABLES.items():
            rows = _rows(table, rng)
            cut = rng.randint(0, len(rows)) if len(OWNERS[table]) > 1 else len(rows)
            parts = []
            for n, (owner, part) in enumerate(zip(OWNERS[table], (rows[:cut], rows[cut:]), strict=False)):
                name = f"{table}{n}"
                connection.execute(f"CREATE TABLE {name} ({', '.join(f'{c} {_TYPES[k]}' for c, k in columns.items())})")
                for row in part:
                    connection.execute(f"INSERT INTO {name} VALUES ({', '.join('?' * len(row))})", row)
                connection.execute(f"COPY {name} TO '{folder}/{name}.parquet'")
                parts.append(f"{owner}:{folder}/{name}.parquet")
            options.append(f"{table}={','.join(parts)}")
    return options


def _rows(table: str, rng: random.Random) -> list[list[object]]:
    columns = TABLES[table]
    nulls = {name: rng.choice((0, 0.25)) for name in columns}
    rows = [
        [_value(kind, rng, nulls[name]) for name, kind in columns.items()] for _ in range(rng.choice((1, 3, 7, 10)))
    ]
    keys = rng.sample(range(-2, 9), len(rows))
    for row, key in zip(rows, keys, strict=True):
        row[0] = key if table in KEYS else row[0]
    # Texts are declared as long as the longest.
    rows[0] = [
        _SHORT[0] if k == "short" else _LONG[0] if k == "long" else v
        for k, v in zip(columns.values(), rows[0], strict=True)
    ]
    rng.shuffle(rows)
    return rows


def _value(kind: str, rng: random.Random, nulls: float) -> object:
    if rng.random() < nulls:
        return None
    match kind:
        case "int":
            return rng.choice((rng.randint(0, 2), rng.randint(-2, 4), rng.randint(-50, 50)))
        case "decimal":
            return decimal.Decimal(rng.choice((0, 25, -25, rng.randint(-500, 500)))) / 100
        case "double":
            return rng.choice((0.0, -0.0, 0.5, rng.randint(-16, 16) / 8))
    return rng.choice(_SHORT if kind == "short" else _LONG)


@dataclass(frozen=True)
class Column:
    """A column of a layer, and whether it is the same to the last bit everywhere."""

    name: str
    kind: str
    is_exact: bool = True


@dataclass(frozen=True)
class Layer:
    """A query, its columns, and which of them tell its rows apart."""

    sql: str
    columns: tuple[Column, ...]
    keys: tuple[frozenset[str], ...] = ()

    def of(self, *kinds: str) -> list[Column]:
        """Return the columns of some kinds, or all, that can be compared."""
        return [c for c in self.columns if c.is_exact and (not kinds or c.kind in kinds)]


class Layers:
    """Makes queries, one after the other."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.n_names = 0
        self.used: set[str] = set()

    def query(self) -> str:
        """Return a query, and note which tables it reads."""
        self.used = set()
        layer = self.layer(self.rng.choice((2, 3, 3, 4)))
        for _ in range(self.rng.choice((0, 1, 2))):
            layer = self.rng.choice((self.grouped, self.grouped, self.windowed, self.limited))(layer)
        return layer.sql

    def layer(self, depth: int) -> Layer:
        """Return some layers on top of one another."""
        if depth == 0:
            return self.table()
        source = self.layer(depth - 1)
        match self.rng.choice(("join",) * 4 + ("group",) * 3 + ("window", "window", "limit", "filter", "union")):
            case "join":
                return self.joined(source, self.layer(self.rng.choice((0, 0, 0, depth - 1))))
            case "group":
                return self.grouped(source)
            case "window":
                return self.windowed(source)
            case "limit":
                return self.limited(source)
            case "union":
                return self.united(source, self.table())
        return self.filtered(source)

    def chance(self, p: float) -> bool:
        return self.rng.random() < p

    def fresh(self) -> str:
        self.n_names += 1
        return f"c{self.n_names}"

    def within(self, layer: Layer) -> str:
        return f"({layer.sql}) {self.fresh()}"

    def some(self, columns: list[Column], *counts: int) -> list[Column]:
        return self.rng.sample(columns, min(len(columns), self.rng.choice(counts)))

    def table(self) -> Layer:
        table = self.rng.choice(("l", "l", "r", "r", "p", "q"))
        self.used.add(table)
        names = {column: self.fresh() for column in TABLES[table]}
        shown = ", ".join(f"{column} AS {name}" for column, name in names.items())
        keys = (frozenset({names[KEYS[table]]}),) if table in KEYS else ()
        return Layer(f"SELECT {shown} FROM {table}", tuple(Column(names[c], k) for c, k in TABLES[table].items()), keys)

    def condition(self, layer: Layer) -> str:
        found = ["TRUE"]
        if numbers := layer.of("int", "decimal"):
            a, b = self.rng.choice(numbers).name, self.rng.choice(numbers).name
            sign = self.rng.choice(("<", ">", "=", "<>", "<=", ">="))
            found = [f"{a} {sign} {self.rng.choice((b, '0', '1'))}", f"{a} IS {self.rng.choice(('', 'NOT '))}NULL"]
        for kind, patterns in (("short", _LIKE_SHORT), ("long", _LIKE_LONG)):
            if texts := layer.of(kind):
                a, b = self.rng.choice(texts).name, self.rng.choice(texts).name
                of = self.rng.choice((a, f"COALESCE({a}, {b})", f"CASE WHEN {found[0]} THEN {a} ELSE {b} END"))
                word = self.rng.choice(("LIKE", "NOT LIKE"))
                found += [f"{of} {word} '{self.rng.choice(patterns)}'", f"{a} = {b}"]
        chosen = [self.rng.choice(found) for _ in range(self.rng.choice((1, 1, 2)))]
        return f"({self.rng.choice((' AND ', ' OR ')).join(chosen)})"

    def filtered(self, layer: Layer) -> Layer:
        return replace(layer, sql=f"SELECT * FROM {self.within(layer)} WHERE {self.condition(layer)}")

    def joined(self, a: Layer, b: Layer) -> Layer:
        kinds = ("int", "int", "int", "short", "long")
        pairs = [(x, y) for kind in kinds for x in a.of(kind) for y in b.of(kind)]
        if not pairs:
            return a
        how = self.rng.choice(("", "", "", "LEFT ", "LEFT ", "SEMI ", "ANTI ", "RIGHT ", "FULL "))
        on = [self.rng.choice(pairs) for _ in range(self.rng.choice((1, 1, 1, 2)))]
        condition = " AND ".join(f"{x.name} = {y.name}" for x, y in on)
        if how == "" and self.chance(0.25):
            condition += f" AND {self.condition(Layer('', a.columns + b.columns))}"
        sql = f"SELECT * FROM {self.within(a)} {how}JOIN {self.within(b)} ON {condition}"
        if how in ("SEMI ", "ANTI "):
            return replace(a, sql=sql)
        keys = tuple(x | y for x in a.keys[:2] for y in b.keys[:2])
        if any(key <= {y.name for _, y in on} for key in b.keys):
            keys = a.keys + keys
        return Layer(sql, a.columns + b.columns, keys if how in ("", "LEFT ") else ())

    def united(self, a: Layer, b: Layer) -> Layer:
        made, left, right = [], [], []
        for column in a.of():
            if others := b.of(column.kind):
                made.append(Column(self.fresh(), column.kind))
                left.append(f"{column.name} AS {made[-1].name}")
                right.append(self.rng.choice(others).name)
        sides = (
            f"SELECT {', '.join(left)} FROM {self.within(a)} UNION ALL SELECT {', '.join(right)} FROM {self.within(b)}"
        )
        return Layer(sides, tuple(made)) if made else a

    def grouped(self, layer: Layer) -> Layer:
        keys = self.some(layer.of(), 0, 1, 1, 2, 2, 3)
        made = [Column(self.fresh(), key.kind) for key in keys]
        names = frozenset(column.name for column in made)
        shown = [f"{key.name} AS {column.name}" for key, column in zip(keys, made, strict=True)]
        if keys and self.chance(0.2):
            sql = f"SELECT DISTINCT {', '.join(shown)} FROM {self.within(layer)}"
            return Layer(sql, tuple(made), (names,))
        for _ in range(self.rng.randint(1, 3)):
            call, kind = self.aggregate(layer)
            made.append(Column(self.fresh(), kind.removeprefix("~"), not kind.startswith("~")))
            shown.append(f"{call} AS {made[-1].name}")
        by = f" GROUP BY {', '.join(key.name for key in keys)}" if keys else ""
        having = f" HAVING COUNT(*) > {self.rng.randint(0, 2)}" if self.chance(0.2) else ""
        return Layer(f"SELECT {', '.join(shown)} FROM {self.within(layer)}{by}{having}", tuple(made), (names,))

    def aggregate(self, layer: Layer) -> tuple[str, str]:
        """Return a call and its kind, with a ~ before it if its last digits may differ."""
        numbers = layer.of(*_NUMBERS)
        if not numbers or self.chance(0.1):
            return "COUNT(*)", "int"
        of, other = self.rng.choice(numbers), self.rng.choice(layer.of())
        calls = {
            "SUM({a})": of.kind, "MIN({a})": of.kind, "MAX({a})": of.kind, "AVG({a})": "~double", "MEDIAN({a})": "~double",
            "QUANTILE_DISC({a}, 0.25)": of.kind, "COUNT({b})": "int", "COUNT(DISTINCT {b})": "int",
            "SUM({a}) FILTER (WHERE {c})": of.kind, "SUM({a} + 1)": of.kind,
        }  # fmt: skip
        call = self.rng.choice([*calls])
        return call.format(a=of.name, b=other.name, c=self.condition(layer)), calls[call]

    def ordering(self, layer: Layer) -> str:
        """Return an order in which no two rows can change places unnoticed; none if there is none."""
        names = [column.name for column in layer.of()]
        if layer.keys and self.chance(0.8):
            key = sorted(self.rng.choice(layer.keys))
            self.rng.shuffle(key)
            names = self.rng.choice(([*key], [*(c.name for c in self.some(layer.of(), 1)), *key]))
        elif len(names) < len(layer.columns):
            return ""
        return ", ".join(
            f"{name}{self.rng.choice(('', ' DESC', ' NULLS FIRST', ' DESC NULLS LAST'))}" for name in names
        )

    def windowed(self, layer: Layer) -> Layer:
        part = self.some(layer.of(), 0, 1, 1, 2)
        by = f"PARTITION BY {', '.join(column.name for column in part)} " if part else ""
        order, numbers, any_of = self.ordering(layer), layer.of(*_NUMBERS), layer.of()
        if not any_of:
            return layer
        one = self.rng.choice(any_of)
        calls = {f"RANK() OVER ({by}ORDER BY {one.name} DESC)": "int"}
        if order:
            calls |= {f"{name}() OVER ({by}ORDER BY {order})": "int" for name in ("ROW_NUMBER", "DENSE_RANK")}
            calls |= {f"{name}({one.name}) OVER ({by}ORDER BY {order})": one.kind for name in ("LAG", "LEAD")}
        if numbers:
            of = self.rng.choice(numbers)
            calls |= {f"SUM({of.name}) OVER ({by})": of.kind, f"MAX({of.name}) OVER ({by}ORDER BY {one.name})": of.kind}
        call, name = self.rng.choice([*calls]), self.fresh()
        made = Layer(
            f"SELECT *, {call} AS {name} FROM {self.within(layer)}",
            (*layer.columns, Column(name, calls[call])),
            layer.keys,
        )
        if calls[call] == "int" and self.chance(0.3):
            return replace(made, sql=f"SELECT * FROM {self.within(made)} WHERE {name} <= {self.rng.randint(0, 4)}")
        return made

    def limited(self, layer: Layer) -> Layer:
        order = self.ordering(layer)
        if not order:
            return layer
        return replace(layer, sql=f"SELECT * FROM {self.within(layer)} ORDER BY {order} LIMIT {self.rng.randint(0, 7)}")
