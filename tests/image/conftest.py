"""The image that `make image` has built, unpacked once."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.image.bundle import Image, run, unpack

ROOT = Path(__file__).parent.parent.parent
CHEETAH_BUILT = Path(os.environ.get("CCD_CHEETAH_IMAGE_OUT", ROOT / "build" / "image-cheetah"))
BUILT = Path(os.environ.get("CCD_IMAGE_OUT", ROOT / "build" / "image"))

Runs = Callable[..., subprocess.CompletedProcess[str]]


def pytest_collection_modifyitems(items):
    for item in items:
        if {"built", "cheetah_built"} & set(getattr(item, "fixturenames", ())) and Path(
            __file__
        ).parent in item.path.parents:
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
    return _runs(image, tmp_path)


@pytest.fixture(scope="session")
def cheetah_built() -> Path:
    """As `built`, of the image with SPU, which takes longer to build than CI has: where it is not there, nothing is asked."""
    if not (CHEETAH_BUILT / "ccd-worker-cheetah.oci.tar").exists():
        pytest.skip(f"there is no image in {CHEETAH_BUILT} (fix: `make image-cheetah`)")
    return CHEETAH_BUILT


@pytest.fixture(scope="session")
def cheetah_image(cheetah_built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """The image with SPU as a directory."""
    directory = tmp_path_factory.mktemp("image-cheetah")
    yield unpack(cheetah_built / "ccd-worker-cheetah.oci.tar", directory)
    shutil.rmtree(directory)


@pytest.fixture
def run_in_cheetah(cheetah_image: Image, tmp_path: Path) -> Runs:
    """Run a command in a container of the image with SPU."""
    return _runs(cheetah_image, tmp_path)


def _runs(image: Image, directory: Path) -> Runs:
    if shutil.which("runc") is None:
        pytest.skip("runc: not found (fix: apt install runc)")
    return lambda *command: run(image, directory, *command)
