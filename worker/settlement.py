"""How an attempt ended for what is spent: had all members agreed, so that an answer may have been told, and on what?

`compute` knows it and holds no store's credentials; `fetch` of the next attempt has to know it, in another pod. So the
first signs it with the party's identity key, and `publish` files it with the party's records. Nobody who redirects or
writes the records can make one up; who takes one away makes the next attempt cost another run.
"""

from typing import Annotated

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import Field

from policy.signature import sign
from worker.messages import Hex32, Sha256, Signature
from worker.runspec import Model

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
