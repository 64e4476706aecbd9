"""Relational operators on whole columns, whoever computes them: SPU on shares, or numpy in the clear.

Needs nothing but what its `Engine` brings, because it also runs in SPU's environment, where ours is not. Every row has a
valid bit; rows that do not exist stay in their places, so no length depends on the data.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

# Columns of numpy or jax, of signed 64-bit words or of booleans.
Array = Any
Program = Mapping[str, Any]
Combine = Callable[[tuple[Array, ...], tuple[Array, ...]], tuple[Array, ...]]
LEAST, MOST = -(2**63), 2**63 - 1


class Engine(Protocol):
    """What computes: `xp` is numpy or jax.numpy."""

    xp: Any

    def sort(self, keys: Sequence[Array], carried: Sequence[Array]) -> list[Array]:
        """Return all columns with rows ordered by the keys, least first."""

    def scan(self, combine: Combine, columns: tuple[Array, ...]) -> tuple[Array, ...]:
        """Return the running totals of an associative operation."""

    def random(self, n_rows: int) -> Array:
        """Return numbers that no party knows."""


@dataclass(frozen=True)
class Value:
    """One word a row, and where it is NULL (None: nowhere)."""

    words: Array
    null: Array | None = None


@dataclass(frozen=True)
class Rows:
    """A table: its columns, and which rows exist."""

    columns: dict[str, Value]
    valid: Array

    @property
    def n_rows(self) -> int:
        """How many there are, existing or not."""
        return int(self.valid.shape[0])


def run(program: Program, tables: dict[str, Rows], engine: Engine) -> Rows:
    """Return the rows to open: those of the program's last table in an order that nobody knows, zeros where none is."""
    for step in program["steps"]:
        tables[step["name"]] = _STEPS[step["op"]](step, tables, engine)
    source, xp = tables[program["reveal"]], engine.xp
    columns = {name: _there(source.columns[name], source.valid, xp) for name in program["columns"]}
    rows = Rows(columns, source.valid)
    return rows if rows.n_rows < 2 else _sorted(rows, [engine.random(rows.n_rows)], engine)


def _there(value: Value, valid: Array, xp: Any) -> Value:
    there = valid if value.null is None else valid & ~value.null
    return Value(xp.where(there, value.words, 0), None if value.null is None else value.null & valid)


def _sorted(rows: Rows, keys: list[Array], engine: Engine) -> Rows:
    """Return all rows in the order of the keys."""
    carried = [rows.valid]
    for value in rows.columns.values():
        carried += [value.words] if value.null is None else [value.words, value.null]
    moved = iter(engine.sort(keys, carried)[len(keys) :])
    valid, columns = next(moved), {}
    for name, value in rows.columns.items():
        columns[name] = Value(next(moved), None if value.null is None else next(moved))
    return Rows(columns, valid)


def _project(step: Program, tables: dict[str, Rows], engine: Engine) -> Rows:
    source = tables[step["source"]]
    return Rows({name: evaluate(made, source, engine.xp) for name, made in step["outputs"]}, source.valid)


def _filter(step: Program, tables: dict[str, Rows], engine: Engine) -> Rows:
    source = tables[step["source"]]
    return Rows(source.columns, source.valid & _is_true(evaluate(step["predicate"], source, engine.xp), engine.xp))


def _concat(step: Program, tables: dict[str, Rows], engine: Engine) -> Rows:
    parts, xp = [tables[name] for name in step["parts"]], engine.xp
    columns = {}
    for name in parts[0].columns:
        values = [part.columns[name] for part in parts]
        null = None
        if any(value.null is not None for value in values):
            null = xp.concatenate([_null_of(value, xp) for value in values])
        columns[name] = Value(xp.concatenate([value.words for value in values]), null)
    return Rows(columns, xp.concatenate([part.valid for part in parts]))


def _null_of(value: Value, xp: Any) -> Array:
    return xp.zeros(value.words.shape[0], bool) if value.null is None else value.null


