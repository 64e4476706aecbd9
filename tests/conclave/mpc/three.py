"""Three real parties in three threads, over socket pairs, with real randomness: the bench of all MPC tests."""

import contextlib
import itertools
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from conclave.mpc.channel import Channel, Network
from conclave.mpc.costs import Cost
from conclave.mpc.party import Party
from conclave.mpc.shares import AShare, BitShare, BShare, open_arithmetic, open_bits, open_words
from conclave.mpc.witness import compare_openings

NAMES = ("alpha", "bravo", "carol")
TIMEOUT_S = 300.0  # what takes as long as this hangs, however busy the machine is


class RecordingNetwork(Network):
    """Writes down who was sent how much, in order: what an observer of the wire sees."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.transcript: list[tuple[Any, ...]] = []

    def exchange(self, outgoing, incoming):
        sizes = sorted((peer, memoryview(payload).nbytes) for peer, payload in outgoing.items())
        self.transcript.append(("mpc", *sizes))
        return super().exchange(outgoing, incoming)


@dataclass(frozen=True)
class Run:
    """What came out (opened where it was secret), what it cost, and what an observer saw at each party."""

    opened: Any
    cost: Cost
    transcripts: tuple[list[Any], ...]
    shares: tuple[Any, ...]


def connect(names, network_type=Network, timeout_s=TIMEOUT_S) -> dict[str, Network]:
    channels: dict[str, dict[str, Channel]] = {name: {} for name in names}
    for a, b in itertools.combinations(names, 2):
        left, right = socket.socketpair()
        channels[a][b], channels[b][a] = Channel(left, b), Channel(right, a)
    return {name: network_type(name, channels[name], timeout_s) for name in names}


def run_networks(networks: Mapping[str, Network], work: Callable[[Network], Any]) -> dict[str, Any]:
    """Run `work` in a thread per party; a result is what it returned or the exception it raised."""
    results: dict[str, Any] = {}

    def run(name: str) -> None:
        try:
            results[name] = work(networks[name])
        except Exception as error:
            results[name] = error
            networks[name].close()

    threads = [threading.Thread(target=run, args=(name,)) for name in networks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def run_parties(work: Callable[[Network], Any], names=NAMES, network_type=Network) -> dict[str, Any]:
    networks = connect(names, network_type)
    with contextlib.ExitStack() as stack:
        for network in networks.values():
            stack.callback(network.close)
        results = run_networks(networks, work)
    for result in results.values():
        if isinstance(result, Exception) and type(result).__name__ != "PeerLost":
            raise result
    for result in results.values():
        if isinstance(result, Exception):
            raise result
    return results


def run_three_parties(fn: Callable[..., Any], *inputs: Any, **options: Any) -> Run:
    """Share integer arrays (and bool arrays as bits), run `fn(*shares, me)`, open what it returns."""
    dealt = [deal_input(value) for value in inputs]

    def work(network: Network) -> Any:
        me = Party.setup(network, NAMES, b"test")
        mine = [value[me.index] if isinstance(value, tuple) else value for value in dealt]
        start = Cost(network.rounds, network.bytes_sent)
        result = fn(*mine, me, **options)
        cost = Cost(network.rounds - start.rounds, network.bytes_sent - start.bytes_sent)
        transcript = list(network.transcript)
        opened = open_result(result, me)
        compare_openings(me)
        return opened, cost, transcript, result

    results = run_parties(work, NAMES, RecordingNetwork)
    ordered = [results[name] for name in NAMES]
    busiest = Cost(max(r[1].rounds for r in ordered), max(r[1].bytes_sent for r in ordered))
    return Run(ordered[0][0], busiest, tuple(r[2] for r in ordered), tuple(r[3] for r in ordered))


def deal_input(value: Any) -> Any:
    """Share arrays at random: bool as BitShare, uint64/int64 as AShare; anything else is passed as it is."""
    if not isinstance(value, np.ndarray):
        return value
    rng = np.random.default_rng()
    if value.dtype == bool:
        parts = [rng.integers(0, 2, len(value), dtype=np.uint8) for _ in range(2)]
        parts.append(value.astype(np.uint8) ^ parts[0] ^ parts[1])
        return tuple(BitShare(parts[i], parts[(i + 1) % 3]) for i in range(3))
    parts = [rng.integers(0, 1 << 64, len(value), dtype=np.uint64) for _ in range(2)]
    parts.append(value.astype(np.uint64) - parts[0] - parts[1])
    return tuple(AShare(parts[i], parts[(i + 1) % 3]) for i in range(3))


def deal_words(value: np.ndarray) -> tuple[BShare, ...]:
    rng = np.random.default_rng()
    parts = [rng.integers(0, 1 << 64, len(value), dtype=np.uint64) for _ in range(2)]
    parts.append(value.astype(np.uint64) ^ parts[0] ^ parts[1])
    return tuple(BShare(parts[i], parts[(i + 1) % 3]) for i in range(3))


def open_result(result: Any, me: Party) -> Any:
    match result:
        case AShare():
            return open_arithmetic(result, me)
        case BShare():
            return open_words(result, me)
        case BitShare():
            return open_bits(result, me)
        case list() | tuple():
            return [open_result(part, me) for part in result]
    return result
