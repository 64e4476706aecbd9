"""Three parties that have met over real TLS, one of which may misbehave."""

from collections.abc import Callable

from conclave.mpc.channel import Network
from policy.identity import load_private_key
from policy.parse import parse_policy
from policy.signature import sign
from tests.worker.conftest import PARTIES, Federation, Written, in_parallel
from tests.worker.stores import POLICY
from worker.conversation import Conversation
from worker.transport import wait_for_peers
from worker.workdir import Fetched, FetchedAll

# (round counted from 0, peer, the honest payload) -> what is sent instead
Tamper = Callable[[int, str, bytes], bytes]


class Tampering(Network):
    """A member's network that sends something else than the member wanted."""

    def __init__(self, honest: Network, tamper: Tamper) -> None:
        super().__init__(honest.me, honest.channels, honest.timeout_s)
        self._tamper, self._round = tamper, 0

    def exchange_control(self, outgoing, incoming, limit):
        sent = {peer: self._tamper(self._round, peer, payload) for peer, payload in outgoing.items()}
        self._round += 1
        return super().exchange_control(sent, incoming, limit)


def meet(federation: Federation, tamper: dict[str, Tamper] | None = None) -> dict[str, Conversation]:
    endings = in_parallel(
        {
            p: lambda p=p: wait_for_peers(federation.run, p, federation.key_file(p), federation.work(p), Written().log)
            for p in PARTIES
        }
    )
    networks = {party: ending.value for party, ending in endings.items()}
    for party, change in (tamper or {}).items():
        networks[party] = Tampering(networks[party], change)
    return {party: Conversation(network, Written().log) for party, network in networks.items()}


def all_do(conversations: dict[str, Conversation], act: Callable[[Conversation], object]):
    """Let every party act, and close its connections when it is done, as a worker does."""

    def acting(conversation: Conversation) -> object:
        try:
            return act(conversation)
        finally:
            conversation.network.close()

    return in_parallel({p: lambda c=c: acting(c) for p, c in conversations.items()})


def fetched(federation: Federation, party: str, **changes: object) -> FetchedAll:
    """What a party's fetch leaves, with changes to its only dataset."""
    if party == "carol":
        return FetchedAll(datasets=())
    text = POLICY.replace("DATASET", f"{party}/flights")
    key = load_private_key(federation.keys[party])
    facts = {
        "dataset": f"{party}/flights",
        "policy": text,
        "signature": sign(key, "policy", parse_policy(text, "policy")),
        "header": ("carrier", "delay"),
        "sha256": "0" * 64,
        "n_rows": 3,
        "told_rows": 3,
        "size_bytes": 31,
        "file": f"data/{party}/flights/data.csv",
    }
    return FetchedAll(datasets=(Fetched.model_validate(facts | changes),))
