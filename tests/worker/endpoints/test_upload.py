"""Writing once: in segments if it is large, with its container if that is missing, and nothing left of a lost race."""

import hashlib
import json
import secrets

import pytest

from tests.worker.endpoints.faults import Fault, status
from worker.errors import StoreRefused, StoreUnavailable


@pytest.fixture
def large(tmp_path):
    file = tmp_path / "result"
    file.write_bytes(secrets.token_bytes(450_001))
    return file


def names(client, container) -> list[str]:
    return sorted(each["name"] for each in client.get_container(container)[1])


def test_a_large_file_becomes_one_object_of_segments(store_at, client, container, large):
    assert store_at().put_once(container, "run/result.csv", large) == "created"
    headers, content = client.get_object(container, "run/result.csv")
    assert content == large.read_bytes()
    assert headers["x-static-large-object"] == "True"
    sha256 = hashlib.sha256(content).hexdigest()
    assert headers["x-object-meta-sha256"] == sha256
    expected = [f"run/result.csv.segments/{sha256}/{number:04}" for number in range(5)]
    assert names(client, container) == ["run/result.csv", *expected]


@pytest.fixture
def static(client, container, large):
    """The large file as another program puts it: without its SHA-256."""
    content = large.read_bytes()
    client.put_container(container)
    for number in range(5):
        client.put_object(container, f"parts/{number}", content[number * 100_000 : (number + 1) * 100_000])
    listed = [{"path": f"/{container}/parts/{number}"} for number in range(5)]
    client.put_object(container, "o", json.dumps(listed), query_string="multipart-manifest=put")


@pytest.mark.usefixtures("static")
def test_a_large_object_is_read_back_and_its_segments_are_checked(store_at, proxy, container, large, tmp_path):
    store = store_at(proxy.port)
    proxy.on("^GET .*/o$", Fault(cut_after=150_000))
    proxy.on("^GET .*/o$", Fault(cut_after=150_000))
    store.download(container, "o", tmp_path / "fetched")
    assert (tmp_path / "fetched").read_bytes() == large.read_bytes()
    assert proxy.count("^GET .*/o$") == 3
    proxy.on("^GET .*/o$", Fault(flip_at=200_000), times=9)
    with pytest.raises(StoreUnavailable, match="bytes of a segment do not match its ETag"):
        store.download(container, "o", tmp_path / "again")


@pytest.mark.usefixtures("static")
def test_a_large_object_whose_segments_may_not_be_listed_comes_all_the_same(
    store_at, proxy, container, large, tmp_path
):
    proxy.on("multipart-manifest=get", status(403), times=9)
    store_at(proxy.port).download(container, "o", tmp_path / "fetched")
    assert (tmp_path / "fetched").read_bytes() == large.read_bytes()


def test_an_object_that_says_its_sha256_is_held_to_it(store_at, proxy, container, large, tmp_path):
    store = store_at(proxy.port)
    store.put_once(container, "o", large)
    store.download(container, "o", tmp_path / "fetched")
    assert (tmp_path / "fetched").read_bytes() == large.read_bytes()
    assert proxy.count("multipart-manifest=get") == 0
    proxy.on("^GET .*/o$", Fault(flip_at=200_000), times=9)
    with pytest.raises(StoreUnavailable, match="do not match the object's X-Object-Meta-Sha256"):
        store.download(container, "o", tmp_path / "again")


def test_segments_with_ranges_and_large_objects_of_large_objects_come_whole(
    store_at, client, container, large, tmp_path
):
    store = store_at()
    store.put_once(container, "inner", large)
    client.put_object(container, "plain", b"0123456789" * 10)
    listed = [
        {"path": f"/{container}/plain", "range": "10-29"},
        {"path": f"/{container}/inner"},
        {"path": f"/{container}/plain"},
    ]
    client.put_object(container, "outer", json.dumps(listed), query_string="multipart-manifest=put")
    store.download(container, "outer", tmp_path / "fetched")
    assert (tmp_path / "fetched").read_bytes() == b"0123456789" * 2 + large.read_bytes() + b"0123456789" * 10


