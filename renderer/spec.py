"""From documents to run specs: a pure function, so that a reviewer who renders again gets the same bytes."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property, partial
from typing import Any

from policy.approval import Approval
from policy.canonical import digest
from renderer import names
from renderer.dataset import source_of
from renderer.dns import KUBE_DNS, Dns
from renderer.federation import Federation
from renderer.fields import bytes_of
from renderer.party import Egress, Party, Resources
from renderer.pretty import pretty
from renderer.workflow import Workflow
from worker.runspec import (
    Capacity,
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

DIGEST_DIGITS = 10


@dataclass(frozen=True)
class Member:
    """One party of a run: what its worker is told, and what its namespace gives the worker."""

    name: str
    namespace: str
    own: Own
    egress: tuple[Egress, ...]
    dns: Dns
    resources: Resources
    approval: Approval | None = None  # no part of the run's name: it comes when that is known

    @cached_property
    def own_text(self) -> str:
        """What only this member's `run.json` says, as it stands there."""
        return pretty(self.own.model_dump(mode="json", by_alias=True), "  ")

    @cached_property
    def facts(self) -> dict[str, Any]:
        """All but its name, as JSON values."""
        return {
            "namespace": self.namespace,
            "own": self.own.model_dump(mode="json", by_alias=True),
            "egress": [egress.model_dump(mode="json", by_alias=True) for egress in self.egress],
            "resources": self.resources.model_dump(mode="json", by_alias=True),
            **({"dns": self.dns.model_dump(mode="json", by_alias=True)} if self.dns != KUBE_DNS else {}),
        }


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
    return Planner(parties, federation).plan(workflow)


class Planner:
    """Plans the runs of one federation; what several of them say of a dataset or a member is made once."""

    def __init__(self, parties: Mapping[str, Party], federation: Federation) -> None:
        self._parties, self._federation = parties, federation
        self._dataset = cache(partial(_dataset, parties))
        self._member = cache(partial(_member, parties, federation))

    def plan(self, workflow: Workflow) -> PlannedRun:
        """Return the run that a workflow asks for. The documents must have passed `renderer.check`."""
        spec, parties, references = workflow.spec, self._parties, datasets_of(workflow)
        compute = spec.mpc.compute or choose_compute(workflow, parties)
        member_names = sorted({*data_owners(workflow), *spec.outputs.recipients, *compute})
        members = tuple(
            self._member(name, _owned(name, references), _output(name, workflow, parties)) for name in member_names
        )
        unnamed = self._unnamed(workflow, compute, member_names)
        run_id = f"{workflow.metadata.name}-{_digest(unnamed, members, workflow)[:DIGEST_DIGITS]}"
        named = tuple(_member_spec(run_id, parties[name]) for name in member_names)
        run = unnamed.model_copy(update={"run_id": run_id, "members": named})
        return PlannedRun(run, members, spec.deadlines.job_seconds, spec.bill_to)

    def _unnamed(self, workflow: Workflow, compute: tuple[str, ...], member_names: list[str]) -> Run:
        """Return the run with an id of zeros in the place of its own, which is made of all the rest."""
        spec, run_id = workflow.spec, f"{workflow.metadata.name}-{'0' * DIGEST_DIGITS}"
        return Run(
            run_id=run_id,
            workflow=workflow.metadata.name,
            purpose=spec.purpose,
            query=spec.sql,
            tables=tuple(TableSpec(name=name, datasets=datasets) for name, datasets in sorted(spec.tables.items())),
            datasets=tuple(map(self._dataset, datasets_of(workflow))),
            members=tuple(_member_spec(run_id, self._parties[name]) for name in member_names),
            outputs=OutputSpec(
                recipients=tuple(sorted(spec.outputs.recipients)),
                writer=spec.outputs.writer,
                container=spec.outputs.container,
                format=spec.outputs.format,
            ),
            mpc=MpcSpec(
                protocol=spec.mpc.protocol,
                compute=_compute(compute),
                cleartext={name: tuple(sorted(parties)) for name, parties in sorted(spec.mpc.cleartext.items())},
                disclose_sizes=tuple(sorted(spec.mpc.disclose_sizes)),
                most_matches=dict(sorted(spec.mpc.most_matches.items())),
            ),
            image=self._federation.spec.image,
            deadlines=Deadlines(barrierS=spec.deadlines.barrier_seconds, receiveS=spec.deadlines.receive_seconds),
        )


