"""From documents to run specs: a pure function, so that a reviewer who renders again gets the same bytes."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from policy.approval import Approval
from policy.canonical import digest
from renderer import names
from renderer.dataset import source_of
from renderer.federation import Federation
from renderer.fields import bytes_of
from renderer.party import Egress, Party, Resources
from renderer.pretty import pretty
from renderer.workflow import Workflow
from worker.runspec import (
    Capacity,
    ColumnSpec,
    DatasetSpec,
    Deadlines,
    MemberSpec,
    MpcSpec,
    OutputSpec,
    Own,
    Place,
    Run,
    RunSpec,
    Source,
    TableSpec,
)

N_COMPUTE_PARTIES = 3
DIGEST_DIGITS = 10


@dataclass(frozen=True)
class Member:
    """One party of a run: what its worker is told, and what its namespace gives the worker."""

    name: str
    namespace: str
    own: Own
    egress: tuple[Egress, ...]
    resources: Resources
    approval: Approval | None = None  # no part of the run's name: it comes when that is known


@dataclass(frozen=True)
class PlannedRun:
    """A run before it is laid out as Kubernetes objects."""

    run: Run
    members: tuple[Member, ...]  # in the order of run.members
    job_seconds: int
    bill_to: str | None = None

    @cached_property
    def run_text(self) -> str:
        """What all members' `run.json` have in common, as it stands there."""
        return pretty(self.run.model_dump(mode="json", by_alias=True), "  ")

    def run_spec(self, member: Member) -> RunSpec:
        """Return the document `run.json` of one member."""
        return RunSpec(run=self.run, own=member.own)


def plan_run(workflow: Workflow, parties: Mapping[str, Party], federation: Federation) -> PlannedRun:
    """Return the run that a workflow asks for. The documents must have passed `renderer.check`."""
    compute = workflow.spec.mpc.compute or choose_compute(workflow, parties)
    member_names = sorted({*data_owners(workflow), *workflow.spec.outputs.recipients, *compute})
    members = tuple(_member(parties[name], workflow, parties) for name in member_names)
    unnamed = _run("", workflow, parties, federation, compute, member_names)
    run_id = f"{workflow.metadata.name}-{_digest(unnamed, members, workflow)[:DIGEST_DIGITS]}"
    run = _run(run_id, workflow, parties, federation, compute, member_names)
    return PlannedRun(run, members, workflow.spec.deadlines.job_seconds, workflow.spec.bill_to)


def data_owners(workflow: Workflow) -> tuple[str, ...]:
    """Return the parties whose datasets the workflow reads, in the order of their names."""
    return tuple(sorted({reference.partition("/")[0] for reference in _references(workflow)}))


def choose_compute(workflow: Workflow, parties: Mapping[str, Party]) -> tuple[str, ...]:
    """Return the compute parties of a workflow that names none; fewer than three if there are not enough.

    Data owners first, since they have the most reason to guard the shares; then recipients and at last others
    that are ready to help. Each group in the order of names, so that the choice is the same for every reader.
    """
    helpers = {name for name, party in parties.items() if party.spec.helper}
    groups = (
        data_owners(workflow),
        sorted(helpers.intersection(workflow.spec.outputs.recipients)),
        sorted(helpers),
    )
    chosen = list(dict.fromkeys(name for group in groups for name in group))
    return tuple(chosen[:N_COMPUTE_PARTIES])


def _references(workflow: Workflow) -> tuple[str, ...]:
    """Return the datasets that the workflow reads, each once, sorted."""
    return tuple(sorted({reference for table in workflow.spec.tables.values() for reference in table}))


