"""Volumes as directories, `<directory>/<namespace>/<claim>/`: in the place of each namespace's PersistentVolumeClaims."""

from dataclasses import dataclass
from pathlib import Path

from renderer.errors import BAD_DOCUMENT, CommandError


class MissingClaimsError(CommandError):
    """Claims that manifests mount and nobody has made; in Kubernetes their pods would stay Pending."""

    def __init__(self, missing: tuple[tuple[str, str], ...], directory: Path) -> None:
        lines = [f"namespace {namespace} has no volume for the claim {claim}" for namespace, claim in missing]
        places = ", ".join(str(directory / namespace / claim) for namespace, claim in missing)
        super().__init__("\n".join(lines), f"make {places} with data and policies in it", BAD_DOCUMENT)


@dataclass(frozen=True)
class ClaimStore:
    """The claims of all namespaces of this machine's cluster."""

    directory: Path

    def place(self, namespace: str, claim: str) -> Path | None:
        """Return the directory that stands for the claim's volume, or None if there is none."""
        place = self.directory / namespace / claim
        return place.resolve() if place.is_dir() else None
