"""Arithmetic mod 2**128 on arrays of shape (2, n): row 0 the low limbs, row 1 the high ones."""

import numpy as np

from conclave.mpc.arrays import Array

HALF = np.uint64(32)
LOW = np.uint64(0xFFFFFFFF)


def add(a: Array, b: Array) -> Array:
    """Return a + b."""
    low = a[0] + b[0]
    return np.stack([low, a[1] + b[1] + (low < a[0])])


def subtract(a: Array, b: Array) -> Array:
    """Return a - b."""
    return np.stack([a[0] - b[0], a[1] - b[1] - (a[0] < b[0])])


def multiply(a: Array, b: Array) -> Array:
    """Return a * b.

    >>> multiply(np.array([[1 << 63], [0]], np.uint64), np.array([[6], [0]], np.uint64)).tolist()
    [[0], [3]]
    """
    low, carried = _full_product(a[0], b[0])
    return np.stack([low, carried + a[0] * b[1] + a[1] * b[0]])


def shift_right(a: Array, places: int) -> Array:
    """Return a >> places, zeros coming in from above; 0 <= places <= 127."""
    if places == 0:
        return a
    if places >= 64:
        return np.stack([a[1] >> np.uint64(places - 64), np.zeros_like(a[1])])
    low = (a[0] >> np.uint64(places)) | (a[1] << np.uint64(64 - places))
    return np.stack([low, a[1] >> np.uint64(places)])


def constant(value: int, n: int) -> Array:
    """Return a public integer n times, mod 2**128."""
    limbs = np.array([[value % (1 << 64)], [(value >> 64) % (1 << 64)]], np.uint64)
    return np.repeat(limbs, n, axis=1)


def _full_product(a: Array, b: Array) -> tuple[Array, Array]:
    """Return the low and high words of 64-bit products, by halves."""
    a_low, a_high, b_low, b_high = a & LOW, a >> HALF, b & LOW, b >> HALF
    lowest = a_low * b_low
    middle = a_high * b_low + (lowest >> HALF)  # at most 2**64 - 2**32
    other = a_low * b_high + (middle & LOW)
    return a * b, a_high * b_high + (middle >> HALF) + (other >> HALF)
