"""`ccd party init`: a new owner has all it needs, and its secrets are nowhere in Git."""

import os
import stat
import subprocess
from pathlib import Path

import kubernetes_validate
import pytest
from cryptography.hazmat.primitives import serialization
from ruamel.yaml import YAML

from policy.identity import load_certificate, load_private_key
from renderer.documents import read_workspace
from renderer.joining import ASK_FOR_STORE
from tests.renderer.gitops import ccd, git

OPTIONS = ("--namespace", "hospital-d", "--reviewer", "@delta/stewards", "--egress", "192.0.2.0/24:443")


def test_a_new_party_is_sound_and_current(repository: Path) -> None:
    result = ccd(repository, "party", "init", "delta", *OPTIONS)

    assert result.exit_code == 0, result.output
    assert ccd(repository, "validate").exit_code == 0
    assert ccd(repository, "render", "--check").exit_code == 0
    new = set(git(repository, "ls-files", "--others", "--exclude-standard").splitlines())
    assert new == {
        "argocd/applicationset-delta.yaml",
        "argocd/appproject-delta.yaml",
        "argocd/namespace-delta.yaml",
        "argocd/rolebinding-delta.yaml",
        "workflows/parties/delta.yaml",
    }


def test_what_is_no_longer_asked_for_is_said_to_be_removed(repository: Path) -> None:
    """A party joins where the sample parties were taken out before."""
    (repository / "workflows/visits-by-ward.yaml").unlink()
    (repository / "workflows/parties/carol.yaml").unlink()

    told = ccd(repository, "party", "init", "delta", *OPTIONS).stdout

    assert "removed    argocd/appproject-carol.yaml\n" in told
    assert "rendered   argocd/appproject-delta.yaml\n" in told
    assert not (repository / "argocd/appproject-carol.yaml").exists()


def test_its_key_fits_its_certificate_and_is_its_own(repository: Path) -> None:
    ccd(repository, "party", "init", "delta", *OPTIONS)

    key = repository / "secrets/hospital-d/ccd-identity/tls.key"
    certificate = load_certificate(read_workspace(repository).party_models["delta"].spec.identity.certificate)
    raw = (serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    assert load_private_key(key.read_bytes()).public_key().public_bytes(*raw) == certificate.public_key.public_bytes(
        *raw
    )
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert git(repository, "check-ignore", str(key))
    document = (repository / "workflows/parties/delta.yaml").read_text()
    assert certificate.fingerprint in document
    assert "PRIVATE" not in document


def test_its_namespace_takes_no_pod_with_privileges(repository: Path) -> None:
    ccd(repository, "party", "init", "delta", *OPTIONS)

    namespace = YAML(typ="safe").load(repository / "argocd/namespace-delta.yaml")

    kubernetes_validate.validate(namespace, kubernetes_validate.latest_version(), strict=True)
    assert namespace["metadata"]["name"] == "hospital-d"
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_nothing_is_overwritten(repository: Path) -> None:
    document = repository / "workflows/parties/bravo.yaml"
    before = document.read_bytes()

    result = ccd(repository, "party", "init", "bravo", *OPTIONS)

    assert result.exit_code == 1
    assert "bravo.yaml exists" in result.stderr
    assert document.read_bytes() == before
    assert git(repository, "status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("Delta", *OPTIONS), "is no party's name"),
        (("delta", *OPTIONS[:1], "hospital-a", *OPTIONS[2:]), "is already the namespace of alpha"),
        (("delta", *OPTIONS[:3], "stewards", *OPTIONS[4:]), "is nobody whom CODEOWNERS can name"),
        (("delta", *OPTIONS[:5], "192.0.2.1/24:443"), "is not CIDR:PORT"),
        (("delta", *OPTIONS, "--namespace", "x: y"), "must match the pattern"),
    ],
)
def test_what_would_not_be_sound_is_not_written(repository: Path, arguments: tuple[str, ...], said: str) -> None:
    result = ccd(repository, "party", "init", *arguments)

    assert result.exit_code in (2, 10)
    assert said in result.stderr
    assert git(repository, "status", "--porcelain", "--ignored") == ""


def test_secrets_are_typed_and_in_no_argument(tmp_path: Path) -> None:
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(f'#!/bin/sh\necho "$@" >"{tmp_path}/arguments"\ncp -r "${{7#--from-file=}}" "{tmp_path}/got"\n')
    kubectl.chmod(0o755)
    script = f"{ASK_FOR_STORE}\nccd_secret hospital-d swift-data ST_AUTH ST_USER ST_KEY"

    subprocess.run(
        ["bash", "-c", script],
        input="https://store/auth\nme:reader\n s3cr3t\\ %s\n",
        env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "TMPDIR": str(tmp_path)},
        text=True,
        check=True,
        capture_output=True,
    )

    arguments = (tmp_path / "arguments").read_text()
    assert arguments.startswith("--namespace hospital-d create secret generic swift-data --from-file=")
    assert (tmp_path / "got/ST_KEY").read_text() == " s3cr3t\\ %s"
    assert not Path(arguments.strip().rpartition("=")[2]).exists()