def _limit(step: Program, tables: dict[str, Rows], engine: Engine) -> Rows:
    source, count = tables[step["source"]], step["count"]
    columns = {
        name: Value(value.words[:count], None if value.null is None else value.null[:count])
        for name, value in source.columns.items()
    }
    return Rows(columns, source.valid[:count])


def _sort(step: Program, tables: dict[str, Rows], engine: Engine) -> Rows:
    """Rows that exist come first; among equal ones chance decides, since places in the input would tell of owners."""
    source, xp = tables[step["source"]], engine.xp
    keys = [_number(~source.valid, xp)]
    for name, descending, nulls_first in step["keys"]:
        value = source.columns[name]
        if value.null is not None:
            keys.append(_number(~value.null if nulls_first else value.null, xp))
        # Not the negative, which the least number does not have.
        words = value.words if value.null is None else xp.where(value.null, 0, value.words)
        keys.append(-1 - words if descending else words)
    return _sorted(source, [*keys, engine.random(source.n_rows)], engine)


def _aggregate(step: Program, tables: dict[str, Rows], engine: Engine) -> Rows:
    source, xp = tables[step["source"]], engine.xp
    if not step["keys"]:
        columns = {name: _total(made, source, xp) for name, *made in step["outputs"]}
        return Rows(columns, xp.ones(1, bool))
    ordered = _by_keys(source, step["keys"], engine)
    last = _is_last(ordered, step["keys"], xp)
    begins = xp.concatenate([xp.ones(1, bool), last[:-1]])
    totals = _running(begins, [_prepared(made, ordered, xp) for _, *made in step["outputs"]], engine)
    columns = {name: _without_null(ordered.columns[name], xp) for name in step["keys"]}
    for (name, function, _, is_total), (total, n_values) in zip(step["outputs"], totals, strict=True):
        null = None if function == "count" or is_total or n_values is None else n_values == 0
        columns[name] = Value(total, null)
    return Rows(columns, ordered.valid & last)


def _without_null(value: Value, xp: Any) -> Value:
    return value if value.null is None else Value(xp.where(value.null, 0, value.words), value.null)


def _by_keys(source: Rows, names: Sequence[str], engine: Engine) -> Rows:
    xp = engine.xp
    keys = [_number(~source.valid, xp)]
    for name in names:
        value = _without_null(source.columns[name], xp)
        keys += [value.words] if value.null is None else [_number(value.null, xp), value.words]
    return _sorted(source, keys, engine)


def _is_last(rows: Rows, names: Sequence[str], xp: Any) -> Array:
    """Return whether the next row, if there is one that exists, is of another group."""
    differs = rows.valid[:-1] ^ rows.valid[1:]
    for name in names:
        value = _without_null(rows.columns[name], xp)
        differs = differs | (value.words[:-1] != value.words[1:])
        if value.null is not None:
            differs = differs | (value.null[:-1] ^ value.null[1:])
    return xp.concatenate([differs, xp.ones(1, bool)])


def _prepared(made: Sequence[Any], rows: Rows, xp: Any) -> tuple[str, Array, Array | None]:
    """Return how rows combine, what each begins with, and whether it has a value (None: that matters to nobody)."""
    function, over, is_total = made
    if over is None:
        return "sum", _number(rows.valid, xp), None
    value = rows.columns[over]
    there = rows.valid if value.null is None else rows.valid & ~value.null
    if function == "count":
        return "sum", _number(there, xp), None
    counted = None if is_total or value.null is None else _number(there, xp)
    neutral = {"sum": 0, "min": MOST, "max": LEAST}[function]
    return function, xp.where(there, value.words, neutral), counted


