"""Our projects and ApplicationSets, held against Argo CD's own definitions: no field that it does not know, no warning."""

import base64
import shutil
from pathlib import Path

import pytest

from policy.yaml import read_yaml
from tests.cluster.client import Client, Refused
from tests.cluster.fields import differences
from tests.cluster.gitops.argo import ArgoCd
from tests.cluster.gitops.forge import read_argo_cd
from tests.cluster.tree import ROOT, Manifest
from tests.renderer.conftest import FEDERATION, edit
from tests.renderer.gitops import ccd


def checked(client: Client, manifests: list[Manifest]) -> list[str]:
    """Apply strictly; return the names. Hold the API server to have said nothing and changed nothing.

    Nothing is kept: the objects are read as they would be.
    """
    for manifest in manifests:
        assert list(differences(manifest, client.apply(manifest, dry_run=True))) == []
    assert client.warnings == []
    return [f"{one['kind']}/{one['metadata']['name']}" for one in manifests]


def test_what_is_shipped_is_within_the_definitions(argo: ArgoCd):
    names = checked(argo.plane.client(), read_argo_cd(ROOT))

    parties = ("airport-ewr", "airport-jfk", "airport-lga", "regulator")
    assert sorted(names) == sorted(f"{kind}/ccd-{one}" for kind in ("AppProject", "ApplicationSet") for one in parties)


def test_the_entry_of_the_cluster_is_kept_as_we_wrote_it(argo: ArgoCd):
    manifest = read_yaml((ROOT / "argocd/cluster.yaml").read_text(), "cluster.yaml")[0]
    texts = manifest.pop("stringData")

    answer = argo.plane.client().apply({**manifest, "stringData": texts}, dry_run=True)

    assert {key: base64.b64decode(value).decode() for key, value in answer["data"].items()} == texts
    assert list(differences(manifest, answer)) == []


def test_projects_that_ask_for_signatures_are_too(argo: ArgoCd, tmp_path: Path):
    root = tmp_path / "federation"
    shutil.copytree(FEDERATION, root)
    edit(root, "federation.yaml", "  image:", f"  signatures: {{keys: [{'A' * 40}]}}\n  image:")
    assert ccd(root, "render").exit_code == 0
    manifests = read_argo_cd(root)
    assert sum("sourceIntegrity" in one["spec"] for one in manifests) == 3

    checked(argo.plane.client(), manifests)


def test_a_field_that_argo_cd_does_not_know_would_be_refused(argo: ArgoCd):
    manifest, *_ = read_argo_cd(ROOT)

    with pytest.raises(Refused, match=r"unknown|not declared"):
        argo.plane.client().apply({**manifest, "spec": {**manifest["spec"], "sourceIntegrety": {}}}, dry_run=True)
