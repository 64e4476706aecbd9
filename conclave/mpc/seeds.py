"""A fresh seed for each pair of neighbours: X25519 inside of their channel, bound to the run, and confirmed.

Private keys are drawn for one agreement and never sent. So nobody who can read what the channel has carried, then or years
later, knows a mask by that: not from a TLS session whose keys became known, and not behind the place where TLS ends.
Who the neighbour is, the channel has proven; only it keeps out somebody who alters what is read.
"""

from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from conclave.mpc.channel import Network
from conclave.mpc.errors import AgreementError, FrameError
from conclave.mpc.randomness import SEED_BYTES, derive


def agree_on_seeds(
    network: Network, names: tuple[str, ...], peers: tuple[str, ...], context: bytes
) -> dict[str, bytes]:
    """Return the seed in common with each of `peers`, who all call this with the same ring `names` and `context`.

    Shapes:  two control messages of 32 bytes to and from each peer: a public key, and a confirmation.
    Raises:  AgreementError if a peer means another ring or context, sends our own key back, or one that agrees with
             every key on the same secret.
    """
    own = {peer: X25519PrivateKey.generate() for peer in peers}
    shown = {peer: key.public_key().public_bytes_raw() for peer, key in own.items()}
    theirs = _exchange_exactly(network, shown)
    seeds, ours, expected = {}, {}, {}
    for peer in peers:
        if theirs[peer] == shown[peer]:
            raise AgreementError("a seed: our own key came back", (peer,))
        # Sorted by name, so that both sides of the pair say the same. Keys as they were sent: X25519 ignores one bit.
        pair = sorted([(network.me, shown[peer]), (peer, theirs[peer])])
        named = b"\0".join([b"pair", *(name.encode() for name in (*names, *dict(pair))), b""])
        # The context comes last: it is the only part that may hold any byte and have any length.
        label = named + b"".join(key for _, key in pair) + context
        seeds[peer] = derive(_secret(own[peer], theirs[peer], peer), label)
        ours[peer] = derive(seeds[peer], b"confirm " + network.me.encode())
        expected[peer] = derive(seeds[peer], b"confirm " + peer.encode())
    # Otherwise parties that disagree would compute noise, and publish it.
    for peer, confirmation in _exchange_exactly(network, ours).items():
        if confirmation != expected[peer]:
            raise AgreementError("the run, the plan or the order of parties", (peer,))
    return seeds


def _secret(own: X25519PrivateKey, shown: bytes, peer: str) -> bytes:
    try:
        return own.exchange(X25519PublicKey.from_public_bytes(shown))
    except ValueError:
        raise AgreementError("a seed: a key whose secret everybody knows came", (peer,)) from None


def _exchange_exactly(network: Network, outgoing: Mapping[str, bytes]) -> dict[str, bytes]:
    """Exchange control messages of the size of a seed with the peers in `outgoing`."""
    received = network.exchange_control(outgoing, outgoing, limit=SEED_BYTES)
    for peer, payload in received.items():
        if len(payload) != SEED_BYTES:
            raise FrameError(peer, "length", SEED_BYTES, len(payload))
    return received
