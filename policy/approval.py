"""An owner's approval of one run: which very documents, manifests, plan and image, and until when; signed.

It is public and lies in the repository. What it is held against, the worker finds out for itself: an approval can only
be copied to where it says the same.
"""

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from policy.document import Model
from policy.identity import load_certificate
from policy.signature import BadSignature, verify

APPROVAL_PURPOSE = "approval"
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Moment = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$")]


class ApprovalMetadata(Model):
    """Whose approval, of which run."""

    party: str
    run: str  # its id


class ApprovalSpec(Model):
    """What was approved: digests of all that decides what the party's worker does."""

    run: Sha256  # what all parties have in common: query, data, recipients, certificates, image
    own: Sha256  # what this party's worker is told besides: where data lies, where results go, which Secrets
    plan: Sha256  # the steps that the query compiles to, before policies add what they ask for
    manifests: Sha256  # the Kubernetes objects in the party's namespace
    image: str  # by digest
    expires: Moment  # in UTC


class Approval(Model):
    """The document."""

    api_version: Literal["ccd.dev/v1alpha1"]
    kind: Literal["Approval"]
    metadata: ApprovalMetadata
    spec: ApprovalSpec
    signature: str


@dataclass(frozen=True)
class Subject:
    """What somebody is about to run. None: not known to whoever asks."""

    party: str
    run_id: str
    run: str
    own: str
    plan: str
    image: str
    manifests: str | None = None


def signed_part(approval: Approval) -> dict[str, Any]:
    """Return what the signature is over."""
    return approval.model_dump(mode="json", by_alias=True, exclude={"signature"})


def expiry_of(approval: Approval) -> datetime.datetime:
    """Return when it ends.

    Raises:  ValueError for a moment that no calendar has.
    """
    return datetime.datetime.fromisoformat(approval.spec.expires)


def has_expired(approval: Approval, now: datetime.datetime) -> bool:
    """Whether it is over; so is one that ends at no moment at all."""
    try:
        return now >= expiry_of(approval)
    except ValueError:
        return True


def faults(approval: Approval, subject: Subject, certificate: str) -> Iterator[str]:
    """Yield why an approval is none of this run, at whatever moment; nothing: it is one until it expires."""
    said, spec = approval.metadata, approval.spec
    for what, theirs, ours in (
        ("party", said.party, subject.party),
        ("run id", said.run, subject.run_id),
        ("run's content", spec.run, subject.run),
        ("part of the run spec that is the party's own", spec.own, subject.own),
        ("plan", spec.plan, subject.plan),
        ("image", spec.image, subject.image),
        ("party's manifests", spec.manifests, subject.manifests or spec.manifests),
    ):
        if theirs != ours:
            yield f"it is not for this {what}"
    try:
        verify(load_certificate(certificate).public_key, APPROVAL_PURPOSE, signed_part(approval), approval.signature)
    except BadSignature as error:
        yield f"its signature does not hold: {error.what}"
