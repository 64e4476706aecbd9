"""The commands of `ccd-worker`, one a container. The only place where failures become exit codes.

stderr carries one JSON event a line; the termination log's last line is a JSON verdict, which Kubernetes shows in the
pod's status.
"""

import importlib
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from policy.canonical import digest
from policy.identity import BadIdentity, load_certificate
from worker.data_cli import data, filed
from worker.errors import DONE, BadDocument, Terminated
from worker.failure import explain, outcome
from worker.loading import load
from worker.log import Log
from worker.runspec import (
    APPROVAL_PATH,
    RUN_SPEC_PATH,
    SECRETS_PATH,
    TLS_PORT,
    VOLUMES_PATH,
    WORK_PATH,
    MemberSpec,
    Run,
    RunSpec,
)
from worker.workdir import Outcome, WorkDir

TERMINATION_LOG = "/dev/termination-log"
FIRST = "fetch"  # the container whose run spec the others are held to
LAST = "publish"  # the container that ends with the run's code
MAX_TERMINATION_BYTES = 4096  # what Kubernetes keeps
CLUSTER = ".svc"  # how the names of Services end
DONE_ALREADY = "done already"  # the status of a worker that found the run's manifest and did nothing

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)

app.command("data")(data)
app.command("filed")(filed)

SpecOption = Annotated[Path, typer.Option("--spec", help="The run spec, run.json.")]
WorkOption = Annotated[Path, typer.Option("--work", help="The directory that the three containers share.")]
SecretsOption = Annotated[Path, typer.Option("--secrets", help="Where Secrets are mounted, a directory each.")]
VolumesOption = Annotated[
    Path, typer.Option("--volumes", help="Where the data's volumes are mounted, a directory each.")
]
LogOption = Annotated[Path, typer.Option("--termination-log", help="Where the closing verdict goes.")]
Act = Callable[..., Outcome | None]  # of a RunSpec, a WorkDir, the Secrets' directory, a Log, and a container's own


@app.command("fetch")
def fetch_command(
    spec: SpecOption = Path(RUN_SPEC_PATH),
    work: WorkOption = Path(WORK_PATH),
    secrets: SecretsOption = Path(SECRETS_PATH),
    volumes: VolumesOption = Path(VOLUMES_PATH),
    termination_log: LogOption = Path(TERMINATION_LOG),
) -> None:
    """Fetch the party's policies and data, and check them."""
    approval = spec.with_name(Path(APPROVAL_PATH).name)  # of the same ConfigMap
    _run("fetch", spec, work, secrets, termination_log, volumes=volumes, approval=approval)


@app.command("compute")
def compute_command(
    spec: SpecOption = Path(RUN_SPEC_PATH),
    work: WorkOption = Path(WORK_PATH),
    secrets: SecretsOption = Path(SECRETS_PATH),
    termination_log: LogOption = Path(TERMINATION_LOG),
) -> None:
    """Meet the other parties, agree, compute, sign."""
    _run("compute", spec, work, secrets, termination_log)


@app.command("publish")
def publish_command(
    spec: SpecOption = Path(RUN_SPEC_PATH),
    work: WorkOption = Path(WORK_PATH),
    secrets: SecretsOption = Path(SECRETS_PATH),
    termination_log: LogOption = Path(TERMINATION_LOG),
) -> None:
    """Store result and manifest; end with the run's exit code."""
    _run("publish", spec, work, secrets, termination_log)


def load_run_spec(path: Path) -> RunSpec:
    """Return the run spec in `path`.

    Raises:  BadDocument with the first field that is wrong.
    """
    fix = "render the workflow again; nobody writes this file by hand"
    try:
        spec = RunSpec.model_validate_json(path.read_bytes())
    except OSError as error:
        raise BadDocument(f"the run spec cannot be read: {type(error).__name__}", str(path), fix=fix) from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise BadDocument(f"the run spec is wrong: {first['type']} at {field}", str(path), fix=fix) from None
    problem = _contradiction(spec)
    if problem is not None:
        raise BadDocument(f"the run spec contradicts itself: {problem}", str(path), fix=fix)
    return spec


def _contradiction(spec: RunSpec) -> str | None:
    run, own = spec.run, spec.own
    names = [member.name for member in run.members]
    datasets = {dataset.name for dataset in run.datasets}
    mine = sorted(name for name in datasets if name.split("/")[0] == own.party)
    if names != sorted(set(names)):
        return "members are not sorted, or named twice"
    if own.party not in names:
        return f"{own.party} is not a member"
    twice = _twice(run)
    if twice is not None:
        return twice
    strangers = {*run.outputs.recipients, run.outputs.writer, *run.mpc.compute} - set(names)
    strangers |= {name.split("/")[0] for name in datasets} - set(names)
    if strangers:
        return f"{', '.join(sorted(strangers))} take part but are no members"
    if run.outputs.writer not in run.outputs.recipients:
        return "the writer is not a recipient, but would hold the answer"
    if {name for table in run.tables for name in table.datasets} - datasets:
        return "a table names a dataset that is not declared"
    if sorted(source.dataset for source in own.sources) != mine:
        return f"the sources are not {own.party}'s datasets of this run"
    return next(filter(None, (_misled(run.run_id, member) for member in run.members)), None)


