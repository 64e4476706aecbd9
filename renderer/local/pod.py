"""One pod: its init containers in a row, then its container."""

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from renderer.local.claim_store import ClaimStore
from renderer.local.load import ManifestError, Objects
from renderer.local.mounts import Volumes, forget_root, inside, volumes_of
from renderer.local.objects import Container, EnvVar, Job
from renderer.local.observe import ContainerEnded, ContainerLine, ContainerStarted, Observer
from renderer.local.private_files import private_directory
from renderer.local.process import run_process
from renderer.local.secret_store import SecretStore
from worker.runspec import RUN_SPEC_PATH, SECRETS_PATH, VOLUMES_PATH, WORK_PATH

WORKER = "ccd-worker"
MAX_GRACE_S = 5.0  # a person is waiting for Ctrl-C to end
MAX_MESSAGE_BYTES = 4096  # Kubernetes' own limit for a termination message


@dataclass(frozen=True)
class Surroundings:
    """What the pods of a run have in common."""

    objects: Objects
    secrets: SecretStore
    claims: ClaimStore
    pods: Path  # where pods have their directories
    hosts: Path  # a hosts(5) file with the Services' names
    observe: Observer
    keep: bool = False  # whether pods leave their directories behind, but for the copies of Secrets


@dataclass(frozen=True)
class Pod:
    """One attempt at a Job."""

    job: Job
    attempt: int
    address: str

    @property
    def name(self) -> str:
        """As unique on this machine as Kubernetes' random suffix makes it in a cluster."""
        return f"{self.job.metadata.name}-{self.attempt}"


async def run_pod(pod: Pod, around: Surroundings) -> dict[str, int]:
    """Run the pod's containers until one fails; return the exit codes of those that ran, by name.

    Its directory, and with it every emptyDir and copy of a Secret, is gone when this returns or raises, unless
    the emptyDirs are to be kept.
    """
    namespace, spec = pod.job.metadata.namespace, pod.job.spec.template.spec
    directory = around.pods / namespace / pod.name
    exit_codes: dict[str, int] = {}
    try:
        volumes = volumes_of(spec, directory, namespace, around.objects, around.secrets, around.claims)
        grace_s = min(float(spec.termination_grace_period_seconds), MAX_GRACE_S)
        for container in (*spec.init_containers, *spec.containers):
            exit_codes[container.name] = await _run_container(container, pod, volumes, around, grace_s)
            if exit_codes[container.name] != 0:
                break
    finally:
        if not around.keep:
            shutil.rmtree(directory, ignore_errors=True)
    return exit_codes


async def _run_container(container: Container, pod: Pod, volumes: Volumes, around: Surroundings, grace_s: float) -> int:
    who = (pod.job.metadata.namespace, pod.job.metadata.name, pod.attempt, container.name)
    root = volumes.root_of(container)
    try:
        code = await run_process(
            command_of(container, root),
            environment_of(container, pod, root, around.hosts),
            root,  # as `/` is the working directory of most images
            lambda pid: around.observe(ContainerStarted(*who, pid)),
            lambda line: around.observe(ContainerLine(*who, line)),
            grace_s,
        )
        message = _termination_message(inside(root, container.termination_message_path))
    finally:
        forget_root(root)
    around.observe(ContainerEnded(*who, code, message))
    return code


def command_of(container: Container, root: Path) -> tuple[str, ...]:
    """Return the command to run here: the image's program is the one installed beside this interpreter.

    A worker is told where its places lie in `root`, since it cannot have /work and the others to itself.
    Raises:  ManifestError if the program is not installed.
    """
    name, *arguments = (*container.command, *container.args)
    program = Path(sys.executable).parent / name
    if "/" in name or not program.is_file():
        raise ManifestError(f"container {container.name}: {name!r} is no program beside {sys.executable}")
    places: list[str] = []
    if name == WORKER:
        for option, path in (("--spec", RUN_SPEC_PATH), ("--work", WORK_PATH), ("--secrets", SECRETS_PATH)):
            places += [option, str(inside(root, path))]
        if any(mount.mount_path.startswith(f"{VOLUMES_PATH}/") for mount in container.volume_mounts):
            places += ["--volumes", str(inside(root, VOLUMES_PATH))]
        places += ["--termination-log", str(inside(root, container.termination_message_path))]
    return (str(program), *arguments, *places)


def environment_of(container: Container, pod: Pod, root: Path, hosts: Path) -> dict[str, str]:
    """Return the whole environment: the manifest's, and what any process needs. Nothing is inherited."""
    scratch = str(private_directory(inside(root, "/tmp")))  # noqa: S108 - below the container's own root
    environment = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "HOME": scratch,
        "TMPDIR": scratch,
        "CCD_HOSTS": str(hosts),  # in the place of the cluster's DNS
    }
    fields = {
        "status.podIP": pod.address,
        "metadata.name": pod.name,
        "metadata.namespace": pod.job.metadata.namespace,
    }
    return environment | {variable.name: _value(variable, fields) for variable in container.env}


def _value(variable: EnvVar, fields: Mapping[str, str]) -> str:
    if variable.value_from is not None:
        return fields[variable.value_from.field_ref.field_path]
    return variable.value or ""


def _termination_message(path: Path) -> str:
    try:
        return path.read_bytes()[-MAX_MESSAGE_BYTES:].decode(errors="replace").strip()
    except OSError:
        return ""
