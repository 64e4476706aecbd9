"""`ccd verify`: manifest, signatures, result and Git history say the same, or the command says what does not."""

import hashlib
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from policy.identity import load_private_key, new_identity
from policy.manifest import (
    MANIFEST_PURPOSE,
    VERDICT_PURPOSE,
    Manifest,
    Opening,
    OutputRecord,
    PartyRecord,
    Statement,
    as_json,
    body_of,
    encode_manifest,
)
from policy.signature import sign
from renderer.check import load_workspace
from tests.renderer.conftest import edit, plan
from tests.renderer.gitops import ccd, commit_all, git
from worker.runspec import run_digest

PARTIES = ("alpha", "bravo", "carol")
RESULT = b"ward,n\nA,3\n"
Keys = dict[str, Ed25519PrivateKey]


@pytest.fixture
def keys(repository: Path) -> Keys:
    """The parties' keys, with certificates committed on a branch and merged with approvals."""
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


def manifest_of(root: Path, keys: Keys, has_opening: bool = True) -> Path:
    """Write the manifest that the parties would sign for the workflow as it is now."""
    run = plan(load_workspace(root)).run
    sha256 = hashlib.sha256(RESULT).hexdigest()
    opening = Opening(sha256=sha256, size_bytes=len(RESULT), rows=1, salt="0" * 64)
    statement = Statement(
        run_id=run.run_id, run=run_digest(run), session="s", plan="p", policies=(), data=(), verdict="accept"
    )
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
            PartyRecord(name=name, statement=statement, signature=sign(key, VERDICT_PURPOSE, as_json(statement)))
            for name, key in keys.items()
        ),
        outputs=(OutputRecord.of("result.csv", opening.commitment(), opening if has_opening else None),),
    )
    signatures = {name: sign(key, MANIFEST_PURPOSE, body_of(manifest)) for name, key in keys.items()}
    file = root.parent / "manifest.json"
    file.write_bytes(encode_manifest(manifest.model_copy(update={"signatures": signatures})))
    (root.parent / "result.csv").write_bytes(RESULT)
    return file


def test_a_manifest_leads_to_its_commits_author_and_approvals(repository: Path, keys: Keys) -> None:
    file = manifest_of(repository, keys)

    result = ccd(repository, "verify", file, "--result", file.with_name("result.csv"))
    document = json.loads(ccd(repository, "verify", file, "--json").stdout)

    assert result.exit_code == 0, result.output
    assert "FAILS" not in result.stdout
    assert "approved   Bo <bo@bravo.example>, Cy <cy@carol.example>" in result.stdout
    assert document["introduced"]["commit"] == git(repository, "rev-parse", "keys")
    assert document["introduced"]["author"] == "Ann Alyst <ann@example.org>"
    assert document["merged"]["commit"] == git(repository, "rev-parse", "main")


def test_a_run_that_was_retired_long_ago_is_still_found(repository: Path, keys: Keys) -> None:
    file = manifest_of(repository, keys)
    assert ccd(repository, "cancel", "visits-by-ward").exit_code == 0

    assert ccd(repository, "verify", file).exit_code == 0
    assert not (repository / "workflows/visits-by-ward.yaml").exists()  # nothing was checked out


def test_a_changed_manifest_does_not_hold(repository: Path, keys: Keys) -> None:
    file = manifest_of(repository, keys)
    file.write_bytes(file.read_bytes().replace(b'"purpose":"planning"', b'"purpose":"plotting"'))

    result = ccd(repository, "verify", file)

    assert result.exit_code == 1
    assert "bravo's signature does not fit the manifest" in result.stdout


def test_another_result_is_not_the_one_signed_for(repository: Path, keys: Keys) -> None:
    file = manifest_of(repository, keys)
    other = file.with_name("other.csv")
    other.write_bytes(RESULT + b"B,1\n")

    result = ccd(repository, "verify", file, "--result", other)

    assert result.exit_code == 1
    assert "its SHA-256 differs from the manifest's" in result.stdout


def test_only_a_recipients_copy_can_tell_of_the_result(repository: Path, keys: Keys) -> None:
    file = manifest_of(repository, keys, has_opening=False)

    assert ccd(repository, "verify", file).exit_code == 0
    result = ccd(repository, "verify", file, "--result", file.with_name("result.csv"))
    assert result.exit_code == 1
    assert "take a recipient's" in result.stdout


def test_a_tree_that_its_documents_do_not_give_is_named(repository: Path, keys: Keys) -> None:
    (job,) = (repository / "argocd/rendered/hospital-b").glob("*/job.yaml")
    edit(repository, "visits-by-ward.yaml", "jobSeconds: 600", "jobSeconds: 60")
    assert ccd(repository, "render").exit_code == 0
    (job,) = (repository / "argocd/rendered/hospital-b").glob("*/job.yaml")
    job.write_text(job.read_text().replace("activeDeadlineSeconds: 60", "activeDeadlineSeconds: 61"))
    commit_all(repository, "Change by hand")

    result = ccd(repository, "verify", manifest_of(repository, keys))

    assert result.exit_code == 1
    assert f"{job.relative_to(repository)} is not what this version of ccd renders" in result.stdout


def test_a_run_that_no_commit_has_is_not_believed(repository: Path, keys: Keys) -> None:
    edit(repository, "visits-by-ward.yaml", "jobSeconds: 600", "jobSeconds: 60")

    result = ccd(repository, "verify", manifest_of(repository, keys))

    assert result.exit_code == 1
    assert "no commit before HEAD renders visits-by-ward-" in result.stdout


def test_what_is_no_manifest_is_said_in_words(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")

    result = ccd(repository, "verify", tmp_path / "x.json")

    assert result.exit_code == 10
    assert "is not a manifest" in result.stderr
