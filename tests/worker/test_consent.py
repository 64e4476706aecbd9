"""A policy that asks for its owner's approval: real Swift, real keys, three workers; nothing is loaded without it."""

import datetime
import json

import pytest

from policy.approval import APPROVAL_PURPOSE, Approval, ApprovalMetadata, ApprovalSpec, signed_part
from policy.canonical import digest
from policy.identity import load_certificate, load_private_key, new_identity
from policy.manifest import ApprovalRef, Manifest, verify_manifest
from policy.signature import sign
from tests.worker.conftest import PARTIES, Written, everybody
from tests.worker.endpoints.faults import FaultProxy
from tests.worker.stores import POLICY, World
from worker.compute import compute
from worker.fetch import fetch
from worker.publish import publish
from worker.subject import subject_of
from worker.workdir import WorkDir

TOMORROW = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)


@pytest.fixture
def world(federation, swift, swift_users) -> World:
    world = World(federation, swift, swift_users)
    world.upload_policy("alpha", POLICY.replace("DATASET", "alpha/flights") + "  approval: explicit\n")
    return world


def approval_of(world: World, key: bytes | None = None, expires=TOMORROW, **changes) -> Approval:
    """What alpha signs for the run as it is now; with `changes`, for another one."""
    subject = subject_of(world.spec("alpha"))
    spec = {"run": subject.run, "own": subject.own, "plan": subject.plan, "image": subject.image}
    unsigned = Approval(
        api_version="ccd.dev/v1alpha1",
        kind="Approval",
        metadata=ApprovalMetadata(party="alpha", run=changes.pop("run_id", subject.run_id)),
        spec=ApprovalSpec(**{**spec, "manifests": "0" * 64, **changes}, expires=f"{expires:%Y-%m-%dT%H:%M:%SZ}"),
        signature="",
    )
    private = load_private_key(key or world.federation.keys["alpha"])
    return unsigned.model_copy(update={"signature": sign(private, APPROVAL_PURPOSE, signed_part(unsigned))})


class Attempt:
    """All three containers of all parties; alpha's ConfigMap may hold an approval."""

    def __init__(self, world: World, approval: Approval | str | None) -> None:
        self.world, self.logs = world, {party: Written() for party in PARTIES}
        self.file = world.federation.root / "alpha" / "approval.json"
        text = approval.model_dump_json(by_alias=True) if isinstance(approval, Approval) else approval
        if text is not None:
            self.file.write_text(text)

    def go(self) -> dict[str, int]:
        return everybody(self._party)

    def _party(self, party: str) -> int:
        world, log = self.world, self.logs[party].log
        spec, work, secrets = world.spec(party), WorkDir(world.federation.work(party)), world.secrets(party)
        fetch(spec, work, secrets, log, approval=self.file if party == "alpha" else self.file.with_name("none"))
        compute(spec, work, secrets, log)
        ended = publish(spec, work, secrets, log)
        return 0 if ended is None else ended.code

    def events(self, party: str) -> list[str]:
        return [event["event"] for event in self.logs[party].events]


def test_an_approved_run_runs(world):
    attempt = Attempt(world, approval_of(world))
    assert attempt.go() == dict.fromkeys(PARTIES, 0)
    events = attempt.events("alpha")
    assert events.index("policy fetched") < events.index("approved") < events.index("data fetched")
    assert "approved" not in attempt.events("bravo")  # whose policy asks for nothing


def test_everybodys_manifest_names_the_approval_and_who_signed_it(world):
    approval = approval_of(world)
    assert Attempt(world, approval).go() == dict.fromkeys(PARTIES, 0)
    name = f"{world.federation.run.run_id}/manifest.json"
    manifest = Manifest.model_validate_json(world.objects("carol", world.answers)[name])
    named = {party.name: party.statement.approval for party in manifest.parties}
    certificates = {member.name: member.certificate for member in world.federation.run.members}
    fingerprint = load_certificate(certificates["alpha"]).fingerprint
    assert named == {
        "alpha": ApprovalRef(digest=digest(approval), signer=fingerprint, expires=approval.spec.expires),
        "bravo": None,
        "carol": None,
    }
    assert verify_manifest(manifest, certificates) == []


