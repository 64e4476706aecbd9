"""`ccd verify` on a run that owners approved: the manifest names each approval, and the history holds that very one."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from policy.canonical import digest
from policy.identity import load_certificate
from policy.manifest import ApprovalRef
from renderer.approvals import read_approvals
from renderer.documents import read_workspace
from tests.renderer.conftest import edit
from tests.renderer.gitops import ccd, commit_all
from tests.renderer.signed import Keys, manifest_of, renew_identities


@pytest.fixture
def approved(repository: Path, tmp_path: Path) -> tuple[Path, Keys, ApprovalRef]:
    """A further run that alpha has approved, merged; what its worker would say of it."""
    keys = renew_identities(repository)
    edit(repository, "visits-by-ward.yaml", "jobSeconds: 600", "jobSeconds: 601")
    assert ccd(repository, "render").exit_code == 0
    key = tmp_path / "alpha.key"
    key.write_bytes(keys["alpha"].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    done = ccd(repository, "approve", "visits-by-ward", "--party", "alpha", "--key", key)
    assert done.exit_code == 0, done.output
    commit_all(repository, "Ask again, approved")
    ((_, approval),) = read_approvals(repository).items()
    certificate = read_workspace(repository).party_models["alpha"].spec.identity.certificate
    signer = load_certificate(certificate).fingerprint
    return repository, keys, ApprovalRef(digest=digest(approval), signer=signer, expires=approval.spec.expires)


def test_the_approval_is_shown_and_found_in_the_history(approved: tuple[Path, Keys, ApprovalRef]) -> None:
    repository, keys, named = approved
    file = manifest_of(repository, keys, approvals={"alpha": named})

    result = ccd(repository, "verify", file)
    document = json.loads(ccd(repository, "verify", file, "--json").stdout)

    assert result.exit_code == 0, result.output
    assert f"allowed    alpha, by its approval {named.digest[:16]} until {named.expires}" in result.stdout
    assert "holds      the owners' approvals that the manifest names were merged with the run" in result.stdout
    assert document["ownersApprovals"] == {
        "alpha": {"digest": named.digest, "signer": named.signer, "expires": named.expires}
    }


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"digest": "0" * 64}, "is not the approval that alpha's worker was given"),
        ({"signer": "0" * 64}, "alpha names an approval that another key than its own has signed"),
    ],
)
def test_another_approval_does_not_hold(
    approved: tuple[Path, Keys, ApprovalRef], changes: dict[str, str], says: str
) -> None:
    repository, keys, named = approved
    file = manifest_of(repository, keys, approvals={"alpha": named.model_copy(update=changes)})

    result = ccd(repository, "verify", file)

    assert result.exit_code == 1
    assert says in result.stdout


def test_an_approval_that_was_never_merged_is_missed(approved: tuple[Path, Keys, ApprovalRef]) -> None:
    repository, keys, named = approved
    file = manifest_of(repository, keys, approvals={"alpha": named, "bravo": named})

    result = ccd(repository, "verify", file)

    assert result.exit_code == 1
    assert "holds no approval workflows/approvals/bravo/" in result.stdout


def test_without_approvals_nothing_is_said_of_them(repository: Path) -> None:
    result = ccd(repository, "verify", manifest_of(repository, renew_identities(repository)))
    assert result.exit_code == 0
    assert "the owners' approvals" not in result.stdout
