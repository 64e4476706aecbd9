import hashlib
import http.server
import logging
import secrets
import threading
from contextlib import contextmanager

import pytest
import swiftclient

from worker.endpoints.patience import Patience
from worker.endpoints.swift import SwiftStore
from worker.errors import BadDocument, StoreRefused, StoreUnavailable


@pytest.fixture
def container() -> str:
    return f"c-{secrets.token_hex(6)}"


def mount(root, url, login, key, secret="store"):
    directory = root / secret
    directory.mkdir(parents=True, exist_ok=True)
    for name, value in {"ST_AUTH": url, "ST_USER": login, "ST_KEY": key}.items():
        (directory / name).write_text(value + "\n")
    return root


@pytest.fixture
def steward(swift, swift_users, tmp_path) -> SwiftStore:
    user = swift_users.of("alpha:steward")
    return SwiftStore(mount(tmp_path, swift.url, user.login, user.key), "store")


@pytest.fixture
def client(swift, swift_users) -> swiftclient.Connection:
    user = swift_users.of("alpha:steward")
    return swiftclient.Connection(authurl=swift.url, user=user.login, key=user.key, auth_version="1")


def test_a_download_is_the_object_with_its_digest(steward, client, container, tmp_path):
    content = secrets.token_bytes(3 * (1 << 20) + 17)
    client.put_container(container)
    client.put_object(container, "data.csv", content)
    done = steward.download(container, "data.csv", tmp_path / "data.csv")
    assert (tmp_path / "data.csv").read_bytes() == content
    assert (done.size_bytes, done.sha256) == (len(content), hashlib.sha256(content).hexdigest())


def test_a_large_object_made_of_segments_is_downloaded_whole(steward, client, container, tmp_path):
    client.put_container(container)
    client.put_container(f"{container}-segments")
    for i in range(3):
        client.put_object(f"{container}-segments", f"data/{i}", f"part {i}\n")
    client.put_object(container, "data", b"", headers={"X-Object-Manifest": f"{container}-segments/data/"})
    steward.download(container, "data", tmp_path / "data")
    assert (tmp_path / "data").read_text() == "part 0\npart 1\npart 2\n"


def test_a_small_object_has_a_limit(steward, client, container):
    client.put_container(container)
    client.put_object(container, "policy", b"x" * 100)
    assert steward.get_small(container, "policy", 100) == b"x" * 100
    with pytest.raises(BadDocument, match="larger than 99 bytes"):
        steward.get_small(container, "policy", 99)


def test_an_object_is_put_once_and_its_container_made(steward, container, tmp_path):
    file = tmp_path / "result.csv"
    file.write_bytes(b"a,b\n1,2\n")
    assert not steward.exists(container, "run/result.csv")
    assert steward.put_once(container, "run/result.csv", file) == "created"
    assert steward.exists(container, "run/result.csv")
    assert steward.put_once(container, "run/result.csv", b"other") == "exists"
    assert steward.get_small(container, "run/result.csv", 100) == b"a,b\n1,2\n"
    assert steward.put_once(container, "empty", b"") == "created"
    assert steward.get_small(container, "empty", 100) == b""


def test_wrong_credentials_are_refused_without_being_told(swift, tmp_path, container, caplog):
    caplog.set_level(logging.DEBUG)
    store = SwiftStore(mount(tmp_path, swift.url, "alpha:steward", "not-the-key"), "store")
    with pytest.raises(StoreRefused) as caught:
        store.get_small(container, "policy", 100)
    assert caught.value.code == 50
    assert "401" in caught.value.what
    assert "'store'" in caught.value.what
    assert caught.value.where == f"{container}/policy"
    said = repr(vars(caught.value)) + str(caught.value.__cause__) + caplog.text
    assert "not-the-key" not in said
    assert "alpha:steward" not in said


def test_no_permission_and_no_object_are_told_apart(swift, swift_users, steward, tmp_path, client, container):
    client.put_container(container)
    with pytest.raises(StoreRefused, match="404"):
        steward.get_small(container, "policy", 100)
    user = swift_users.of("alpha:worker")
    worker = SwiftStore(mount(tmp_path, swift.url, user.login, user.key, "worker"), "worker")
    with pytest.raises(StoreRefused, match="403"):
        worker.put_once(container, "x", b"x")


def test_logs_hold_neither_token_nor_key(steward, client, container, caplog):
    caplog.set_level(logging.DEBUG)
    steward.put_once(container, "x", b"contents")
    steward.get_small(container, "x", 100)
    assert "X-Auth" not in caplog.text
    assert container not in caplog.text


def test_a_store_that_is_down_is_tried_again_a_bounded_number_of_times(tmp_path, container):
    pauses: list[float] = []
    store = SwiftStore(mount(tmp_path, "http://127.0.0.1:1/auth/v1.0", "u", "k"), "store", pauses.append)
    with pytest.raises(StoreUnavailable) as caught:
        store.get_small(container, "policy", 100)
    assert not isinstance(caught.value, StoreRefused)
    assert len(pauses) == Patience().attempts - 1
    assert all(0 <= pause <= Patience().longest_pause_s for pause in pauses)


def test_a_store_that_fails_for_a_while_is_survived(tmp_path):
    content = b"the policy"
    with flaky_store(content, failures=["500", "cut", "wrong etag"]) as url:
        store = SwiftStore(mount(tmp_path, url, "u", "k"), "store", lambda pause_s: None)
        done = store.download("c", "o", tmp_path / "o")
    assert (tmp_path / "o").read_bytes() == content
    assert done.sha256 == hashlib.sha256(content).hexdigest()


def test_a_missing_secret_says_which(tmp_path):
    with pytest.raises(BadDocument, match="Secret 'nobody' is not mounted or holds no credentials"):
        SwiftStore(tmp_path, "nobody")


@contextmanager
def flaky_store(content: bytes, failures: list[str]):
    """An HTTP server that speaks as much Swift as a GET needs, and fails in the given ways first."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None: ...

        def do_GET(self) -> None:
            if self.path == "/auth":
                self.send_response(200)
                self.send_header("X-Storage-Url", f"http://127.0.0.1:{self.server.server_port}/v1/a")
                self.send_header("X-Auth-Token", "token")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            failure = failures.pop(0) if failures else ""
            self.send_response(500 if failure == "500" else 200)
            right = hashlib.md5(content).hexdigest()
            self.send_header("ETag", "0" * 32 if failure == "wrong etag" else right)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(content[:3] if failure == "cut" else content)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/auth"
    finally:
        server.shutdown()
        server.server_close()
