"""All Jobs of a run, side by side on this machine."""

import asyncio
import contextlib
import fcntl
import secrets
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from renderer.local.claim_store import ClaimStore, MissingClaimsError
from renderer.local.job import JobResult, run_job
from renderer.local.load import ManifestError, Objects
from renderer.local.objects import Job, Service
from renderer.local.observe import Observer
from renderer.local.pod import Surroundings
from renderer.local.private_files import private_directory, write_private
from renderer.local.secret_store import MissingSecretsError, SecretStore

Hosts = Mapping[str, str]  # name -> address
LOCK = "lock"


@dataclass(frozen=True)
class Cluster:
    """One machine as a cluster."""

    pods: Path  # a directory for what lives only as long as a pod; may hold data in the clear
    secrets: SecretStore
    claims: ClaimStore
    observe: Observer
    rewrite_hosts: Callable[[Hosts], Hosts] = lambda hosts: hosts  # a test puts a wire tap in between
    keep: bool = False  # leave the pods' emptyDirs for a look, until the next run here

    def run(self, objects: Objects) -> tuple[JobResult, ...]:
        """Run all Jobs to their ends; return their results in the Jobs' order.

        On Ctrl-C and SIGTERM every process ends and every pod's directory is removed.
        Raises:  MissingSecretsError and MissingClaimsError before anything is started; KeyboardInterrupt after those
                 signals.
        """
        self.require_secrets(objects)
        self.require_claims(objects)
        with self._own_directory() as directory:
            return asyncio.run(self._run(objects, directory))

    def require_secrets(self, objects: Objects) -> None:
        """Raise MissingSecretsError, naming all that are missing."""
        missing = {
            (
                job.metadata.namespace,
                volume.secret.secret_name,
                tuple(item.key for item in volume.secret.items),
            )
            for job in objects.jobs
            for volume in job.spec.template.spec.volumes
            if volume.secret and not self.secrets.exists(job.metadata.namespace, volume.secret.secret_name)
        }
        if missing:
            raise MissingSecretsError(tuple(sorted(missing)), self.secrets.directory)

    def require_claims(self, objects: Objects) -> None:
        """Raise MissingClaimsError, naming all that are missing."""
        missing = {
            (job.metadata.namespace, volume.persistent_volume_claim.claim_name)
            for job in objects.jobs
            for volume in job.spec.template.spec.volumes
            if volume.persistent_volume_claim
            and not self.claims.place(job.metadata.namespace, volume.persistent_volume_claim.claim_name)
        }
        if missing:
            raise MissingClaimsError(tuple(sorted(missing)), self.claims.directory)

    async def _run(self, objects: Objects, directory: Path) -> tuple[JobResult, ...]:
        addresses = allocate_addresses(len(objects.jobs))
        hosts = self.rewrite_hosts(service_hosts(objects, addresses))
        path = directory / "hosts"
        write_private(path, "".join(f"{ip} {name}\n" for name, ip in sorted(hosts.items())).encode())
        around = Surroundings(objects, self.secrets, self.claims, directory, path, self.observe, self.keep)
        with _cancelled_by_signals():
            try:
                async with asyncio.TaskGroup() as group:
                    tasks = [
                        group.create_task(run_job(job, address, around))
                        for job, address in zip(objects.jobs, addresses, strict=True)
                    ]
            except asyncio.CancelledError:
                raise KeyboardInterrupt from None
            except BaseExceptionGroup as problems:
                raise problems.exceptions[0] from None
        return tuple(task.result() for task in tasks)

    @contextlib.contextmanager
    def _own_directory(self) -> Iterator[Path]:
        """Make a directory for this cluster's pods and remove it, and also what a killed one has left."""
        # Absolute: links in a container's root, and paths in its environment, are read from elsewhere.
        pods = private_directory(self.pods.absolute())
        for left in self.pods.iterdir():
            _remove_if_abandoned(left)
        directory = Path(tempfile.mkdtemp(prefix="cluster-", dir=pods))
        # Held as long as this process lives, however it ends: that is how another can tell.
        with (directory / LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                yield directory
            finally:
                if not self.keep:
                    shutil.rmtree(directory, ignore_errors=True)


def allocate_addresses(count: int) -> list[str]:
    """Return as many loopback addresses that no other run on this machine is likely to have chosen."""
    network = f"127.{secrets.randbelow(254) + 1}.{secrets.randbelow(255)}"
    if count > 250:
        raise ManifestError("a run of more than 250 Jobs does not fit this machine")
    return [f"{network}.{number}" for number in range(2, count + 2)]


def service_hosts(objects: Objects, addresses: list[str]) -> dict[str, str]:
    """Return every name under which the cluster's DNS would know a Service, with its pod's address."""
    hosts = {}
    for service in objects.services:
        for job, address in zip(objects.jobs, addresses, strict=True):
            if _selects(service, job):
                name, namespace = service.metadata.name, service.metadata.namespace
                for host in (f"{name}.{namespace}", f"{name}.{namespace}.svc"):
                    hosts[host] = address
                hosts[f"{name}.{namespace}.svc.cluster.local"] = address
    return hosts


def _selects(service: Service, job: Job) -> bool:
    labels = job.spec.template.metadata.labels
    same_namespace = service.metadata.namespace == job.metadata.namespace
    return same_namespace and service.spec.selector.items() <= labels.items()


@contextlib.contextmanager
def _cancelled_by_signals() -> Iterator[None]:
    """Cancel the current task on SIGINT and SIGTERM, so that every `finally` below it runs."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, task.cancel)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def _remove_if_abandoned(directory: Path) -> None:
    try:
        with (directory / LOCK).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(directory, ignore_errors=True)
    except (BlockingIOError, FileNotFoundError, NotADirectoryError):
        return  # in use, or just being made
