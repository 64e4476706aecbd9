"""A party's ApplicationSet: one Argo CD Application for each run in the party's directory.

One per party, project and namespace written out: with a project taken from a directory's name, Argo CD could not check
the signature of the commit whose directories it lists.
"""

from dataclasses import dataclass

from renderer import names
from renderer.federation import Federation
from renderer.party import Party
from renderer.render import render
from renderer.run_object import Pairs

# A Go template, filled in by Argo CD: the directory is argocd/rendered/<namespace>/<run-id>.
_RUN_ID = "{{ .path.basename }}"


@dataclass(frozen=True)
class Context:
    """What the template lays out."""

    origin: str
    name: str
    labels: Pairs
    repository: str
    revision: str
    directories: str
    application: str
    server: str
    destination: str
    path: str = "{{ .path.path }}"


def application_set(party: Party, federation: Federation) -> str:
    """Return the party's ApplicationSet."""
    name, namespace = party.metadata.name, party.spec.namespace
    context = Context(
        f"Rendered by `ccd render` from workflows/parties/{name}.yaml. Change that instead.",
        names.project_name(namespace),
        tuple(names.standing_labels("applicationset", name, name).items()),
        federation.spec.repository,
        federation.spec.revision,
        f"{names.RENDERED / namespace}/*",
        # The dot keeps two pairs of names apart that a dash would make one.
        f"{_RUN_ID}.{namespace}",
        federation.spec.server,
        namespace,
    )
    return render("applicationset.yaml.j2", context)
