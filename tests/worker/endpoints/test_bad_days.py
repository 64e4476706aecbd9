"""A real Swift behind a proxy that breaks things: what comes through is right, what does not says so, nothing leaks.

docs/operating.md has a table of these; the names of its rows' tests stand there.
"""

import hashlib
import random
import secrets
import subprocess
import time
from dataclasses import replace

import pytest
import swiftclient

from tests.worker.endpoints.conftest import HASTY, QUICK
from tests.worker.endpoints.faults import Fault, status
from worker.endpoints.patience import Patience
from worker.errors import StoreRefused, StoreUnavailable

SIZE = 700_001
GET = r"^GET .*/data\.csv"


@pytest.fixture
def content() -> bytes:
    return secrets.token_bytes(SIZE)


@pytest.fixture
def uploaded(client, container, content) -> str:
    client.put_container(container)
    client.put_object(container, "data.csv", content)
    return container


@pytest.fixture
def fetched(tmp_path, store_at, proxy, uploaded, content):
    """Fetch through the proxy; what is there then is whole, or nothing is."""

    def fetch(patience: Patience | None = None) -> float:
        path, begun = tmp_path / "fetched", time.monotonic()
        store = store_at(proxy.port, **({"patience": patience} if patience else {}))
        try:
            done = store.download(uploaded, "data.csv", path)
        except BaseException:
            assert not path.exists()
            raise
        assert path.read_bytes() == content
        assert (done.size_bytes, done.sha256) == (SIZE, hashlib.sha256(content).hexdigest())
        return time.monotonic() - begun

    return fetch


@pytest.mark.parametrize("seed", range(4))
def test_cut_at_random_bytes(fetched, proxy, seed):
    rng = random.Random(seed)
    for _ in range(5):
        proxy.on(GET, Fault(cut_after=rng.randrange(SIZE // 5)))
    fetched()
    # Nothing came twice, but for what was on its way at a cut.
    assert proxy.count(GET) == 6
    ranges = [head for head in proxy.heads if b"range: bytes=" in head.lower()]
    assert len(ranges) >= 4
    assert all(b"if-match:" in head.lower() for head in ranges)


def test_cut_more_often_than_there_are_attempts_but_moving_on(fetched, proxy):
    patience = Patience(attempts=2, first_pause_s=0.01, longest_pause_s=0.02, enough_bytes=50_000)
    proxy.on(GET, Fault(cut_after=70_000), times=9)
    fetched(patience)


def test_cut_again_and_again_at_the_same_byte(fetched, proxy):
    proxy.on(GET, Fault(cut_after=0), times=99)
    with pytest.raises(StoreUnavailable, match="in 8 attempts: no answer") as caught:
        fetched()
    assert caught.value.code == 50
    assert proxy.count(GET) == 8


def test_a_body_that_ends_too_early(fetched, proxy):
    proxy.on(GET, Fault(end_after=1234))
    fetched()


def test_a_body_and_a_length_that_are_both_too_short(fetched, proxy):
    proxy.on(GET, Fault(shorten_to=1234))
    fetched()


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 206 Partial Content\r\nContent-Length: 3\r\nContent-Range: bytes 0-2/3\r\n",
        b"HTTP/1.1 200 OK\r\nX-Object-Manifest: a/b\r\n",  # its ETag would be no MD5
        b"HTTP/1.1 203 Non-Authoritative Information\r\nContent-Length: 3\r\nX-Object-Manifest: a/b\r\n",
    ],
)
def test_a_body_that_nobody_says_is_whole_is_not_taken(fetched, proxy, head):
    proxy.on(GET, Fault(answer=head + b"Connection: close\r\n\r\nabc"))
    fetched()
    assert proxy.count(GET) == 2


@pytest.mark.parametrize(
    ("fault", "hasty", "says"),
    [
        (Fault(stall_after=300_000), {"idle_s": 0.5}, "no answer"),
        (Fault(trickle_s=0.01), {"window_s": 0.5}, "fell below"),
    ],
)
def test_a_stall_or_a_trickle_is_no_transfer(fetched, proxy, fault, hasty, says):
    proxy.on(GET, fault)
    fetched(HASTY)
    proxy.on(GET, fault, times=99)
    with pytest.raises(StoreUnavailable, match=says):
        fetched(replace(QUICK, attempts=2, **hasty))


def test_a_wrong_checksum(fetched, proxy):
    proxy.on(GET, Fault(flip_at=500_000))
    fetched()
    proxy.on(GET, Fault(flip_at=0), times=99)
    before = proxy.count(GET)
    with pytest.raises(StoreUnavailable, match=r"do not match the store's ETag, 3 times"):
        fetched()
    assert proxy.count(GET) - before == 3  # gigabytes are not fetched for ever


def test_connections_refused_for_a_while(tmp_path, store_at, proxy, uploaded, content):
    store = store_at(proxy.port)
    refused = []

    def come_back(pause_s: float) -> None:
        refused.append(pause_s)
        if len(refused) == 3:
            proxy.up()

    proxy.down()
    object.__setattr__(store._session.trying, "pause", come_back)
    store.download(uploaded, "data.csv", tmp_path / "fetched")
    assert (tmp_path / "fetched").read_bytes() == content
    assert len(refused) == 3


@pytest.mark.parametrize("code", [500, 502, 503, 504, 429, 498])
def test_a_storm_of_errors_passes(fetched, proxy, code):
    proxy.on(GET, status(code), times=5)
    fetched()
    assert proxy.count(GET) == 6


def test_a_storm_without_end(fetched, proxy):
    proxy.on(GET, status(503), times=99)
    with pytest.raises(StoreUnavailable, match="in 8 attempts: the store answered 503") as caught:
        fetched()
    assert not isinstance(caught.value, StoreRefused)
    assert "secret!" not in repr(vars(caught.value))


def test_retry_after_is_honoured(fetched, proxy):
    proxy.on(GET, status(429, Retry_After="1"))
    assert fetched() >= 1
    # A day is too long to hold a run: what the store asks for has a limit.
    proxy.on(GET, status(503, Retry_After="86400"))
    assert fetched() >= 2


def test_replaced_in_mid_download_it_is_fetched_anew(tmp_path, store_at, proxy, uploaded, client):
    newer = secrets.token_bytes(SIZE)
    proxy.on(GET, Fault(cut_after=300_000, then=lambda: client.put_object(uploaded, "data.csv", newer)))
    done = store_at(proxy.port).download(uploaded, "data.csv", tmp_path / "fetched")
    assert (tmp_path / "fetched").read_bytes() == newer  # not the head of one and the tail of the other
    assert done.sha256 == hashlib.sha256(newer).hexdigest()


def test_replaced_again_and_again(fetched, proxy, uploaded, client):
    other = lambda: client.put_object(uploaded, "data.csv", secrets.token_bytes(SIZE))  # noqa: E731
    proxy.on(GET, Fault(cut_after=300_000, then=other), times=99)
    with pytest.raises(StoreUnavailable, match="replaced while it was read, again and again"):
        fetched()


def test_a_token_that_ends_in_mid_download_is_renewed(fetched, proxy):
    proxy.on(GET, Fault(cut_after=300_000))
    proxy.on(GET, status(401))
    fetched()
    assert proxy.count("/auth/v1.0") == 2


def test_refused_for_good_is_not_tried_again(fetched, proxy):
    for code, advice in (
        (401, "ST_USER and ST_KEY"),
        (403, "access"),
        (404, "party document"),
        (507, "full"),
        (413, "quota"),
    ):
        proxy.on(GET, status(code), times=9)
        begun = proxy.count(GET)
        with pytest.raises(StoreRefused, match=f"answered {code}") as caught:
            fetched()
        assert advice in caught.value.fix
        assert proxy.count(GET) - begun == (2 if code == 401 else 1)
        proxy._rules.clear()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 400 kB."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(place)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a small file system takes root")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk(store_at, uploaded, small_disk, proxy):
    with pytest.raises(StoreUnavailable, match="no room for the object: 700001 bytes, ") as caught:
        store_at().download(uploaded, "data.csv", small_disk / "fetched")
    assert "spec.resources.work" in caught.value.fix
    assert list(small_disk.iterdir()) == []


