"""How an attempt ended for what is spent: had all members agreed, so that an answer may have been told, and on what?

`compute` knows it and holds no store's credentials; `fetch` of the next attempt has to know it, in another pod. So the
first signs it with the party's identity key, and `publish` files it with the party's records. Nobody who redirects or
writes the records can make one up; who takes one away makes the next attempt cost another run.
"""

from typing import Annotated

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import Field, ValidationError

from policy.canonical import canonical_json
from policy.identity import load_certificate
from policy.signature import BadSignature, sign, verify
from worker.errors import StoreUnavailable
from worker.log import Log
from worker.messages import Hex32, Sha256, Signature
from worker.runspec import Model, RunSpec
from worker.stores import Stores, settlement_name

SETTLEMENT_PURPOSE = "settlement"
MAX_SETTLEMENT_BYTES = 4096


class Settled(Model):
    """The end of one attempt."""

    attempt: Hex32  # its name in the ledger
    agreed: Sha256 | None  # the run, plan and data that all had agreed on; None: they had not, and nothing was told


class Settlement(Model):
    """The same, signed."""

    settled: Settled
    signature: Annotated[Signature, Field(description="of the party, with purpose `settlement`")]


def settle(attempt: str, agreed: str | None, key: Ed25519PrivateKey) -> Settlement:
    """Say how an attempt ended."""
    settled = Settled(attempt=attempt, agreed=agreed)
    return Settlement(settled=settled, signature=sign(key, SETTLEMENT_PURPOSE, settled))


def file_settlement(spec: RunSpec, settlement: Settlement, stores: Stores, log: Log) -> None:
    """Put it where the next attempt looks; if that fails, the next one costs another run."""
    place = spec.own.records
    if place is None:
        return
    name = settlement_name(spec.run.run_id, settlement.settled.attempt)
    try:
        stores.of(place.credentials).put_once(place.container, name, canonical_json(settlement))
    except StoreUnavailable as error:
        log.event("attempt not settled", reason=error.what, where=error.where)


def settled(spec: RunSpec, attempt: str, stores: Stores) -> Settled | None:
    """Return how an earlier attempt ended; None if nobody has said so, or not with the party's key.

    Raises:  StoreUnavailable.
    """
    place = spec.own.records
    if place is None:
        return None
    name = settlement_name(spec.run.run_id, attempt)
    content = stores.of(place.credentials).get_newest(place.container, name, MAX_SETTLEMENT_BYTES)
    certificate = next(member.certificate for member in spec.run.members if member.name == spec.own.party)
    try:
        found = Settlement.model_validate_json(content or b"")
        verify(load_certificate(certificate).public_key, SETTLEMENT_PURPOSE, found.settled, found.signature)
    except (ValidationError, BadSignature):
        return None
    return found.settled if found.settled.attempt == attempt else None
