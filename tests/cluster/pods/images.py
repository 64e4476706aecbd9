"""Images of one program, for what a test needs in pods beside the worker: made by buildah from nothing."""

import json
import shutil
import subprocess
from pathlib import Path

from tests.cluster.pods.machine import NoMachine

REGISTRY = "ccdt.invalid"  # by RFC 2606 it can never be one


def one_program_image(directory: Path, name: str, program: Path, *entrypoint: str) -> Path:
    """Return an OCI archive of an image that holds `program` as /bin/<its name>, with which `entrypoint` begins."""
    if shutil.which("buildah") is None:
        raise NoMachine("buildah: not found (fix: see docs/operating.md, tests with pods)")
    storage = directory / "buildah"
    archive = directory / f"{name}.oci.tar"

    def buildah(*words: str | Path) -> str:
        command = [
            "buildah",
            "--root",
            storage / "root",
            "--runroot",
            storage / "run",
            "--storage-driver",
            "vfs",
            *words,
        ]
        return subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True).stdout.strip()

    container = buildah("from", "scratch")
    buildah("add", "--quiet", "--chmod", "0755", container, program, f"/bin/{program.name}")
    buildah("config", "--entrypoint", json.dumps(entrypoint), "--env", "PATH=/bin", "--user", "65532:65532", container)
    reference = f"{REGISTRY}/{name}:test"
    buildah("commit", "--quiet", "--rm", container, reference)
    buildah("push", "--quiet", reference, f"oci-archive:{archive}:{reference}")
    return archive
