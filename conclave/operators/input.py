"""Bring owners' rows in as shares at the three compute parties: one control and one MPC round, and a comparison.

Of x = s_0 + s_1 + s_2 the first two parts come from seeds that the owner sends to those who hold them, so
that only the last part, x - s_0 - s_1, has to be sent at full length, to parties 1 and 2.

Each part is held by two. They compare digests of it, and of the numbers of rows, before anything is computed: an owner
that has told them different things, by accident or not, ends the run.
"""

import hashlib
import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from conclave.ir.guard import rounded_up
from conclave.mpc.arrays import Array
from conclave.mpc.channel import Network
from conclave.mpc.errors import AgreementError, FrameError, ProtocolError, ShapeError
from conclave.mpc.party import Party
from conclave.mpc.randomness import SEED_BYTES, Stream, derive
from conclave.mpc.shares import AShare, BitShare, pack_bits, public_bits, public_share, unpack_bits
from conclave.operators.table import SecretColumn, SecretTable

Names = tuple[str, str, str]
# Values as int64, and which of them are NULL (None: none is).
PlainColumn = tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_] | None]
PlainTable = Mapping[str, PlainColumn]
HEADER = struct.Struct("<Q")
DIGEST_BYTES = hashlib.sha256().digest_size


@dataclass(frozen=True)
class InputColumn:
    """What is public about an input column; see `SecretColumn` for width and sign."""

    name: str
    nullable: bool = False
    width: int = 64
    signed: bool = True


@dataclass(frozen=True)
class InputTable:
    """One table that one owner brings in; `name` is unique among all inputs of a step."""

    name: str
    owner: str
    columns: tuple[InputColumn, ...]
    max_rows: int
    padding: int = 1  # rows that do not exist are added, up to a multiple of this; which those are is secret
    is_filled: bool = False  # and before that, up to a number that the owner knows: `at_least`
    at_least: int = 0
    order: tuple[str, ...] = ()  # columns by which the owner orders its rows, ascending, NULL last

    @property
    def has_valid(self) -> bool:
        """Whether some rows may not exist."""
        return self.padding > 1 or self.is_filled


@dataclass(frozen=True)
class Sealed:
    """A table as one compute party gets it: size, seeds of s_0 and s_1 (b"" if not its business), s_2."""

    n_rows: int
    seeds: tuple[bytes, bytes]
    last_part: bytes | bytearray = b""


def exchange_inputs(
    tables: Sequence[InputTable], mine: Mapping[str, PlainTable], network: Network, compute: Names
) -> dict[str, SecretTable]:
    """Share and receive the inputs of a step; all owners and compute parties call it with equal `tables`.

    Shapes:  `mine` holds this party's own tables by name. Returns all tables at a compute party, else
             nothing.
    Reveals: each table's number of rows, to the compute parties; of a padded table, up to the next multiple.
    Raises:  ShapeError if a table is not as declared; FrameError if a peer's message is not; AgreementError if an owner
             gave two holders of one part different ones.
    """
    own_tables = [table for table in tables if table.owner == network.me]
    full = {table.name: _deal(table, mine[table.name]) for table in own_tables}
    peers = [peer for peer in compute if peer != network.me]
    headers = {
        peer: b"".join(_header(full[table.name], compute.index(peer)) for table in own_tables)
        for peer in peers
        if own_tables
    }
    others = [table for table in tables if table.owner != network.me and network.me in compute]
    owners = sorted({table.owner for table in others})
    place = compute.index(network.me) if network.me in compute else None
    limit = max([sum(_header_size(place) for t in others if t.owner == o) for o in owners], default=0)
    received = network.exchange_control(headers, owners, limit)
    sealed = dict(full) if place is not None else {}
    for owner in owners:
        theirs = [table for table in others if table.owner == owner]
        sealed.update(_read_headers(theirs, received[owner], place))
    message = b"".join(full[table.name].last_part for table in own_tables)
    outgoing = {peer: message for peer in compute[1:] if peer != network.me and own_tables}
    incoming = {
        owner: sum(_size(t, sealed[t.name].n_rows) for t in others if t.owner == owner)
        for owner in (owners if place in (1, 2) else [])
    }
    for owner, payload in network.exchange(outgoing, incoming).items():
        sealed.update(_cut([table for table in others if table.owner == owner], sealed, payload))
    if place is None:
        return {}
    _compare_parts(tables, sealed, place, network, compute)
    return {table.name: _unseal(table, sealed[table.name], place) for table in tables}


def _deal(table: InputTable, plain: PlainTable) -> Sealed:
    """Draw seeds and work out the last part of every column."""
    vectors = _Vectors.of(table, plain)
    seeds = (os.urandom(SEED_BYTES), os.urandom(SEED_BYTES))
    streams = [_streams(seed) for seed in seeds]
    pieces: list[bytes] = []
    for column in table.columns:
        words = vectors.words[column.name]
        for numbers, _ in streams:
            words = words - numbers.draw(vectors.n_rows)
        pieces.append(words.tobytes())
        if column.nullable:
            pieces.append(_deal_bits(vectors.present[column.name], streams))
    if table.has_valid:
        pieces.append(_deal_bits(vectors.valid, streams))
    return Sealed(vectors.n_rows, seeds, b"".join(pieces))


