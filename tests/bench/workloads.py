"""What is measured: for each operation one party's shares of seeded inputs, the work, and the right answer.

Every party derives all inputs from a seed and keeps its own two parts, so no input is sent before the clock starts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from conclave.mpc.bits import and_words
from conclave.mpc.compare import less_than
from conclave.mpc.merge import merge_permutation
from conclave.mpc.multiply import multiply
from conclave.mpc.party import Party
from conclave.mpc.shares import AShare, BitShare, BShare, open_arithmetic, open_bits, open_words
from conclave.mpc.shuffle import SecretShuffle, shuffle
from conclave.operators.aggregate import AggregateSpec
from conclave.operators.groupby import group_by
from conclave.operators.join import join_unique
from conclave.operators.sort import SortKey, key_planes, sort_table
from conclave.operators.table import SecretColumn, SecretTable

Arrays = list[np.ndarray]


@dataclass(frozen=True)
class Workload:
    """`inputs` in the clear, `work` on one party's shares of them, and the `expected` opened result."""

    inputs: Callable[[int, int, np.random.Generator], Arrays]
    work: Callable[[list[Any], int, Party], list[Any]]
    expected: Callable[[Arrays, int], Arrays]
    key_bits: tuple[int, int] = (1, 64)
    is_xor_shared: bool = False
    # Bytes of a row in the clear, by the width of keys: numbers take whole bytes.
    row_bytes: Callable[[int], int] = lambda bits: 2 * -(-bits // 8)


def numbers(count: int) -> Callable[[int, int, np.random.Generator], Arrays]:
    """Return a maker of `count` columns of uniform numbers of so many bits."""

    def make(rows: int, bits: int, rng: np.random.Generator) -> Arrays:
        return [rng.integers(0, 1 << bits, rows, np.uint64, endpoint=False) for _ in range(count)]

    return make


def signed_numbers(rows: int, bits: int, rng: np.random.Generator) -> Arrays:
    """Return two columns over the whole range of signed numbers of so many bits."""
    half = 1 << (bits - 1)
    return [rng.integers(-half, half, rows, np.int64).view(np.uint64) for _ in range(2)]


def key_and_payload(rows: int, bits: int, rng: np.random.Generator) -> Arrays:
    """Return a key of so many bits and a payload of 64."""
    return [*numbers(1)(rows, bits, rng), *numbers(1)(rows, 64, rng)]


def groups(rows: int, bits: int, rng: np.random.Generator) -> Arrays:
    """Return keys that come about eight times each, spread over the whole range, and values."""
    some = rng.integers(0, 1 << bits, max(rows // 8, 1), np.uint64, endpoint=False)
    return [rng.choice(some, rows), rng.integers(0, 1 << 31, rows, np.uint64)]


def two_tables(rows: int, bits: int, rng: np.random.Generator) -> Arrays:
    """Return left keys and values and right keys, all different, and values; `rows` is both tables' together."""
    n_left, n_right = rows - rows // 2, rows // 2
    right = np.unique(rng.integers(0, 1 << bits, 2 * n_right + 8, np.uint64, endpoint=False))
    if len(right) < n_right:
        raise SystemExit(f"{n_right} different keys do not fit into {bits} bits: use fewer rows or more bits")
    right = rng.permutation(right)[:n_right]
    left = rng.integers(0, 1 << bits, n_left, np.uint64, endpoint=False)
    left[::2] = rng.choice(right, len(left[::2]))  # every other row finds its match
    return [left, *numbers(1)(n_left, 64, rng), right, *numbers(1)(n_right, 64, rng)]


def _sort(shares: list[Any], bits: int, me: Party) -> list[Any]:
    table = _table(shares, bits, "key", "payload")
    return [c.values for c in sort_table(table, [SortKey("key")], me).columns.values()]


def _sorted(inputs: Arrays, bits: int) -> Arrays:
    order = np.argsort(inputs[0], kind="stable")
    return [column[order] for column in inputs]


def two_runs(rows: int, bits: int, rng: np.random.Generator) -> Arrays:
    """Return a key and a payload of two owners' rows, each in the order of the key; equal rows have equal payloads."""
    key = rng.integers(0, 1 << bits, rows, np.uint64, endpoint=False)
    key = np.concatenate([np.sort(key[: rows // 2]), np.sort(key[rows // 2 :])])
    return [key, key * np.uint64(0x9E3779B97F4A7C15)]


def _merge(shares: list[Any], bits: int, me: Party) -> list[Any]:
    table = _table(shares, bits, "key", "payload")
    planes, n = key_planes(table, [SortKey("key")], me), table.n_rows
    assert planes is not None
    order, _ = merge_permutation(planes, [n // 2, n - n // 2], me)
    return list(order.apply(list(table.shares()), me))


def _group_by_sum(shares: list[Any], bits: int, me: Party) -> list[Any]:
    table = _table(shares, bits, "key", "value")
    groups = group_by(table, ["key"], [AggregateSpec("total", "sum", "value")], me)
    # Rows that are no group are garbage: they are opened too, and the check looks at the valid ones.
    return [*(c.values for c in groups.columns.values()), groups.valid_bits(me)]


def _grouped(inputs: Arrays, bits: int) -> Arrays:
    keys, place = np.unique(inputs[0], return_inverse=True)
    totals = np.zeros(len(keys), np.uint64)
    np.add.at(totals, place, inputs[1])
    return [keys, totals]


def _join(shares: list[Any], bits: int, me: Party) -> list[Any]:
    left, right = _table(shares[:2], bits, "key", "x"), _table(shares[2:], bits, "other", "y")
    joined = join_unique(left, right, [("key", "other")], me)
    return [*(joined.columns[name].values for name in ("key", "x", "y")), joined.valid_bits(me)]


def _joined(inputs: Arrays, bits: int) -> Arrays:
    key, x, other, y = inputs
    order = np.argsort(other)
    at = order[np.minimum(np.searchsorted(other, key, sorter=order), len(order) - 1)]
    match = other[at] == key
    return [key[match], x[match], y[at][match]]


def _table(shares: list[Any], bits: int, key: str, payload: str) -> SecretTable:
    columns = {key: SecretColumn(shares[0], None, bits, False), payload: SecretColumn(shares[1], None, 64, False)}
    return SecretTable(shares[0].n, columns)


def _shuffle(shares: list[Any], bits: int, me: Party) -> list[Any]:
    return list(shuffle(shares, SecretShuffle.draw(shares[0].n, me), me))


WORKLOADS = {
    "multiply": Workload(numbers(2), lambda s, bits, me: [multiply(*s, me)], lambda i, bits: [i[0] * i[1]]),
    "and": Workload(numbers(2), lambda s, bits, me: [and_words(*s, me)], lambda i, bits: [i[0] & i[1]], (64, 64), True),
    "compare": Workload(
        signed_numbers,
        lambda s, bits, me: [less_than(*s, me, bits)],
        lambda i, bits: [i[0].view(np.int64) < i[1].view(np.int64)],
    ),
    "sort": Workload(key_and_payload, _sort, _sorted, row_bytes=lambda bits: -(-bits // 8) + 8),
    "merge": Workload(two_runs, _merge, _sorted, row_bytes=lambda bits: -(-bits // 8) + 8),
    "groupby_sum": Workload(groups, _group_by_sum, _grouped, row_bytes=lambda bits: -(-bits // 8) + 8),
    "join": Workload(two_tables, _join, _joined, row_bytes=lambda bits: -(-bits // 8) + 8),
    # The order is secret, so the sorted columns are compared.
    "shuffle": Workload(numbers(1), _shuffle, lambda i, bits: [np.sort(i[0])], row_bytes=lambda bits: -(-bits // 8)),
}


def shares_of(workload: Workload, inputs: Arrays, index: int, rng: np.random.Generator) -> list[Any]:
    """Return party `index`'s shares of the inputs."""
    made: list[Any] = []
    for column in inputs:
        parts = [rng.integers(0, 1 << 64, len(column), np.uint64, endpoint=False) for _ in range(2)]
        if workload.is_xor_shared:
            parts.append(column ^ parts[0] ^ parts[1])
            made.append(BShare(parts[index % 3], parts[(index + 1) % 3]))
        else:
            parts.append(column - parts[0] - parts[1])
            made.append(AShare(parts[index % 3], parts[(index + 1) % 3]))
    return made


def open_all(results: list[Any], me: Party) -> Arrays:
    """Open each result; with a last one of valid bits, keep the valid rows only."""
    opening = {AShare: open_arithmetic, BShare: open_words, BitShare: open_bits}
    opened = [opening[type(result)](result, me) for result in results]
    if len(opened) > 1 and isinstance(results[-1], BitShare):
        valid = opened.pop().astype(bool)
        opened = [column[valid] for column in opened]
    return opened


def is_right(op: str, opened: Arrays, expected: Arrays) -> bool:
    """Whether the opened result is the expected one."""
    if op == "shuffle":
        opened = [np.sort(opened[0])]
    return all(np.array_equal(a, b) for a, b in zip(opened, expected, strict=True))
