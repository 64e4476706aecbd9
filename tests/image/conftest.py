"""The image that `make image` has built, unpacked once."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.image.bundle import Image, run, unpack

ROOT = Path(__file__).parent.parent.parent
BUILT = Path(os.environ.get("CCD_IMAGE_OUT", ROOT / "build" / "image"))

Runs = Callable[..., subprocess.CompletedProcess[str]]


def pytest_collection_modifyitems(items):
    for item in items:
        if "built" in getattr(item, "fixturenames", ()) and Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.image)


@pytest.fixture(scope="session")
def built() -> Path:
    """The directory with the archive, its bill of materials and its digest."""
    if not (BUILT / "ccd-worker.oci.tar").exists():
        why = f"there is no image in {BUILT} (fix: `make image`)"
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    return BUILT


@pytest.fixture(scope="session")
def image(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """The image as a directory."""
    directory = tmp_path_factory.mktemp("image")
    yield unpack(built / "ccd-worker.oci.tar", directory)
    shutil.rmtree(directory)


@pytest.fixture
def run_in(image: Image, tmp_path: Path) -> Runs:
    """Run a command in a container of the image."""
    if shutil.which("runc") is None:
        pytest.skip("runc: not found (fix: apt install runc)")

    def run_in_container(*command: str) -> subprocess.CompletedProcess[str]:
        return run(image, tmp_path, *command)

    return run_in_container
