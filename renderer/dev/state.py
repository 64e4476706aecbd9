"""Where a federation's local Swift runs, and the Secrets that lead to it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from renderer.dataset import SwiftDataset
from renderer.dev.swift import USERS_NAME, auth_url
from renderer.dev.swift_users import SwiftUsers, read_users
from renderer.local.private_files import write_private
from renderer.party import Party

STATE = "dev.json"
SWIFT = "swift"
SECRETS = "secrets"
STEWARD = "steward"


@dataclass(frozen=True)
class DevState:
    """What `dev.json` says."""

    port: int  # of the Swift that runs, or ran last
    pid: int | None = None  # of a Swift that outlives the command that started it
    uploaded: bool = False  # whether the sample data is in Swift


def read_state(root: Path) -> DevState | None:
    """Return the state of the federation's local Swift, or None if it has none."""
    path = root / STATE
    return DevState(**json.loads(path.read_bytes())) if path.is_file() else None


def write_state(root: Path, state: DevState) -> None:
    """Replace `dev.json`."""
    write_private(root / STATE, json.dumps(asdict(state), indent=2).encode() + b"\n")


def users_of(root: Path) -> SwiftUsers:
    """Return the local Swift's users."""
    return read_users(users_path(root))


def users_path(root: Path) -> Path:
    """Return the file with the local Swift's users; Swift's own state lies beside it."""
    return root / SWIFT / USERS_NAME


def store_secrets(party: Party) -> tuple[str, ...]:
    """Return the names of the Secrets with which the party's workers reach its Swift."""
    names = {dataset.credentials for dataset in swift_datasets(party).values()}
    names |= {place.credentials for place in (party.spec.outputs, party.spec.records) if place is not None}
    return tuple(sorted(names))


def swift_datasets(party: Party) -> dict[str, SwiftDataset]:
    """Return those of the party's datasets that lie in Swift."""
    return {name: dataset for name, dataset in party.spec.datasets.items() if isinstance(dataset, SwiftDataset)}


def write_credentials(root: Path, parties: dict[str, Party], users: SwiftUsers, port: int) -> None:
    """Write the store Secrets of all parties: the user of the same name, at the Swift that listens on `port`."""
    for party in parties.values():
        namespace = party.spec.namespace
        for name in store_secrets(party):
            user = users.of(f"{namespace}:{name}")
            keys = {"ST_AUTH": auth_url(port), "ST_USER": user.login, "ST_KEY": user.key}
            for key, value in keys.items():
                write_private(root / SECRETS / namespace / name / key, value.encode())