def test_a_dynamic_large_object_is_taken_up_after_a_cut_unless_a_segment_was_added(
    store_at, proxy, client, container, tmp_path
):
    pieces = [secrets.token_bytes(200_000) for _ in range(3)]
    client.put_container(container)
    for number, piece in enumerate(pieces):
        client.put_object(container, f"parts/{number}", piece)
    client.put_object(container, "o", b"", headers={"X-Object-Manifest": f"{container}/parts/"})
    proxy.on("^GET .*/o$", Fault(cut_after=450_000))
    store_at(proxy.port).download(container, "o", tmp_path / "fetched")
    assert (tmp_path / "fetched").read_bytes() == b"".join(pieces)
    assert proxy.count("^GET .*/o$") == 2
    more = Fault(cut_after=450_000, then=lambda: client.put_object(container, "parts/1a", b"more"))
    proxy.on("^GET .*/o$", more)
    store_at(proxy.port).download(container, "o", tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == b"".join([*pieces[:2], b"more", pieces[2]])


def test_segments_of_an_attempt_that_died_are_taken_up(store_at, proxy, client, container, large):
    proxy.on(r"^PUT .*/0003", status(403))
    with pytest.raises(StoreRefused):
        store_at(proxy.port).put_once(container, "o", large)
    assert "o" not in names(client, container)
    before = proxy.count("^PUT .*segments")
    assert store_at(proxy.port).put_once(container, "o", large) == "created"
    assert proxy.count("^PUT .*segments") - before == 2  # the one that failed, and the last
    assert client.get_object(container, "o")[1] == large.read_bytes()


def test_whoever_loses_a_race_removes_its_own_segments_and_no_others(store_at, proxy, client, container, large):
    store, other = store_at(proxy.port), secrets.token_bytes(400_000)

    def win() -> None:
        store_at().put_once(container, "o", other)

    # Another writer comes first, after ours has looked, and before its last request.
    proxy.on("^PUT .*/0004$", Fault(first=win))
    assert store.put_once(container, "o", large) == "exists"
    assert client.get_object(container, "o")[1] == other
    left = [name for name in names(client, container) if "segments" in name]
    assert len(left) == 4
    assert all(hashlib.sha256(other).hexdigest() in name for name in left)


def test_a_race_lost_to_the_same_content_takes_nothing_from_the_winner(store_at, proxy, client, container, large):
    proxy.on("^PUT .*/0004$", Fault(first=lambda: store_at().put_once(container, "o", large)))
    assert store_at(proxy.port).put_once(container, "o", large) == "exists"
    assert client.get_object(container, "o")[1] == large.read_bytes()


def test_what_is_there_is_neither_changed_nor_sent_again(store_at, proxy, client, container, large):
    client.put_container(container)
    client.put_object(container, "o", b"first")
    assert store_at(proxy.port).put_once(container, "o", large) == "exists"
    assert store_at(proxy.port).put_once(container, "o", b"second") == "exists"
    assert client.get_object(container, "o")[1] == b"first"
    assert proxy.count("^PUT .*segments") == 0


def test_a_container_is_made_with_its_readers_but_never_widened(store_at, client, container):
    readers = {"READERS": "bravo:*,carol, dora"}
    assert store_at(**readers).put_once(container, "o", b"x", ["bravo:*", "carol:worker", "eve:*"]) == "created"
    assert client.head_container(container)["x-container-read"] == "bravo:*,carol:worker"
    store_at(**readers).put_once(container, "p", b"x", ["dora:*"])
    assert client.head_container(container)["x-container-read"] == "bravo:*,carol:worker"
    assert store_at().missing_readers(container, ["bravo:ann", "carol:*", "dora:*"]) == ("carol:*", "dora:*")


def test_a_container_that_somebody_makes_meanwhile_keeps_its_rules(store_at, proxy, client, container):
    def make() -> None:
        client.put_container(container, {"X-Container-Read": "bravo:*"})

    proxy.on(f"^PUT .*/{container}$", Fault(first=make))  # the store has said that there is none
    store_at(proxy.port, READERS="dora").put_once(container, "o", b"x", ["dora:*"])
    assert client.head_container(container)["x-container-read"] == "bravo:*"


def test_without_the_right_to_make_a_container_it_is_said(store_at, container):
    with pytest.raises(StoreRefused, match="answered 403") as caught:
        store_at(login="alpha:worker").put_once(container, "o", b"x")
    assert "access to this container" in caught.value.fix


def test_odd_names_lead_to_their_own_objects(store_at, client, container, tmp_path):
    for name in ("a b/ü?#&%2F.csv", "../x", "a/./b", "//c"):
        assert store_at().put_once(container, name, name.encode()) == "created"
        assert name in names(client, container)
        assert store_at().get_small(container, name, 100) == name.encode()
