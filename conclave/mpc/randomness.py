"""Correlated randomness: what two neighbours can both compute from a seed that the third does not know.

Every use has its own AES-CTR key, derived from the pair's seed and the name of the use, so that no two uses
can ever read the same key stream, and within a use the stream only moves forward. A seed lives for one run:
it comes from fresh randomness of both sides and the run's context.
"""

from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SEED_BYTES = 32
# Up to here a 64-bit sort key holds the row number and enough random bits that ties are rare.
MOST_PACKED_ROWS = 1 << 20
ZEROS = bytes(1 << 16)

Array = npt.NDArray[Any]


def derive(secret: bytes, label: bytes) -> bytes:
    """Derive a 32-byte key for one use. Different labels give independent keys.

    >>> derive(bytes(32), b"a") == derive(bytes(32), b"b")
    False
    """
    return HKDF(algorithm=SHA256(), length=SEED_BYTES, salt=b"conclave mpc v1", info=label).derive(secret)


class Stream:
    """An endless stream of uniform numbers from one key; both holders of the key draw in the same order."""

    def __init__(self, key: bytes) -> None:
        # A zero nonce is right here: the key is used for this one stream and never again.
        self._cipher: CipherContext = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor()

    def draw(self, shape: int | tuple[int, ...], dtype: npt.DTypeLike = np.uint64) -> Array:
        """Return the next uniform array of an unsigned type."""
        dims = (shape,) if isinstance(shape, int) else shape
        size_bytes = prod(dims) * np.dtype(dtype).itemsize
        zeros = ZEROS[:size_bytes] if size_bytes <= len(ZEROS) else bytes(size_bytes)
        return np.frombuffer(self._cipher.update(zeros), dtype=dtype).reshape(dims)

    def permutation(self, n: int) -> npt.NDArray[np.int64]:
        """Return a uniform permutation of 0..n-1: the order of n random sort keys, redrawn if two are equal.

        Given that they differ, random keys are equally likely to be in any order, so this is exactly uniform.
        """
        while True:
            keys = self.draw(n)
            if n <= MOST_PACKED_ROWS:
                # Sorting values is several times faster than argsort: the row number rides in the low bits.
                low_bits = np.uint64(max(n - 1, 1).bit_length())
                packed = np.sort((keys >> low_bits << low_bits) | np.arange(n, dtype=np.uint64))
                order = (packed & ((np.uint64(1) << low_bits) - np.uint64(1))).astype(np.int64)
                ranked = packed >> low_bits
            else:
                order = np.argsort(keys, kind="stable")
                ranked = keys[order]
            if not (ranked[1:] == ranked[:-1]).any():
                return order


class Pair:
    """The streams in common with one neighbour: one per use, made when first asked for."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._streams: dict[str, Stream] = {}

    def use(self, label: str) -> Stream:
        """Return the stream for one use."""
        if label not in self._streams:
            self._streams[label] = Stream(derive(self._seed, label.encode()))
        return self._streams[label]


class Streams:
    """All correlated randomness of one party: a pair with the next party, a pair with the previous one."""

    def __init__(self, seed_with_next: bytes, seed_with_prev: bytes) -> None:
        self.with_next = Pair(seed_with_next)
        self.with_prev = Pair(seed_with_prev)

    def zero_share(self, shape: int | tuple[int, ...], dtype: npt.DTypeLike = np.uint64) -> Array:
        """Return this party's part of three uniform arrays that add up to zero."""
        ours, theirs = self.with_next.use("zero"), self.with_prev.use("zero")
        return np.subtract(ours.draw(shape, dtype), theirs.draw(shape, dtype))

    def zero_xor(self, shape: int | tuple[int, ...], dtype: npt.DTypeLike = np.uint64) -> Array:
        """Return this party's part of three uniform arrays whose XOR is zero."""
        ours, theirs = self.with_next.use("xor"), self.with_prev.use("xor")
        return np.bitwise_xor(ours.draw(shape, dtype), theirs.draw(shape, dtype))
