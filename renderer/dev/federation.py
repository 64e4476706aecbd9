"""The sample federation: three airports and a regulator, in a Git repository of their own, with fresh keys.

workflows/, argocd/   committed: one commit for joining, one for submitting, one for rendering
secrets/<namespace>/  private keys and store credentials, mode 0600, ignored by Git
swift/                the local Swift's state, ignored by Git
dev.json              where that Swift runs, ignored by Git
"""

import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import renderer
from policy.identity import new_identity
from renderer.check import load_workspace
from renderer.dev import git
from renderer.dev.ports import free_ports
from renderer.dev.state import (
    STEWARD,
    DevState,
    store_secrets,
    users_path,
    write_credentials,
    write_state,
)
from renderer.dev.swift_users import SwiftUser, SwiftUsers, write_users
from renderer.documents import PARTIES, WORKFLOWS
from renderer.errors import CommandError
from renderer.layout import rendered_files
from renderer.local.private_files import private_directory, write_private
from renderer.party import Party
from renderer.tree import changes, write

PRODUCT = Path(renderer.__file__).resolve().parent.parent
IDENTITY_DAYS = 365
IGNORED = "/secrets/\n/volumes/\n/swift/\n/dev.json\n/.ccd/\n"
COMMIT_MESSAGES = {
    "join": "Join: three airports and a regulator, each with its identity",
    "submit": "Submit two workflows",
    "render": "Render what each namespace is asked to run",
}


def lay_out(root: Path) -> None:
    """Make the sample federation at `root`, all or nothing: an interrupted attempt leaves no `root`.

    Raises:  CommandError.
    """
    source = PRODUCT / WORKFLOWS
    if not source.is_dir():
        raise CommandError(f"{source} is missing", "run the demo from a clone of the repository")
    if root.exists():
        raise CommandError(f"{root} exists and is no sample federation", "choose another directory with --dir")
    private_directory(root.parent)
    with _renamed_when_complete(root) as new:
        [port] = free_ports(1)
        git.new_repository(new)
        (new / ".gitignore").write_text(IGNORED)
        shutil.copytree(source / "parties", new / PARTIES)
        shutil.copy(source / "federation.yaml", new / WORKFLOWS)
        for path in sorted((new / PARTIES).glob("*.yaml")):
            path.write_text(_joined(path.read_text(), new, path.stem, port))
        git.commit(new, COMMIT_MESSAGES["join"], ".gitignore", WORKFLOWS)
        for path in sorted(source.glob("*.yaml")):
            shutil.copy(path, new / WORKFLOWS)
        git.commit(new, COMMIT_MESSAGES["submit"], WORKFLOWS)
        workspace = load_workspace(new)
        write(new, changes(new, rendered_files(workspace)))
        git.commit(new, COMMIT_MESSAGES["render"], "argocd")
        users = _new_users(workspace.party_models)
        write_users(users, users_path(new))
        write_credentials(new, workspace.party_models, users, port)
        write_state(new, DevState(port=port))


@contextmanager
def _renamed_when_complete(root: Path) -> Iterator[Path]:
    new = Path(tempfile.mkdtemp(prefix=f"{root.name}.new-", dir=root.parent))
    try:
        yield new
        new.rename(root)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise


def _joined(text: str, root: Path, party: str, port: int) -> str:
    """Return a sample party document with a fresh identity and its store on loopback; the key goes to its Secret."""
    document_secret = re.search(r"^    secret: (\S+)$", text, re.MULTILINE)
    namespace = re.search(r"^  namespace: (\S+)$", text, re.MULTILINE)
    if document_secret is None or namespace is None:
        raise CommandError(f"workflows/parties/{party}.yaml is not the sample it was")
    key, certificate = new_identity(party, IDENTITY_DAYS)
    secret = root / "secrets" / namespace[1] / document_secret[1]
    write_private(secret / "tls.key", key)
    note = f"    # Made for the demo; its key lies in secrets/{namespace[1]}/{document_secret[1]}/, not in Git.\n"
    block = "".join(f"      {line}\n" for line in certificate.strip().splitlines())
    text, n_certificates = re.subn(
        r"(?:^    #.*\n)*^    certificate: \|\n(?:^      .*\n)+",
        lambda _: f"{note}    certificate: |\n{block}",
        text,
        flags=re.MULTILINE,
    )
    text, n_stores = re.subn(r"\{cidr: [^}]*\}", f"{{cidr: 127.0.0.1/32, port: {port}}}", text)
    if n_certificates != 1 or n_stores != 1:
        raise CommandError(f"workflows/parties/{party}.yaml is not the sample it was")
    return text


def _new_users(parties: dict[str, Party]) -> SwiftUsers:
    """Return a steward, who is the account's admin, and a user for each store Secret, for each party."""
    users = []
    for party in parties.values():
        account = party.spec.namespace
        users.append(SwiftUser(account, STEWARD, secrets.token_urlsafe(24), admin=True))
        users += [SwiftUser(account, name, secrets.token_urlsafe(24)) for name in store_secrets(party)]
    return SwiftUsers(tuple(users))