def test_a_disk_that_fills_up_in_mid_download(store_at, uploaded, small_disk, proxy, client, monkeypatch):
    # It held enough when the download began.
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1 << 40})())
    with pytest.raises(StoreUnavailable, match="no room for the object") as caught:
        store_at(proxy.port).download(uploaded, "data.csv", small_disk / "fetched")
    assert caught.value.code == 50
    assert proxy.count(GET) == 1  # another attempt would find no more room
    assert list(small_disk.iterdir()) == []


@pytest.mark.parametrize("is_large", [False, True])
def test_an_upload_cut_off_leaves_nothing_and_is_done_again(store_at, proxy, container, client, is_large, tmp_path):
    file = tmp_path / "result"
    file.write_bytes(secrets.token_bytes(450_000 if is_large else 250_000))
    proxy.on("^PUT .*/result", Fault(cut_upload_after=50_000), times=3)
    proxy.on("^PUT .*/result", status(503), times=2)
    assert store_at(proxy.port).put_once(container, "run/result", file) == "created"
    assert client.get_object(container, "run/result")[1] == file.read_bytes()


@pytest.mark.parametrize("is_large", [False, True])
def test_an_upload_whose_answer_is_lost_is_not_doubled(store_at, proxy, container, client, is_large, tmp_path):
    file = tmp_path / "result"
    file.write_bytes(secrets.token_bytes(450_000 if is_large else 250_000))
    store = store_at(proxy.port)
    client.put_container(container)
    lost = proxy.on(r"^PUT .*/result(\?.*)?$", Fault(lose_answer=True))
    assert store.put_once(container, "run/result", file) == "exists"  # and the caller compares
    assert lost.struck.is_set()
    assert client.get_object(container, "run/result")[1] == file.read_bytes()
    names = [each["name"] for each in client.get_container(container)[1]]
    assert len(names) == (6 if is_large else 1)


def test_an_upload_that_never_ends_well_leaves_no_object(store_at, proxy, container, client):
    client.put_container(container)
    proxy.on("^PUT .*/result", Fault(cut_upload_after=10), times=99)
    with pytest.raises(StoreUnavailable):
        store_at(proxy.port).put_once(container, "run/result", b"x" * 1000)
    with pytest.raises(swiftclient.ClientException) as caught:
        client.head_object(container, "run/result")
    assert caught.value.http_status == 404
