"""Argo CD, once per session; a federation for each module that asks for one."""

from collections.abc import Iterator
from itertools import count

import pytest

from tests.cluster.conftest import or_skip
from tests.cluster.control_plane import ControlPlane
from tests.cluster.gitops.argo import ArgoCd, start_argo_cd
from tests.cluster.gitops.forge import Forge, found

ARGO = pytest.StashKey[ArgoCd]()
NUMBERS = count(1)


@pytest.fixture(scope="session")
def argo(
    request: pytest.FixtureRequest, control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ArgoCd]:
    """Argo CD beside the control plane. All tests of the session share it: use federations of your own."""
    with or_skip(), start_argo_cd(control_plane, tmp_path_factory.mktemp("argo")) as argo:
        request.session.stash[ARGO] = argo
        yield argo


@pytest.fixture(scope="module")
def forge(argo: ArgoCd, tmp_path_factory: pytest.TempPathFactory) -> Forge:
    """A federation, merged once, its owners and Argo CD's administrator having done their part."""
    made = found(tmp_path_factory.mktemp("forge"), f"f{next(NUMBERS)}", argo.plane)
    made.render()
    made.join()
    made.merge("Begin")
    return made


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    argo = item.session.stash.get(ARGO, None)
    if argo is not None and report.failed:
        report.sections.append(("Argo CD", argo.logs()))
    return report
