"""Random queries about the first rows of an order, which owners pick before MPC: LIMIT, ranks, DISTINCT ON; by seed.

Orders are of several columns, with ties and with NULLs at either end. No query tells which of two rows that its order
leaves equal was picked: what it shows tells none of them apart, or its order ends in all that it shows.
"""

import random

from tests.conclave.queries import Queries, Source, Value

_KINDS = ("int", "text", "decimal", "bool", "date")
_WAYS = ("", " DESC", " NULLS FIRST", " DESC NULLS LAST", " DESC NULLS FIRST", " ASC NULLS LAST")


class Firsts:
    """Makes queries, one after the other."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.made = Queries(seed)  # of which tables, expressions and conditions are

    def query(self) -> str:
        """Return a query."""
        match self.rng.choice(("as they are",) * 3 + ("counted", "joined", "united", "again", "combined")):
            case "as they are":
                return self.firsts()[0]
            case "counted":
                return self.counted()
            case "joined":
                sql, columns = self.firsts()
                key, a, b = self.one_of(columns, "int"), self.made.alias(), self.made.alias()
                how = self.rng.choice(("", "LEFT ", "SEMI ", "ANTI "))
                if key is None or not key.is_exact:
                    return sql
                return f"SELECT {a}.* FROM ({sql}) {a} {how}JOIN p {b} ON {a}.{key.sql} = {b}.g"
            case "united":
                (one, _), (other, columns) = self.twice()
                shown = ", ".join(column.sql for column in columns)
                return f"SELECT {shown} FROM ({one}) AS u UNION ALL SELECT {shown} FROM ({other}) AS v"
            case "again":
                sql, columns = self.firsts()
                exact = [column.sql for column in columns if column.is_exact]
                if len(exact) < len(columns):
                    return sql
                return f"SELECT * FROM ({sql}) AS z ORDER BY {self.ordered(exact)}{self.limit()}"
        return self.made.query()

    def counted(self) -> str:
        sql, columns = self.firsts()
        calls = ["COUNT(*) AS n"]
        for column in columns:
            if column.is_exact:
                call = self.rng.choice(("SUM", "MIN", "MAX") if column.kind in ("int", "decimal") else ("COUNT",))
                calls.append(f"{call}({column.sql}) AS s_{column.sql}")
        key = self.rng.choice([column for column in columns if column.is_exact] or columns)
        if key.is_exact and self.chance(0.5):
            return f"SELECT {key.sql}, {', '.join(calls)} FROM ({sql}) AS z GROUP BY {key.sql}"
        return f"SELECT {', '.join(calls)} FROM ({sql}) AS z"

    def chance(self, p: float) -> bool:
        return self.rng.random() < p

    def one_of(self, columns: list[Value], kind: str) -> Value | None:
        found = [column for column in columns if column.kind == kind]
        return self.rng.choice(found) if found else None

    def twice(self) -> tuple[tuple[str, list[Value]], tuple[str, list[Value]]]:
        """Return first rows of one table, twice, with the same columns."""
        source = self.source()
        shown = self.shown(source)
        return self.limited(source, shown), self.limited(source, shown)

    def firsts(self) -> tuple[str, list[Value]]:
        """Return a query for first rows, and its columns."""
        source = self.source()
        shown = self.shown(source)
        return self.rng.choice((self.limited, self.limited, self.ranked, self.numbered, self.distinct_on))(
            source, shown
        )

    def source(self) -> Source:
        source = self.made.table(0) if self.chance(0.8) else self.made.source(0)
        where = f" WHERE {self.made.condition(source)}" if self.chance(0.4) else ""
        return Source(source.sql + where, source.columns, source.key)

    def shown(self, source: Source) -> list[Value]:
        count = self.rng.randint(1, 4)
        if self.chance(0.2):
            made = [self.made.value(source, exact=True) for _ in range(count)]
            # A constant in ORDER BY would be a place in the list.
            if all(any(column.sql in value.sql for column in source.columns) for value in made):
                return made
        exact = [column for column in source.columns if column.kind in _KINDS and column.is_exact]
        return self.rng.sample(exact, min(len(exact), count))

    def ordered(self, columns: list[str]) -> str:
        """Return an order by the columns, in any order of them and by each in any way."""
        return ", ".join(f"{column}{self.rng.choice(_WAYS)}" for column in self.rng.sample(columns, len(columns)))

    def total(self, source: Source, names: list[str], has_key: bool) -> str:
        """Return an order in which no two rows that look otherwise are equal."""
        if not has_key:
            return self.ordered(names)
        first = self.rng.sample([c.sql for c in source.columns if c.is_exact and c.kind in _KINDS], 1)
        return (
            f"{self.ordered(first)}, {self.ordered([source.key])}" if self.chance(0.7) else self.ordered(first + names)
        )

    def limit(self) -> str:
        offset = f" OFFSET {self.rng.randint(0, 4)}" if self.chance(0.25) else ""
        if self.chance(0.1):
            return f" FETCH FIRST {self.rng.randint(1, 5)} ROWS ONLY"
        return f" LIMIT {self.rng.choice((0, 1, 1, 2, 3, 5, 40))}{offset}"

    def said(self, source: Source, shown: list[Value], more: str = "") -> tuple[str, list[Value]]:
        named = [Value(f"c{n}", value.kind, value.is_exact) for n, value in enumerate(shown)]
        items = ", ".join(f"{value.sql} AS c{n}" for n, value in enumerate(shown))
        return f"SELECT {more}{items} FROM {source.sql}", named

    def limited(self, source: Source, shown: list[Value]) -> tuple[str, list[Value]]:
        sql, named = self.said(source, shown)
        names = [value.sql for value in (shown if self.chance(0.5) else named)]
        has_key = any(value.sql == source.key for value in shown)
        order = self.total(source, names, has_key) if has_key else self.ordered(names)
        return f"{sql} ORDER BY {order}{self.limit()}", named

    def ranked(self, source: Source, shown: list[Value]) -> tuple[str, list[Value]]:
        """Return what ranks keep, of which nothing is picked."""
        call = self.rng.choice(("RANK()", "DENSE_RANK()", "RANK()", "COUNT(*)"))
        columns = [c.sql for c in source.columns if c.is_exact and c.kind in _KINDS]
        by = f"PARTITION BY {self.rng.choice(columns)} " if self.chance(0.6) else ""
        over = f"{call} OVER ({by}ORDER BY {self.ordered(self.rng.sample(columns, self.rng.choice((1, 1, 2))))})"
        rank = Value(over, "int")
        shown = [*shown, rank] if self.chance(0.5) else shown
        sql, named = self.said(source, shown)
        asked = f"{over} {self.rng.choice(('<=', '<', '=', '<=', '>'))} {self.rng.randint(0, 4)}"
        more = self.made.condition(source)
        asked = self.rng.choice((asked, asked, asked, f"{asked} AND {more}", f"({asked} OR {more})"))
        return f"{sql} QUALIFY {asked}", named

    def numbered(self, source: Source, shown: list[Value]) -> tuple[str, list[Value]]:
        """Return what numbers keep, each row's own."""
        sql, named = self.said(source, shown)
        part = self.rng.choice(shown).sql if self.chance(0.6) else ""
        order = self.ordered([value.sql for value in shown])
        if source.key:
            order = f"{self.ordered([self.rng.choice(source.columns).sql])}, {source.key}"
        by = f"PARTITION BY {part} " if part else ""
        asked = f"{self.rng.choice(('<=', '<', '=', 'BETWEEN 1 AND'))} {self.rng.randint(0, 4)}"
        return f"{sql} QUALIFY ROW_NUMBER() OVER ({by}ORDER BY {order}) {asked}", named

    def distinct_on(self, source: Source, shown: list[Value]) -> tuple[str, list[Value]]:
        on = self.rng.sample([value.sql for value in shown], self.rng.randint(1, len(shown)))
        sql, named = self.said(source, shown, f"DISTINCT ON ({', '.join(on)}) ")
        first = [f"{column}{self.rng.choice(_WAYS)}" for column in on]
        rest = self.ordered([value.sql for value in shown if value.sql not in on])
        if source.key and self.chance(0.6):
            rest = f"{self.ordered([self.rng.choice(source.columns).sql])}, {source.key}"
        return f"{sql} ORDER BY {', '.join([*first, *([rest] if rest else [])])}", named
