import json
from collections.abc import Callable

import pytest

from policy.canonical import canonical_json
from policy.identity import load_private_key, new_identity
from policy.manifest import VERDICT_PURPOSE
from policy.parse import parse_policy
from policy.signature import sign
from tests.worker.actors import all_do, fetched, meet
from tests.worker.conftest import PARTIES, Federation
from tests.worker.stores import POLICY
from worker.errors import Stopped
from worker.exchange import Seen, agree, confirm
from worker.failure import explain, outcome
from worker.runspec import TableSpec

HELLO, OFFER, VERDICT, GO = range(4)


def exchange(federation: Federation, tamper=None, offers=None, runs=None):
    """Let all parties agree and confirm; return the endings and what each has seen."""
    seen = {party: Seen() for party in PARTIES}

    def act(conversation):
        party = conversation.me
        key = load_private_key(federation.key_file(party).read_bytes())
        run = (runs or {}).get(party, federation.run)
        own = (offers or {}).get(party) or fetched(federation, party)
        agreement = agree(run, own, key, conversation, seen[party])
        confirm(seen[party].verdicts, conversation)
        return agreement

    return all_do(meet(federation, tamper), act), seen


def changed(number: int, change: Callable[[dict], object], only: str | None = None):
    """Tamper with the fields of one round's message, to all peers or to one."""

    def tamper(at, peer, honest):
        if at != number or only not in (None, peer):
            return honest
        message = json.loads(honest)
        change(message)
        return canonical_json(message)

    return tamper


def assert_all_stop(endings, code: int, says: str) -> None:
    for party in PARTIES:
        error = endings[party].error
        assert isinstance(error, Stopped), (party, error)
        assert error.code == code, party
        assert says in " ".join(map(str, error.reasons(party))), party


def test_all_parties_accept_the_same_plan_with_one_fresh_context(federation):
    endings, seen = exchange(federation)
    agreements = [ending.value for ending in endings.values()]
    assert len({agreement.context for agreement in agreements}) == 1
    assert len({s.plan_digest for s in seen.values()}) == 1
    assert {v.statement.verdict for s in seen.values() for v in s.verdicts.values()} == {"accept"}
    again, _ = exchange(federation)
    assert again["alpha"].value.context != agreements[0].context


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("protocol", 2, "another protocol"),
        ("version", "9.9", "another version of the worker"),
        ("runId", "other-0000000000", "another run id"),
        ("run", "f" * 64, "another digest of the run spec"),
        ("image", "other", "another image"),
    ],
)
def test_a_hello_that_differs_stops_all(federation, field, value, says):
    tamper = changed(HELLO, lambda message: message.update({field: value}))
    endings, _ = exchange(federation, {"bravo": tamper})
    assert_all_stop(endings, 30, says)


def test_run_specs_that_differ_stop_all(federation):
    other = federation.run.model_copy(update={"purpose": "curiosity"})
    endings, _ = exchange(federation, runs={"bravo": other})
    assert_all_stop(endings, 30, "another digest of the run spec")


def test_a_party_that_brings_nothing_tells_why(federation):
    failed = outcome("alpha", 20, explain(ValueError("x"), "alpha").reasons)
    endings, _ = exchange(federation, offers={"alpha": failed})
    assert_all_stop(endings, 20, "a bug in the worker: ValueError")


def test_a_policy_that_its_owner_has_not_signed_is_rejected(federation):
    text = POLICY.replace("DATASET", "bravo/flights")
    forged = sign(load_private_key(federation.keys["alpha"]), "policy", parse_policy(text, "p"))
    endings, _ = exchange(federation, offers={"bravo": fetched(federation, "bravo", signature=forged)})
    assert_all_stop(endings, 30, "bravo/flights: it was made by another key")


def test_a_policy_changed_after_signing_is_rejected(federation):
    text = POLICY.replace("DATASET", "bravo/flights").replace("[carol]", '["*"]')
    endings, _ = exchange(federation, offers={"bravo": fetched(federation, "bravo", policy=text)})
    assert_all_stop(endings, 30, "bravo/flights: it was made by another key or over another text")


def test_a_file_whose_header_is_not_the_policys_is_rejected(federation):
    offer = fetched(federation, "alpha", header=("carrier", "ssn"))
    endings, _ = exchange(federation, offers={"alpha": offer})
    assert_all_stop(endings, 30, "the file's header [carrier, ssn] is not the policy's columns [carrier, delay]")


def test_a_policy_that_cannot_be_read_is_rejected(federation):
    endings, _ = exchange(federation, offers={"alpha": fetched(federation, "alpha", policy="kind: Policy")})
    assert_all_stop(endings, 30, "alpha/flights: its policy cannot be read")


