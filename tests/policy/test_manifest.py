import pytest

from policy.canonical import canonical_json
from policy.identity import load_private_key, new_identity
from policy.manifest import (
    MANIFEST_PURPOSE,
    VERDICT_PURPOSE,
    DataRef,
    Manifest,
    Opening,
    OutputRecord,
    PartyRecord,
    PolicyRef,
    Reason,
    Statement,
    as_json,
    body_of,
    encode_manifest,
    verify_manifest,
    without_resources,
)
from policy.resources import RESOURCES_PURPOSE, ResourceRecord, Usage, Used
from policy.signature import sign

PARTIES = ("alpha", "bravo", "carol")
RUN, PLAN = "1" * 64, "2" * 64
OPENING = Opening(sha256="5" * 64, size_bytes=9, rows=1, salt="6" * 64)
POLICIES = (PolicyRef(dataset="alpha/flights", version=3, digest="3" * 64),)


@pytest.fixture(scope="module")
def identities() -> dict[str, tuple[bytes, str]]:
    return {party: new_identity(party, 30) for party in PARTIES}


@pytest.fixture
def certificates(identities) -> dict[str, str]:
    return {party: certificate for party, (_, certificate) in identities.items()}


def key_of(identities, party):
    return load_private_key(identities[party][0])


def record(identities, party, **changes) -> PartyRecord:
    facts = {"run_id": "r-1", "run": RUN, "session": "4" * 64, "plan": PLAN, "policies": POLICIES, "data": ()}
    statement = Statement.model_validate({**facts, "verdict": "accept", **changes})
    signature = sign(key_of(identities, party), VERDICT_PURPOSE, as_json(statement))
    return PartyRecord(name=party, statement=statement, signature=signature)


def signed(identities, **changes) -> Manifest:
    parties = tuple(record(identities, party) for party in PARTIES)
    facts = {
        "run_id": "r-1",
        "workflow": "delays",
        "purpose": "research",
        "status": "succeeded",
        "code": 0,
        "run": RUN,
        "plan": PLAN,
        "image": "image",
        "policies": POLICIES,
        "parties": parties,
        "outputs": (OutputRecord.of("r-1/result.csv", OPENING.commitment(), OPENING),),
    }
    manifest = Manifest.model_validate(facts | changes)
    signatures = {p: sign(key_of(identities, p), MANIFEST_PURPOSE, body_of(manifest)) for p in PARTIES}
    return manifest.model_copy(update={"signatures": signatures})


def test_a_manifest_signed_by_all_has_no_problem_and_survives_its_file(identities, certificates):
    manifest = signed(identities)
    assert verify_manifest(manifest, certificates, RUN) == []
    again = Manifest.model_validate_json(encode_manifest(manifest))
    assert again == manifest
    assert verify_manifest(again, certificates) == []


@pytest.mark.parametrize(
    "change",
    [
        {"status": "rejected"},
        {"purpose": "curiosity"},
        {"plan": "9" * 64},
        {"outputs": ()},
        {"policies": ()},
        {"reasons": (Reason(party="alpha", code=30, what="x"),)},
    ],
)
def test_any_change_breaks_every_signature(identities, certificates, change):
    problems = verify_manifest(signed(identities).model_copy(update=change), certificates)
    for party in PARTIES:
        assert any(f"{party}'s signature does not fit the manifest" in problem for problem in problems)


def test_a_missing_signature_is_named(identities, certificates):
    manifest = signed(identities)
    rest = {party: text for party, text in manifest.signatures.items() if party != "bravo"}
    assert verify_manifest(manifest.model_copy(update={"signatures": rest}), certificates) == [
        "bravo has not signed the manifest"
    ]


def test_another_partys_signature_does_not_count(identities, certificates):
    manifest = signed(identities)
    swapped = {**manifest.signatures, "bravo": manifest.signatures["alpha"]}
    (problem,) = verify_manifest(manifest.model_copy(update={"signatures": swapped}), certificates)
    assert "bravo's signature does not fit" in problem


def test_a_strangers_signature_is_named(identities, certificates):
    rest = {party: certificates[party] for party in ("alpha", "bravo")}
    problems = verify_manifest(signed(identities), rest)
    assert "carol signed the manifest but is not a member of the run" in problems
    assert "the manifest's parties are not the run's members" in problems


def test_a_verdict_is_not_a_manifest(identities, certificates):
    manifest = signed(identities)
    wrong = sign(key_of(identities, "bravo"), VERDICT_PURPOSE, body_of(manifest))
    manifest = manifest.model_copy(update={"signatures": {**manifest.signatures, "bravo": wrong}})
    assert len(verify_manifest(manifest, certificates)) == 1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"plan": "8" * 64}, "bravo's verdict is on another plan"),
        ({"run": "8" * 64}, "bravo's verdict is on another run"),
        ({"policies": ()}, "bravo's verdict is on another policies"),
        ({"verdict": "reject"}, "bravo rejected, yet the run succeeded"),
    ],
)
def test_a_success_needs_every_party_to_accept_just_that(identities, certificates, change, says):
    parties = tuple(record(identities, p, **(change if p == "bravo" else {})) for p in PARTIES)
    (problem,) = verify_manifest(signed(identities, parties=parties), certificates)
    assert says in problem


