"""Numbers that outgrow their words are noticed: all that was looked at in a query becomes a single bit, opened once.

Whether any of many secret bits is set is asked of 64 sums of them (XOR) with public random coefficients, which are made
without a message: if one is set, all 64 are zero with a probability of 2**-64. The sums stay secret; only whether one
of them is not zero is opened, before the answer is.
"""

import os
from dataclasses import dataclass

import numpy as np

from conclave.mpc.arrays import Array
from conclave.mpc.bits import and_bits
from conclave.mpc.compare import all_ones, is_negative
from conclave.mpc.errors import Outgrown
from conclave.mpc.party import Party
from conclave.mpc.planes import Planes, words_to_planes
from conclave.mpc.randomness import SEED_BYTES, Stream
from conclave.mpc.shares import AShare, BitShare, concat_arithmetic, open_bits
from conclave.mpc.together import wait_for


@dataclass
class Watch:
    """What has been found so far: 64 sums (XOR) of secret bits, in one word of shares."""

    own: int = 0
    next: int = 0
    coins: Stream | None = None
    is_asking: bool = False  # for coins, in a protocol that may run beside this one

    def add(self, outgrown: BitShare, me: Party) -> None:
        """Let the end know if any of the bits is set. A round for the first, none for the others."""
        if not self.is_asking:
            self.is_asking = True
            self.coins = Stream(_common_seed(me))
        wait_for(lambda: self.coins is not None, me)
        assert self.coins is not None
        coins = self.coins.draw(outgrown.n)
        self.own ^= _sum(coins, outgrown.own)
        self.next ^= _sum(coins, outgrown.next)

    def end(self, me: Party) -> None:
        """Open whether anything outgrew its word, if anything was looked at.

        Reveals: that one bit, to all three.
        Raises:  Outgrown if so; nothing else may be opened then.
        """
        if self.coins is None:
            return
        own, after = (words_to_planes(np.array([word], np.uint64), 64) for word in (self.own, self.next))
        is_fine = all_ones(Planes(own, after, 1).invert(me), me)
        if not open_bits(is_fine, me)[0]:
            raise Outgrown


def outside(x: AShare, most: int, me: Party) -> BitShare:
    """Return whether a signed number is larger than `most` in size, which is below 2**62.

    Shapes:  n secrets of 64 bits; n bits.
    Reveals: nothing.
    """
    # Of what is near an end of the word one of the two wraps, and to the wrong side.
    above, below = is_negative(concat_arithmetic([x.add_public(most, me), x.add_public(-most - 1, me)]), me).split(2)
    return and_bits(above.invert(me), below, me).invert(me)


def _sum(coins: Array, bits: Array) -> int:
    return int(np.bitwise_xor.reduce(coins * bits.astype(np.uint64), initial=np.uint64(0)))


def _common_seed(me: Party) -> bytes:
    """Agree on public random bits: party 0 draws them."""
    if me.index != 0:
        return bytes(me.round({}, {0: SEED_BYTES})[0])
    seed = os.urandom(SEED_BYTES)
    drawn = np.frombuffer(seed, np.uint8)
    me.round({me.next: drawn, me.prev: drawn}, {})
    return seed
