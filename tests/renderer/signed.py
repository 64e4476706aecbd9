"""A federation whose parties have keys, and the manifests that they would sign."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from policy.identity import load_private_key, new_identity
from policy.manifest import (
    MANIFEST_PURPOSE,
    VERDICT_PURPOSE,
    ApprovalRef,
    Manifest,
    Opening,
    OutputRecord,
    PartyRecord,
    Statement,
    as_json,
    body_of,
    encode_manifest,
)
from policy.resources import RESOURCES_PURPOSE, ResourceRecord, Usage, Used
from policy.signature import sign
from renderer.check import load_workspace
from tests.renderer.conftest import plan
from tests.renderer.gitops import ccd, commit_all, git
from worker.runspec import run_digest

PARTIES = ("alpha", "bravo", "carol")
RESULT = b"ward,n\nA,3\n"
Keys = dict[str, Ed25519PrivateKey]


def renew_identities(repository: Path) -> Keys:
    """Return new keys, their certificates committed on a branch and merged with approvals.

    A certificate is part of a run: from here on the tree holds two, the one that was merged before and the new one.
    """
    git(repository, "switch", "--quiet", "--create", "keys")
    keys: Keys = {}
    for party in PARTIES:
        private, certificate = new_identity(party, 30)
        keys[party] = load_private_key(private)
        path = repository / f"workflows/parties/{party}.yaml"
        head, begin, rest = path.read_text().partition("      -----BEGIN CERTIFICATE-----\n")
        tail = rest.partition("      -----END CERTIFICATE-----\n")[2]
        block = "".join(f"      {line}\n" for line in certificate.strip().splitlines())
        assert begin
        path.write_text(head + block + tail)
    assert ccd(repository, "render").exit_code == 0
    commit_all(repository, "Renew identities\n\nReviewed-by: Bo <bo@bravo.example>")
    git(repository, "switch", "--quiet", "main")
    message = "Merge keys\n\nApproved-by: Cy <cy@carol.example>"
    git(repository, "merge", "--quiet", "--no-ff", "keys", "--message", message)
    return keys


def manifest_of(
    root: Path,
    keys: Keys,
    has_opening: bool = True,
    result: bytes = RESULT,
    used_by: str | None = None,
    approvals: Mapping[str, ApprovalRef] | None = None,
) -> Path:
    """Write the manifest that the parties would sign for the workflow as it is now; `used_by`'s own copy of it."""
    run = plan(load_workspace(root)).run
    sha256 = hashlib.sha256(result).hexdigest()
    opening = Opening(sha256=sha256, size_bytes=len(result), rows=1, salt="0" * 64)
    statement = Statement(
        run_id=run.run_id, run=run_digest(run), session="s", plan="p", policies=(), data=(), verdict="accept"
    )
    statements = {name: statement.model_copy(update={"approval": (approvals or {}).get(name)}) for name in keys}
    manifest = Manifest(
        run_id=run.run_id,
        workflow=run.workflow,
        purpose=run.purpose,
        status="succeeded",
        code=0,
        run=run_digest(run),
        plan="p",
        image=run.image,
        parties=tuple(
            PartyRecord(
                name=name,
                statement=statements[name],
                signature=sign(key, VERDICT_PURPOSE, as_json(statements[name])),
            )
            for name, key in keys.items()
        ),
        outputs=(OutputRecord.of("result.csv", opening.commitment(), opening if has_opening else None),),
    )
    signatures = {name: sign(key, MANIFEST_PURPOSE, body_of(manifest)) for name, key in keys.items()}
    file = root.parent / "manifest.json"
    annex: ResourceRecord | None = None
    if used_by is not None:
        usage = Usage(cpu_seconds=12.5, wall_seconds=30.1, peak_memory_mib=321)
        used = Used(party=used_by, run_id=run.run_id, run=run_digest(run), fetch_and_compute=usage)
        signature = sign(keys[used_by], RESOURCES_PURPOSE, as_json(used))
        annex = ResourceRecord(**dict(used), signature=signature)
    file.write_bytes(encode_manifest(manifest.model_copy(update={"signatures": signatures, "resources": annex})))
    (root.parent / "result.csv").write_bytes(result)
    return file
