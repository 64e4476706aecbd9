"""What the busiest party would send at least: the same protocol, every number in just the bits that it needs.

Products, ANDs and comparisons send such numbers. A sort does not: it sends row numbers, and what is known of places, mod
2**32, where log2(rows) bits would do, and what is left of keys in whole bytes. What comes after a sort in a grouping or a
join counts as it is.
"""

from collections.abc import Callable

from conclave.mpc.sort import sort_permutation

# How many bits of key a workload sorts by: a join has one for the side that a row is of.
SORTED_BITS: dict[str, Callable[[int], int]] = {
    "sort": lambda bits: bits,
    "groupby_sum": lambda bits: bits,
    "join": lambda bits: bits + 1,
}


def least_bytes(op: str, rows: int, key_bits: int, sent: int) -> int:
    """Return how few bytes party 0 could have sent in the place of `sent`."""
    if op not in SORTED_BITS or rows < 2:
        return sent
    bits = SORTED_BITS[op](key_bits)
    return sent - sort_permutation.cost(n=rows, bits=bits).bytes_sent + -(-_bits_of_sort(rows, bits) // 8)


def _bits_of_sort(rows: int, bits: int) -> int:
    """As `sort_permutation` declares, in bits: the dealer's part of each pass over two bits."""
    number, total = (rows - 1).bit_length(), 0
    for used in range(0, bits, 2):
        now = min(2, bits - used)
        carried = number + (bits - used - now)
        total += (number << now) + number + 2 * carried
    return rows * total
