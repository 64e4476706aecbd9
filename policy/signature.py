"""Ed25519 signatures over canonical JSON, each for one purpose: a signed policy never passes as a verdict."""

import base64
import binascii
import re

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from rfc8785 import CanonicalizationError

from policy.canonical import canonical_json

_PURPOSE = re.compile(r"[a-z][a-z0-9-]*")
_SIGNATURE_BYTES = 64


class BadSignature(Exception):
    """A signature that does not hold: malformed, or of another key, value or purpose."""

    def __init__(self, purpose: str, what: str) -> None:
        super().__init__(f"bad signature on the {purpose}: {what}")
        self.purpose, self.what = purpose, what


def sign(key: Ed25519PrivateKey, purpose: str, value: object) -> str:
    """Return the base64 signature over `value` for `purpose` ("policy", "verdict", "manifest")."""
    return base64.b64encode(key.sign(_message(purpose, value))).decode("ascii")


def verify(public_key: Ed25519PublicKey, purpose: str, value: object, signature: str) -> None:
    """Return if `signature` is that of `public_key`'s holder over this very value and purpose.

    Raises:  BadSignature otherwise.
    """
    try:
        message = _message(purpose, value)
    except CanonicalizationError as error:
        # Somebody else's document: what nobody can have signed is unsigned, and no fault of ours.
        raise BadSignature(purpose, "the document holds what canonical JSON cannot") from error
    try:
        raw = base64.b64decode(signature.strip(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadSignature(purpose, "it is not base64 text") from error
    if len(raw) != _SIGNATURE_BYTES:
        raise BadSignature(purpose, f"it has {len(raw)} bytes, an Ed25519 signature has {_SIGNATURE_BYTES}")
    try:
        public_key.verify(raw, message)
    except InvalidSignature as error:
        raise BadSignature(purpose, "it was made by another key or over another text") from error


def _message(purpose: str, value: object) -> bytes:
    # The NUL ends the purpose: no purpose may be another one's beginning.
    if not _PURPOSE.fullmatch(purpose):
        raise ValueError(f"a purpose is lower-case words joined by '-', got {purpose!r}")
    return b"ccd.dev/v1alpha1 " + purpose.encode("ascii") + b"\0" + canonical_json(value)
