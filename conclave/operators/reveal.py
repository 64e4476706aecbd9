"""Give a table to its recipients, inside or outside the three, and to nobody else.

Rows are shuffled and what does not exist is zeroed before anything leaves, so a recipient learns the valid
rows and the (public) number of all rows; a compute party that is not a recipient learns nothing at all.
"""

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from conclave.mpc.channel import Network
from conclave.mpc.convert import bit_to_arithmetic
from conclave.mpc.errors import AgreementError, ShapeError
from conclave.mpc.multiply import multiply
from conclave.mpc.party import Party
from conclave.mpc.randomness import Array
from conclave.mpc.shares import BitShare, Share, concat_arithmetic, concat_bits, pack_bits, unpack_bits
from conclave.mpc.shuffle import SecretShuffle, shuffle
from conclave.operators.table import SecretTable, both_in_one_round

# Values as int64, and which of them are NULL.
Revealed = dict[str, tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]]
HEADER_LIMIT = 1 << 20


def reveal_to(table: SecretTable, recipients: Sequence[str], me: Party, keep_order: bool = False) -> Revealed | None:
    """Reveal the valid rows to each recipient; outsiders call `receive_revealed` at the same time.

    Shapes:  returns the valid rows if this party is a recipient, else None.
    Reveals: to recipients the valid rows, in random order, and n_rows. With `keep_order` also their places:
             only for a table that was just sorted, where the places of rows are part of the result.
    """
    table = _zero_what_is_not_there(table, me)
    if not keep_order and table.n_rows > 1:
        by = SecretShuffle.draw(table.n_rows, me)
        table = table.with_shares(shuffle(list(table.shares()), by, me))
    outside = [name for name in recipients if name not in me.names]
    header = _header(table)
    me.network.exchange_control(dict.fromkeys(outside, header), [], HEADER_LIMIT)
    shares = list(table.shares())
    # Fresh masks: parts of rows that were copied or taken twice would show where they come from.
    masked = b"".join(_masked_part(share, me) for share in shares)
    unmasked = b"".join(_encode(share.own, share) for share in shares)
    outgoing = dict.fromkeys(outside, masked)
    if me.names[me.next] in recipients:
        outgoing[me.names[me.next]] = unmasked  # it lacks just this part of the three
    is_recipient = me.network.me in recipients
    incoming = {me.names[me.prev]: len(unmasked)} if is_recipient else {}
    received = me.network.exchange(outgoing, incoming)
    if not is_recipient:
        return None
    missing = _decode(received[me.names[me.prev]], header)
    known = [_join(share.own, share.next, isinstance(share, BitShare)) for share in shares]
    totals = [_join(x, y, x.dtype == np.uint8) for x, y in zip(known, missing, strict=True)]
    return _drop_invalid(totals, header)


def receive_revealed(network: Network, compute: tuple[str, str, str], max_rows: int) -> Revealed:
    """Receive a table as a recipient who does not compute.

    Reveals: the valid rows, to this party.
    Raises:  AgreementError if the compute parties announce different tables; ShapeError if there are too
             many rows.
    """
    headers = network.exchange_control({}, compute, HEADER_LIMIT)
    header = headers[compute[0]]
    if any(other != header for other in headers.values()):
        raise AgreementError("the shape of the result", compute)
    n_rows, _, _ = _read(header)
    if n_rows > max_rows:
        raise ShapeError(f"a result of {n_rows} rows was announced, at most {max_rows} are accepted")
    received = network.exchange({}, dict.fromkeys(compute, _size(header)))
    parts = [_decode(received[name], header) for name in compute]
    totals = [_join(_join(x, y, x.dtype == np.uint8), z, x.dtype == np.uint8) for x, y, z in zip(*parts, strict=True)]
    return _drop_invalid(totals, header)


def _zero_what_is_not_there(table: SecretTable, me: Party) -> SecretTable:
    """Return the table with zeros for values that are NULL or in invalid rows. At most 4 rounds."""
    names = list(table.columns)
    masks = both_in_one_round([(table.valid, table.columns[name].present) for name in names], me)
    hidden = [(name, mask) for name, mask in zip(names, masks, strict=True) if mask is not None]
    if not hidden:
        return table
    # Columns that are never NULL share one mask; turn each into numbers once.
    different = {id(mask): mask for _, mask in hidden}
    numbers = bit_to_arithmetic(concat_bits(list(different.values())), me).split(len(different))
    ones = dict(zip(different, numbers, strict=True))
    zeroed = multiply(
        concat_arithmetic([table.columns[name].values for name, _ in hidden]),
        concat_arithmetic([ones[id(mask)] for _, mask in hidden]),
        me,
    ).split(len(hidden))
    columns = dict(table.columns)
    for (name, mask), values in zip(hidden, zeroed, strict=True):
        present = None if columns[name].present is None else mask
        columns[name] = replace(columns[name], values=values, present=present)
    return replace(table, columns=columns)


def _masked_part(share: Share, me: Party) -> bytes:
    if isinstance(share, BitShare):
        packed = pack_bits(share.own)
        return bytes((packed ^ me.xor_mask(packed.shape, np.uint8)).tobytes())
    return bytes((share.own + me.zero_mask(share.n, share.dtype)).tobytes())


def _encode(part: Array, share: Share) -> bytes:
    return bytes((pack_bits(part) if isinstance(share, BitShare) else part).tobytes())


def _join(x: Array, y: Array, is_bits: bool) -> Array:
    return np.asarray(x ^ y if is_bits else x + y)


def _header(table: SecretTable) -> bytes:
    columns = [[name, column.present is not None] for name, column in table.columns.items()]
    return json.dumps([table.n_rows, table.valid is not None, columns]).encode()


def _read(header: bytes) -> tuple[int, bool, list[tuple[str, bool]]]:
    n_rows, has_valid, columns = json.loads(header)
    return int(n_rows), bool(has_valid), [(str(name), bool(nullable)) for name, nullable in columns]


def _kinds(header: bytes) -> list[bool]:
    """Return, for each vector on the wire, whether it holds bits."""
    _, has_valid, columns = _read(header)
    kinds = [is_bits for _, nullable in columns for is_bits in ([False, True] if nullable else [False])]
    return kinds + [True] * has_valid


def _size(header: bytes) -> int:
    n_rows = _read(header)[0]
    return sum((n_rows + 7) // 8 if is_bits else 8 * n_rows for is_bits in _kinds(header))


def _decode(message: bytearray, header: bytes) -> list[Array]:
    n_rows, start, parts = _read(header)[0], 0, []
    for is_bits in _kinds(header):
        size = (n_rows + 7) // 8 if is_bits else 8 * n_rows
        piece = np.frombuffer(message, np.uint8, count=size, offset=start)
        parts.append(unpack_bits(piece, n_rows) if is_bits else np.frombuffer(piece.tobytes(), np.uint64))
        start += size
    return parts


def _drop_invalid(totals: Sequence[Array], header: bytes) -> Revealed:
    n_rows, has_valid, columns = _read(header)
    exists = totals[-1].astype(np.bool_) if has_valid else np.ones(n_rows, np.bool_)
    left, table = iter(totals), {}
    for name, nullable in columns:
        values = next(left).astype(np.int64)[exists]
        is_null = next(left)[exists] == 0 if nullable else np.zeros(len(values), np.bool_)
        table[name] = (values, is_null)
    return table