def test_a_verdict_that_was_changed_is_found(identities, certificates):
    good = record(identities, "bravo")
    assert good.statement is not None
    changed = good.model_copy(update={"statement": good.statement.model_copy(update={"session": "0" * 64})})
    parties = (record(identities, "alpha"), changed, record(identities, "carol"))
    assert verify_manifest(signed(identities, parties=parties), certificates) == [
        "bravo's signature does not fit its verdict"
    ]


def test_a_run_that_failed_early_has_no_verdicts(identities, certificates):
    parties = tuple(PartyRecord(name=party) for party in PARTIES)
    failed = signed(identities, status="failed", code=20, parties=parties, plan=None, outputs=())
    assert verify_manifest(failed, certificates) == []
    (problem, *_) = verify_manifest(signed(identities, parties=parties), certificates)
    assert "alpha gave no verdict, yet the run succeeded" in problem


def test_another_run_is_noticed(identities, certificates):
    assert "another run" in verify_manifest(signed(identities), certificates, "0" * 64)[0]


def test_a_recipients_copy_and_everybody_elses_carry_the_same_signatures(identities, certificates):
    opened = signed(identities)
    closed = signed(identities, outputs=(OutputRecord.of("r-1/result.csv", OPENING.commitment(), None),))
    assert opened.signatures == closed.signatures
    assert verify_manifest(closed, certificates, RUN) == []
    assert OPENING.sha256 not in encode_manifest(closed).decode()


@pytest.mark.parametrize(
    "change",
    [{"sha256": "7" * 64}, {"rows": 2}, {"size_bytes": 10}, {"salt": "7" * 64}, {"salt": None}, {"sha256": None}],
)
def test_an_opening_that_was_not_signed_for_is_a_problem(identities, certificates, change):
    manifest = signed(identities)
    record = manifest.outputs[0].model_copy(update=change)
    assert verify_manifest(manifest.model_copy(update={"outputs": (record,)}), certificates, RUN) == [
        "what the manifest says of r-1/result.csv is not what the parties signed"
    ]


def test_data_of_a_store_without_versions_is_signed_for_as_it_always_was():
    plain = DataRef(dataset="alpha/d", sha256="0" * 64, rows=3)
    assert canonical_json(plain) == b'{"dataset":"alpha/d","rows":3,"sha256":"' + b"0" * 64 + b'"}'
    assert b'"version":"1.0"' in canonical_json(plain.model_copy(update={"version": "1.0"}))


def annex(identities, party: str = "alpha", signer: str | None = None, **changes) -> ResourceRecord:
    used = Used(party=party, run_id="r-1", run=RUN, fetch_and_compute=Usage(cpu_seconds=1.5, peak_memory_mib=64))
    used = used.model_copy(update=changes)
    signature = sign(key_of(identities, signer or party), RESOURCES_PURPOSE, as_json(used))
    return ResourceRecord(**dict(used), signature=signature)


def test_what_a_party_used_is_in_its_own_copy_alone_and_the_others_signatures_hold(identities, certificates):
    manifest = signed(identities)
    own = manifest.model_copy(update={"resources": annex(identities)})
    assert body_of(own) == body_of(manifest)
    assert verify_manifest(own, certificates, RUN) == []
    assert b"cpuSeconds" in encode_manifest(own)
    assert b"cpuSeconds" not in encode_manifest(without_resources(own))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"signer": "bravo"}, "alpha's signature does not fit what the manifest says it has used"),
        ({"party": "dora", "signer": "alpha"}, "dora says what it has used, but is not a member"),
        ({"run_id": "r-2"}, "what alpha has used was in another run"),
        ({"run": "9" * 64}, "what alpha has used was in another run"),
    ],
)
def test_a_bill_that_its_party_did_not_sign_for_this_run_is_refused(identities, certificates, changes, says):
    manifest = signed(identities).model_copy(update={"resources": annex(identities, **changes)})
    (problem,) = verify_manifest(manifest, certificates, RUN)
    assert says in problem


def test_a_bill_cannot_be_changed_afterwards(identities, certificates):
    record = annex(identities)
    more = record.fetch_and_compute.model_copy(update={"cpu_seconds": 150.0})
    manifest = signed(identities).model_copy(
        update={"resources": record.model_copy(update={"fetch_and_compute": more})}
    )
    assert verify_manifest(manifest, certificates, RUN) == [
        "alpha's signature does not fit what the manifest says it has used"
    ]
