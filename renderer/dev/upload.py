"""What the stewards of the sample federation do: containers with access rules, data, signed policies."""

from collections.abc import Mapping
from pathlib import Path

import swiftclient

from policy.identity import load_private_key
from policy.parse import parse_policy
from policy.signature import sign
from renderer.dev.state import SECRETS, STEWARD, swift_datasets, users_of
from renderer.documents import Workspace
from renderer.party import Party

POLICIES = Path(__file__).parent / "policies"
POLICY_SUFFIX = ".policy.yaml"
SIGNATURE_SUFFIX = ".sig"


def upload(root: Path, workspace: Workspace, auth_url: str, data: Mapping[str, Path]) -> None:
    """Put `data`, files by "party/dataset", and the sample policies into the parties' accounts. Idempotent."""
    for name, party in workspace.party_models.items():
        steward = steward_of(root, party, auth_url)
        _make_containers(steward, name, party, workspace)
        for dataset, declared in swift_datasets(party).items():
            with data[f"{name}/{dataset}"].open("rb") as file:
                steward.put_object(declared.container, declared.object, file)
            put_policy(root, steward, party, dataset, (POLICIES / f"{name}.{dataset}{POLICY_SUFFIX}").read_text())
        steward.close()


def steward_of(root: Path, party: Party, auth_url: str) -> swiftclient.Connection:
    """Return a connection of the admin of the party's account."""
    user = users_of(root).of(f"{party.spec.namespace}:{STEWARD}")
    return swiftclient.Connection(authurl=auth_url, user=user.login, key=user.key, auth_version="1", retries=1)


def put_policy(root: Path, steward: swiftclient.Connection, party: Party, dataset: str, text: str) -> None:
    """Put a policy beside its dataset, signed with the party's key.

    Raises:  DocumentError if the text is no policy.
    """
    signature = sign_policy(root, party, dataset, text)
    declared = swift_datasets(party)[dataset]
    steward.put_object(declared.container, declared.object + POLICY_SUFFIX, text.encode())
    steward.put_object(declared.container, declared.object + POLICY_SUFFIX + SIGNATURE_SUFFIX, signature.encode())


def sign_policy(root: Path, party: Party, dataset: str, text: str) -> str:
    """Return the signature of the party's policy on its dataset, made with the key that lies in its Secret.

    Raises:  DocumentError if the text is no policy.
    """
    policy = parse_policy(text, f"{party.metadata.name}.{dataset}{POLICY_SUFFIX}")
    secret = root / SECRETS / party.spec.namespace / party.spec.identity.secret
    return sign(load_private_key((secret / "tls.key").read_bytes()), "policy", policy)


def _make_containers(steward: swiftclient.Connection, name: str, party: Party, workspace: Workspace) -> None:
    """Make the party's containers, each open to the one user whose Secret is for it."""
    account, spec = party.spec.namespace, party.spec
    for dataset in swift_datasets(party).values():
        steward.put_container(dataset.container, {"X-Container-Read": f"{account}:{dataset.credentials}"})
    writable = {}
    if spec.records is not None:
        writable[spec.records.container] = spec.records.credentials
    for workflow in workspace.workflows.values():
        outputs = workflow.model.spec.outputs
        if outputs.writer == name and spec.outputs is not None:
            writable[outputs.container] = spec.outputs.credentials
    for container, user in writable.items():
        access = f"{account}:{user}"
        steward.put_container(container, {"X-Container-Read": access, "X-Container-Write": access})
