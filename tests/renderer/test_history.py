"""`ccd verify`: manifest, signatures, result and Git history say the same, or the command says what does not."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.renderer.conftest import copy_repository, edit, set_environment
from tests.renderer.gitops import ccd, commit_all, git
from tests.renderer.signed import RESULT, Keys, manifest_of, renew_identities


@pytest.fixture(scope="module")
def renewed(committed: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Keys]:
    """The repository with new identities, for copies."""
    root = copy_repository(committed, tmp_path_factory.mktemp("renewed") / "federation")
    with pytest.MonkeyPatch.context() as monkeypatch:
        set_environment(monkeypatch)
        return root, renew_identities(root)


@pytest.fixture
def repository(renewed: tuple[Path, Keys], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    set_environment(monkeypatch)
    return copy_repository(renewed[0], tmp_path / "federation")


@pytest.fixture
def keys(renewed: tuple[Path, Keys]) -> Keys:
    return dict(renewed[1])


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
    old = {*(repository / "argocd/rendered/hospital-b").glob("*/job.yaml")}
    edit(repository, "visits-by-ward.yaml", "jobSeconds: 600", "jobSeconds: 60")
    assert ccd(repository, "render").exit_code == 0
    (job,) = {*(repository / "argocd/rendered/hospital-b").glob("*/job.yaml")} - old
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


def test_what_a_party_used_is_shown_once_its_signature_holds(repository: Path, keys: Keys) -> None:
    file = manifest_of(repository, keys, used_by="bravo")

    shown, document = ccd(repository, "verify", file), json.loads(ccd(repository, "verify", file, "--json").stdout)
    assert shown.exit_code == 0, shown.output
    assert "used       bravo: 12.5 s CPU in 30.1 s, 321 MiB memory" in shown.stdout
    assert document["resources"]["fetchAndCompute"]["peakMemoryMib"] == 321

    file.write_bytes(file.read_bytes().replace(b'"peakMemoryMib":321', b'"peakMemoryMib":999'))
    changed = ccd(repository, "verify", file)
    assert changed.exit_code == 1
    assert "bravo's signature does not fit what the manifest says it has used" in changed.stdout


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("job.yaml", "@sha256:", "@sha256:0", "job.yaml: container fetch runs "),
        (
            "configmap.yaml",
            '"purpose": "planning"',
            '"purpose": "plotting"',
            "configmap.yaml: the digest of its run is ",
        ),
    ],
)
def test_what_was_committed_is_held_against_the_manifests_digests(
    repository: Path, keys: Keys, file: str, old: str, new: str, says: str
) -> None:
    merged = {*(repository / "argocd/rendered/hospital-b").glob(f"*/{file}")}
    edit(repository, "visits-by-ward.yaml", "jobSeconds: 600", "jobSeconds: 60")
    assert ccd(repository, "render").exit_code == 0
    (path,) = {*(repository / "argocd/rendered/hospital-b").glob(f"*/{file}")} - merged
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    commit_all(repository, "Change by hand")

    result = ccd(repository, "verify", manifest_of(repository, keys))

    assert result.exit_code == 1
    assert f"{path.parent.relative_to(repository)}/{says}" in result.stdout


def test_commits_own_signatures_are_told_and_a_broken_one_fails(
    repository: Path, keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    signers = tmp_path / "signers"
    signers.write_text(f"ann@example.org {key.with_suffix('.pub').read_text()}")
    edit(repository, "visits-by-ward.yaml", "jobSeconds: 600", "jobSeconds: 60")
    assert ccd(repository, "render").exit_code == 0
    for name, value in (("gpg.format", "ssh"), ("user.signingKey", key), ("gpg.ssh.allowedSignersFile", signers)):
        git(repository, "config", name, str(value))
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--gpg-sign", "--message", "Signed")
    file = manifest_of(repository, keys)

    shown = ccd(repository, "verify", file)
    assert shown.exit_code == 0, shown.output
    assert "signed by ann@example.org" in shown.stdout
    document = json.loads(ccd(repository, "verify", file, "--json").stdout)
    assert document["introduced"]["signature"]["status"] == "G"

    # The same signature over another commit: what somebody who rewrites history would leave.
    raw = git(repository, "cat-file", "commit", "HEAD") + "\n"
    forged = subprocess.run(
        ["git", "hash-object", "-t", "commit", "-w", "--stdin"],
        cwd=repository,
        input=raw.replace("\nSigned", "\nForged"),
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    git(repository, "reset", "--quiet", "--hard", forged)
    broken = ccd(repository, "verify", file)
    assert broken.exit_code == 1
    assert "its signature is BAD" in broken.stdout


def test_an_unsigned_commit_is_said_to_be_one(repository: Path, keys: Keys) -> None:
    shown = ccd(repository, "verify", manifest_of(repository, keys))
    assert shown.stdout.count("           not signed") == 2
