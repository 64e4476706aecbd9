"""The manifest: what ran, who agreed, what was learned; signed by every party. And its verification.

It lies beside the verifier, not in the worker, because it is a signed statement like the verdicts it holds, and
because whoever has a manifest and the parties' certificates must be able to check it without a worker.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from policy.canonical import canonical_json, digest
from policy.document import Model
from policy.identity import BadIdentity, load_certificate
from policy.resources import RESOURCES_PURPOSE, ResourceRecord
from policy.signature import BadSignature, verify

VERDICT_PURPOSE = "verdict"
MANIFEST_PURPOSE = "manifest"

Code = Literal[0, 10, 20, 30, 40, 50, 70]
Status = Literal["succeeded", "rejected", "failed"]


class Reason(Model):
    """Why a run ended without an answer: what, where, which rule, by which way the data would have gone, what to do."""

    party: str  # who says so
    code: Code
    what: str
    where: str = ""
    rule: str = ""
    flow: str = ""
    fix: str = ""

    def __str__(self) -> str:
        named = (("where", self.where), ("rule", self.rule), ("flow", self.flow), ("fix", self.fix))
        return "\n".join([self.what, *(f"  {name}: {text}" for name, text in named if text)])


class PolicyRef(Model):
    """A policy as it was exchanged."""

    dataset: str
    version: int
    digest: str  # SHA-256 of the canonical document, in hex


class DataRef(Model):
    """The data that its owner brought."""

    dataset: str
    sha256: str
    rows: int
    # Which version its store says it was. Left out, not null, where stores have none: that is what others have signed.
    version: Annotated[str | None, Field(exclude_if=lambda version: version is None)] = None


class ApprovalRef(Model):
    """The approval with which a party's own worker let its data be used."""

    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]  # of the document, its signature included
    signer: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]  # the fingerprint of the certificate whose key signed it
    expires: Annotated[str, Field(max_length=20)]  # in UTC


class Statement(Model):
    """What one party says after it has read every policy. Signed with purpose "verdict"."""

    run_id: str
    run: str  # digest of the run spec that all share
    session: str  # digest of this attempt's hellos and offers, which hold fresh randomness
    plan: str  # digest
    policies: tuple[PolicyRef, ...]
    data: tuple[DataRef, ...]
    verdict: Literal["accept", "reject"]
    reasons: tuple[Reason, ...] = ()
    # Of a policy that asks for one. Left out, not null, where none does: that is what others have signed.
    approval: Annotated[ApprovalRef | None, Field(exclude_if=lambda approval: approval is None)] = None


class PartyRecord(Model):
    """One party's verdict and its signature; both missing if the run ended before."""

    name: str
    statement: Statement | None = None
    signature: str | None = None


class StepRecord(Model):
    """One step of the plan, over all parties that had a part in it."""

    name: str
    kind: str
    parties: tuple[str, ...]
    seconds: float  # of the slowest
    rounds: int
    bytes: int  # sent by all together


class Learned(Model):
    """One disclosure of the plan."""

    to: tuple[str, ...]
    kind: str
    step: str
    subject: str
    columns: tuple[str, ...] = ()


class Opening(Model):
    """What a result's commitment is to. Recipients alone know it: the salt keeps others from trying out answers."""

    sha256: str
    size_bytes: int
    rows: int
    salt: str  # 32 random bytes, in hex

    def commitment(self) -> str:
        """Return what everyone signs in the place of the result."""
        return digest(self.model_dump(mode="json", by_alias=True))


class OutputRecord(Model):
    """An object that the writer put beside the manifest. Only the commitment is signed, and known to all.

    The other fields are the opening, which a recipient's copy of the manifest holds.
    """

    name: str
    commitment: str
    sha256: str | None = None
    size_bytes: int | None = None
    rows: int | None = None
    salt: str | None = None

    @staticmethod
    def of(name: str, commitment: str, opening: Opening | None) -> "OutputRecord":
        """Return the record as a party may have it: with the opening at a recipient."""
        known = {} if opening is None else opening.model_dump()
        return OutputRecord(name=name, commitment=commitment, **known)

    @property
    def opening(self) -> Opening | None:
        """The opening, if this copy holds it whole."""
        if self.sha256 is None or self.size_bytes is None or self.rows is None or self.salt is None:
            return None
        return Opening(sha256=self.sha256, size_bytes=self.size_bytes, rows=self.rows, salt=self.salt)


class ManifestBody(Model):
    """Everything that is signed."""

    api_version: Literal["ccd.dev/v1alpha1"] = "ccd.dev/v1alpha1"
    kind: Literal["Manifest"] = "Manifest"
    run_id: str
    workflow: str
    purpose: str
    status: Status
    code: Code
    reasons: tuple[Reason, ...] = ()
    run: str
    plan: str | None = None
    image: str
    policies: tuple[PolicyRef, ...] = ()
    parties: tuple[PartyRecord, ...]
    steps: tuple[StepRecord, ...] = ()
    learned: tuple[Learned, ...] = ()
    outputs: tuple[OutputRecord, ...] = ()


