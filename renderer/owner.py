"""`ccd data` without its printing: what a worker says, as a process of its own, of an owner's data.

The renderer reaches no store and holds no credential. The worker's program does, beside this interpreter as in a
cluster, so that an owner hears what a run would say from the very code that would say it.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from policy.identity import load_certificate, load_private_key
from policy.parse import parse_policy
from policy.signature import BadSignature, sign, verify
from renderer.ask import ask_worker, uses_environment
from renderer.check import load_workspace
from renderer.dataset import Dataset, source_of
from renderer.errors import BAD_DOCUMENT, CommandError
from renderer.fields import bytes_of
from renderer.local.logs import event_of
from renderer.local.run import SECRETS, VOLUMES
from renderer.party import Party
from worker.dataspec import DataReport, DataRequest
from worker.runspec import Capacity

KEY = "tls.key"
Tell = Callable[
    [str | None, int | None, int | None], None
]  # a new stage; how many bytes it is about; how many are done


@dataclass(frozen=True)
class Owned:
    """A dataset of the federation's documents, and where its owner's Secrets lie on this machine."""

    name: str  # "party/dataset"
    party: Party
    dataset: Dataset
    secrets: Path
    volumes: Path

    def request(self, **more: object) -> DataRequest:
        """Return what the worker is asked; `more` fills DataRequest's other fields."""
        resources = self.party.spec.resources
        said = {
            "dataset": self.dataset.spec(self.name),
            "source": source_of(self.name, self.dataset, self.party.spec.engine),
            "certificate": self.party.spec.identity.certificate,
            "capacity": Capacity(memory_bytes=bytes_of(resources.memory), work_bytes=bytes_of(resources.work)),
            "recipient": None if self.dataset.sealed is None else self.dataset.sealed.recipient,
        }
        return DataRequest.model_validate({**said, **more})

    @property
    def key(self) -> Path:
        """Where the owner's private key is looked for."""
        return self.secrets / self.party.spec.identity.secret / KEY


def find_dataset(root: Path, name: str, secrets: Path | None) -> Owned:
    """Return the dataset "party/dataset", or "dataset" if only one party has one of that name.

    Raises:  CommandError, DocumentError.
    """
    workspace = load_workspace(root)
    found = [
        (f"{party}/{dataset}", model, declared)
        for party, model in workspace.party_models.items()
        for dataset, declared in model.spec.datasets.items()
        if name in (dataset, f"{party}/{dataset}")
    ]
    if len(found) != 1:
        known = ", ".join(
            f"{party}/{dataset}" for party, model in workspace.party_models.items() for dataset in model.spec.datasets
        )
        what = f"there is no dataset {name}" if not found else f"several parties have a dataset {name}"
        raise CommandError(what, f"name one of {known}", BAD_DOCUMENT)
    full, party, declared = found[0]
    namespace = party.spec.namespace
    return Owned(full, party, declared, secrets or root / SECRETS / namespace, root / VOLUMES / namespace)


def signed(owned: Owned, policy: Path, key: Path | None) -> tuple[str, str]:
    """Return a policy's text and its signature: the one beside it if that holds, else one made with the owner's key.

    Raises:  DocumentError for a policy that cannot be read; CommandError if nobody can sign; BadIdentity.
    """
    text = policy.read_text(encoding="utf-8")
    document = parse_policy(text, str(policy))
    public = load_certificate(owned.party.spec.identity.certificate).public_key
    beside = policy.with_name(f"{policy.name}.sig")
    if key is None and beside.is_file():
        signature = beside.read_text(encoding="ascii", errors="replace").strip()
        try:
            verify(public, "policy", document, signature)
            return text, signature
        except BadSignature as error:
            if not owned.key.is_file():
                fix = f"`ccd policy sign {policy} --key …`, or name the key with --key"
                raise CommandError(f"{beside} does not hold: {error.what}", fix, BAD_DOCUMENT) from None
    key = key or owned.key
    if not key.is_file():
        fix = f"`ccd policy sign {policy} --key …`, or name the key with --key"
        raise CommandError(f"{policy} is not signed, and there is no key {key}", fix, BAD_DOCUMENT)
    private = load_private_key(key.read_bytes())
    if private.public_key() != public:
        fix = "use the key that was made with the certificate in the party document"
        raise CommandError(f"{key} is not the key of {owned.name}'s owner", fix, BAD_DOCUMENT)
    return text, sign(private, "policy", document)


def ask(request: DataRequest, owned: Owned, credentials: str | None, tell: Tell) -> DataReport:
    """Return what the worker reports. Its credentials: the Secret named, the environment's, or the dataset's own.

    Raises:  CommandError if it ends without a report.
    """
    options = ["--secrets", str(owned.secrets), "--volumes", str(owned.volumes)]
    if credentials is not None:
        options += ["--credentials", credentials]
    elif uses_environment(os.environ):
        options.append("--environment")
    return ask_worker("data", options, request, DataReport, lambda line: _tell(line, tell))


def _tell(line: str, tell: Tell) -> None:
    event = event_of(line)
    if event is not None:
        size, done = event.get("size_bytes"), event.get("n_bytes")
        name = str(event["event"])
        tell(
            None if name == "moved" else name,
            size if isinstance(size, int) else None,
            done if isinstance(done, int) else None,
        )


def shown(report: DataReport) -> str:
    """Return the report as `--json` prints it."""
    return json.dumps(report.model_dump(mode="json", by_alias=True), indent=2)
