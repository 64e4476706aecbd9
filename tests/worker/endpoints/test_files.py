"""A dataset on a mounted volume: what is read lies within the volume, and is whole."""

import hashlib
import os
import secrets
import threading
from pathlib import Path

import pytest

from tests.worker.conftest import HANG_S
from worker.endpoints.files import FilesOrigin
from worker.endpoints.origin import MAX_POLICY_BYTES
from worker.errors import BadDocument, StoreRefused, StoreUnavailable


@pytest.fixture
def volume(tmp_path) -> Path:
    """The volume of the claim `visits`, beside another one."""
    for name in ("visits", "other"):
        (tmp_path / "volumes" / name / "2024").mkdir(parents=True)
    (tmp_path / "volumes" / "other" / "data.csv").write_text("foreign")
    return tmp_path / "volumes" / "visits"


def origin(volume: Path, path: str = "2024/data.csv") -> FilesOrigin:
    return FilesOrigin(volume.parent, volume.name, path)


def test_a_file_is_copied_with_its_digest(volume, tmp_path):
    content = secrets.token_bytes((1 << 20) + 17)
    (volume / "2024/data.csv").write_bytes(content)
    done = origin(volume).download(tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == content
    assert (done.size_bytes, done.sha256) == (len(content), hashlib.sha256(content).hexdigest())


def test_policy_and_signature_lie_beside_it(volume):
    (volume / "2024/data.csv.policy.yaml").write_text("policy")
    (volume / "2024/data.csv.policy.yaml.sig").write_text("signature")
    assert (origin(volume).policy().content, origin(volume).signature().content) == (b"policy", b"signature")
    assert origin(volume).policy().place == "visits/2024/data.csv.policy.yaml"
    assert origin(volume).signature().place == "visits/2024/data.csv.policy.yaml.sig"


def test_a_policy_has_a_limit(volume):
    (volume / "2024/data.csv.policy.yaml").write_bytes(b" " * MAX_POLICY_BYTES)
    assert len(origin(volume).policy().content) == MAX_POLICY_BYTES
    with (volume / "2024/data.csv.policy.yaml").open("ab") as file:
        file.write(b" ")
    with pytest.raises(BadDocument, match="larger than"):
        origin(volume).policy()


def test_a_missing_file_is_named_with_what_to_do(volume, tmp_path):
    with pytest.raises(StoreRefused) as error:
        origin(volume, "2024/none.csv").download(tmp_path / "copy")
    assert (error.value.what, error.value.where) == ("the file is not there", "visits/2024/none.csv")
    assert error.value.code == 50
    assert "put the file there" in error.value.fix


def test_a_file_that_may_not_be_read_is_refused(volume, tmp_path):
    (volume / "2024/data.csv").write_text("x")
    (volume / "2024/data.csv").chmod(0)
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)  # who is root may read everything
    try:
        with pytest.raises(StoreRefused, match="may not be read") as error:
            origin(volume).download(tmp_path / "copy")
    finally:
        os.seteuid(before)
    assert "65532" in error.value.fix


def test_a_link_within_the_volume_is_followed(volume, tmp_path):
    (volume / "store").mkdir()
    (volume / "store/v1.csv").write_text("rows")
    (volume / "current").symlink_to("store", target_is_directory=True)
    (volume / "2024/data.csv").symlink_to("../current/v1.csv")
    origin(volume).download(tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "rows"


@pytest.mark.parametrize("path", ["2024/data.csv", "out/data.csv", "../other/data.csv", "2024/../../other/data.csv"])
def test_nothing_outside_of_the_volume_is_read(volume, tmp_path, path):
    (volume / "2024/data.csv").symlink_to(volume.parent / "other/data.csv")
    (volume / "out").symlink_to("../other", target_is_directory=True)
    with pytest.raises(StoreRefused, match="leads out of the volume"):
        origin(volume, path).download(tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_an_absolute_path_is_not_read_either(volume, tmp_path):
    with pytest.raises(StoreRefused, match="leads out of the volume"):
        origin(volume, str(volume.parent / "other/data.csv")).download(tmp_path / "copy")


@pytest.mark.parametrize("swap", ["the file", "a directory on the way"])
def test_what_becomes_a_link_after_it_was_resolved_is_refused(volume, tmp_path, monkeypatch, swap):
    (volume / "2024/data.csv").write_text("own")
    resolve = Path.resolve

    def resolve_then_swap(path, strict=False):
        real = resolve(path, strict=strict)
        if real.name == "data.csv":
            (volume / "2024/data.csv").unlink()
            if swap == "the file":
                (volume / "2024/data.csv").symlink_to(volume.parent / "other/data.csv")
            else:
                (volume / "2024").rmdir()
                (volume / "2024").symlink_to(volume.parent / "other", target_is_directory=True)
        return real

    monkeypatch.setattr(Path, "resolve", resolve_then_swap)
    with pytest.raises(StoreRefused, match="cannot be opened"):
        origin(volume).download(tmp_path / "copy")


def test_a_circle_of_links_is_refused(volume, tmp_path):
    (volume / "2024/data.csv").symlink_to("data.csv")
    with pytest.raises(StoreRefused, match="cannot be opened"):
        origin(volume).download(tmp_path / "copy")


def test_a_pipe_or_a_directory_is_no_data_and_holds_nobody_up(volume, tmp_path):
    os.mkfifo(volume / "2024/data.csv")
    ended = threading.Event()

    def fetch():
        with pytest.raises(StoreRefused, match="no regular file"):
            origin(volume).download(tmp_path / "copy")
        with pytest.raises(StoreRefused, match="no regular file"):
            origin(volume, "2024").download(tmp_path / "copy")
        ended.set()

    threading.Thread(target=fetch, daemon=True).start()
    assert ended.wait(HANG_S)


def test_a_file_that_grows_while_it_is_read_is_tried_again_later(volume, tmp_path):
    (volume / "2024/data.csv").write_bytes(b"x" * (3 << 20))
    # The copy's other end is a pipe, so that the reader stands still in the middle of the file.
    os.mkfifo(tmp_path / "copy")
    endings: list[BaseException] = []

    def fetch():
        try:
            origin(volume).download(tmp_path / "copy")
        except BaseException as error:
            endings.append(error)

    thread = threading.Thread(target=fetch, daemon=True)
    thread.start()
    with (tmp_path / "copy").open("rb") as copy:
        copy.read(1)
        with (volume / "2024/data.csv").open("ab") as file:
            file.write(b"more")
        copy.read()
    thread.join(HANG_S)
    (error,) = endings
    assert isinstance(error, StoreUnavailable)
    assert error.what == "the file was changed while it was read"
