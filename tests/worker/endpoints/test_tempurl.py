"""Signed URLs: they read what they are for, write nothing, and are never shown."""

import hashlib
import logging
import secrets
import time

import pytest
from swiftclient.utils import generate_temp_url

from tests.worker.endpoints.conftest import QUICK
from tests.worker.endpoints.faults import Fault, FaultProxy, status
from tests.worker.endpoints.mounting import mount
from worker.endpoints.swift import SwiftStore
from worker.errors import BadDocument, StoreRefused, StoreUnavailable

NAMES = ("visits 2024.csv", "visits 2024.csv.policy.yaml", "visits 2024.csv.policy.yaml.sig")


@pytest.fixture
def key(client, container) -> str:
    """The container holds data, policy and signature, and signs with this."""
    key = secrets.token_hex(16)
    client.put_container(container, {"X-Container-Meta-Temp-URL-Key": key})
    for name in NAMES:
        client.put_object(container, name, name.encode())
    return key


@pytest.fixture
def signed(swift, key, container):
    def sign(name: str, seconds: int = 3600, by: str = key, prefix: bool = False, port: int | None = None) -> str:
        path = f"/v1/AUTH_alpha/{container}/{name}"
        signed = generate_temp_url(path, seconds, by, "GET", prefix=prefix, digest="sha256")
        return f"http://127.0.0.1:{port or swift.port}{signed.replace(' ', '%20')}"

    return sign


def opened(tmp_path, *urls: str) -> SwiftStore:
    return SwiftStore(mount(tmp_path, {"TEMPURLS": "\n".join(urls)}), "store", patience=QUICK)


def test_one_url_with_the_datas_name_as_prefix_opens_data_policy_and_signature(tmp_path, signed, container):
    store = opened(tmp_path, signed("visits 2024.csv", prefix=True))
    done = store.download(container, NAMES[0], tmp_path / "fetched")
    assert done.sha256 == hashlib.sha256(NAMES[0].encode()).hexdigest()
    for name in NAMES[1:]:
        assert store.get_small(container, name, 100) == name.encode()
    assert store.exists(container, NAMES[1])


def test_a_url_each_opens_those_and_no_other(tmp_path, signed, container):
    store = opened(tmp_path, *(signed(name) for name in NAMES[:2]))
    for name in NAMES[:2]:
        assert store.get_small(container, name, 100) == name.encode()
    with pytest.raises(BadDocument, match="no URL under TEMPURLS"):
        store.get_small(container, NAMES[2], 100)
    with pytest.raises(BadDocument, match="no URL under TEMPURLS"):
        store.get_small("other", NAMES[0], 100)


def test_a_cut_is_taken_up_with_the_same_signature(tmp_path, signed, container, client, swift, key):
    content = secrets.token_bytes(700_000)
    client.put_object(container, "large", content)
    with FaultProxy(swift.port) as proxy:
        proxy.on("^GET", Fault(cut_after=300_000))
        opened(tmp_path, signed("large", port=proxy.port)).download(container, "large", tmp_path / "fetched")
    assert (tmp_path / "fetched").read_bytes() == content


def test_expired_or_wrongly_signed_is_refused_without_the_signature(tmp_path, signed, container, caplog):
    caplog.set_level(logging.DEBUG)
    for url in (signed(NAMES[0], seconds=1), signed(NAMES[0], by="another key")):
        while "another" not in url and time.time() <= int(url.rsplit("=", 1)[1]):
            pass  # until it has expired: a second at most
        with pytest.raises(StoreRefused, match="answered 401 to the Secret 'store'") as caught:
            opened(tmp_path, url).get_small(container, NAMES[0], 100)
        assert "sign new URLs" in caught.value.fix
        signature = url.split("temp_url_sig=")[1].split("&")[0]
        assert signature not in repr(vars(caught.value)) + caplog.text
        if "another" not in url:
            break


def test_nothing_of_a_signed_url_is_told_when_the_store_fails(tmp_path, signed, container, swift, caplog):
    caplog.set_level(logging.DEBUG)
    with FaultProxy(swift.port) as proxy:
        proxy.on("", status(503), times=99)
        url = signed(NAMES[0], port=proxy.port)
        with pytest.raises(StoreUnavailable) as caught:
            opened(tmp_path, url).download(container, NAMES[0], tmp_path / "fetched")
    assert "temp_url_sig" not in repr(vars(caught.value)) + caplog.text


def test_nothing_can_be_written(tmp_path, signed, container):
    with pytest.raises(BadDocument, match="nothing can be written"):
        opened(tmp_path, signed(NAMES[0])).put_once(container, "result", b"x")


@pytest.mark.parametrize(
    "url", ["https://swift.example/v1/AUTH_a/c/o", "https://swift.example/x?temp_url_sig=hush&temp_url_expires=1"]
)
def test_a_url_that_is_not_signed_or_of_no_object_is_a_bad_document(tmp_path, url):
    with pytest.raises(BadDocument, match="no signed URL of an object") as caught:
        opened(tmp_path, url)
    assert "hush" not in repr(vars(caught.value))