def refused(world: World, approval: Approval | str | None) -> str:
    """Let the run be refused by alpha, which asks its store for no byte of data; return what everybody is told."""
    with FaultProxy(world.swift.port) as proxy:
        world.mount("alpha", port=proxy.port)
        attempt = Attempt(world, approval)
        assert attempt.go() == dict.fromkeys(PARTIES, 30)
        assert proxy.count("^GET .*/flights.csv.policy.yaml$") == 1
        assert proxy.count("/flights.csv$") == 0
    manifest = json.loads(world.objects("carol", world.answers)[f"{world.federation.run.run_id}/manifest.json"])
    assert (manifest["status"], sorted(manifest["signatures"])) == ("rejected", [*PARTIES])
    (reason,) = manifest["reasons"]
    assert reason["party"] == "alpha"
    assert reason["rule"] == "alpha, alpha/flights policy v3, spec.approval: explicit"
    assert reason["where"] == f"workflows/approvals/alpha/{world.federation.run.run_id}.yaml"
    assert "`ccd approve" in reason["fix"]
    return reason["what"]


def test_without_an_approval_nothing_is_loaded_and_everybody_is_told_why(world):
    assert refused(world, None) == "alpha/flights is used with alpha's approval only, and this run has none"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"expires": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)}, "it expired at 2026-01-01T00:00:00Z"),
        ({"run_id": "delays-9876543210"}, "not for this run id"),
        ({"run": "a" * 64}, "not for this run's content"),
        ({"own": "a" * 64}, "not for this part of the run spec"),
        ({"plan": "a" * 64}, "not for this plan"),
        ({"image": "registry.example/ccd@sha256:" + "a" * 64}, "not for this image"),
        ({"key": new_identity("alpha", 30)[0]}, "its signature does not hold"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_an_approval_of_anything_else_by_anybody_else_or_of_another_time_is_none(world, change, says):
    assert says in refused(world, approval_of(world, **change))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"kind": "Approval"}', "x" * 20_000, "\udcff"], ids=range(6))
def test_what_is_no_approval_is_refused_and_not_quoted(world, text):
    path = world.federation.root / "alpha" / "approval.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    assert "what stands for an approval" in refused(world, None)


@pytest.mark.parametrize("what", ["query", "recipients", "image", "certificate", "container"])
def test_whoever_changes_what_is_run_has_no_approval_for_it(world, what):
    approval, run = approval_of(world), world.federation.run
    if what == "query":
        world.federation = world.federation.with_run(query=run.query.replace("SUM(delay)", "AVG(delay)"))
    elif what == "recipients":
        outputs = run.outputs.model_copy(update={"recipients": ("bravo", "carol")})
        world.federation = world.federation.with_run(outputs=outputs)
    elif what == "image":
        world.federation = world.federation.with_run(image=run.image.replace("0" * 64, "f" * 64))
    elif what == "certificate":
        key, certificate = new_identity("bravo", 30)
        world.federation.write_key("bravo", key)
        world.federation = world.federation.with_certificate("bravo", certificate)
        world.upload_policy("bravo", POLICY.replace("DATASET", "bravo/flights"))
    else:
        world.records = f"{world.records}-elsewhere"
    assert "it is not for this" in refused(world, approval)


def test_one_who_has_taken_over_the_renderer_cannot_approve_in_the_owners_name(world):
    """Another certificate, and an approval by its key: then the policy beside the data is not signed by it."""
    key, certificate = new_identity("alpha", 30)
    world.federation = world.federation.with_certificate("alpha", certificate)
    attempt = Attempt(world, approval_of(world, key=key))
    work = WorkDir(world.federation.work("alpha"))
    fetch(world.spec("alpha"), work, world.secrets("alpha"), attempt.logs["alpha"].log, approval=attempt.file)
    assert work.outcome().code == 10
    assert "signature of the policy" in work.outcome().reasons[0].what
    assert "data fetched" not in attempt.events("alpha")
