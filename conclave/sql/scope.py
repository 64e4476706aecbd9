"""Which columns a name can mean at one place of a query. As in DuckDB, case does not matter."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from conclave.ir.errors import Position, QueryProblem
from conclave.ir.expressions import Column
from conclave.ir.types import Schema


@dataclass(frozen=True)
class Visible:
    """A column under the name that the query calls it by; the IR may call it otherwise."""

    name: str
    column: Column
    only_qualified: bool = False  # the right side of a USING: `b.k` still means it, `k` does not

    def is_called(self, name: str) -> bool:
        """Whether `name` means this column."""
        return self.name.lower() == name.lower()


@dataclass(frozen=True)
class Relation:
    """A table of FROM under its alias."""

    alias: str
    columns: tuple[Visible, ...]


@dataclass(frozen=True)
class Scope:
    """The tables of one FROM, left to right."""

    relations: tuple[Relation, ...] = ()

    def star(self, alias: str | None, at: Position | None) -> tuple[Visible, ...]:
        """Return the columns that `*` or `alias.*` stands for."""
        if alias is None:
            return tuple(v for relation in self.relations for v in relation.columns if not v.only_qualified)
        return self._relation(alias, at).columns

    def resolve(self, alias: str | None, name: str, at: Position | None) -> Column:
        """Return the one column that `name` or `alias.name` means.

        Raises:  QueryProblem if there is none, or several.
        """
        relations = self.relations if alias is None else (self._relation(alias, at),)
        found = [
            (relation.alias, visible.column)
            for relation in relations
            for visible in relation.columns
            if visible.is_called(name) and not (alias is None and visible.only_qualified)
        ]
        if len(found) > 1:
            choices = " or ".join(f"{owner}.{name}" for owner, _ in found)
            raise QueryProblem(f"{name} is ambiguous", at, f"write {choices}")
        if not found:
            have = list(dict.fromkeys(visible.name for relation in relations for visible in relation.columns))
            raise unknown("column", name if alias is None else f"{alias}.{name}", have, at, like=name)
        column = found[0][1]
        return Column(column.name, column.type, column.nullable, at)

    def spelling(self, name: str) -> str:
        """Return a column's name as its table spells it."""
        visible = (v.name for relation in self.relations for v in relation.columns if v.is_called(name))
        return next(visible, name)

    def has(self, alias: str | None, name: str) -> bool:
        """Whether `name` or `alias.name` means some column here."""
        return any(
            visible.is_called(name)
            for relation in self.relations
            if alias is None or relation.alias.lower() == alias.lower()
            for visible in relation.columns
        )

    def as_nullable(self) -> "Scope":
        """Return the tables as they are on the side of a join that may have no match."""
        return Scope(
            tuple(
                replace(r, columns=tuple(replace(v, column=replace(v.column, nullable=True)) for v in r.columns))
                for r in self.relations
            )
        )

    def _relation(self, alias: str, at: Position | None) -> Relation:
        for relation in self.relations:
            if relation.alias.lower() == alias.lower():
                return relation
        raise unknown("table", alias, [relation.alias for relation in self.relations], at)


def relation_over(alias: str, schema: Schema, names: Iterable[str]) -> Relation:
    """Return the relation whose columns are `schema`, called `names` in the query."""
    return Relation(
        alias,
        tuple(Visible(n, Column(f.name, f.type, f.nullable)) for n, f in zip(names, schema, strict=True)),
    )


def unknown(kind: str, name: str, have: list[str], at: Position | None, like: str | None = None) -> QueryProblem:
    """Return the problem of a name that nothing has, with what there is and the nearest of it."""
    near = difflib.get_close_matches((like or name).lower(), [n.lower() for n in have], n=1, cutoff=0.6)
    nearest = next((n for n in have if near and n.lower() == near[0]), None)
    there_are = f"; there are {', '.join(have)}" if have else "; there are none"
    return QueryProblem(f"no {kind} {name} here{there_are}", at, f"write {nearest}" if nearest else None)


@dataclass
class Names:
    """Gives out names that differ from all others in use, also without regard to case."""

    taken: set[str] = field(default_factory=set)

    @classmethod
    def besides(cls, schema: Schema) -> "Names":
        """Return a giver of names that `schema` does not have."""
        return cls({f.name.lower() for f in schema})

    def fresh(self, wish: str) -> str:
        """Return `wish`, or `wish_2`, `wish_3` ... if it is taken; it is taken from now on."""
        name, n = wish, 1
        while name.lower() in self.taken:
            n += 1
            name = f"{wish}_{n}"
        self.taken.add(name.lower())
        return name
