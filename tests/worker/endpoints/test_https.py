"""A Swift behind TLS, as they are: its certificate is checked, against the CA in the Secret if there is one."""

import socket
import ssl
import threading

import pytest

from tests.worker.endpoints.conftest import QUICK
from tests.worker.endpoints.mounting import mount, v1
from worker.endpoints.swift import SwiftStore
from worker.errors import BadDocument, StoreRefused


@pytest.fixture
def https(certificate):
    """A TLS server that signs everybody in, and has one object; yields its port and what it was sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate[0])
    heads: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def serve() -> None:
            while True:
                try:
                    plain, _ = listener.accept()
                except OSError:
                    return
                try:
                    with context.wrap_socket(plain, server_side=True) as client:
                        heads.append(client.recv(65536))
                        body = b"" if b"/auth/" in heads[-1] else b"content"
                        lines = [
                            b"HTTP/1.1 200 OK",
                            b"X-Auth-Token: token",
                            b"X-Storage-Url: https://127.0.0.1:%d/v1/AUTH_a" % port,
                            b"Content-Length: %d" % len(body),
                            b"Connection: close",
                        ]
                        client.sendall(b"\r\n".join(lines) + b"\r\n\r\n" + body)
                except OSError:
                    continue

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield port, heads
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def keys(port: int) -> dict[str, str]:
    return v1(f"https://127.0.0.1:{port}/auth/v1.0", "alpha:worker", "hush")


def test_a_certificate_of_the_ca_in_the_secret_is_trusted(https, certificate, tmp_path):
    port, heads = https
    store = SwiftStore(mount(tmp_path, {**keys(port), "OS_CACERT": certificate[1]}), "store", patience=QUICK)
    assert store.get_small("c", "o", 100) == b"content"
    assert len(heads) == 2


def test_a_certificate_of_an_unknown_ca_is_not_trusted(https, tmp_path):
    port, heads = https
    store = SwiftStore(mount(tmp_path, keys(port)), "store", patience=QUICK)
    with pytest.raises(StoreRefused, match="certificate is not trusted") as caught:
        store.get_small("c", "o", 100)
    assert "OS_CACERT" in caught.value.fix
    assert heads == []  # nothing was sent


def test_keystone_with_a_certificate_of_an_unknown_ca_is_not_trusted(https, tmp_path):
    port, heads = https
    application = {
        "OS_AUTH_URL": f"https://127.0.0.1:{port}/v3",
        "OS_APPLICATION_CREDENTIAL_ID": "a",
        "OS_APPLICATION_CREDENTIAL_SECRET": "hush",
    }
    store = SwiftStore(mount(tmp_path, application), "store", patience=QUICK)
    with pytest.raises(StoreRefused, match="certificate is not trusted"):
        store.get_small("c", "o", 100)
    assert heads == []


def test_what_is_in_the_place_of_a_ca_and_is_none_is_a_bad_document(tmp_path):
    with pytest.raises(BadDocument, match="OS_CACERT"):
        SwiftStore(mount(tmp_path, {**keys(1), "OS_CACERT": "hush"}), "store")