def _running(
    begins: Array, columns: list[tuple[str, Array, Array | None]], engine: Engine
) -> list[tuple[Array, Array | None]]:
    """Return for each row what the rows of its group up to it make together."""
    xp = engine.xp
    functions, scanned = [], [begins]
    for function, words, counted in columns:
        functions += [function] if counted is None else [function, "sum"]
        scanned += [words] if counted is None else [words, counted]

    def combine(a: tuple[Array, ...], b: tuple[Array, ...]) -> tuple[Array, ...]:
        parts = [
            xp.where(b[0], right, _both(function, left, right, xp))
            for function, left, right in zip(functions, a[1:], b[1:], strict=True)
        ]
        return a[0] | b[0], *parts

    _, *totals = engine.scan(combine, tuple(scanned))
    left = iter(totals)
    return [(next(left), None if counted is None else next(left)) for _, _, counted in columns]


def _both(function: str, x: Array, y: Array, xp: Any) -> Array:
    return x + y if function == "sum" else xp.where((x < y) ^ (function == "max"), x, y)


def _total(made: Sequence[Any], rows: Rows, xp: Any) -> Value:
    """Return an aggregate of all rows; of none, NULL, but for a count."""
    function, over, is_total = made
    kind, words, _ = _prepared(made, rows, xp)
    if kind == "sum":
        total = xp.sum(words, keepdims=True)
    else:
        total = words
        while total.shape[0] > 1:
            half = total.shape[0] // 2
            total = xp.concatenate([_both(kind, total[:half], total[half : 2 * half], xp), total[2 * half :]])
    if function == "count" or over is None or is_total:
        return Value(total)
    value = rows.columns[over]
    there = rows.valid if value.null is None else rows.valid & ~value.null
    is_none = xp.sum(_number(there, xp), keepdims=True) == 0
    return Value(xp.where(is_none, 0, total), is_none)


def _join(step: Program, tables: dict[str, Rows], engine: Engine) -> Rows:
    """Sort the rows of both sides, each of the unique one before its matches, and hand its columns down to those."""
    many, one, xp = tables[step["many"]], tables[step["one"]], engine.xp
    keys, many_keys, one_keys = [], many.valid, one.valid
    for many_name, one_name in step["on"]:
        a, b = many.columns[many_name], one.columns[one_name]
        many_keys = many_keys if a.null is None else many_keys & ~a.null  # NULL equals nothing
        one_keys = one_keys if b.null is None else one_keys & ~b.null
        keys.append(xp.concatenate([b.words, a.words]))
    there = xp.concatenate([one_keys, many_keys])
    is_many = xp.concatenate([xp.zeros(one.n_rows, xp.int64), xp.ones(many.n_rows, xp.int64)])
    columns = {f"k{k}": Value(key) for k, key in enumerate(keys)} | {"many": Value(is_many)}
    columns |= _beside(one, many, "1", True, xp) | _beside(many, one, "n", False, xp)
    rows = _sorted(Rows(columns, there), [_number(~there, xp), *keys, is_many], engine)
    has_many = rows.columns["many"].words == 1
    handed = [f"k{k}" for k in range(len(keys))] + [name for name in rows.columns if name.startswith("1")]
    arrays = [array for name in handed for array in _arrays(rows.columns[name])]

    def latest(a: tuple[Array, ...], b: tuple[Array, ...]) -> tuple[Array, ...]:
        return a[0] | b[0], *(xp.where(b[0], right, left) for left, right in zip(a[1:], b[1:], strict=True))

    seen, *latest_ones = engine.scan(latest, (rows.valid & ~has_many, *arrays))
    left = iter(latest_ones)
    found = {name: Value(next(left), None if rows.columns[name].null is None else next(left)) for name in handed}
    match = rows.valid & has_many & seen
    for k in range(len(keys)):
        match = match & (rows.columns[f"k{k}"].words == found[f"k{k}"].words)
    made = {name: found[f"1{name}"] for name in one.columns} | {name: rows.columns[f"n{name}"] for name in many.columns}
    return Rows({name: made[name] for name in step["columns"]}, match)


def _beside(mine: Rows, other: Rows, prefix: str, is_first: bool, xp: Any) -> dict[str, Value]:
    """Return one side's columns, with zeros in the rows of the other."""
    empty, columns = xp.zeros(other.n_rows, xp.int64), {}
    for name, value in mine.columns.items():
        words = xp.concatenate([value.words, empty] if is_first else [empty, value.words])
        null = value.null
        if null is not None:
            none = xp.zeros(other.n_rows, bool)
            null = xp.concatenate([null, none] if is_first else [none, null])
        columns[prefix + name] = Value(words, null)
    return columns


