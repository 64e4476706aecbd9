"""Secrets as files, `<directory>/<namespace>/<secret>/<key>`: in the place of each namespace's own."""

from dataclasses import dataclass
from pathlib import Path

# A Secret that opens a store has one of several forms, which is for the worker to judge: one of these keys tells it.
STORE = ("clouds.yaml", "OS_AUTH_URL", "ST_AUTH", "TEMPURLS")


class MissingSecretsError(Exception):
    """Secrets that manifests mount and nobody has created; in Kubernetes their pods would stay Pending."""

    def __init__(self, missing: tuple[tuple[str, str, tuple[str, ...]], ...], directory: Path) -> None:
        self.missing, self.directory = missing, directory
        lines = []
        for namespace, secret, keys in missing:
            place = directory / namespace / secret
            listed = f"the files {', '.join(keys)}" if keys else "one file per key"
            if keys == STORE:
                listed = "a file per key, as clouds.yaml, or OS_AUTH_URL and its like, or ST_AUTH, ST_USER, ST_KEY"
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

    def has(self, namespace: str, name: str, keys: tuple[str, ...]) -> bool:
        """Whether the Secret is there with all of `keys`; with `STORE`, in one of the forms that open a store."""
        there = self.read(namespace, name) or {}
        return any(key in there for key in keys) if keys == STORE else all(key in there for key in keys)

    def exists(self, namespace: str, name: str) -> bool:
        """Whether the Secret is there."""
        return (self.directory / namespace / name).is_dir()
