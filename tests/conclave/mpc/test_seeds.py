"""Seeds: agreed on by keys that are never sent, bound to the run, and refused where a neighbour's key is no honest one."""

from dataclasses import dataclass, field

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from conclave.mpc import seeds
from conclave.mpc.channel import Network
from conclave.mpc.errors import AgreementError
from conclave.mpc.party import Party
from conclave.mpc.seeds import agree_on_seeds
from tests.conclave.mpc.three import NAMES, run_parties

CONTEXT = b"run and plan"
# u-coordinates of points of small order: whoever sends one knows what "secret" everybody's key gives with it.
ONE, LARGEST = (1).to_bytes(32, "little"), ((1 << 255) - 20).to_bytes(32, "little")


def agree(network: Network, context: bytes = CONTEXT) -> dict[str, bytes]:
    return agree_on_seeds(network, NAMES, tuple(name for name in NAMES if name != network.me), context)


def in_place_of_bravos(change) -> type[Network]:
    """A network on which alpha receives something else than the key that bravo has sent to it."""

    class Altered(Network):
        def exchange_control(self, outgoing, incoming, limit, patience_s=0.0):
            is_first = not any(channel._steps_sent for channel in self.channels.values())
            received = super().exchange_control(outgoing, incoming, limit, patience_s)
            if self.me == "alpha" and is_first:
                received["bravo"] = change(received["bravo"], outgoing["bravo"])
            return received

    return Altered


@dataclass
class Drawn:
    """Notes the keys that are drawn."""

    keys: list[X25519PrivateKey] = field(default_factory=list)

    def generate(self) -> X25519PrivateKey:
        self.keys.append(X25519PrivateKey.generate())
        return self.keys[-1]


def test_two_neighbours_and_nobody_else_have_a_seed_and_each_agreement_has_others():
    first, second = run_parties(agree), run_parties(agree)
    for found in (first, second):
        assert all(found[a][b] == found[b][a] for a in NAMES for b in found[a])
    assert len({seed for found in (first, second) for each in found.values() for seed in each.values()}) == 6


def test_a_seed_hangs_on_keys_that_are_drawn_for_one_pair_of_one_agreement_and_not_sent(monkeypatch):
    drawn, secrets, sent = Drawn(), [], []
    derive = seeds.derive

    def noting_derive(secret, label):
        if label.startswith(b"pair\0"):
            secrets.append(secret)
        return derive(secret, label)

    class Listening(Network):
        def exchange_control(self, outgoing, incoming, limit, patience_s=0.0):
            sent.extend(bytes(payload) for payload in outgoing.values())
            return super().exchange_control(outgoing, incoming, limit, patience_s)

    monkeypatch.setattr(seeds, "X25519PrivateKey", drawn)
    monkeypatch.setattr(seeds, "derive", noting_derive)
    found = [run_parties(agree, NAMES, Listening) for _ in range(2)]
    assert len(drawn.keys) == len({key.private_bytes_raw() for key in drawn.keys}) == 12
    # What seeds come from is what two of those keys give, by the private part of either.
    public = [key.public_key().public_bytes_raw() for key in drawn.keys]
    agreed = {
        key.exchange(X25519PublicKey.from_public_bytes(other))
        for key, own in zip(drawn.keys, public, strict=True)
        for other in public
        if other != own
    }
    assert len(secrets) == 12
    assert len(set(secrets)) == 6
    assert set(secrets) <= agreed
    known = {*sent, *public}
    assert set(public) <= set(sent)
    assert not known & {*secrets, *(key.private_bytes_raw() for key in drawn.keys)}
    assert not known & {seed for each in found for mine in each.values() for seed in mine.values()}


@pytest.mark.parametrize("context", [b"", b"run and plaN", b"run and plan\0", b"\0run and plan"])
def test_neighbours_that_mean_another_run_or_plan_find_out(context):
    with pytest.raises(AgreementError, match="the run, the plan or the order of parties"):
        run_parties(lambda network: agree(network, context if network.me == "carol" else CONTEXT))


def test_neighbours_that_mean_another_ring_find_out():
    def work(network):
        ring = ("alpha", "carol", "bravo") if network.me == "bravo" else NAMES
        return Party.setup(network, ring, CONTEXT)

    with pytest.raises(AgreementError, match="the order of parties"):
        run_parties(work)


def test_our_own_key_sent_back_is_refused():
    with pytest.raises(AgreementError, match="our own key came back"):
        run_parties(agree, NAMES, in_place_of_bravos(lambda theirs, ours: ours))


@pytest.mark.parametrize("key", [bytes(32), ONE, LARGEST])
def test_a_key_with_which_everybody_has_the_same_secret_is_refused(key):
    with pytest.raises(AgreementError, match="everybody knows"):
        run_parties(agree, NAMES, in_place_of_bravos(lambda theirs, ours: key))


@pytest.mark.parametrize("at", [0, 100, 255])  # X25519 itself does not look at bit 255
def test_a_bit_of_a_key_that_was_changed_on_the_way_is_found_out(at):
    def flipped(theirs: bytes, ours: bytes) -> bytes:
        return (int.from_bytes(theirs, "little") ^ (1 << at)).to_bytes(32, "little")

    with pytest.raises(AgreementError, match="the run, the plan or the order of parties"):
        run_parties(agree, NAMES, in_place_of_bravos(flipped))
