"""An image as a directory, and containers of it: runc with everything off that a rendered Job turns off."""

import hashlib
import json
import subprocess
import tarfile
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

USER = 65532  # as in templates/job.yaml.j2


@dataclass(frozen=True)
class Image:
    """An image's configuration, and its files."""

    digest: str
    labels: dict[str, str]
    config: dict[str, Any]
    root: Path


def unpack(archive: Path, directory: Path) -> Image:
    """Unpack an OCI archive whose layers are all whole; each blob must be what its name says."""
    layout, root = directory / "layout", directory / "rootfs"
    with tarfile.open(archive) as tar:
        tar.extractall(layout, filter="data")
    [entry] = json.loads((layout / "index.json").read_bytes())["manifests"]
    manifest = json.loads(_blob(layout, entry["digest"]))
    config = json.loads(_blob(layout, manifest["config"]["digest"]))
    root.mkdir()
    for layer in manifest["layers"]:
        _blob(layout, layer["digest"])
        subprocess.run(["tar", "--extract", "--file", _path(layout, layer["digest"]), "--directory", root], check=True)
    return Image(entry["digest"], config["config"].get("Labels", {}), config["config"], root)


def run(image: Image, directory: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a container of the image, as a Job's would be: nothing writable but /tmp, no network."""
    bundle = directory / f"ccdt-{uuid.uuid4().hex[:8]}"
    bundle.mkdir()
    (bundle / "config.json").write_text(json.dumps(_specification(image, command)))
    state = directory / "runc"
    words = ["runc", "--root", state, "run", "--bundle", bundle, bundle.name]
    try:
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    finally:
        subprocess.run(["runc", "--root", state, "delete", "--force", bundle.name], capture_output=True, check=False)


def _specification(image: Image, command: tuple[str, ...]) -> dict[str, Any]:
    return {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": False,
            "user": {"uid": USER, "gid": USER},
            "args": list(command),
            "env": image.config["Env"],
            "cwd": image.config["WorkingDir"],
            "capabilities": {kind: [] for kind in ("bounding", "effective", "permitted", "inheritable", "ambient")},
            "noNewPrivileges": True,
        },
        "root": {"path": str(image.root), "readonly": True},
        "hostname": "ccdt-worker",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
            {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev", "mode=1777"]},
        ],
        "linux": {"namespaces": [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount")]},
    }


def _path(layout: Path, digest: str) -> Path:
    return layout / "blobs" / digest.replace(":", "/")


def _blob(layout: Path, digest: str) -> bytes:
    blob = _path(layout, digest).read_bytes()
    assert digest == f"sha256:{hashlib.sha256(blob).hexdigest()}"
    return blob