def known_to_all(table: InputTable, plain: PlainTable, me: Party) -> SecretTable:
    """Return a table whose rows are no secret, as shares: what a twin computes on. No message.

    Reveals: nothing.
    Raises:  ShapeError if it is not as declared.
    """
    vectors, columns = _Vectors.of(table, plain), {}
    for column in table.columns:
        values = public_share(vectors.words[column.name], vectors.n_rows, me)
        present = public_bits(vectors.present[column.name], vectors.n_rows, me) if column.nullable else None
        columns[column.name] = SecretColumn(values, present, column.width, column.signed)
    valid = public_bits(vectors.valid, vectors.n_rows, me) if table.has_valid else None
    return SecretTable(vectors.n_rows, columns, valid)


@dataclass(frozen=True)
class _Vectors:
    """What is shared of a table, rows that do not exist included."""

    n_rows: int
    words: Mapping[str, Array]
    present: Mapping[str, Array]
    valid: Array

    @staticmethod
    def of(table: InputTable, plain: PlainTable) -> "_Vectors":
        """Return the vectors of a table, which is found to be as declared."""
        n_there = _check(table, plain)
        n_rows = rounded_up(max(n_there, table.at_least), table.padding)
        words: dict[str, Array] = {}
        present: dict[str, Array] = {}
        for column in table.columns:
            values, nulls = plain[column.name]
            is_null = np.zeros(n_there, np.bool_) if nulls is None else nulls
            # A NULL has no value: whatever stood there must not take part in anything.
            words[column.name] = np.where(is_null, 0, values).astype(np.uint64)
            present[column.name] = ~is_null
        rows = _in_order(table, words, present) if table.order else slice(None)
        # Rows that do not exist are all alike, and last: so is their place in any order.
        return _Vectors(
            n_rows,
            {name: _padded(values[rows], n_rows) for name, values in words.items()},
            {name: _padded(bits[rows], n_rows) for name, bits in present.items()},
            _padded(np.ones(n_there, np.bool_), n_rows),
        )


def _in_order(table: InputTable, words: Mapping[str, Array], present: Mapping[str, Array]) -> Array:
    """Return the rows in the order that `key_planes` gives them: of what is shared, not of what it was encoded from."""
    columns, keys = {column.name: column for column in table.columns}, list[Array]()
    for name in reversed(table.order):
        values = words[name]
        keys += [values.view(np.int64) if columns[name].signed else values, ~present[name]]
    return np.lexsort(keys)


def _padded(values: Array, n_rows: int) -> Array:
    return np.pad(values, (0, n_rows - len(values)))


def _deal_bits(values: Array, streams: Sequence[tuple[Stream, Stream]]) -> bytes:
    packed = pack_bits(values)
    for _, bits in streams:
        packed ^= bits.draw(len(packed), np.uint8)
    return bytes(packed.tobytes())


def _unseal(table: InputTable, sealed: Sealed, place: int | None) -> SecretTable:
    """Return this compute party's shares: expand its seeds, and cut up the last part if it has that."""
    n_rows, held = sealed.n_rows, _held(place)
    sources = {k: _streams(seed) for k, seed in enumerate(sealed.seeds) if k in held}
    start, columns = 0, {}
    for column in table.columns:
        parts = {k: numbers.draw(n_rows) for k, (numbers, _) in sources.items()}
        if 2 in held:
            parts[2] = np.frombuffer(sealed.last_part, np.uint64, n_rows, start)
        start += 8 * n_rows
        values, present = AShare(parts[held[0]], parts[held[1]]), None
        if column.nullable:
            present = _unseal_bits(sealed, start, held, sources)
            start += (n_rows + 7) // 8
        columns[column.name] = SecretColumn(values, present, column.width, column.signed)
    valid = _unseal_bits(sealed, start, held, sources) if table.has_valid else None
    return SecretTable(n_rows, columns, valid)


def _unseal_bits(
    sealed: Sealed, start: int, held: tuple[int, int], sources: Mapping[int, tuple[Stream, Stream]]
) -> BitShare:
    size = (sealed.n_rows + 7) // 8
    packed = {k: bits.draw(size, np.uint8) for k, (_, bits) in sources.items()}
    if 2 in held:
        packed[2] = np.frombuffer(sealed.last_part, np.uint8, size, start)
    return BitShare(unpack_bits(packed[held[0]], sealed.n_rows), unpack_bits(packed[held[1]], sealed.n_rows))


def _streams(seed: bytes) -> tuple[Stream, Stream]:
    """Return the streams of one part: for numbers, for NULL bits."""
    return Stream(derive(seed, b"input numbers")), Stream(derive(seed, b"input bits"))


