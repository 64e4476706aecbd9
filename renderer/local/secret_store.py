"""Secrets as files, `<directory>/<namespace>/<secret>/<key>`: in the place of each namespace's own."""

from dataclasses import dataclass
from pathlib import Path


class MissingSecretsError(Exception):
    """Secrets that manifests mount and nobody has created; in Kubernetes their pods would stay Pending."""

    def __init__(self, missing: tuple[tuple[str, str, tuple[str, ...]], ...], directory: Path) -> None:
        self.missing, self.directory = missing, directory
        lines = []
        for namespace, secret, keys in missing:
            place = directory / namespace / secret
            listed = f"the files {', '.join(keys)}" if keys else "one file per key"
            lines.append(f"namespace {namespace} has no Secret {secret}: make {place}/ with {listed}")
        super().__init__("\n".join(lines))


@dataclass(frozen=True)
class SecretStore:
    """The Secrets of all namespaces of this machine's cluster."""

    directory: Path

    def read(self, namespace: str, name: str) -> dict[str, bytes] | None:
        """Return the keys and contents of a Secret, or None if it does not exist."""
        place = self.directory / namespace / name
        if not place.is_dir():
            return None
        return {path.name: path.read_bytes() for path in sorted(place.iterdir()) if path.is_file()}

    def exists(self, namespace: str, name: str) -> bool:
        """Whether the Secret is there."""
        return (self.directory / namespace / name).is_dir()
