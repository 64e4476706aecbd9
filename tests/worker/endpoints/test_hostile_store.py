"""What a hostile store, or who answers in its place, may send where a small object is expected: a bounded cost, and no more."""

import gzip
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.worker.endpoints.conftest import QUICK
from tests.worker.endpoints.faults import Fault, FaultProxy
from worker.endpoints.digests import Sink
from worker.endpoints.swift import SwiftStore
from worker.errors import StoreUnavailable, WorkerError

MOST_BYTES = 8 << 20  # of memory, whatever is sent
BOMB = gzip.compress(bytes(64 << 20))
ALWAYS = 100
HASTY = replace(QUICK, attempts=2, window_s=0.3)


def head(*lines: str) -> bytes:
    return "\r\n".join(["HTTP/1.1 200 OK", "Connection: close", *lines, "", ""]).encode()


# By the rules of HTTP the chunks count, and not the length beside them.
CHUNK = b"100000\r\n" + bytes(1 << 20) + b"\r\n"
ENDLESS = head("Content-Length: 10", "Transfer-Encoding: chunked", 'ETag: "x"') + CHUNK * 64 + b"0\r\n\r\n"


def peak_bytes(act: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        with pytest.raises(WorkerError):
            act()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_what_says_that_it_is_compressed_is_not_unpacked(proxy: FaultProxy, store_at):
    packed = head("Content-Encoding: gzip", f"Content-Length: {len(BOMB)}") + BOMB
    proxy.on("GET /v1/.*/policy$", Fault(answer=packed), ALWAYS)
    store: SwiftStore = store_at(proxy.port)

    # As it is stored, which is what its ETag is of.
    assert store.get_small("c", "policy", len(BOMB)) == BOMB


def test_a_body_that_is_longer_than_its_head_says_is_left_where_it_is(proxy: FaultProxy, store_at):
    proxy.on("GET /v1/.*/policy$", Fault(answer=ENDLESS), ALWAYS)
    store: SwiftStore = store_at(proxy.port)

    assert peak_bytes(lambda: store.get_small("c", "policy", 1000)) < MOST_BYTES


@pytest.mark.parametrize("is_kept", [True, False])
def test_nor_is_data_taken_beyond_the_length_that_was_said(
    proxy: FaultProxy, store_at, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_kept: bool
):
    taken: list[int] = []
    take = Sink.take
    monkeypatch.setattr(Sink, "take", lambda sink, chunk: (taken.append(len(chunk)), take(sink, chunk))[1])
    proxy.on("GET /v1/.*/flights.csv$", Fault(answer=ENDLESS), ALWAYS)
    store: SwiftStore = store_at(proxy.port)
    path = tmp_path / "flights.csv"

    with pytest.raises(StoreUnavailable, match="more bytes came than the store had said, 3 times"):
        store.download("c", "flights.csv", path) if is_kept else store.digest("c", "flights.csv")

    assert not path.exists()
    assert sum(taken) < 1 << 20


def test_a_small_object_that_trickles_is_not_waited_for(proxy: FaultProxy, store_at, client, container: str):
    client.put_container(container)
    client.put_object(container, "policy", b"x" * 1000)
    proxy.on("GET /v1/.*/policy$", Fault(trickle_s=0.1), ALWAYS)
    store: SwiftStore = store_at(proxy.port, patience=HASTY)

    # Who waits gets it, after 100 seconds.
    with pytest.raises(StoreUnavailable, match="fell below"):
        store.get_small(container, "policy", 2000)
