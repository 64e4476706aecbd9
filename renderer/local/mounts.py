"""A container's directory of mounts: what `/` is to a container, without a mount namespace.

<pod>/volumes/<volume>/         emptyDirs and ConfigMaps, one of each for the whole pod
<pod>/containers/<name>/        the container's root: a link for each such volume it mounts, and the
                                Secrets it mounts as copies, so that no other container's root leads to them;
                                for each claim it mounts a link to the directory that stands for it
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from renderer.local.claim_store import ClaimStore, MissingClaimsError
from renderer.local.load import ManifestError, Objects
from renderer.local.objects import Container, KeyToPath, PodSpec, SecretVolume, Volume
from renderer.local.private_files import private_directory, write_private
from renderer.local.secret_store import MissingSecretsError, SecretStore


@dataclass(frozen=True)
class Volumes:
    """The volumes of one pod."""

    directory: Path  # of the pod
    namespace: str
    by_name: dict[str, Volume]
    objects: Objects
    secrets: SecretStore
    claims: ClaimStore

    def root_of(self, container: Container) -> Path:
        """Make the container's root with exactly what its volumeMounts name; return it."""
        root = private_directory(self.directory / "containers" / container.name)
        # Outer mounts first, so that one inside another finds its directory.
        for mount in sorted(container.volume_mounts, key=lambda each: each.mount_path):
            target = inside(root, mount.mount_path)
            volume = self.by_name[mount.name]
            if volume.secret is not None:
                self._copy_secret(volume.secret, target)
            else:
                private_directory(target.parent)
                target.symlink_to(self._shared(volume), target_is_directory=True)
        private_directory(inside(root, container.termination_message_path).parent)
        return root

    def _shared(self, volume: Volume) -> Path:
        if volume.persistent_volume_claim is not None:
            return self._claimed(volume.persistent_volume_claim.claim_name)
        place = self.directory / "volumes" / volume.name
        if not place.exists():
            private_directory(place)
            if volume.config_map is not None:
                found = self.objects.config_map(self.namespace, volume.config_map.name)
                if found is None:
                    raise ManifestError(f"no ConfigMap {volume.config_map.name} in namespace {self.namespace}")
                contents = {key: text.encode() for key, text in found.data.items()}
                _write_files(place, contents, volume.config_map.items, f"ConfigMap {found.metadata.name}")
        return place

    def _claimed(self, claim: str) -> Path:
        place = self.claims.place(self.namespace, claim)
        if place is None:
            raise MissingClaimsError(((self.namespace, claim),), self.claims.directory)
        return place

    def _copy_secret(self, volume: SecretVolume, target: Path) -> None:
        contents = self.secrets.read(self.namespace, volume.secret_name)
        if contents is None:
            missing = (self.namespace, volume.secret_name, tuple(item.key for item in volume.items))
            raise MissingSecretsError((missing,), self.secrets.directory)
        private_directory(target)
        _write_files(target, contents, volume.items, f"Secret {volume.secret_name}")


def volumes_of(
    pod: PodSpec, directory: Path, namespace: str, objects: Objects, secrets: SecretStore, claims: ClaimStore
) -> Volumes:
    """Return the volumes of a pod that lives in `directory`."""
    by_name = {volume.name: volume for volume in pod.volumes}
    return Volumes(private_directory(directory), namespace, by_name, objects, secrets, claims)


def inside(root: Path, path: str) -> Path:
    """Return where the container's absolute `path` lies on this machine."""
    return root / path.removeprefix("/")


def forget_root(root: Path) -> None:
    """Remove a container's root: the copies of its Secrets; the volumes that it links to stay."""
    shutil.rmtree(root, ignore_errors=True)


def _write_files(place: Path, contents: dict[str, bytes], items: tuple[KeyToPath, ...], what: str) -> None:
    if not items:
        chosen = contents
    else:
        lacking = [item.key for item in items if item.key not in contents]
        if lacking:
            raise ManifestError(f"{what} has no key {lacking[0]!r}")
        chosen = {item.path: contents[item.key] for item in items}
    for name, content in chosen.items():
        write_private(place / name, content)
