"""Give a table to its recipients, inside or outside the three, and to nobody else.

Rows are shuffled and what does not exist is zeroed before anything leaves, so a recipient learns the valid
rows and the (public) number of all rows; a compute party that is not a recipient learns nothing at all.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from conclave.mpc.arrays import Array
from conclave.mpc.channel import Network
from conclave.mpc.convert import bit_to_arithmetic
from conclave.mpc.costs import Cost, costs_as
from conclave.mpc.errors import AgreementError, OpenedDiffers, ShapeError
from conclave.mpc.multiply import multiply
from conclave.mpc.party import Party
from conclave.mpc.shares import BitShare, Share, concat_arithmetic, concat_bits, pack_bits, unpack_bits
from conclave.mpc.shuffle import SecretShuffle, shuffle
from conclave.mpc.witness import DIGEST_BYTES, compare_openings, digest_of
from conclave.operators.table import SecretTable, both_in_one_round

# Values as int64, and which of them are NULL.
Revealed = dict[str, tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]]
HEADER_LIMIT = 1 << 20


@dataclass(frozen=True)
class Layout:
    """What is on the wire: every column's numbers, its NULL bits if `nullable`, at last the valid bits if any."""

    n_rows: int
    has_valid: bool
    columns: tuple[tuple[str, bool], ...]

    @property
    def are_bits(self) -> list[bool]:
        """For each vector on the wire, whether it holds bits."""
        kinds = [kind for _, nullable in self.columns for kind in ([False, True] if nullable else [False])]
        return kinds + [True] * self.has_valid

    @property
    def size_bytes(self) -> int:
        """Length of one party's parts on the wire."""
        return sum(map(self._size, self.are_bits))

    def encode(self) -> bytes:
        """Return the announcement for a recipient who cannot know the layout."""
        return json.dumps([self.n_rows, self.has_valid, self.columns]).encode()

    def decode(self, message: memoryview) -> list[Array]:
        """Cut one party's message into its parts of the vectors."""
        start, parts = 0, []
        for is_bits in self.are_bits:
            size = self._size(is_bits)
            piece = np.frombuffer(message, np.uint8, count=size, offset=start)
            # Copied, because bits before it may have left the numbers at an odd address.
            parts.append(unpack_bits(piece, self.n_rows) if is_bits else piece.copy().view(np.uint64))
            start += size
        return parts

    def join(self, xs: Sequence[Array], ys: Sequence[Array]) -> list[Array]:
        """Add parts, or XOR them where they are bits."""
        return [x ^ y if is_bits else x + y for x, y, is_bits in zip(xs, ys, self.are_bits, strict=True)]

    def rows(self, totals: Sequence[Array]) -> Revealed:
        """Return the rows that exist."""
        exists = totals[-1].astype(np.bool_) if self.has_valid else np.ones(self.n_rows, np.bool_)
        left, table = iter(totals), {}
        for name, nullable in self.columns:
            values = next(left).astype(np.int64)[exists]
            is_null = next(left)[exists] == 0 if nullable else np.zeros(len(values), np.bool_)
            table[name] = (values, is_null)
        return table

    def _size(self, is_bits: bool) -> int:
        return (self.n_rows + 7) // 8 if is_bits else 8 * self.n_rows


def reveal_to(table: SecretTable, recipients: Sequence[str], me: Party, keep_order: bool = False) -> Revealed | None:
    """Reveal the valid rows to each recipient; outsiders call `receive_revealed` at the same time.

    Shapes:  returns the valid rows if this party is a recipient, else None.
    Reveals: to recipients the valid rows, in random order, and n_rows. With `keep_order` also their places:
             only for a table that was just sorted, where the places of rows are part of the result.
    Raises:  OpenedDiffers if what was opened so far, or is now, differs between its two holders.
    """
    table = _zero_what_is_not_there(table, me)
    if not keep_order and table.n_rows > 1:
        by = SecretShuffle.draw(table.n_rows, me)
        table = table.with_shares(shuffle(list(table.shares()), by, me))
    compare_openings(me)
    layout = _layout_of(table)
    opened = open_parts(list(table.shares()), layout, recipients, me)
    return None if opened is None else layout.rows(opened)


def _open_cost(size_bytes: int, outside: int, is_next: bool, is_prev: bool) -> Cost:
    parts = outside * (size_bytes + DIGEST_BYTES) + is_next * (size_bytes + DIGEST_BYTES) + is_prev * 2 * DIGEST_BYTES
    return Cost(2, size_bytes + parts) if outside else Cost(1, parts)