def _held(place: int | None) -> tuple[int, int]:
    """Return which parts compute party `place` holds, as (own, next)."""
    if place is None:
        raise ProtocolError("only compute parties hold shares")
    return place, (place + 1) % 3


def _header(sealed: Sealed, place: int) -> bytes:
    return HEADER.pack(sealed.n_rows) + b"".join(sealed.seeds[k] for k in _held(place) if k < 2)


def _header_size(place: int | None) -> int:
    return HEADER.size + SEED_BYTES * sum(k < 2 for k in _held(place))


def _read_headers(tables: Sequence[InputTable], payload: bytes, place: int | None) -> dict[str, Sealed]:
    size = _header_size(place)
    if len(payload) != size * len(tables):
        raise FrameError(tables[0].owner, "length", size * len(tables), len(payload))
    sealed = {}
    for k, table in enumerate(tables):
        (n_rows,) = HEADER.unpack_from(payload, k * size)
        if n_rows > table.max_rows:
            raise ShapeError(f"{table.owner} announced {n_rows} rows of {table.name}, at most {table.max_rows}")
        if n_rows != rounded_up(n_rows, table.padding):
            raise ShapeError(f"{table.owner} announced {n_rows} rows of {table.name}, no multiple of {table.padding}")
        seeds, at = [b"", b""], k * size + HEADER.size
        for part in (part for part in _held(place) if part < 2):
            seeds[part] = payload[at : at + SEED_BYTES]
            at += SEED_BYTES
        sealed[table.name] = Sealed(n_rows, (seeds[0], seeds[1]))
    return sealed


def _cut(tables: Sequence[InputTable], sealed: Mapping[str, Sealed], payload: memoryview) -> dict[str, Sealed]:
    """Return the tables of one owner with their last parts, which came in one message."""
    start, complete = 0, {}
    for table in tables:
        end = start + _size(table, sealed[table.name].n_rows)
        complete[table.name] = replace(sealed[table.name], last_part=bytearray(payload[start:end]))
        start = end
    return complete


def _compare_parts(
    tables: Sequence[InputTable], sealed: Mapping[str, Sealed], place: int, network: Network, compute: Names
) -> None:
    """Compare with both neighbours what each owner has sent of the parts that are held in common. Digests alone are sent.

    Raises:  AgreementError, at whoever holds another part than its successor; its peers lose it, or are told.
    """
    owners = sorted({table.owner for table in tables})
    own, after = (
        [_digest([sealed[t.name] for t in tables if t.owner == owner], part) for owner in owners]
        for part in _held(place)
    )
    previous, following = compute[place - 1], compute[(place + 1) % 3]
    held = b"".join(own)
    theirs = network.exchange_control({previous: held}, (following,), len(held))[following]
    if len(theirs) != len(held):
        raise FrameError(following, "length", len(held), len(theirs))
    found = [theirs[at : at + DIGEST_BYTES] for at in range(0, len(theirs), DIGEST_BYTES)]
    wrong = tuple(owner for owner, a, b in zip(owners, after, found, strict=True) if a != b)
    if wrong:
        raise AgreementError("the rows that were shared", wrong)


def _digest(tables: Sequence[Sealed], part: int) -> bytes:
    """Return the digest of one part of an owner's tables, and of how many rows they have."""
    digest = hashlib.sha256()
    for table in tables:
        digest.update(HEADER.pack(table.n_rows))
        digest.update(table.last_part if part == 2 else table.seeds[part])
    return digest.digest()


def _size(table: InputTable, n_rows: int) -> int:
    n_bits = sum(column.nullable for column in table.columns) + table.has_valid
    return 8 * n_rows * len(table.columns) + (n_rows + 7) // 8 * n_bits


def _check(table: InputTable, plain: PlainTable) -> int:
    """Return the number of rows, after the plain table has been found to be as declared."""
    lengths: set[int] = set()
    for column in table.columns:
        values, nulls = plain[column.name]
        arrays: list[Array] = [values] if nulls is None else [values, nulls]
        lengths.update(len(array) for array in arrays)
        if values.dtype != np.int64 or (nulls is not None and nulls.dtype != np.bool_):
            raise ShapeError(f"{table.name}.{column.name}: values must be int64, and nulls bool")
        if nulls is not None and not column.nullable and nulls.any():
            raise ShapeError(f"{table.name}.{column.name} is declared never NULL")
        if not _fits(values if nulls is None else values[~nulls], column):
            raise ShapeError(f"{table.name}.{column.name} has values of more than {column.width} bits")
    if len(lengths) != 1 or rounded_up(max(*lengths, table.at_least), table.padding) > table.max_rows:
        raise ShapeError(f"{table.name}: columns need one length of at most {table.max_rows}")
    return lengths.pop()


def _fits(values: Array, column: InputColumn) -> bool:
    """Whether the values are of the declared width: operators look at no more bits, and would mix others up."""
    if column.width >= 64 or not len(values):
        return True
    low, high = (0, 1 << column.width)
    if column.signed:
        low, high = -(high >> 1), high >> 1
    return bool(low <= int(values.min()) and int(values.max()) < high)
