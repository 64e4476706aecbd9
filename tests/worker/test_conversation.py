import pytest

from policy.manifest import Reason
from tests.worker.actors import all_do, meet
from tests.worker.conftest import PARTIES
from worker.errors import PeerMissing, Stopped
from worker.messages import SMALL_BYTES, Go, Offer, encode

WORD, BEFORE = Go(verdicts="0" * 64), Offer(datasets=())


def reason(party: str, code: int, what: str = "cannot go on") -> Reason:
    return Reason(party=party, code=code, what=what)


def two_rounds(conversation):
    conversation.round(WORD)
    conversation.round(WORD)
    return "done"


def test_everyone_hears_the_same_words(federation):
    endings = all_do(meet(federation), lambda c: c.round(Offer(datasets=())))
    for party in PARTIES:
        assert endings[party].value == dict.fromkeys(PARTIES, Offer(datasets=()))


@pytest.mark.parametrize("code", [10, 20, 30, 70])
def test_a_permanent_abort_is_everyones_and_leaves_all_in_step(federation, code):
    def act(conversation):
        conversation.round(BEFORE)
        if conversation.me == "bravo":
            conversation.stop(code, [reason("bravo", code)])
        conversation.round(BEFORE)

    conversations = meet(federation)
    for party, ending in all_do(conversations, act).items():
        assert isinstance(ending.error, Stopped), party
        assert ending.error.code == code
        assert ending.error.reasons(party) == (reason("bravo", code),)
        assert conversations[party].is_in_step


def test_a_passing_failure_keeps_its_code_and_makes_the_others_end_with_40(federation):
    def act(conversation):
        if conversation.me == "bravo":
            conversation.stop(50, [reason("bravo", 50)])
        conversation.round(WORD)

    endings = all_do(meet(federation), act)
    assert {party: ending.error.code for party, ending in endings.items()} == {
        "alpha": 40,
        "bravo": 50,
        "carol": 40,
    }


def test_of_two_aborts_the_permanent_one_counts(federation):
    def act(conversation):
        if conversation.me == "carol":
            conversation.round(WORD)
        conversation.stop({"alpha": 50, "bravo": 20}[conversation.me], [reason(conversation.me, 20)])

    endings = all_do(meet(federation), act)
    assert {ending.error.code for ending in endings.values()} == {20}
    assert {len(ending.error.reasons("")) for ending in endings.values()} == {2}


def test_nobody_speaks_for_another(federation):
    def act(conversation):
        if conversation.me == "bravo":
            conversation.stop(30, [reason("alpha", 30)])
        conversation.round(WORD)

    endings = all_do(meet(federation), act)
    assert {ending.error.reasons("")[0].party for ending in endings.values()} == {"bravo"}


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"not json",
        b'{"kind":"go"}',
        b'{"kind":"go","verdicts":"' + b"0" * 64 + b'","more":1}',
        b'{"kind":"go","verdicts":7}',
        b'{"kind":"abort","code":0,"reasons":[{"party":"x","code":10,"what":"y"}]}',
        b"[" * 50_000,
        encode(Offer(datasets=())),
    ],
)
def test_a_malformed_message_to_one_stops_all_with_30(federation, payload):
    def tamper(number, peer, honest):
        return payload if (number, peer) == (0, "alpha") else honest

    endings = all_do(meet(federation, {"bravo": tamper}), two_rounds)
    for party in PARTIES:
        assert endings[party].error.code == 30, party
    (told,) = endings["carol"].error.reasons("")
    assert told.party == "alpha"
    assert "bravo" in told.what


def test_an_oversized_message_is_not_read(federation):
    def tamper(number, peer, honest):
        return b" " * (SMALL_BYTES + 1) if peer == "alpha" else honest

    endings = all_do(meet(federation, {"bravo": tamper}), two_rounds)
    assert endings["alpha"].error.code == 30
    assert str(SMALL_BYTES + 1) in endings["alpha"].error.what
    # Alpha's connections are of no use any more: carol is told, or sees alpha or bravo go.
    assert endings["carol"].error.code in (30, 40)


def test_a_late_message_ends_with_40(federation):
    deadlines = federation.run.deadlines.model_copy(update={"receive_s": 0.3})
    conversations = meet(federation.with_run(deadlines=deadlines))
    silent = conversations.pop("bravo")
    for ending in all_do(conversations, lambda c: c.round(WORD)).values():
        assert isinstance(ending.error, PeerMissing)
        assert ending.error.code == 40
    silent.network.close()


def test_a_peer_that_goes_away_ends_with_40_and_its_name(federation):
    conversations = meet(federation)
    conversations.pop("bravo").network.close()
    for ending in all_do(conversations, lambda c: c.round(WORD)).values():
        assert isinstance(ending.error, PeerMissing)
        assert "bravo" in str(ending.error.reasons(""))


def test_whoever_fails_out_of_turn_tells_the_others(federation):
    def act(conversation):
        if conversation.me == "bravo":
            conversation.tell(20, [reason("bravo", 20)])
        else:
            conversation.round(WORD)

    endings = all_do(meet(federation), act)
    for party in ("alpha", "carol"):
        assert endings[party].error.code == 20