@costs_as(_open_cost)
def open_parts(shares: Sequence[Share], layout: Layout, recipients: Sequence[str], me: Party) -> list[Array] | None:
    """Open vectors to each recipient, and return them if this party is one.

    Shapes:  cost is for so many recipients `outside` of the three, and for whether the neighbours are some.
    Reveals: them, to the recipients.
    Raises:  OpenedDiffers if they differ between their two holders.
    """
    outside = [name for name in recipients if name not in me.names]
    me.network.exchange_control(dict.fromkeys(outside, layout.encode()), [], HEADER_LIMIT)
    if outside:
        # Fresh parts: those of rows that were copied or taken twice would show where they come from.
        shares = _refreshed(shares, layout, me)
    mine, witnessed = (b"".join(_encode(part, s) for part, s in parts) for parts in _parts(shares))
    own_digest, next_digest = digest_of(mine), digest_of(witnessed)
    before, after = me.names[me.prev], me.names[me.next]
    outgoing: dict[str, bytes] = dict.fromkeys(outside, mine + next_digest)
    if after in recipients:
        outgoing[after] = mine + next_digest  # it lacks just this part of the three; the other one it holds, too
    if before in recipients:
        outgoing[before] = next_digest + own_digest  # of the part that it lacks, and of the one that it holds, too
    is_recipient = me.network.me in recipients
    incoming = {before: len(mine) + DIGEST_BYTES, after: 2 * DIGEST_BYTES} if is_recipient else {}
    received = me.network.exchange(outgoing, incoming)
    if not is_recipient:
        return None
    part, of_own = received[before][:-DIGEST_BYTES], received[before][-DIGEST_BYTES:]
    if of_own != own_digest or received[after] != digest_of(part) + next_digest:
        raise OpenedDiffers((me.network.me,))
    missing = layout.decode(part)
    known = layout.join([share.own for share in shares], [share.next for share in shares])
    return layout.join(known, missing)


def receive_revealed(network: Network, compute: tuple[str, str, str], max_rows: int) -> Revealed:
    """Receive a table as a recipient who does not compute.

    Reveals: the valid rows, to this party.
    Raises:  AgreementError if the compute parties announce different tables; ShapeError if there are too
             many rows; OpenedDiffers if two of them do not hold the same of it.
    """
    headers = network.exchange_control({}, compute, HEADER_LIMIT)
    if len(set(headers.values())) != 1:
        raise AgreementError("the shape of the result", compute)
    layout = _parse(headers[compute[0]], compute)
    if layout.n_rows > max_rows:
        raise ShapeError(f"a result of {layout.n_rows} rows was announced, at most {max_rows} are accepted")
    received = network.exchange({}, dict.fromkeys(compute, layout.size_bytes + DIGEST_BYTES))
    for index, name in enumerate(compute):
        # Whose next part is this one's own: the party before it.
        if digest_of(received[name][:-DIGEST_BYTES]) != received[compute[index - 1]][-DIGEST_BYTES:]:
            raise OpenedDiffers((network.me,))
    first, second, third = (layout.decode(received[name]) for name in compute)
    return layout.rows(layout.join(layout.join(first, second), third))


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


def _refreshed(shares: Sequence[Share], layout: Layout, me: Party) -> list[Share]:
    """Return the same secrets in parts that tell nothing of the old ones. One round."""
    masked = [_masked_part(share, me) for share in shares]
    sent = np.frombuffer(b"".join(_encode(part, s) for part, s in zip(masked, shares, strict=True)), np.uint8)
    after = layout.decode(me.send_prev_receive_next(sent).data)
    return [replace(s, own=own, next=nxt) for s, own, nxt in zip(shares, masked, after, strict=True)]


def _masked_part(share: Share, me: Party) -> Array:
    if isinstance(share, BitShare):
        return share.own ^ unpack_bits(me.xor_mask((share.n + 7) // 8, np.uint8), share.n)
    return np.asarray(share.own + me.zero_mask(share.n, share.dtype))


def _parts(shares: Sequence[Share]) -> tuple[list[tuple[Array, Share]], list[tuple[Array, Share]]]:
    return [(s.own, s) for s in shares], [(s.next, s) for s in shares]


def _encode(part: Array, share: Share) -> bytes:
    return bytes((pack_bits(part) if isinstance(share, BitShare) else part).tobytes())


def _layout_of(table: SecretTable) -> Layout:
    columns = tuple((name, column.present is not None) for name, column in table.columns.items())
    return Layout(table.n_rows, table.valid is not None, columns)


def _parse(header: bytes, compute: tuple[str, ...]) -> Layout:
    """Read what the compute parties announce, which may be anything."""
    try:
        match json.loads(header):
            case [int(n_rows), bool(has_valid), [*columns]] if n_rows >= 0 and all(map(_is_column, columns)):
                return Layout(n_rows, has_valid, tuple((name, nullable) for name, nullable in columns))
    except ValueError:
        pass
    raise AgreementError("how to announce a result", compute)


def _is_column(announced: object) -> bool:
    match announced:
        case [str(), bool()]:
            return True
    return False
