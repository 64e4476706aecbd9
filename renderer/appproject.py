"""Argo CD's AppProject of a party: the fence around what a pull request can do in its namespace."""

from dataclasses import dataclass

from renderer import names
from renderer.federation import Federation, Signatures
from renderer.party import Party
from renderer.render import render
from renderer.run_object import Pairs

# What the renderer makes, and so all that Argo CD may create for a party.
KINDS = (
    ("", "ConfigMap"),
    ("", "Service"),
    ("", "ServiceAccount"),
    ("batch", "Job"),
    ("networking.k8s.io", "NetworkPolicy"),
)


@dataclass(frozen=True)
class Context:
    """What the template lays out."""

    origin: str
    name: str
    labels: Pairs
    description: str
    repository: str
    server: str
    destination: str
    kinds: Pairs
    signatures: tuple[Signatures, ...]  # one or none


def app_project(party: Party, federation: Federation) -> str:
    """Return the party's AppProject."""
    name = party.metadata.name
    context = Context(
        f"Rendered by `ccd render` from workflows/parties/{name}.yaml. Change that instead.",
        names.project_name(party.spec.namespace),
        tuple(names.standing_labels("appproject", name, name).items()),
        f"Workers of {name}, in the namespace {party.spec.namespace} alone",
        federation.spec.repository,
        federation.spec.server,
        party.spec.namespace,
        KINDS,
        () if federation.spec.signatures is None else (federation.spec.signatures,),
    )
    return render("appproject.yaml.j2", context)
