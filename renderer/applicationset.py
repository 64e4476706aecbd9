"""Argo CD's ApplicationSet: one Application for each directory of the rendered tree."""

from dataclasses import dataclass

from renderer import names
from renderer.federation import Federation
from renderer.render import render
from renderer.run_object import Pairs

# Go templates, filled in by Argo CD: the directory is argocd/rendered/<namespace>/<run-id>.
_NAMESPACE = "{{ index .path.segments 2 }}"
_RUN_ID = "{{ .path.basename }}"


@dataclass(frozen=True)
class Context:
    """What the template lays out."""

    origin: str
    name: str
    labels: Pairs
    repository: str
    revision: str
    server: str
    directories: str = f"{names.RENDERED}/*/*"
    path: str = "{{ .path.path }}"
    # The dot keeps two pairs of names apart that a dash would make one.
    application: str = f"{_RUN_ID}.{_NAMESPACE}"
    project: str = names.project_name(_NAMESPACE)
    destination: str = _NAMESPACE


def application_set(federation: Federation) -> str:
    """Return the federation's ApplicationSet."""
    context = Context(
        "Rendered by `ccd render` from workflows/federation.yaml. Change that instead.",
        federation.metadata.name,
        tuple(names.standing_labels("applicationset", federation.metadata.name).items()),
        federation.spec.repository,
        federation.spec.revision,
        federation.spec.server,
    )
    return render("applicationset.yaml.j2", context)
