"""An owner's WorkerGrant: what it allows workers in its namespace. It is printed for the owner, and never committed."""

import json
from dataclasses import dataclass

from renderer import names
from renderer.admission import GRANT_GROUP, GRANT_KIND, GRANT_NAME
from renderer.dataset import source_of
from renderer.documents import Workspace
from renderer.party import Egress, Party
from renderer.render import render
from renderer.run_object import Pairs
from worker.runspec import Source


@dataclass(frozen=True)
class Context:
    """What the template lays out. Lists of names are JSON, which is YAML."""

    party: str
    namespace: str
    images: tuple[str, ...]
    secrets: Pairs
    claims: str
    peers: str
    egress: tuple[Egress, ...]
    labels: Pairs
    grant_kind: str = GRANT_KIND
    grant_name: str = GRANT_NAME
    grant_version: str = f"{GRANT_GROUP}/v1alpha1"


def grant(party: Party, workspace: Workspace) -> str:
    """Return what `party` would allow if it agreed to the federation's documents as they are."""
    spec = party.spec
    peers = {other.spec.namespace for other in workspace.party_models.values()} - {spec.namespace}
    context = Context(
        party.metadata.name,
        spec.namespace,
        (workspace.federation.model.spec.image,),
        tuple((container, json.dumps(sorted(names))) for container, names in _secrets(party).items()),
        json.dumps(sorted({claim for source in _sources(party) for claim in source.claims})),
        json.dumps(sorted(peers)),
        tuple(sorted(set(spec.egress), key=lambda store: (store.cidr, store.port))),
        tuple(names.standing_labels("grant", party.metadata.name, party.metadata.name).items()),
    )
    return render("admission/grant.yaml.j2", context)


def _sources(party: Party) -> tuple[Source, ...]:
    return tuple(source_of(f"{party.metadata.name}/{name}", one) for name, one in party.spec.datasets.items())


def _secrets(party: Party) -> dict[str, set[str]]:
    spec = party.spec
    writing = {place.credentials for place in (spec.records, spec.outputs) if place is not None}
    reading = {secret for source in _sources(party) for secret in source.secrets}
    return {"fetch": reading | writing, "compute": {spec.identity.secret}, "publish": writing}