def _arrays(value: Value) -> list[Array]:
    return [value.words] if value.null is None else [value.words, value.null]


def _number(condition: Array, xp: Any) -> Array:
    return condition.astype(xp.int64)


_STEPS = {
    "project": _project,
    "filter": _filter,
    "concat": _concat,
    "sort": _sort,
    "limit": _limit,
    "aggregate": _aggregate,
    "join": _join,
}


def evaluate(expression: Sequence[Any], rows: Rows, xp: Any) -> Value:
    """Return an expression's value in every row; conditions are words of 0 and 1."""
    kind, *parts = expression
    if kind == "column":
        return rows.columns[parts[0]]
    if kind == "word":
        return Value(xp.full(rows.n_rows, parts[0], xp.int64))
    if kind == "null":
        return Value(xp.zeros(rows.n_rows, xp.int64), xp.ones(rows.n_rows, bool))
    if kind == "case":
        return _case(parts, rows, xp)
    values = [evaluate(part, rows, xp) for part in parts]
    if kind == "is null":
        return Value(_number(_null_of(values[0], xp), xp))
    if kind in ("and", "or"):
        return _logic(kind, values[0], values[1], xp)
    null = None
    for value in values:
        null = value.null if null is None else null if value.null is None else null | value.null
    words = [value.words for value in values]
    return Value(_OPERATIONS[kind](xp, *words), null)


_OPERATIONS: dict[str, Callable[..., Array]] = {
    "+": lambda xp, x, y: x + y,
    "-": lambda xp, x, y: x - y,
    "*": lambda xp, x, y: x * y,
    "negate": lambda xp, x: -x,
    "not": lambda xp, x: 1 - x,
    "=": lambda xp, x, y: _number(x == y, xp),
    "<>": lambda xp, x, y: _number(x != y, xp),
    "<": lambda xp, x, y: _number(x < y, xp),
    "<=": lambda xp, x, y: _number(x <= y, xp),
    ">": lambda xp, x, y: _number(x > y, xp),
    ">=": lambda xp, x, y: _number(x >= y, xp),
}


def _is_true(value: Value, xp: Any) -> Array:
    true = value.words == 1
    return true if value.null is None else true & ~value.null


def _logic(kind: str, left: Value, right: Value, xp: Any) -> Value:
    """SQL's three truth values: what one side settles, NULL on the other does not unsettle."""
    settled = 1 if kind == "or" else 0
    sides = [(side.words == settled, side.null) for side in (left, right)]
    known = [holds if null is None else holds & ~null for holds, null in sides]
    is_settled = known[0] | known[1]
    words = _number(is_settled if settled else ~is_settled, xp)
    nulls = [null for _, null in sides if null is not None]
    if not nulls:
        return Value(words)
    null = nulls[0] if len(nulls) == 1 else nulls[0] | nulls[1]
    return Value(words, null & ~is_settled)


def _case(parts: Sequence[Any], rows: Rows, xp: Any) -> Value:
    branches, default = parts
    value = evaluate(default, rows, xp)
    for condition, then in reversed(branches):
        holds, chosen = _is_true(evaluate(condition, rows, xp), xp), evaluate(then, rows, xp)
        null = None
        if chosen.null is not None or value.null is not None:
            null = xp.where(holds, _null_of(chosen, xp), _null_of(value, xp))
        value = Value(xp.where(holds, chosen.words, value.words), null)
    return value


def flat(rows: Rows, xp: Any) -> list[Array]:
    """Return all columns as words in a row: each column's, its NULLs', at last which rows exist."""
    columns = [array for value in rows.columns.values() for array in (value.words, _null_of(value, xp))]
    return [column.astype(xp.int64) for column in (*columns, rows.valid)]
