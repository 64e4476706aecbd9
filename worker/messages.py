"""What workers say to each other: canonical JSON, one message a frame, checked against these models before it is read.

hello ▶ offer ▶ verdict ▶ go ▶ (the plan's steps) ▶ finished ▶ signed. In the place of any of them a party may say
`abort`, which ends the run for everyone.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError
from rfc8785 import CanonicalizationError

from policy.canonical import canonical_json
from policy.document import DATASET_NAME
from policy.manifest import Code, Reason, Statement, as_json
from worker.runspec import Model

PROTOCOL = 1
# A longer message is not read at all. Small limits also keep deadlines short: they grow with what may come.
SMALL_BYTES = 64 << 10
LARGE_BYTES = 1 << 20
MAX_ABORT_REASONS = 40
MAX_ABORT_CHARS = 1000  # of each text in it, so that an abort fits in the place of any message
MAX_REASON_CHARS = 4000  # of each text of a verdict's reasons, which may quote what a peer has offered
MAX_REASONS_BYTES = LARGE_BYTES // 2  # of all of them
MAX_POLICY_CHARS = 256 * 1024
# Far beyond what a step can do; all parties' sums are to stay numbers that canonical JSON holds.
MAX_STEP_SECONDS = 1e9
MAX_STEP_ROUNDS = 1 << 45
MAX_STEP_BYTES = 1 << 45
MAX_DATASETS = 64

Hex32 = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Signature = Annotated[str, Field(max_length=100, pattern=r"^[A-Za-z0-9+/]+=*$")]
Short = Annotated[str, Field(max_length=512)]


class Hello(Model):
    """Who I am and which run I mean."""

    kind: Literal["hello"] = "hello"
    protocol: int
    version: Short
    run_id: Short
    run: Sha256
    image: Short
    nonce: Hex32  # fresh: no attempt's signatures fit another's


class DatasetOffer(Model):
    """One dataset: the owner's word on it, and what the real file looks like from outside."""

    dataset: Annotated[str, Field(pattern=DATASET_NAME)]
    policy: Annotated[str, Field(max_length=MAX_POLICY_CHARS)]
    signature: Annotated[str, Field(max_length=200)]
    header: Annotated[tuple[Short, ...], Field(max_length=4096)]
    sha256: Sha256
    n_rows: Annotated[int, Field(ge=0)]
    # In its store, if that has any; or which files they were, of what stays at an owner's Spark.
    version: Annotated[str | None, Field(pattern=r"^([0-9]{1,9}\.[0-9]{1,9}|files-[0-9a-f]{32})$")] = None


class Offer(Model):
    """What I bring."""

    kind: Literal["offer"] = "offer"
    datasets: Annotated[tuple[DatasetOffer, ...], Field(max_length=MAX_DATASETS)]


class Verdict(Model):
    """What I say to all the policies, signed."""

    kind: Literal["verdict"] = "verdict"
    statement: Statement
    signature: Signature


class Go(Model):
    """All verdicts as I saw them: two parties that were told different things find out here."""

    kind: Literal["go"] = "go"
    verdicts: Sha256


class StepSeen(Model):
    """One step as this party saw it."""

    name: Short
    kind: Short
    seconds: Annotated[float, Field(ge=0, le=MAX_STEP_SECONDS, allow_inf_nan=False)]
    rounds: Annotated[int, Field(ge=0, le=MAX_STEP_ROUNDS)]
    bytes_sent: Annotated[int, Field(ge=0, le=MAX_STEP_BYTES)]


class Answered(Model):
    """The steps are done. The writer tells the recipients alone with what salt they commit to the answer."""

    kind: Literal["answered"] = "answered"
    salt: Sha256 | None = None  # 32 random bytes, in hex


class Finished(Model):
    """I have done my part of every step."""

    kind: Literal["finished"] = "finished"
    steps: Annotated[tuple[StepSeen, ...], Field(max_length=10_000)]
    commitment: Sha256 | None = None  # to the answer, at a recipient


class Signed(Model):
    """My signature under the manifest, which I have put together from what I saw myself."""

    kind: Literal["signed"] = "signed"
    signature: Signature


class Abort(Model):
    """I stop, and why."""

    kind: Literal["abort"] = "abort"
    code: Code
    reasons: Annotated[tuple[Reason, ...], Field(min_length=1, max_length=1000)]


Message = Hello | Offer | Verdict | Go | Answered | Finished | Signed | Abort
_ANY: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="kind")])


class Malformed(Exception):
    """Bytes that are no message; says which field, and never what stood there."""


def encode(message: Message) -> bytes:
    """Return the bytes to send."""
    return canonical_json(as_json(message))


def limit_of(kind: str) -> int:
    """Return how many bytes a message that stands in the place of a `kind` may have."""
    return LARGE_BYTES if kind in ("offer", "verdict", "finished") else SMALL_BYTES


def abort_of(code: Code, reasons: Iterable[Reason]) -> Abort:
    """Return an abort that is short enough to be sent in the place of any message.

    >>> abort_of(20, [Reason(party="alpha", code=20, what="x" * 5000)]).reasons[0].what[-3:]
    'xx…'
    """
    return Abort(code=code, reasons=_short(reasons, MAX_ABORT_CHARS, SMALL_BYTES // 2)[:MAX_ABORT_REASONS])


def reasons_of(found: Iterable[Reason]) -> tuple[Reason, ...]:
    """Return reasons that are short enough for a verdict, whatever they quote: the same at everybody who found the same.

    >>> len(reasons_of([Reason(party="alpha", code=30, what="x" * 5000)] * 500))
    128
    """
    return _short(found, MAX_REASON_CHARS, MAX_REASONS_BYTES)


def _short(reasons: Iterable[Reason], most_chars: int, most_bytes: int) -> tuple[Reason, ...]:
    """Return as many reasons as fit, at least one if there is any, each with its texts cut off."""
    told: list[Reason] = []
    for reason in reasons:
        cut = {
            name: text[: most_chars - 1] + "…"
            for name, text in reason
            if isinstance(text, str) and len(text) > most_chars
        }
        told.append(reason.model_copy(update=cut))
        most_bytes -= len(canonical_json(told[-1]))
        if most_bytes < 0 and len(told) > 1:
            return tuple(told[:-1])
    return tuple(told)


def decode(payload: bytes) -> Message:
    """Return the message in `payload`.

    Raises:  Malformed, if it is not JSON, has unknown, missing or wrong fields, or holds what has no canonical form.
    """
    try:
        message = _ANY.validate_json(payload, strict=True)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"][:4]) or "the message"
        raise Malformed(f"{first['type']} at {place[:100]}") from None
    if isinstance(message, Abort) and message.code == 0:
        raise Malformed("an abort with code 0")
    try:
        encode(message)  # as what all heard is compared by: what cannot be must be the sender's fault, not ours
    except CanonicalizationError:
        raise Malformed("a number or text that canonical JSON cannot hold") from None
    return message


def digest_of(payloads: Mapping[str, bytes]) -> str:
    """Return one digest of what every party said."""
    named = {name: hashlib.sha256(payload).hexdigest() for name, payload in payloads.items()}
    return hashlib.sha256(canonical_json(named)).hexdigest()