def _twice(run: Run) -> str | None:
    """Return what is there twice and would be two things: a file checked by one declaration and computed on by another,
    a party with two of three shares, or two members whose word is worth as much as one's."""
    for what, each in (
        ("a dataset is declared", [dataset.name for dataset in run.datasets]),
        ("a table is named", [table.name for table in run.tables]),
        ("a party computes", run.mpc.compute),
        ("a recipient is named", run.outputs.recipients),
        ("an identity is a member's", [_key_of(member) for member in run.members]),
        *((f"a dataset is part of {table.name}", table.datasets) for table in run.tables),
        *((f"a column of {dataset.name} is declared", [c.name for c in dataset.columns]) for dataset in run.datasets),
    ):
        if len(set(each)) < len(each):
            return f"{what} twice"
    return None


def _key_of(member: MemberSpec) -> object:
    """Return what a member's signatures are checked with; certificates of one key are one identity."""
    try:
        return load_certificate(member.certificate).public_key.public_bytes_raw()
    except BadIdentity:
        return member.certificate  # which is told of where it is used


def _misled(run_id: str, member: MemberSpec) -> str | None:
    """Return why a peer is not met where its own worker of this run is."""
    if not member.host.endswith(CLUSTER):
        return None  # this machine, where workers are tried out
    if not member.host.startswith(f"{run_id}-{member.name}."):
        return f"{member.name} is not met by the name of its worker in this run"
    return None if member.port == TLS_PORT else f"{member.name} is not to be met on port {member.port}"


def _run(container: str, spec: Path, work: Path, secrets: Path, termination_log: Path, **own: Path) -> None:
    log, party, ended = Log().for_(container=container), "", None
    try:
        signal.signal(signal.SIGTERM, _terminate)
        os.umask(0o077)
        run_spec = _load(container, spec, work, secrets, log)
        party = run_spec.own.party
        log = log.for_(party=party, run=run_spec.run.run_id)
        _hold(run_spec, WorkDir(work), container, spec)
        ended = _act_of(container)(run_spec, WorkDir(work), secrets, log, **own)
    except _LeftToCompute:
        sys.exit(DONE)
    except Exception as error:
        ended = explain(error, party)
        WorkDir(work).remove_data()
        for reason in ended.reasons:
            log.event("failed", code=reason.code, what=reason.what, where=reason.where, fix=reason.fix)
    is_repeated = ended is None and WorkDir(work).is_done()
    ended = ended or outcome(party, DONE, ())
    # Of a failed pod Argo CD shows the first message that any container has left: one that handed the run on leaves none.
    if container == LAST or ended.code != DONE:
        _write_verdict(termination_log, ended, DONE_ALREADY if is_repeated else ended.status)
    sys.exit(ended.code)


def _hold(spec: RunSpec, work: WorkDir, container: str, path: Path) -> None:
    """Refuse a run spec that is not the one for which the first container has asked for consent, and counted the run."""
    if not work.hold_to(digest(spec), is_first=container == FIRST):
        what, rule = "this is another run spec than the containers before were given", "a run's ConfigMap is immutable"
        raise BadDocument(what, str(path), rule, "find out who changes ConfigMaps in this namespace")


def _load(container: str, spec: Path, work: Path, secrets: Path, log: Log) -> RunSpec:
    """Return the run spec; if it cannot be used, see that the peers hear of it before this party ends.

    `fetch` has no key to prove itself with, so it leaves that to `compute`; nobody can if not even the members are told.
    Raises:  BadDocument; _LeftToCompute.
    """
    try:
        return load_run_spec(spec)
    except BadDocument as problem:
        # Loaded here: with a run spec as it should be, neither fetch nor publish needs any of it.
        remains: Any = importlib.import_module("worker.remains")
        left = remains.remains_of(spec)
        if container == "fetch" and left is not None:
            log.event("failed", code=problem.code, what=problem.what, where=problem.where, fix=problem.fix)
            raise _LeftToCompute from None
        if container == "compute" and left is not None:
            remains.tell_peers(left, problem.code, problem.reasons(left.party), secrets, work, log)
        raise


class _LeftToCompute(Exception):
    """This container cannot go on, and the next one says why."""


def _act_of(container: str) -> Act:
    """Load one container's part, and only that: who publishes needs no query engine, neither its time nor its risks."""
    act: Act = getattr(load(f"worker.{container}"), container)
    return act


def _terminate(signum: int, frame: FrameType | None) -> None:
    raise Terminated("terminated", rule="the pod was taken away", fix="the Job tries again by itself")


def _write_verdict(path: Path, ended: Outcome, status: str) -> None:
    first = ended.reasons[0] if ended.reasons else None
    # Who ends because of another says whose reason it is: "the Secret" is not its own then.
    whose = f"{first.party}: " if first is not None and first.party != ended.party else ""
    reason = f"{whose}{first}" if first is not None else ""
    verdict = {"status": status, "code": ended.code, "party": ended.party, "reason": reason}
    line = json.dumps(verdict)
    if len(line) > MAX_TERMINATION_BYTES:
        line = json.dumps(verdict | {"reason": reason[: MAX_TERMINATION_BYTES // 8]})
    try:
        with path.open("a") as file:
            file.write(line + "\n")
    except OSError:
        return  # outside of Kubernetes there is no such file
