"""What `ccd data` asks a worker process on the owner's own machine, and the answer. No secret is in either.

The one file beside `runspec` that the renderer may import: it describes a dataset to the worker's own code, and shows
what that says, so that an owner hears beforehand what a run would say.
"""

from typing import Literal

from policy.manifest import Reason
from worker.runspec import Capacity, DatasetSpec, Model, Source

EXISTS = 1  # the exit code where something lies there already and is not to be replaced
MAX_PROBLEMS = 100


class DataRequest(Model):
    """A dataset as its party document has it, and for `put` what is to be stored."""

    action: Literal["check", "put"]
    dataset: DatasetSpec
    source: Source
    certificate: str  # of the owner
    capacity: Capacity
    policy_only: bool = False
    recipient: str | None = None  # what to seal to
    file: str | None = None
    policy: str | None = None
    policy_name: str = "policy"  # for messages
    signature: str | None = None
    replace: bool = False


class DataReport(Model):
    """What became of it. Accepted: a run that fetches what is stored now takes it in."""

    dataset: str
    place: str
    accepted: bool
    code: int  # 0, or what a run would end with
    problems: tuple[Reason, ...] = ()
    policy: str | None = None  # its digest
    policy_version: int | None = None
    rows: int | None = None
    size_bytes: int | None = None  # as stored
    sha256: str | None = None  # as stored: what manifests name
    sealed: bool = False
    stored: tuple[str, ...] = ()  # the objects written, in their order
