"""Parties in one process: every pair joined by a socket pair, for trials and tests. Frames are the real ones."""

import socket
from itertools import combinations

from conclave.mpc.channel import Channel, Network


def connect_all(names: tuple[str, ...], timeout_s: float) -> dict[str, Network]:
    """Return a network for each party; each is to be used by a thread of its own, and closed by it."""
    channels: dict[str, dict[str, Channel]] = {name: {} for name in names}
    for left, right in combinations(names, 2):
        a, b = socket.socketpair()
        channels[left][right], channels[right][left] = Channel(a, right), Channel(b, left)
    return {name: Network(name, channels[name], timeout_s) for name in names}
