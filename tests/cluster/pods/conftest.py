"""A cluster that runs pods, with the worker's image and the sample federation in it: once per session."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from renderer.dev.demo import ensure_data
from renderer.dev.session import running_swift
from tests.cluster.binaries import NoBinaries, in_ci
from tests.cluster.pods.airports import IMAGE, Airports, make_airports
from tests.cluster.pods.cluster import Cluster, start_cluster
from tests.cluster.pods.machine import STORE, STRANGER, NoMachine
from tests.image.conftest import BUILT

CLUSTER = pytest.StashKey[Cluster]()


@pytest.fixture(scope="session")
def archive() -> Path:
    """The worker's image."""
    path = BUILT / "ccd-worker.oci.tar"
    if not path.exists():
        _missing(f"there is no image in {BUILT} (fix: `make image`)")
    return path


@pytest.fixture(scope="session")
def cluster(
    request: pytest.FixtureRequest, archive: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """A cluster of one real node."""
    if os.geteuid():
        _missing("a machine for pods needs root, to make namespaces and cgroups")
    directory = tmp_path_factory.mktemp("cluster")
    with ExitStack() as stack:
        try:
            started = stack.enter_context(start_cluster(directory))
        except (NoBinaries, NoMachine) as error:
            _missing(str(error))
        request.session.stash[CLUSTER] = started
        started.containerd.load(archive, IMAGE)
        yield started
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def airports(cluster: Cluster, archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airports]:
    """The sample federation: namespaces and Secrets in the cluster, real flights in a real Swift outside of it."""
    digest = (archive.parent / "digest").read_text().strip()
    made = make_airports(tmp_path_factory.mktemp("airports") / "federation", digest)
    with running_swift(made.root) as auth_url, ExitStack() as stack:
        assert auth_url is not None
        ensure_data(made.root, auth_url, print)
        port = made.store_port()
        # The same Swift at two addresses: the one that parties have declared, and one that nobody has.
        for address in (STORE, STRANGER):
            stack.enter_context(cluster.machine.from_outside(address, port, port))
        # And at a port of the store that nobody has declared.
        stack.enter_context(cluster.machine.from_outside(STORE, UNDECLARED_PORT, port))
        for party in made.namespaces:
            cluster.admin.apply(made.namespace(party))
            made.create_secrets(cluster.admin, party)
        yield made


UNDECLARED_PORT = 8081


def _missing(what: str) -> None:
    if in_ci():
        pytest.fail(what)
    pytest.skip(what)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    started = item.session.stash.get(CLUSTER, None)
    if started is not None and report.failed and "cluster" in item.fixturenames:
        report.sections.append(("cluster", started.logs()))
        pods = started.admin.list_all("v1", "Pod")
        told = {f"{p['metadata']['namespace']}/{p['metadata']['name']}": p.get("status", {}) for p in pods}
        report.sections.append(("pods", json.dumps(told, indent=1)[-8000:]))
    return report