def test_each_party_reads_each_policy_once(federation, monkeypatch):
    read = []

    def reading(text, file):
        read.append(file)
        return parse_policy(text, file)

    monkeypatch.setattr("worker.judge.parse_policy", reading)
    endings, _ = exchange(federation)
    assert [ending.error for ending in endings.values()] == [None] * len(PARTIES)
    names = [f"policy of {dataset.name}" for dataset in federation.run.datasets]
    assert sorted(read) == sorted(names * len(PARTIES))


def test_a_policy_with_a_number_that_nothing_can_sign_is_rejected(federation):
    text = POLICY.replace("DATASET", "bravo/flights").replace("version: 3", f"version: {1 << 70}")
    endings, _ = exchange(federation, offers={"bravo": fetched(federation, "bravo", policy=text, signature="AA==")})
    assert_all_stop(endings, 30, "bravo/flights: ")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda m: m["datasets"].clear(), "bravo/flights: its owner offers no such dataset"),
        (lambda m: m["datasets"].extend(m["datasets"]), "not its own, not asked for, or twice"),
        (lambda m: m["datasets"][0].update(dataset="alpha/flights"), "not its own, not asked for, or twice"),
        (lambda m: m["datasets"][0].update(dataset="bravo/other"), "not its own, not asked for, or twice"),
        (lambda m: m["datasets"][0].update(nRows=-1), "malformed"),
        (lambda m: m["datasets"][0].update(sha256="0"), "malformed"),
    ],
)
def test_an_offer_of_something_else_stops_the_others(federation, change, says):
    endings, _ = exchange(federation, {"bravo": changed(OFFER, change)})
    for party in ("alpha", "carol"):
        assert endings[party].error.code == 30
        assert says in " ".join(map(str, endings[party].error.reasons(party)))
    assert endings["bravo"].error.code == 30


def test_offers_that_differ_from_peer_to_peer_stop_all(federation):
    tamper = changed(OFFER, lambda m: m["datasets"][0].update(nRows=99), only="carol")
    endings, _ = exchange(federation, {"bravo": tamper})
    assert_all_stop(endings, 30, "a verdict on another session")


def test_a_verdict_that_its_party_did_not_sign_stops_all(federation):
    key, _ = new_identity("bravo", 1)

    def sign_with_another_key(message):
        message["signature"] = sign(load_private_key(key), VERDICT_PURPOSE, message["statement"])

    endings, _ = exchange(federation, {"bravo": changed(VERDICT, sign_with_another_key)})
    assert_all_stop(endings, 30, "a verdict that its own key did not sign")


def test_another_plan_stops_all(federation):
    def claim(message):
        message["statement"]["plan"] = "f" * 64
        key = load_private_key(federation.keys["bravo"])
        message["signature"] = sign(key, VERDICT_PURPOSE, message["statement"])

    endings, _ = exchange(federation, {"bravo": changed(VERDICT, claim)})
    assert_all_stop(endings, 30, "a verdict on another plan")


def test_whoever_tells_two_peers_two_verdicts_is_found_out(federation):
    """Both are well signed and on the same plan; only comparing what everybody heard shows it."""

    def reject(message):
        message["statement"].update(verdict="reject", reasons=[REASON])
        key = load_private_key(federation.keys["bravo"])
        message["signature"] = sign(key, VERDICT_PURPOSE, message["statement"])

    endings, _ = exchange(federation, {"bravo": changed(VERDICT, reject, only="carol")})
    # Carol stops at the rejection; alpha, who heard an acceptance, finds no confirmation.
    assert endings["carol"].error.code == 30
    assert endings["alpha"].error is not None


def test_a_query_that_does_not_compile_is_everyones_bad_document(federation):
    federation = federation.with_run(query="SELECT carrier, SUM(wait) FROM flights GROUP BY carrier")
    endings, _ = exchange(federation)
    assert_all_stop(endings, 10, "wait")


def test_a_table_that_the_query_does_not_read_is_everyones_bad_document(federation):
    unread = TableSpec(name="unread", datasets=("bravo/flights",))
    endings, _ = exchange(federation.with_run(tables=(*federation.run.tables, unread)))
    assert_all_stop(endings, 10, "the query does not read unread")


REASON = {"party": "bravo", "code": 30, "what": "no", "where": "", "rule": "", "flow": "", "fix": ""}


def test_an_owner_that_names_no_approval_where_its_policy_asks_for_one_stops_all(federation):
    text = POLICY.replace("DATASET", "alpha/flights") + "  approval: explicit\n"
    key = load_private_key(federation.keys["alpha"])
    word = {"policy": text, "signature": sign(key, "policy", parse_policy(text, "policy"))}
    endings, _ = exchange(federation, offers={"alpha": fetched(federation, "alpha", **word)})
    assert_all_stop(endings, 30, "alpha has a policy that asks for its approval, and names none")
