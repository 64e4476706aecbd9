"""Discrete Laplace noise, sampled exactly: whole numbers only, no rounding, no table cut off at an end.

P(x) is proportional to exp(-|x| / scale) over all integers. Canonne, Kamath and Steinke, "The Discrete Gaussian for
Differential Privacy" (NeurIPS 2020), section 5: their algorithm 1 is `_is_exp_below`, their algorithm 2 is `sample`.
Floating-point samplers are not used, because which doubles they can return tells of the value they were added to
(Mironov, CCS 2012). How long sampling takes hangs on the noise: nobody but its own party can time one draw.
"""

from fractions import Fraction

import numpy as np

from conclave.mpc.arrays import Array
from conclave.mpc.randomness import Stream, derive

BUFFER_BYTES = 4096


class Coins:
    """Uniform whole numbers below any bound, from a stream of uniform bytes, without bias."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._pool, self._left = 0, 0

    def below(self, n: int) -> int:
        """Return a uniform number of 0..n-1: bits are thrown away until they are below `n`."""
        bits = (n - 1).bit_length()
        while True:
            number = self._bits(bits)
            if number < n:
                return number

    def _bits(self, count: int) -> int:
        while self._left < count:
            fresh = self._stream.draw(BUFFER_BYTES, np.uint8).tobytes()
            self._pool |= int.from_bytes(fresh, "little") << self._left
            self._left += 8 * BUFFER_BYTES
        number = self._pool & ((1 << count) - 1)
        self._pool >>= count
        self._left -= count
        return number


def sample(scale: Fraction, coins: Coins) -> int:
    """Return one number with P(x) proportional to exp(-|x| / scale); 0 if the scale is.

    >>> sample(Fraction(0), Coins(Stream(bytes(32))))
    0
    """
    if scale == 0:
        return 0
    t, s = scale.numerator, scale.denominator
    while True:
        u = coins.below(t)
        if not _is_exp_below(u, t, coins):
            continue
        v = 0
        while _is_exp_below(1, 1, coins):
            v += 1
        size = (u + t * v) // s
        is_negative = coins.below(2) == 1
        if size or not is_negative:  # zero has one sign
            return -size if is_negative else size


class Noise:
    """One party's own noise. Nobody else knows the key; who has it can say again what the noise was.

    The same key and label give the same noise: a run that is tried again must not give its answer with other noise,
    as the mean of both would be nearer the truth than was paid for.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def draw(self, label: str, scale: Fraction, n: int) -> Array:
        """Return `n` independent draws, as words. Each label is one use, and none is used for two things."""
        coins = Coins(Stream(derive(self._key, b"noise " + label.encode())))
        return np.array([sample(scale, coins) % (1 << 64) for _ in range(n)], dtype=np.uint64)


def _is_exp_below(above: int, under: int, coins: Coins) -> bool:
    """Return true with probability exp(-above / under), for a fraction of 0 to 1."""
    k = 1
    while coins.below(under * k) < above:
        k += 1
    return k % 2 == 1
