"""`ccd run` without its printing: from a committed workflow to the verified answer."""

import fcntl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from policy.document import Policy
from renderer import names
from renderer.check import load_workflow
from renderer.errors import BUG, CommandError
from renderer.layout import run_files
from renderer.local.answer import Filed, fetch_filed
from renderer.local.claim_store import ClaimStore
from renderer.local.cluster import Cluster, Hosts
from renderer.local.job import JobResult
from renderer.local.load import Objects, load_run
from renderer.local.logs import LogFiles, event_of
from renderer.local.observe import ContainerLine, Event, Observer
from renderer.local.private_files import keep_from_git, private_directory
from renderer.local.record import Records
from renderer.local.secret_store import STORE, MissingSecretsError, SecretStore
from renderer.merged import merged_before
from renderer.plan import compile_run
from renderer.published import policies_of, read_published
from renderer.spec import PlannedRun
from renderer.tree import changes
from worker.runspec import AGE_KEY

STATE = ".ccd"  # below the federation's directory; ignores itself in Git
SECRETS = "secrets"
VOLUMES = "volumes"
# What a source's Secret holds, by its backend.
SOURCE_KEYS: dict[str, tuple[str, ...]] = {
    "swift": STORE,
    "dataverse": ("DATAVERSE_URL", "DATAVERSE_TOKEN"),
    "files": (),
    "spark": ("SPARK_REMOTE",),
}
NOT_CURRENT = 1
# Which exit code a run ends with when its Jobs disagree: a cause before its consequences.
CODES = (10, 20, 30, 70, 50, 40)


@dataclass(frozen=True)
class Local:
    """One run on this machine."""

    root: Path
    planned: PlannedRun
    objects: Objects
    policies: Mapping[str, Policy] = field(default_factory=dict)  # published ones, of the datasets that have any

    @property
    def run_id(self) -> str:
        """The run's name."""
        return self.planned.run.run_id

    @property
    def secrets(self) -> SecretStore:
        """Where the namespaces' Secrets lie."""
        return SecretStore(self.root / SECRETS)

    @property
    def claims(self) -> ClaimStore:
        """Where directories stand for the namespaces' volumes."""
        return ClaimStore(self.root / VOLUMES)

    @property
    def logs(self) -> Path:
        """Where the containers' logs lie, a directory per party."""
        return runs_directory(self.root) / self.run_id

    @property
    def pods(self) -> Path:
        """Where pods have their directories while they run."""
        return self.root / STATE / "pods"

    @property
    def party_of(self) -> dict[str, str]:
        """The party of each Job."""
        return {job.metadata.name: job.metadata.labels[names.PARTY_LABEL] for job in self.objects.jobs}


