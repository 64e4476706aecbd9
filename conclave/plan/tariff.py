"""What sorts, merges, shuffles and shown keys cost by rows, columns and key bits: declared once more, to choose plans by.

Bytes are those of all three parties' messages for one row, rounds those of the longest way; both were read off the
protocols and are held to rehearsals by tests. What follows is for comparing plans of one query before anything runs: it is
whole numbers, the same at every worker, and needs neither the protocols nor their libraries.
"""

from collections.abc import Sequence

from conclave.ir.types import Field, key_bits
from conclave.plan.steps import Price

# Measured with three parties on two cores over loopback, on joins, groups and quotients of 300,000 rows; the latency
# and bandwidth of a network between the parties come on top.
BYTES_PER_S = 150_000_000  # that each of the three sends
ROUND_S = 0.0005

# Of a word of a row.
_SHUFFLE = 48  # three hops
_TO_KNOWN = 32  # into an order that one party knows: two hops
_TO_SECRET = 88  # into a secret order
_TO_ONE, _TO_ALL = 8, 24  # opened
# Of a row.
_PASS, _PASS_ROUNDS = 60, 5  # of a sort, by two bits, beside the bits that are still to come
_KNOWN_ORDER = 4
_NULL_HIDDEN, _NULL_ROUNDS = 58, 6  # where NULLs are among keys that are shown
_MATCHED, _MATCHED_ROUNDS = 62, 35  # of a merge, beside its sort and its columns
_GROUPED, _GROUPED_ROUNDS = 97, 23
_NEIGHBOURS = 30  # that are sorted already: their keys are compared, at three bytes a bit besides
_SCANNED, _LEVEL_ROUNDS = 450, 24  # of a column; rounds by the logarithm of the rows


def time_us(price: Price) -> int:
    """Return how many millionths of a second it takes by the constants above.

    >>> time_us(Price(rounds=100, size_bytes=450_000_000))
    1050000
    """
    return price.size_bytes * 1_000_000 // (3 * BYTES_PER_S) + price.rounds * int(ROUND_S * 1_000_000)


def key_bits_of(keys: Sequence[Field]) -> int:
    """Return how many bits a sort by columns looks at."""
    return sum(key_bits(key.type) + key.nullable for key in keys)


def sort(n_rows: int, bits: int) -> Price:
    """Return the price of finding an order; nothing is brought into it yet."""
    size_bytes = 0
    for used in range(0, bits, 2):
        # Row numbers, and of each word of key bits those to come, in a number of whole bytes.
        left = [min(start + 64, bits) - max(start, used + 2) for start in range(0, bits, 64)]
        carried = 4 + sum(next(size for size in (1, 2, 4, 8) if 8 * size >= width) for width in left if width > 0)
        size_bytes += n_rows * (_PASS + 4 * carried)
    return Price(-(-bits // 2) * _PASS_ROUNDS, size_bytes)


def ordered(n_rows: int, bits: int, columns: int) -> Price:
    """Return the price of rows in another order, by secret keys."""
    return sort(n_rows, bits) + Price(6, n_rows * _TO_SECRET // 2 * columns)


def merged(n_own: int, n_other: int, bits: int, others: int) -> Price:
    """Return the price of finding beside each of `n_own` rows one of `n_other` with its keys, and of bringing `others` columns."""
    n_rows = n_own + n_other
    return sort(n_rows, bits + 1) + Price(_MATCHED_ROUNDS, n_rows * (_MATCHED + 2 * _TO_SECRET * others))


def paired(n_pairs: int, bits: int) -> Price:
    """Return the price of comparing pairs."""
    return Price(6, n_pairs * bits // 2)  # half a byte for each bit that is compared


def grouped(n_rows: int, bits: int, columns: int, is_sorted: bool) -> Price:
    """Return the price of a grouping of rows that stand together already, or have to be sorted first."""
    if is_sorted:
        return Price(18, n_rows * (_GROUPED + _NEIGHBOURS + 3 * bits + _TO_SECRET // 2 * columns))
    return sort(n_rows, bits) + Price(_GROUPED_ROUNDS, n_rows * (_GROUPED + _TO_SECRET * columns))


def scanned(n_rows: int, columns: int) -> Price:
    """Return the price of the least or largest values of groups, of rows that stand together."""
    return Price(_LEVEL_ROUNDS * max(n_rows.bit_length() - 1, 0), n_rows * _SCANNED * columns)


def shown(n_rows: int, columns: int, keys: Sequence[Field], is_to_all: bool) -> Price:
    """Return the price of shuffling rows and showing their keys."""
    opened = (_TO_ALL if is_to_all else _TO_ONE) * len(keys)
    is_nullable = any(key.nullable for key in keys)
    hidden = _NULL_HIDDEN * sum(key.nullable for key in keys)
    return Price(4 + _NULL_ROUNDS * is_nullable, n_rows * (_SHUFFLE * columns + opened + hidden))


def taken(n_rows: int, n_made: int, columns: int) -> Price:
    """Return the price of rows being copied to places that one party knows."""
    return Price(5, (n_rows + n_made) * (2 * _TO_KNOWN * columns + _KNOWN_ORDER))


def regrouped(n_rows: int, columns: int) -> Price:
    """Return the price of a grouping by one party, who has seen the keys."""
    return Price(7, n_rows * 2 * (_TO_KNOWN * columns + _KNOWN_ORDER))


def opened(n_rows: int, columns: int, n_recipients: int) -> Price:
    """Return the price of an answer being shuffled and opened."""
    return Price(4, n_rows * columns * (_SHUFFLE + _TO_ONE * n_recipients))
