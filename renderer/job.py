"""The Job: fetch, compute, publish, in a row, each with the least Secrets."""

from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from renderer.render import render
from renderer.run_object import RunObject, labels, object_name, origin
from renderer.spec import Member, PlannedRun
from worker.runspec import RUN_SPEC_PATH, SECRETS_PATH, TLS_PORT, VOLUMES_PATH, WORK_PATH, Own, SparkSource

WORKER_COMMAND = "ccd-worker"


@dataclass(frozen=True)
class Secret:
    """A Secret as the pod sees it."""

    name: str

    @property
    def volume(self) -> str:
        """The volume's name."""
        return f"secret-{self.name}"

    @property
    def directory(self) -> str:
        """Where a container finds its keys, a file each."""
        return f"{SECRETS_PATH}/{self.name}"


@dataclass(frozen=True)
class Claim:
    """A PersistentVolumeClaim as the pod sees it."""

    name: str

    @property
    def volume(self) -> str:
        """The volume's name."""
        return f"claim-{self.name}"

    @property
    def directory(self) -> str:
        """Where a container finds the volume."""
        return f"{VOLUMES_PATH}/{self.name}"


@dataclass(frozen=True)
class Container:
    """One of the three."""

    name: str
    command: tuple[str, ...]
    secrets: tuple[Secret, ...]
    claims: tuple[Claim, ...] = ()
    port: tuple[int, ...] = ()  # none or one


@dataclass(frozen=True)
class Context(RunObject):
    """What the template lays out."""

    image: str
    init_containers: tuple[Container, ...]
    containers: tuple[Container, ...]
    secrets: tuple[Secret, ...]
    claims: tuple[Claim, ...]
    job_seconds: int
    cpu: str
    memory: str
    work_size: str
    run_spec_directory: str = str(PurePosixPath(RUN_SPEC_PATH).parent)
    work_directory: str = WORK_PATH


def job(run: PlannedRun, member: Member) -> str:
    """Return the member's Job."""
    fetch = replace(_container("fetch", secrets_of_fetch(member.own)), claims=claims_of_fetch(member.own))
    compute = replace(_container("compute", secrets_of_compute(member.own)), port=(TLS_PORT,))
    publish = _container("publish", secrets_of_publish(member.own))
    secrets = {*fetch.secrets, *compute.secrets, *publish.secrets}
    context = Context(
        origin(run),
        object_name(run, member),
        member.namespace,
        labels(run, member),
        image=run.run.image,
        init_containers=(fetch, compute),
        containers=(publish,),
        secrets=_sorted(secrets),
        claims=fetch.claims,
        job_seconds=run.job_seconds,
        cpu=member.resources.cpu,
        memory=member.resources.memory,
        work_size=member.resources.work,
    )
    return render("job.yaml.j2", context)


def secrets_of_fetch(own: Own) -> set[str]:
    """Return the Secrets that reading needs: the data's store and seal, and the places where a run may be found done."""
    reading = {secret for source in own.sources for secret in (*source.secrets, *source.identities)}
    return reading | secrets_of_publish(own)


def claims_of_fetch(own: Own) -> tuple[Claim, ...]:
    """Return the volumes with the party's data. No other container sees them."""
    return tuple(Claim(name) for name in sorted({claim for source in own.sources for claim in source.claims}))


def secrets_of_compute(own: Own) -> set[str]:
    """Return the Secrets of the container that speaks with peers: its identity, and Spark's if that runs its local steps.

    It can use no store.
    """
    return {own.identity, *(source.credentials for source in own.sources if isinstance(source, SparkSource))}


def secrets_of_publish(own: Own) -> set[str]:
    """Return the Secrets that writing needs: the party's records, and at the writer the output."""
    return {place.credentials for place in (own.records, own.output) if place is not None}


def _container(name: str, secrets: set[str]) -> Container:
    return Container(name, (WORKER_COMMAND, name), _sorted({Secret(secret) for secret in secrets}))


def _sorted(secrets: set[Secret]) -> tuple[Secret, ...]:
    return tuple(sorted(secrets, key=lambda secret: secret.name))
