"""What sorts, merges, shuffles and shown keys cost by rows, columns and key bits: declared once more, to choose plans by.

Bytes are those of all three parties' messages for one row, rounds those of the longest way; both were read off the
protocols and are held to rehearsals by tests. What follows is for comparing plans of one query before anything runs: it is
whole numbers, the same at every worker, and needs neither the protocols nor their libraries.
"""

from collections.abc import Sequence

from conclave.ir.types import Field, key_bits
from conclave.mpc.costs import Cost, merges_faster
from conclave.plan.steps import Price

# Measured with three parties on two cores over loopback, on joins, groups and quotients of 300,000 rows; the latency
# and bandwidth of a network between the parties come on top.
BYTES_PER_S = 150_000_000  # that each of the three sends
ROUND_S = 0.0005

_BITS = 3  # of a bit of a row, where it is taken from a shared number
_BY_TWOS = 1 << 17  # rows up to which a merge of runs does two layers at once, as `conclave.mpc.merge` does
# Of a word of a row.
_SHUFFLE = 48  # three hops
_TO_KNOWN = 32  # into an order that one party knows: two hops
_TO_SECRET = 88  # into a secret order
_TO_ONE, _TO_ALL = 8, 24  # opened
# Of a row.
_PASS, _PASS_ROUNDS = 60, 5  # of a sort, by two bits, beside the bits that are still to come
_KNOWN_ORDER = 4
_NULL_HIDDEN, _NULL_ROUNDS = 58, 6  # where NULLs are among keys that are shown
_MATCHED, _MATCHED_ROUNDS = 62, 35  # of a look-up, beside its sort and its columns
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
    return Price(-(-bits // 2) * _PASS_ROUNDS + 1, size_bytes)


def merge(runs: Sequence[int], bits: int) -> Price:
    """Return the price of merging rows that stand in order, run by run, two runs at a time."""
    numbers, left, price = max(sum(runs) - 1, 0).bit_length(), sorted(n for n in runs if n), Price(0, 0)
    while len(left) > 1:
        whole = len(left) // 2 * 2
        pairs = [a + b for a, b in zip(left[:whole:2], left[1:whole:2], strict=True)]
        prices = [_of_two_runs(n_rows, bits, numbers) for n_rows in pairs]
        price += Price(max(each.rounds for each in prices), sum(each.size_bytes for each in prices))
        left = sorted([*pairs, *left[whole:]])
    return price


def _of_two_runs(n_rows: int, bits: int, numbers: int) -> Price:
    compared, rounds, left = 0, 0, bits  # bits that a comparison multiplies, half of its blocks with the other half
    while left > 1:
        compared, rounds, left = compared + 2 * (left // 2) - 1, rounds + 1, left - left // 2
    layers, moved = max(n_rows - 1, 0).bit_length(), bits + numbers
    singles = layers if n_rows > _BY_TWOS else layers % 2
    price = Price(0, 0)
    for done in range(singles):
        price += Price(rounds + 1, _filled(n_rows, layers - done, 1) // 2 * (compared + moved))
    for done in range(singles, layers, 2):
        # All six pairs of four rows are compared, and it is chosen which of them meet.
        price += Price(rounds + 3, _filled(n_rows, layers - done, 2) // 4 * (6 * compared + 4 * moved + 4))
    return Price(price.rounds, 3 * price.size_bytes // 8)  # a bit of each party is sent for each that is multiplied


def _filled(n_rows: int, layers: int, at_once: int) -> int:
    """Return how many rows there are with those that fill up words, of all parts that rows are taken apart into."""
    block = max(1 << layers, 64 << at_once)
    return -(-n_rows // block) * block


def put_in_order(n_rows: int, bits: int, runs: Sequence[int]) -> Price:
    """Return the price of finding the order of rows that may stand in it already, run by run: they are merged if that is faster."""
    by_sort = sort(n_rows, bits)
    if not runs:
        return by_sort
    by_merge = merge(runs, bits)
    # Of a merge each of the three sends a third; of a sort the busiest, which is waited for, three eighths.
    each, busiest = Cost(by_merge.rounds, by_merge.size_bytes // 3), Cost(by_sort.rounds, by_sort.size_bytes * 3 // 8)
    if not merges_faster(each, busiest):
        return by_sort
    # A sort takes its bits as it goes, which is in its passes.
    return by_merge + Price(0, n_rows * _BITS * bits)


def ordered(n_rows: int, bits: int, columns: int) -> Price:
    """Return the price of rows in another order, by secret keys."""
    return sort(n_rows, bits) + Price(6, n_rows * _TO_SECRET // 2 * columns)


def looked_up(n_own: int, n_other: int, bits: int, others: int, runs: Sequence[int] = ()) -> Price:
    """Return the price of finding beside each of `n_own` rows one of `n_other` with its keys, and of bringing `others` columns."""
    n_rows = n_own + n_other
    return put_in_order(n_rows, bits + 1, runs) + Price(_MATCHED_ROUNDS, n_rows * (_MATCHED + 2 * _TO_SECRET * others))


def paired(n_pairs: int, bits: int) -> Price:
    """Return the price of comparing pairs."""
    return Price(6, n_pairs * bits // 2)  # half a byte for each bit that is compared


def grouped(n_rows: int, bits: int, columns: int, is_sorted: bool, runs: Sequence[int] = ()) -> Price:
    """Return the price of a grouping of rows that stand together already, or have to be sorted first."""
    if is_sorted:
        return Price(18, n_rows * (_GROUPED + _NEIGHBOURS + 3 * bits + _TO_SECRET // 2 * columns))
    return put_in_order(n_rows, bits, runs) + Price(_GROUPED_ROUNDS, n_rows * (_GROUPED + _TO_SECRET * columns))


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
