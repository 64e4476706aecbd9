"""What `ccd data` and `ccd output` ask a worker process on their user's own machine, and the answers. No secret is in them.

The one file beside `runspec` that the renderer may import: it describes a dataset, or what a run has filed, to the
worker's own code. So every store is opened by one code, and an owner hears beforehand what a run would say.
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


class FiledRequest(Model):
    """A run whose manifest is wanted, and its result if `suffix` says what that ends with."""

    run_id: str
    container: str
    credentials: str  # the Secret that opens the store
    directory: str  # where they go: private, and there already
    suffix: str | None = None
    account: str | None = None  # the URL of the account, if it is not the one that the credentials open


class FiledReport(Model):
    """What there was. The files `manifest` and `result` in the directory hold it, unverified."""

    code: int  # 0, also if there was nothing
    problems: tuple[Reason, ...] = ()
    manifest: str | None = None  # the object's name
    result: str | None = None
