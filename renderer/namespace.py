"""A party's Namespace, for its owner to apply: Argo CD's fence around a party makes none."""

from dataclasses import dataclass

from renderer import names
from renderer.party import Party
from renderer.render import render
from renderer.run_object import Pairs


@dataclass(frozen=True)
class Context:
    """What the template lays out."""

    origin: str
    name: str
    labels: Pairs


def namespace(party: Party) -> str:
    """Return the party's Namespace, in which nothing but pods without privileges may run."""
    name = party.metadata.name
    origin = f"Rendered by `ccd render` from workflows/parties/{name}.yaml. Change that instead."
    labels = tuple(names.standing_labels("namespace", name, name).items())
    return render("namespace.yaml.j2", Context(origin, party.spec.namespace, labels))
