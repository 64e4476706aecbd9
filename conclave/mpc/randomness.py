"""Correlated randomness: what two neighbours can both compute from a seed that the third does not know.

Every use has its own AES key, derived from the pair's seed and the name of the use, so that no two uses can ever
read the same key stream, and within a use the stream only moves forward. A seed lives for one run (`seeds`).

The key stream is that of AES-256 in counter mode, taken from GCM: on processors with wide AES instructions OpenSSL
makes GCM, tag included, twice as fast as the plain counter mode, for which it does not use them. The tag is not asked.
"""

from math import prod

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from conclave.mpc import kernels
from conclave.mpc.arrays import Array

SEED_BYTES = 32
# Encrypting zeros gives the key stream; a chunk of them stays in the processor's cache.
ZEROS = memoryview(bytes(1 << 18))
BLOCK_BYTES = 16
# A nonce serves for less than the 64 GiB after which GCM's counter of 32 bits would begin anew; then comes the next.
NONCE_BYTES = 12
SEGMENT_BYTES = 1 << 35


def derive(secret: bytes, label: bytes) -> bytes:
    """Derive a 32-byte key for one use. Different labels give independent keys.

    >>> derive(bytes(32), b"a") == derive(bytes(32), b"b")
    False
    """
    return HKDF(algorithm=SHA256(), length=SEED_BYTES, salt=b"conclave mpc v2", info=label).derive(secret)


class Stream:
    """An endless stream of uniform numbers from one key; both holders of the key draw in the same order."""

    def __init__(self, key: bytes) -> None:
        self._key = algorithms.AES(key)
        self._segments, self._left = 0, 0
        self._cipher: CipherContext

    def draw(self, shape: int | tuple[int, ...], dtype: npt.DTypeLike = np.uint64) -> Array:
        """Return the next uniform array of an unsigned type."""
        dims = (shape,) if isinstance(shape, int) else shape
        size_bytes = prod(dims) * np.dtype(dtype).itemsize
        # The cipher wants a block less one byte of room behind what it writes.
        room = np.empty(size_bytes + BLOCK_BYTES - 1, np.uint8)
        start = 0
        while start < size_bytes:
            if not self._left:
                self._begin_segment()
            count = min(len(ZEROS), size_bytes - start, self._left)
            self._cipher.update_into(ZEROS[:count], room.data[start:])
            start, self._left = start + count, self._left - count
        return room[:size_bytes].view(dtype).reshape(dims)

    def permutation(self, n: int) -> npt.NDArray[np.uint32]:
        """Return a uniform permutation of 0..n-1, by Fisher and Yates, without bias; n is at most 2**31."""
        order, left = np.arange(n, dtype=np.uint32), n
        while left > 1:
            # A word is thrown away with a chance of n / 2**32: mostly one draw is enough.
            left = kernels.swap_down(order, left, self.draw(left - 1, np.uint32))
        return order

    def _begin_segment(self) -> None:
        # Counted nonces are right here: the key is used for this one stream and never again.
        nonce = self._segments.to_bytes(NONCE_BYTES, "big")
        self._cipher = Cipher(self._key, modes.GCM(nonce)).encryptor()
        self._segments, self._left = self._segments + 1, SEGMENT_BYTES


class Pair:
    """The streams in common with one neighbour: one per use, made when first asked for."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._streams: dict[str, Stream] = {}

    def use(self, label: str) -> Stream:
        """Return the stream for one use."""
        if label not in self._streams:
            # A kind of label of its own: what is derived for a use is no fork's seed, and nothing that is ever sent.
            self._streams[label] = Stream(derive(self._seed, b"use " + label.encode()))
        return self._streams[label]


class Streams:
    """All correlated randomness of one party: a pair with the next party, a pair with the previous one."""

    def __init__(self, seed_with_next: bytes, seed_with_prev: bytes) -> None:
        self._seeds = (seed_with_next, seed_with_prev)
        self._forks = 0
        self.with_next = Pair(seed_with_next)
        self.with_prev = Pair(seed_with_prev)
        # What nobody else knows: each neighbour knows one of the two seeds.
        self.alone = Pair(derive(seed_with_next + seed_with_prev, b"alone"))

    def fork(self) -> "Streams":
        """Return streams of their own for a protocol that runs beside others, each time others.

        What two neighbours draw in common they draw in the same order, but between other rounds: of one stream for
        several protocols they would draw for different ones.
        """
        self._forks += 1
        label = f"fork {self._forks}".encode()
        with_next, with_prev = (derive(seed, label) for seed in self._seeds)
        return Streams(with_next, with_prev)

    def zero_share(self, shape: int | tuple[int, ...], dtype: npt.DTypeLike = np.uint64) -> Array:
        """Return this party's part of three uniform arrays that add up to zero."""
        ours, theirs = self.with_next.use("zero"), self.with_prev.use("zero")
        mask = ours.draw(shape, dtype)
        return np.subtract(mask, theirs.draw(shape, dtype), out=mask)

    def zero_xor(self, shape: int | tuple[int, ...], dtype: npt.DTypeLike = np.uint64) -> Array:
        """Return this party's part of three uniform arrays whose XOR is zero."""
        ours, theirs = self.with_next.use("xor"), self.with_prev.use("xor")
        mask = ours.draw(shape, dtype)
        return np.bitwise_xor(mask, theirs.draw(shape, dtype), out=mask)