class Manifest(ManifestBody):
    """The document `manifest.json`."""

    signatures: dict[str, str] = Field(default_factory=dict)  # party: base64
    # In a party's own copy alone, and not part of the body: it tells the others nothing, and they do not sign it.
    resources: ResourceRecord | None = None


def as_json(document: BaseModel) -> dict[str, Any]:
    """Return a document as it is written and signed."""
    return document.model_dump(mode="json", by_alias=True)


def body_of(manifest: Manifest) -> dict[str, Any]:
    """Return what the signatures of `manifest` are over."""
    document = as_json(manifest)
    del document["signatures"], document["resources"]
    document["outputs"] = [{"name": o.name, "commitment": o.commitment} for o in manifest.outputs]
    return document


def without_resources(manifest: Manifest) -> Manifest:
    """Return the manifest as it may lie where others read it."""
    return manifest.model_copy(update={"resources": None})


def encode_manifest(manifest: Manifest) -> bytes:
    """Return the bytes that are stored: canonical JSON, so equal manifests are equal files."""
    return canonical_json(as_json(manifest)) + b"\n"


def verify_manifest(manifest: Manifest, certificates: Mapping[str, str], run_digest: str | None = None) -> list[str]:
    """Return what is wrong with a manifest; nothing is: every party named in `certificates` (PEM) has signed it.

    A certificate's dates do not matter here: a signature stays what it was when the identity has been renewed.
    """
    return list(_problems(manifest, certificates, run_digest))


def _problems(manifest: Manifest, certificates: Mapping[str, str], run_digest: str | None) -> Iterator[str]:
    if run_digest is not None and manifest.run != run_digest:
        yield "the manifest is of another run: its run digest differs from the documents'"
    names = sorted(certificates)
    if sorted(party.name for party in manifest.parties) != names:
        yield "the manifest's parties are not the run's members"
    for stranger in sorted(set(manifest.signatures) - set(names)):
        yield f"{stranger} signed the manifest but is not a member of the run"
    body = body_of(manifest)
    for name in names:
        if name not in manifest.signatures:
            yield f"{name} has not signed the manifest"
        elif not is_signed(certificates[name], MANIFEST_PURPOSE, body, manifest.signatures[name]):
            yield f"{name}'s signature does not fit the manifest: it was changed, or another key signed it"
    for output in manifest.outputs:
        said = (output.sha256, output.size_bytes, output.rows, output.salt)
        opened = output.opening.commitment() if output.opening is not None else None
        # A part of an opening proves nothing, so it must not be believed either.
        if said != (None,) * len(said) and opened != output.commitment:
            yield f"what the manifest says of {output.name} is not what the parties signed"
    yield from _resource_problems(manifest, certificates)
    for party in manifest.parties:
        if party.name in certificates:
            yield from _statement_problems(manifest, party, certificates[party.name])
    if (manifest.status == "succeeded") != (manifest.code == 0):
        yield f"status {manifest.status} does not go with code {manifest.code}"


def _resource_problems(manifest: Manifest, certificates: Mapping[str, str]) -> Iterator[str]:
    record = manifest.resources
    if record is None:
        return
    certificate = certificates.get(record.party)
    if certificate is None:
        yield f"{record.party} says what it has used, but is not a member of the run"
    elif not is_signed(certificate, RESOURCES_PURPOSE, as_json(record.used), record.signature):
        yield f"{record.party}'s signature does not fit what the manifest says it has used"
    elif (record.run_id, record.run) != (manifest.run_id, manifest.run):
        yield f"what {record.party} has used was in another run"


def _statement_problems(manifest: Manifest, party: PartyRecord, certificate: str) -> Iterator[str]:
    name, statement = party.name, party.statement
    if statement is None:
        if manifest.status == "succeeded":
            yield f"{name} gave no verdict, yet the run succeeded"
        return
    if not is_signed(certificate, VERDICT_PURPOSE, as_json(statement), party.signature or ""):
        yield f"{name}'s signature does not fit its verdict"
    if statement.approval is not None and statement.approval.signer != load_certificate(certificate).fingerprint:
        yield f"{name} names an approval that another key than its own has signed"
    for what, said, stands in (
        ("run id", statement.run_id, manifest.run_id),
        ("run", statement.run, manifest.run),
        ("plan", statement.plan, manifest.plan),
        ("policies", statement.policies, manifest.policies),
    ):
        if said != stands and manifest.status == "succeeded":
            yield f"{name}'s verdict is on another {what} than the manifest's"
    if manifest.status == "succeeded" and statement.verdict != "accept":
        yield f"{name} rejected, yet the run succeeded"


def is_signed(certificate: str, purpose: str, document: dict[str, Any], signature: str) -> bool:
    """Whether the holder of `certificate`'s key signed `document` for `purpose`."""
    try:
        verify(load_certificate(certificate).public_key, purpose, document, signature)
    except (BadSignature, BadIdentity):
        return False
    return True
