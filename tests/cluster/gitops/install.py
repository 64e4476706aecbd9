"""Argo CD's definitions, settings, namespace and its rights there, as `namespace-install` of its own module has them.

None of its manifests gives it a right outside of its own namespace; what it may do elsewhere, owners have bound.
"""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.cluster.binaries import module_directory
from tests.cluster.client import Client
from tests.cluster.process import wait_until

ARGO_CD = "github.com/argoproj/argo-cd/v3"
NAMESPACE = "argocd"
APPLICATION = "argoproj.io/v1alpha1"
KINDS = ("Application", "ApplicationSet", "AppProject")
SETTINGS = Path(__file__).parents[3] / "argocd/settings/argocd-cm.yaml"
CONTENTS = (
    "crds/*-crd.yaml",
    "base/config/argocd-*.yaml",
    "base/application-controller-roles/argocd-*.yaml",
    "base/applicationset-controller/argocd-*-sa.yaml",
    "base/applicationset-controller/argocd-*-role.yaml",
    "base/applicationset-controller/argocd-*-rolebinding.yaml",
)
# In a pod they are beside `argocd` on the PATH.
SCRIPTS = ("hack/git-verify-wrapper.sh", "hack/gpg-wrapper.sh")


def install(client: Client) -> None:
    """Install what Argo CD needs in the cluster, and our settings as docs/operating.md says."""
    manifests = module_directory("argocd", ARGO_CD) / "manifests"
    client.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    for pattern in CONTENTS:
        for file in sorted(manifests.glob(pattern)):
            client.apply(_placed(_read(file)))
    wait_until(lambda: all(client.serves(APPLICATION, kind) for kind in KINDS), "the API server serves Argo CD's kinds")
    settings = _read(SETTINGS)
    patch = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm", "namespace": NAMESPACE}}
    client.apply({**patch, **settings}, manager="steward")


def install_scripts(directory: Path) -> None:
    """Put Argo CD's shell scripts into `directory`."""
    for name in SCRIPTS:
        source = module_directory("argocd", ARGO_CD) / name
        target = directory / source.name
        target.write_bytes(source.read_bytes())
        target.chmod(0o755)


def _placed(manifest: Any) -> Any:
    if manifest["kind"] == "CustomResourceDefinition":
        return manifest
    for subject in manifest.get("subjects", ()):
        subject["namespace"] = NAMESPACE
    return {**manifest, "metadata": {**manifest["metadata"], "namespace": NAMESPACE}}


def _read(file: Path) -> Any:
    # Definitions are larger than our own reader takes.
    return YAML(typ="safe").load(file)
