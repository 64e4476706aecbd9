"""Real servers, once a session; Secrets for them; a proxy that breaks things."""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import swiftclient

from tests.certificates import self_signed
from tests.dataverse.bench import Bench
from tests.dataverse.model import Installation
from tests.dataverse.server import Dataverse, Storage, running
from tests.worker.certificates import LOOPBACK
from tests.worker.endpoints.faults import FaultProxy
from tests.worker.endpoints.keystone import Cloud, start_cloud
from tests.worker.endpoints.mounting import mount, v1
from worker.endpoints.patience import Patience
from worker.endpoints.swift import SwiftStore
from worker.endpoints.swift_upload import Sizes

# Programs of their own: importing them would patch or configure the whole process.
collect_ignore = ["keystone_server.py", "keystone_swift_server.py"]

# Asks again at once, and waits for an answer as long as a run does: a busy machine is no bad day.
QUICK = Patience(first_pause_s=0.01, longest_pause_s=0.05, longest_retry_after_s=2)
# Hangs up as soon as nothing comes: for stalls, which an attempt too many does not spoil.
HASTY = replace(QUICK, idle_s=1, window_s=1)
SMALL = Sizes(large_bytes=300_000, segment_bytes=100_000)


@pytest.fixture(scope="session")
def cloud(tmp_path_factory) -> Iterator[Cloud]:
    """A real Keystone, and a real Swift in its catalog."""
    with start_cloud(tmp_path_factory.mktemp("cloud")) as started:
        yield started


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A self-signed certificate for 127.0.0.1, and its key, in one file."""
    pem, key = self_signed(LOOPBACK, is_ca=True)
    path = tmp_path_factory.mktemp("tls") / "pem"
    path.write_bytes(key + pem)
    return path, pem.decode()


@pytest.fixture
def container() -> str:
    return f"c-{secrets.token_hex(6)}"


@pytest.fixture
def client(swift, swift_users) -> swiftclient.Connection:
    """The steward of alpha's account, by another client than ours."""
    user = swift_users.of("alpha:steward")
    return swiftclient.Connection(authurl=swift.url, user=user.login, key=user.key, auth_version="1")


@pytest.fixture
def proxy(swift) -> Iterator[FaultProxy]:
    """In front of the Swift with tempauth."""
    with FaultProxy(swift.port) as started:
        yield started


@pytest.fixture
def store_at(tmp_path, swift, swift_users) -> Callable[..., SwiftStore]:
    """Opens alpha's account at a port, with little patience and small segments."""

    def open_store(
        port: int | None = None, login: str = "alpha:steward", patience: Patience = QUICK, **more_keys: str
    ) -> SwiftStore:
        url = f"http://127.0.0.1:{port or swift.port}/auth/v1.0"
        keys = v1(url, login, swift_users.of(login).key) | more_keys
        return SwiftStore(mount(tmp_path / "secrets" / login, keys), "store", patience=patience, sizes=SMALL)

    return open_store


@pytest.fixture
def bench(tmp_path) -> Iterator[Bench]:
    dataverse = Dataverse(Installation())
    with running(dataverse):
        yield Bench(dataverse, tmp_path)


@pytest.fixture
def redirecting(tmp_path) -> Iterator[Bench]:
    """A stand-in that keeps its files at another site."""
    storage = Storage()
    dataverse = Dataverse(Installation(), storage)
    with running(dataverse, storage):
        yield Bench(dataverse, tmp_path, storage)
