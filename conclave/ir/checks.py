"""What all nodes have in common: they look at their names when they are made, and keep their hash."""

from typing import Protocol, TypeVar

from conclave.ir.errors import Position, TypeProblem
from conclave.ir.types import Schema

N = TypeVar("N")


class HasSchema(Protocol):
    """A node, as far as its columns go."""

    @property
    def schema(self) -> Schema:
        """Its columns."""


def hashed_once(node: type[N]) -> type[N]:
    """Keep a node's hash: it goes down to every leaf, and passes and plans ask for it again and again."""
    compute = node.__hash__

    def hashed(self: N) -> int:
        known = self.__dict__.get("_hash")
        if known is None:
            known = self.__dict__["_hash"] = compute(self)
        return int(known)

    node.__hash__ = hashed  # type: ignore[method-assign, assignment]
    return node


def check_names(names: frozenset[str] | set[str], source: HasSchema, at: Position | None) -> None:
    """Raise TypeProblem if `source` has not all of the columns."""
    unknown = names - {f.name for f in source.schema}
    if unknown:
        have = ", ".join(f.name for f in source.schema)
        raise TypeProblem(f"no column {', '.join(sorted(unknown))} here; there are {have}", at)


def check_disjoint(left: HasSchema, right: HasSchema, at: Position | None) -> None:
    """Raise TypeProblem if both sides of a join have a column of one name."""
    shared = {f.name for f in left.schema} & {f.name for f in right.schema}
    if shared:
        raise TypeProblem(f"both sides of a join have a column {', '.join(sorted(shared))}", at)
