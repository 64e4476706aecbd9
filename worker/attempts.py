"""How attempts ended, filed with the party's records and found there by the next one."""

from pydantic import ValidationError

from policy.canonical import canonical_json
from policy.identity import load_certificate
from policy.signature import BadSignature, verify
from worker.errors import StoreUnavailable
from worker.log import Log
from worker.names import settlement_name
from worker.runspec import RunSpec
from worker.settlement import MAX_SETTLEMENT_BYTES, SETTLEMENT_PURPOSE, Settled, Settlement
from worker.stores import Stores


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
