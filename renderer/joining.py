"""All that a new party needs: its document, its identity, what is rendered from them, and its own next steps.

The private key is written once, for its owner alone, below a directory that Git ignores. Other Secrets are never
seen here: the commands that make them ask for their values.
"""

import shlex
from dataclasses import dataclass
from pathlib import Path

from policy.identity import load_certificate, new_identity
from policy.load import load_document
from policy.problem import DocumentError
from renderer import codeowners
from renderer.check import load_workspace
from renderer.documents import PARTIES
from renderer.errors import CommandError
from renderer.local.private_files import keep_from_git, private_directory, write_new
from renderer.merged import tree_files
from renderer.party import Egress, Party
from renderer.render import render
from renderer.tree import Change, changes, write

IDENTITY = "ccd-identity"
KEY = "tls.key"
STORES = ("swift-data", "swift-records", "swift-output")
STORE_KEYS = "ST_AUTH ST_USER ST_KEY"

# `printf` and `read` are the shell's own: no value is ever an argument of a program.
ASK_FOR_STORE = """\
ccd_secret() (
  umask 077; namespace=$1 name=$2; shift 2; dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
  for key in "$@"; do
    printf '%s of %s: ' "$key" "$name" >&2; IFS= read -rs value; echo >&2; printf %s "$value" >"$dir/$key"
  done
  kubectl --namespace "$namespace" create secret generic "$name" --from-file="$dir"
)"""


@dataclass(frozen=True)
class NewParty:
    """What a party says of itself when it joins."""

    name: str
    namespace: str
    reviewers: tuple[str, ...]
    egress: tuple[Egress, ...]
    helper: bool
    days: int


@dataclass(frozen=True)
class Context:
    """What the template lays out."""

    name: str
    namespace: str
    fingerprint: str
    certificate: tuple[str, ...]
    identity: str
    reviewers: tuple[str, ...]
    egress: tuple[Egress, ...]
    helper: bool


@dataclass(frozen=True)
class Joined:
    """What was written."""

    document: Path
    key: Path
    fingerprint: str
    rendered: tuple[Change, ...]


def join(root: Path, new: NewParty, secrets: Path) -> Joined:
    """Write the party's document and key, and render; all or nothing.

    Raises:  CommandError if there is a party or a key of that name; DocumentError if the federation would not be
             sound with the new party in it; BadIdentity.
    """
    document = root / PARTIES / f"{new.name}.yaml"
    key = secrets / new.namespace / IDENTITY / KEY
    for file in (document, key):
        if file.exists() or file.is_symlink():
            raise CommandError(f"{file} exists, and nothing of a party's is overwritten", "choose another name")
    private, certificate = new_identity(new.name, new.days)
    fingerprint = load_certificate(certificate).fingerprint
    text = _document(new, certificate, fingerprint)
    load_document(text, f"{PARTIES}/{new.name}.yaml", Party)
    document.parent.mkdir(parents=True, exist_ok=True)
    write_new(document, text.encode(), 0o644)
    try:
        workspace = load_workspace(root)
        nobody = [p for p in codeowners.check_reviewers(workspace) if p.file == workspace.parties[new.name].file]
        if nobody:
            raise DocumentError(nobody)
        differences = changes(root, tree_files(workspace))
        keep_from_git(secrets)
        private_directory(key.parent)
        write_new(key, private, 0o600)
    except BaseException:
        document.unlink()
        raise
    write(root, differences)
    return Joined(document, key, fingerprint, differences)


def commands(new: NewParty, joined: Joined) -> str:
    """Return the commands that the owner types in its own cluster, in bash or zsh."""
    identity = f"kubectl --namespace {new.namespace} create secret generic {IDENTITY} --from-file={KEY}={shlex.quote(str(joined.key))}"
    stores = "\n".join(f"ccd_secret {new.namespace} {name} {STORE_KEYS}" for name in STORES)
    namespace = f"kubectl apply --filename argocd/namespace-{new.name}.yaml"
    # Once more after datasets were declared: it names the Secrets that they need.
    grant = f"ccd party grant {new.name} | kubectl apply --filename -"
    argo_cd = f"kubectl apply --filename argocd/rolebinding-{new.name}.yaml"
    return f"{namespace}\n{argo_cd}\n{identity}\n{ASK_FOR_STORE}\n{stores}\n{grant}\n"


def _document(new: NewParty, certificate: str, fingerprint: str) -> str:
    lines = tuple(certificate.strip().splitlines())
    context = Context(new.name, new.namespace, fingerprint, lines, IDENTITY, new.reviewers, new.egress, new.helper)
    return render("party.yaml.j2", context)