@dataclass(frozen=True)
class Ended:
    """How a run ended."""

    run_id: str
    exit_code: int
    jobs: tuple[JobResult, ...]
    was_done: bool  # before this call: nothing was computed
    filed: Filed

    @property
    def status(self) -> str:
        """Succeeded, rejected or failed."""
        if self.exit_code == 0:
            return "succeeded"
        return "rejected" if self.exit_code == 30 else "failed"

    def to_json(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        return {
            "run_id": self.run_id,
            "status": self.status,
            "output": self.filed.rows,
            "manifest": self.filed.manifest,
        }


def runs_directory(root: Path) -> Path:
    """Return where the local cluster keeps logs and records, a directory per run."""
    return root / STATE / "runs"


def prepare_run(root: Path, workflow: Path) -> Local:
    """Return the run that a committed workflow asks for, its manifests as they were rendered.

    Raises:  DocumentError; CommandError if what is rendered is not what the documents say.
    """
    workspace, document = load_workflow(root, workflow)
    planned = workspace.planned(document.model.metadata.name)
    run_id = planned.run.run_id
    files = [file for member in planned.members for file in run_files(planned, member)]
    merged = merged_before(root, None, workspace.federation.model.spec.revision)
    if merged is not None:
        files = list(merged.runs.get(run_id, files))
    stale = [change.path for change in changes(root, files) if change.path.parent.name == run_id]
    if stale:
        what = f"{document.file} says something else than {stale[0]} and {len(stale) - 1} more files"
        raise CommandError(what, "ccd render", NOT_CURRENT)
    published = read_published(workspace, [dataset.name for dataset in planned.run.datasets])
    return Local(root, planned, load_run(root / names.RENDERED, run_id), policies_of(published))


def require_secrets(local: Local) -> None:
    """Raise MissingSecretsError for the Secrets that the run's workers need and this machine does not have."""
    missing = []
    for member in local.planned.members:
        own = member.own
        places = [place for place in (own.records, own.output) if place is not None]
        needed: dict[str, tuple[str, ...]] = {own.identity: ("tls.key",)}
        needed |= {place.credentials: STORE for place in places}
        for source in own.sources:
            needed |= dict.fromkeys(source.secrets, SOURCE_KEYS[source.backend])
            needed |= dict.fromkeys(source.identities, (AGE_KEY,))
        for secret, keys in sorted(needed.items()):
            if not local.secrets.has(member.namespace, secret, keys):
                missing.append((member.namespace, secret, keys))
    if missing:
        raise MissingSecretsError(tuple(missing), local.secrets.directory)


def execute_run(
    local: Local,
    watch: Observer,
    rewrite_hosts: Callable[[Hosts], Hosts] = lambda hosts: hosts,
    keep: bool = False,
) -> Ended:
    """Run the manifests to their ends and read what was filed.

    Raises:  MissingSecretsError; CommandError, of which MissingClaimsError is one; KeyboardInterrupt, after everything was cleaned up.
    """
    require_secrets(local)
    if local.claims.directory.is_dir():
        keep_from_git(local.claims.directory)  # somebody's data
    with _alone(local):
        logs, done = LogFiles(local.logs, local.party_of), FoundDone()
        records = records_of(local, logs)
        records.begin()

        def observe(event: Event) -> None:
            records(event)
            logs(event)
            done(event)
            watch(event)

        cluster = Cluster(local.pods, local.secrets, local.claims, observe, rewrite_hosts, keep)
        try:
            jobs = cluster.run(local.objects)
        finally:
            logs.close()
    code = outcome_of(jobs)
    filed = read_run(local) if code == 0 else _left_of(local)
    if code == 0 and filed.manifest is not None:
        # Workers that find the run done end with 0, however it was that it ended.
        code = int(filed.manifest["code"])
    was_done = all(job.metadata.name in done.jobs for job in local.objects.jobs)
    return Ended(local.run_id, code, jobs, was_done, filed)


def records_of(local: Local, logs: LogFiles) -> Records:
    """Return the observer that keeps what becomes of the run's Jobs."""
    pods = {job.metadata.name: job.spec.template.spec for job in local.objects.jobs}
    containers = {name: tuple(each.name for each in (*p.init_containers, *p.containers)) for name, p in pods.items()}
    namespaces = {job.metadata.name: job.metadata.namespace for job in local.objects.jobs}
    return Records(logs, local.run_id, containers, namespaces)


def _left_of(local: Local) -> Filed:
    """Return what a run that did not succeed has left. That the store is away, too, must not hide what the parties said."""
    try:
        return read_run(local)
    except CommandError as error:
        return Filed(None, None, None, [], (f"there is no manifest to be had: {error}",))


def read_run(local: Local) -> Filed:
    """Return what lies in the writer's store of the run."""
    run = local.planned.run
    writer = next(member for member in local.planned.members if member.own.output is not None)
    assert writer.own.output is not None
    return fetch_filed(local.secrets, run, writer.namespace, writer.own.output, compile_run(run).answer)


def outcome_of(jobs: tuple[JobResult, ...]) -> int:
    """Return the exit code of a whole run."""
    codes = {job.exit_code for job in jobs if not job.succeeded}
    if not codes:
        return 0
    return next((code for code in CODES if code in codes), BUG)


@dataclass
class FoundDone:
    """An observer that notes which Jobs found the run done already."""

    jobs: set[str] = field(default_factory=set)

    def __call__(self, event: Event) -> None:
        """Look for the worker's word."""
        if isinstance(event, ContainerLine):
            found: Mapping[str, Any] | None = event_of(event.text)
            if found is not None and found["event"] == "done already":
                self.jobs.add(event.job)


@contextmanager
def _alone(local: Local) -> Iterator[None]:
    """Keep a second `ccd run` of the same run out: the two would fight over names and logs."""
    keep_from_git(local.root / STATE)
    with (private_directory(local.logs) / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError(f"the run {local.run_id} is running here already", "wait for it to end") from None
        yield