def data_owners(workflow: Workflow) -> tuple[str, ...]:
    """Return the parties whose datasets the workflow reads, in the order of their names."""
    return tuple(sorted({reference.partition("/")[0] for reference in datasets_of(workflow)}))


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
    if workflow.spec.mpc.protocol == "cheetah":
        # Nobody may help: who has neither data nor the answer would be a third.
        chosen = list(dict.fromkeys((*data_owners(workflow), *sorted(workflow.spec.outputs.recipients))))
    return tuple(chosen[: workflow.spec.mpc.n_compute])


def _compute(names: tuple[str, ...]) -> tuple[str, str, str] | tuple[str, str]:
    """Return as many names as a protocol has parties; the checks have counted them."""
    if len(names) == 2:
        return (names[0], names[1])
    first, second, third = names
    return (first, second, third)


def datasets_of(workflow: Workflow) -> tuple[str, ...]:
    """Return the datasets that the workflow reads, each once, sorted."""
    return tuple(sorted({reference for table in workflow.spec.tables.values() for reference in table}))


def _dataset(parties: Mapping[str, Party], reference: str) -> DatasetSpec:
    owner, _, name = reference.partition("/")
    return parties[owner].spec.datasets[name].spec(reference)


def _member_spec(run_id: str, party: Party) -> MemberSpec:
    return MemberSpec(
        name=party.metadata.name,
        certificate=party.spec.identity.certificate,
        host=names.host(run_id, party.metadata.name, party.spec.namespace),
    )


def _member(
    parties: Mapping[str, Party],
    federation: Federation,
    name: str,
    references: tuple[str, ...],
    output: Place | None,
) -> Member:
    party = parties[name]
    spec, records = party.spec, party.spec.records
    own = Own(
        party=name,
        identity=spec.identity.secret,
        sources=tuple(_source(reference, party) for reference in references),
        records=None if records is None else Place(container=records.container, credentials=records.credentials),
        output=output,
        capacity=Capacity(memory_bytes=bytes_of(spec.resources.memory), work_bytes=bytes_of(spec.resources.work)),
    )
    return Member(name, spec.namespace, own, spec.egress, dns_of(party, federation), spec.resources)


def dns_of(party: Party, federation: Federation) -> Dns:
    """Return where the name servers of a party's cluster are."""
    return party.spec.dns or federation.spec.dns


def _output(name: str, workflow: Workflow, parties: Mapping[str, Party]) -> Place | None:
    """Return where a member writes the result; None if it is not the writer."""
    outputs, own = workflow.spec.outputs, parties[name].spec.outputs
    if name != outputs.writer or own is None:
        return None
    return Place(container=outputs.container, credentials=own.credentials, readers=_readers(workflow, parties))


def _readers(workflow: Workflow, parties: Mapping[str, Party]) -> tuple[str, ...]:
    """Return the accounts of the recipients who do not write the result themselves, as far as they have said one."""
    outputs = workflow.spec.outputs
    said = {parties[name].spec.reads_as for name in outputs.recipients if name != outputs.writer}
    return tuple(sorted(account for account in said if account is not None))


def _owned(party: str, references: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(reference for reference in references if reference.startswith(f"{party}/"))


def _source(reference: str, party: Party) -> Source:
    return source_of(reference, party.spec.datasets[reference.partition("/")[2]], party.spec.engine)


def _digest(unnamed: Run, members: tuple[Member, ...], workflow: Workflow) -> str:
    """Return the SHA-256 of all that the run's objects are rendered from, but for the name it makes."""
    run = unnamed.model_dump(mode="json", by_alias=True, exclude={"run_id": True, "members": {"__all__": {"host"}}})
    content = {
        "run": run,
        "members": {member.name: member.facts for member in members},
        "jobSeconds": workflow.spec.deadlines.job_seconds,
        "number": workflow.spec.run,
        # A pod's labels are part of its Job, and a Job cannot be changed.
        **({"billTo": workflow.spec.bill_to} if workflow.spec.bill_to else {}),
    }
    return digest(content)
