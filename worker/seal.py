"""Data sealed with age (X25519): encrypted for whoever holds the identity, in pieces that are each authenticated.

The library's words are not passed on. Its plaintext is only ever whole: what was written before damage was found is
deleted.
"""

from pathlib import Path
from typing import Protocol

import pyrage

from conclave.local.reading import Reading, Watch, unwatched
from worker.errors import BadDocument, DataMismatch
from worker.mounts import read_secret
from worker.runspec import AGE_KEY

SEALED_WITH = b"age-encryption.org/v1\n"


class Identity(Protocol):
    """A private key of age; its text is never shown."""


def read_identities(secrets: Path, secret: str) -> list[Identity]:
    """Return the identities in a mounted Secret, as age-keygen writes them: one a line, comments after `#`.

    Several may be there, while data sealed to an older one is still about.

    Raises:  BadDocument.
    """
    lines = [line.strip() for line in read_secret(secrets, secret, AGE_KEY).splitlines()]
    fix = f"put what age-keygen wrote into the key {AGE_KEY!r}"
    try:
        identities: list[Identity] = [
            pyrage.x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#")
        ]
    except pyrage.IdentityError:
        raise BadDocument(f"the Secret {secret!r} holds what is no age identity", AGE_KEY, fix=fix) from None
    if not identities:
        raise BadDocument(f"the Secret {secret!r} holds no age identity", AGE_KEY, fix=fix)
    return identities


def unseal(source: Path, target: Path, identities: list[Identity], place: str) -> None:
    """Write what is sealed in `source` to `target`, in pieces; on any failure `target` is not there.

    Raises:  DataMismatch if it is not sealed, sealed to somebody else, cut short or altered. OSError if the disk is full.
    """
    with source.open("rb") as sealed:
        if sealed.read(len(SEALED_WITH)) != SEALED_WITH:
            what, fix = (
                "the data is not sealed with age, and declared is that it is",
                "store it with `ccd data put --seal`",
            )
            raise DataMismatch(what, place, "sealed data is stored in age's binary form", fix)
        sealed.seek(0)
        try:
            with target.open("wb") as plain:
                pyrage.decrypt_io(sealed, plain, identities)
        except BaseException as error:
            target.unlink(missing_ok=True)
            problem = _problem(error, place)
            if problem is None:
                raise
            raise problem from None


def seal(source: Path, target: Path, recipient: str, watch: Watch = unwatched) -> None:
    """Write `source`, sealed to `recipient`, to `target`, in pieces.

    Raises:  BadDocument if that is no recipient.
    """
    try:
        to = pyrage.x25519.Recipient.from_str(recipient)
    except pyrage.RecipientError:
        raise BadDocument("the recipient in the party document is no age recipient", "sealed.recipient") from None
    with Reading(source, watch) as plain, target.open("wb") as sealed:
        pyrage.encrypt_io(plain, sealed, [to])


def _problem(error: BaseException, place: str) -> DataMismatch | None:
    rule = "what is not whole and unaltered is not used"
    if isinstance(error, pyrage.DecryptError):
        what = "the sealed data cannot be opened with the identity: it is for another one, or its head is damaged"
        fix = "seal and store it again, to the recipient whose identity the Secret holds"
        return DataMismatch(what, place, rule, fix)
    # An error of the file system has a number; the library's own, for a piece that does not authenticate, has none.
    if isinstance(error, OSError) and error.errno is None:
        what = "the sealed data is cut short or altered"
        return DataMismatch(what, place, rule, "seal and store it again")
    return None
