"""The control plane, once per session; what its servers have logged is shown when a test fails."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cluster.binaries import NoBinaries, in_ci
from tests.cluster.client import Client
from tests.cluster.control_plane import ControlPlane, start_control_plane
from tests.cluster.federation import Federation, join
from tests.cluster.tree import ROOT, Tree, read_tree

CLAIMS = ("ward-data",)
PLANE = pytest.StashKey[ControlPlane]()


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.cluster)


@contextmanager
def or_skip() -> Iterator[None]:
    """Skip what needs programs that are not there and cannot be built; in CI, fail."""
    try:
        yield
    except NoBinaries as error:
        if in_ci():
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def control_plane(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """etcd, API server and controllers on loopback. All tests of the session share them: use namespaces of your own."""
    with or_skip(), start_control_plane(tmp_path_factory.mktemp("control-plane")) as plane:
        request.session.stash[PLANE] = plane
        yield plane


@pytest.fixture
def admin(control_plane: ControlPlane) -> Client:
    """A client that may do everything, with no warnings yet."""
    return control_plane.client()


@pytest.fixture(scope="session")
def federation(control_plane: ControlPlane) -> Federation:
    """The shipped federation, joined: admission policies in force, Namespaces and WorkerGrants there, nothing synced."""
    return join(control_plane, ROOT, claims=CLAIMS)


@pytest.fixture(scope="session")
def shipped() -> Tree:
    """What is committed under `argocd/`."""
    return read_tree(ROOT / "argocd")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    plane = item.session.stash.get(PLANE, None)
    if plane is not None and report.failed and "control_plane" in item.fixturenames:
        report.sections.append(("control plane", plane.logs()))
    return report
