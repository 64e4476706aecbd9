"""An owner's WorkerGrant: what it allows workers in its namespace. It is printed for the owner, and never committed."""

import json
from dataclasses import dataclass

from renderer import names
from renderer.admission import GRANT_GROUP, GRANT_KIND, GRANT_NAME
from renderer.dataset import source_of
from renderer.dns import Dns
from renderer.documents import Workspace
from renderer.job import claims_of_fetch, secrets_of_compute, secrets_of_fetch, secrets_of_publish
from renderer.party import Egress, Party
from renderer.render import render
from renderer.run_object import Pairs
from renderer.spec import dns_of
from worker.runspec import Own, Place


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
    dns: Dns
    dns_labels: str
    labels: Pairs
    grant_kind: str = GRANT_KIND
    grant_name: str = GRANT_NAME
    grant_version: str = f"{GRANT_GROUP}/v1alpha1"


def grant(party: Party, workspace: Workspace) -> str:
    """Return what `party` would allow if it agreed to the federation's documents as they are."""
    spec, dns = party.spec, dns_of(party, workspace.federation.model)
    peers = {other.spec.namespace for other in workspace.party_models.values()} - {spec.namespace}
    own = _everything(party)
    secrets = {
        "fetch": secrets_of_fetch(own),
        "compute": secrets_of_compute(own),
        "publish": secrets_of_publish(own),
    }
    context = Context(
        party.metadata.name,
        spec.namespace,
        (workspace.federation.model.spec.image,),
        tuple((container, json.dumps(sorted(given))) for container, given in secrets.items()),
        json.dumps([claim.name for claim in claims_of_fetch(own)]),
        json.dumps(sorted(peers)),
        tuple(sorted(set(spec.egress), key=lambda store: (store.cidr, store.port))),
        dns,
        json.dumps(dns.pod_labels, sort_keys=True),
        tuple(names.standing_labels("grant", party.metadata.name, party.metadata.name).items()),
    )
    return render("admission/grant.yaml.j2", context)


def _everything(party: Party) -> Own:
    """Return what a worker of the party would be told in a run with all its datasets, in which it is the writer."""
    name, spec = party.metadata.name, party.spec
    records, outputs = spec.records, spec.outputs
    return Own(
        party=name,
        identity=spec.identity.secret,
        sources=tuple(source_of(f"{name}/{dataset}", one, spec.engine) for dataset, one in spec.datasets.items()),
        records=None if records is None else Place(container=records.container, credentials=records.credentials),
        output=None if outputs is None else Place(container="any", credentials=outputs.credentials),
    )