def _run(
    run_id: str,
    workflow: Workflow,
    parties: Mapping[str, Party],
    federation: Federation,
    compute: tuple[str, ...],
    member_names: list[str],
) -> Run:
    spec = workflow.spec
    first, second, third = compute
    return Run(
        run_id=run_id,
        workflow=workflow.metadata.name,
        purpose=spec.purpose,
        query=spec.query,
        tables=tuple(TableSpec(name=name, datasets=datasets) for name, datasets in sorted(spec.tables.items())),
        datasets=tuple(_dataset(reference, parties) for reference in _references(workflow)),
        members=tuple(_member_spec(run_id, parties[name]) for name in member_names),
        outputs=OutputSpec(
            recipients=tuple(sorted(spec.outputs.recipients)),
            writer=spec.outputs.writer,
            container=spec.outputs.container,
            format=spec.outputs.format,
        ),
        mpc=MpcSpec(protocol=spec.mpc.protocol, compute=(first, second, third)),
        image=federation.spec.image,
        deadlines=Deadlines(barrierS=spec.deadlines.barrier_seconds, receiveS=spec.deadlines.receive_seconds),
    )


def _dataset(reference: str, parties: Mapping[str, Party]) -> DatasetSpec:
    owner, _, name = reference.partition("/")
    columns = parties[owner].spec.datasets[name].columns
    return DatasetSpec(
        name=reference,
        columns=tuple(
            ColumnSpec(name=column, type=declared.type, nullable=declared.nullable, unique=declared.unique)
            for column, declared in columns.items()
        ),
    )


def _member_spec(run_id: str, party: Party) -> MemberSpec:
    return MemberSpec(
        name=party.metadata.name,
        certificate=party.spec.identity.certificate,
        host=names.host(run_id, party.metadata.name, party.spec.namespace),
    )


def _member(party: Party, workflow: Workflow, parties: Mapping[str, Party]) -> Member:
    name, spec, outputs = party.metadata.name, party.spec, workflow.spec.outputs
    records, output = spec.records, None
    if name == outputs.writer and spec.outputs is not None:
        readers = _readers(workflow, parties)
        output = Place(container=outputs.container, credentials=spec.outputs.credentials, readers=readers)
    own = Own(
        party=name,
        identity=spec.identity.secret,
        sources=tuple(_source(reference, party) for reference in _references(workflow) if _owns(name, reference)),
        records=None if records is None else Place(container=records.container, credentials=records.credentials),
        output=output,
        capacity=Capacity(memory_bytes=bytes_of(spec.resources.memory), work_bytes=bytes_of(spec.resources.work)),
    )
    return Member(name, spec.namespace, own, spec.egress, spec.resources)


def _readers(workflow: Workflow, parties: Mapping[str, Party]) -> tuple[str, ...]:
    """Return the accounts of the recipients who do not write the result themselves, as far as they have said one."""
    outputs = workflow.spec.outputs
    said = {parties[name].spec.reads_as for name in outputs.recipients if name != outputs.writer}
    return tuple(sorted(account for account in said if account is not None))


def _owns(party: str, reference: str) -> bool:
    return reference.startswith(f"{party}/")


def _source(reference: str, party: Party) -> Source:
    return source_of(reference, party.spec.datasets[reference.partition("/")[2]])


def _digest(unnamed: Run, members: tuple[Member, ...], workflow: Workflow) -> str:
    """Return the SHA-256 of all that the run's objects are rendered from, but for the name it makes."""
    run = unnamed.model_dump(mode="json", by_alias=True, exclude={"run_id": True, "members": {"__all__": {"host"}}})
    content = {
        "run": run,
        "members": {
            member.name: {
                "namespace": member.namespace,
                "own": member.own.model_dump(mode="json", by_alias=True),
                "egress": [egress.model_dump(mode="json", by_alias=True) for egress in member.egress],
                "resources": member.resources.model_dump(mode="json", by_alias=True),
            }
            for member in members
        },
        "jobSeconds": workflow.spec.deadlines.job_seconds,
        "number": workflow.spec.run,
        # A pod's labels are part of its Job, and a Job cannot be changed.
        **({"billTo": workflow.spec.bill_to} if workflow.spec.bill_to else {}),
    }
    return digest(content)
