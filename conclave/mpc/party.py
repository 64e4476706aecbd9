"""One of the three compute parties: its place in the ring, its network and its randomness."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod

import numpy as np
import numpy.typing as npt

from conclave.mpc.arrays import Array
from conclave.mpc.channel import Network
from conclave.mpc.errors import ProtocolError
from conclave.mpc.memory import keep_freed_memory
from conclave.mpc.randomness import Streams
from conclave.mpc.seeds import agree_on_seeds


@dataclass
class Openings:
    """Running digests of what was opened: what this party could have sent to the previous one, and what it received."""

    held: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    received: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    count: int = 0


class Party:
    """This process as compute party `index`; `names` are the three in ring order."""

    def __init__(self, index: int, names: tuple[str, str, str], network: Network, streams: Streams) -> None:
        self.index = index
        self.names = names
        self.network = network
        self.streams = streams
        self.openings = Openings()
        # Whether independent protocols share their rounds (`together`): many rows would need the memory of all at once.
        self.side_by_side = True

    def beside(self, network: Network) -> "Party":
        """Return this party for a protocol that runs beside others: with randomness and openings of its own."""
        other = Party(self.index, self.names, network, self.streams.fork())
        other.side_by_side = self.side_by_side
        return other

    def take_openings(self, other: "Party") -> None:
        """Remember what was opened in a protocol that has run beside others."""
        self.openings.held.update(other.openings.held.digest())
        self.openings.received.update(other.openings.received.digest())
        self.openings.count += other.openings.count

    def index_of(self, name: str) -> int:
        """Return the index of one of the three."""
        return self.names.index(name)

    @staticmethod
    def setup(network: Network, names: tuple[str, str, str], context: bytes) -> "Party":
        """Agree with both neighbours on a fresh seed each, bound to `context` (run id and plan digest).

        Raises:  ProtocolError if this party is not one of the three; AgreementError as `agree_on_seeds`.
        """
        keep_freed_memory()
        if len(set(names)) != 3 or network.me not in names:
            raise ProtocolError(f"{network.me} is not one of three different compute parties")
        index = names.index(network.me)
        following, previous = names[(index + 1) % 3], names[(index + 2) % 3]
        seeds = agree_on_seeds(network, names, (following, previous), context)
        return Party(index, names, network, Streams(seeds[following], seeds[previous]))

    @property
    def next(self) -> int:
        """Index of the next party in the ring."""
        return (self.index + 1) % 3

    @property
    def prev(self) -> int:
        """Index of the previous party in the ring."""
        return (self.index + 2) % 3

    def round(self, outgoing: Mapping[int, Array], incoming: Mapping[int, int]) -> dict[int, memoryview]:
        """Take part in one round: send arrays to, and receive a number of bytes from, parties by index.

        Every party calls this once per round of the protocol, also one that has nothing to say in it.
        """
        received = self.network.exchange(
            {
                self.names[peer]: np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
                for peer, array in outgoing.items()
            },
            {self.names[peer]: size_bytes for peer, size_bytes in incoming.items()},
        )
        return {peer: received[self.names[peer]] for peer in incoming}

    def send_prev_receive_next(self, array: Array) -> Array:
        """Send `array` to the previous party; return the array of the same shape that the next one sends."""
        received = self.round({self.prev: array}, {self.next: array.nbytes})
        return np.frombuffer(received[self.next], dtype=array.dtype).reshape(array.shape)

    def send_next_receive_prev(self, array: Array) -> Array:
        """Send `array` to the next party; return the array of the same shape that the previous one sends."""
        received = self.round({self.next: array}, {self.prev: array.nbytes})
        return np.frombuffer(received[self.prev], dtype=array.dtype).reshape(array.shape)

    def receive(self, peer: int, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """Receive one array, sending nothing."""
        size_bytes = prod(shape) * np.dtype(dtype).itemsize
        return np.frombuffer(self.round({}, {peer: size_bytes})[peer], dtype=dtype).reshape(shape)

    def zero_mask(self, shape: int | tuple[int, ...], dtype: npt.DTypeLike = np.uint64) -> Array:
        """Return this party's part of a fresh uniform sharing of zeros; all three must call it together."""
        return self.streams.zero_share(shape, dtype)

    def xor_mask(self, shape: int | tuple[int, ...], dtype: npt.DTypeLike = np.uint64) -> Array:
        """Return this party's part of a fresh XOR sharing of zeros; all three must call it together."""
        return self.streams.zero_xor(shape, dtype)
