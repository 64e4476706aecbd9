"""A dataset into its owner's Swift: data, policy, signature; after the same checks as a run's.

Order:   the old signature and policy go first, then the data is exchanged, then the new policy comes and its signature
         last. A run that reads meanwhile finds no policy and tries again later; one that read the old policy just before
         finds another one when it looks again, after the data (`worker.intake`). So no data is computed on under a word
         that was not given for it, and a deposit that was cut off leaves data that nobody uses.
"""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import assert_never

from policy.canonical import digest
from policy.document import Policy
from worker.columns import header_problems
from worker.dataspec import DataReport, DataRequest
from worker.endpoints.origin import POLICY_SUFFIX, SIGNATURE_SUFFIX
from worker.endpoints.store import Store
from worker.endpoints.swift_origin import SwiftOrigin
from worker.errors import BadDocument, DataMismatch, StoreUnavailable, WorkerError
from worker.intake import Refuse, Wanted, Word, check_data, check_word, take_word, unpack_data
from worker.log import Log
from worker.progress import Progress
from worker.runspec import DataverseSource, FilesSource, SparkSource, SwiftSource
from worker.seal import seal
from worker.stores import Stores
from worker.workdir import WorkDir

_KINDS = {"dataverse": "Dataverse", "files": "a volume"}


class Exists(WorkerError):
    """Something lies there already."""


def put(request: DataRequest, stores: Stores, work: WorkDir, log: Log, refuse: Refuse) -> DataReport | None:
    """Check, seal and store what is asked; None if something was refused, and then nothing was changed.

    Raises:  BadDocument for a dataset that is not put by us; StoreUnavailable, perhaps in the middle: ask again with
             `replace` then; Exists.
    """
    source = request.source
    if not isinstance(source, SwiftSource):
        raise BadDocument(
            f"data is not put into {_KINDS[source.backend]} from here", request.dataset.name, fix=_by_hand(source)
        )
    assert request.file is not None
    store = stores.of(source.credentials)
    origin = SwiftOrigin(store, source.container, source.object)
    wanted = Wanted(request.dataset, source, request.certificate, request.capacity, Progress(log))
    file = Path(request.file)
    before = _state(file)
    policy = _policy(request, wanted, origin, refuse)
    log.event("checking", size_bytes=file.stat().st_size)
    rows = _check(wanted, file, work, policy, refuse)
    if policy is None or rows is None:
        return None
    if not request.replace and store.exists(source.container, source.object):
        fix = "look at it with `ccd data check`; --replace puts this in its place"
        raise Exists("something lies there already", origin.place, "nothing is overwritten unasked", fix)
    stored = _sealed(request, file, work, log)
    if _state(file) != before:
        raise DataMismatch("the file changed while it was read", request.file, fix="try again once it is at rest")
    names = _exchange(request, source, store, stored, log)
    with stored.open("rb") as content:
        sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    return DataReport(
        dataset=request.dataset.name,
        place=origin.place,
        accepted=True,
        code=0,
        policy=digest(policy),
        policy_version=policy.metadata.version,
        rows=rows,
        size_bytes=stored.stat().st_size,
        sha256=sha256,
        sealed=source.sealed is not None,
        stored=names,
    )


def _policy(request: DataRequest, wanted: Wanted, origin: SwiftOrigin, refuse: Refuse) -> Policy | None:
    if request.policy is None:
        return take_word(wanted, origin, refuse)[1]
    name = request.policy_name
    signature = (request.signature or "").strip()
    return check_word(wanted, Word(request.policy, name, signature, f"{name}.sig"), refuse)


def _check(wanted: Wanted, file: Path, work: WorkDir, policy: Policy | None, refuse: Refuse) -> int | None:
    """Return the number of rows of a file that a run would take in, once it is sealed and stored."""
    path = work.data_file(wanted.dataset.name, wanted.source.format)
    # A link: what is unpacked is deleted behind it, and the owner's file is not ours to delete.
    stored = path.with_name("stored")
    stored.symlink_to(file.absolute())
    in_the_clear = wanted.source.model_copy(update={"sealed": None})
    plain = replace(wanted, source=in_the_clear)
    if not unpack_data(plain, stored, path, work, work.root, str(file), refuse):
        return None
    facts = check_data(plain, path, str(file), refuse)
    if facts is None or policy is None:
        return None
    problems = header_problems(policy, wanted.dataset, facts.header)
    for problem in problems:
        refuse(
            DataMismatch(f"{wanted.dataset.name}: {problem}", str(file), "a policy names exactly the file's columns")
        )
    return None if problems else facts.n_rows


def _sealed(request: DataRequest, file: Path, work: WorkDir, log: Log) -> Path:
    if request.source.sealed is None:
        return file
    assert request.recipient is not None
    log.event("sealing")
    target = work.data / "sealed"
    seal(file, target, request.recipient, Progress(log))
    return target


def _exchange(request: DataRequest, source: SwiftSource, store: Store, stored: Path, log: Log) -> tuple[str, ...]:
    container, data = source.container, source.object
    policy, signature = data + POLICY_SUFFIX, data + SIGNATURE_SUFFIX
    new: list[tuple[str, bytes | Path]] = [(data, stored)]
    if request.policy is not None and request.signature is not None:
        new += [(policy, request.policy.encode()), (signature, f"{request.signature.strip()}\n".encode())]
        # Also where no data is there yet: a policy of earlier data must not meet this one.
        for name in (signature, policy):
            store.remove(container, name)
    if request.replace:
        store.remove(container, data)
    log.event("uploading", size_bytes=stored.stat().st_size)
    for name, content in new:
        if store.put_once(container, name, content) == "exists":
            fix = "look at it with `ccd data check`, and try again with --replace"
            raise StoreUnavailable("somebody else stores there at the same time", f"{container}/{name}", fix=fix)
    return tuple(f"{container}/{name}" for name, _ in new)


def _by_hand(source: DataverseSource | FilesSource | SparkSource) -> str:
    """Return what the owner does in our place."""
    last = "then `ccd data check`"
    match source:
        case DataverseSource(file=file):
            name = file if isinstance(file, str) else "the file"
            beside = f"{name}{POLICY_SUFFIX} and {name}{SIGNATURE_SUFFIX} (`ccd policy sign`)"
            where = f"the dataset {source.persistent_id} at {source.url}"
            version = "" if source.version.startswith(":") else ", write its new version into the party document"
            return f"upload {name} with {beside} to {where}, publish it{version}; {last}"
        case FilesSource(path=path):
            beside = f"{path}{POLICY_SUFFIX} and {path}{SIGNATURE_SUFFIX} (`ccd policy sign`)"
            return f"copy {path}, {beside} to the volume of the claim {source.claim}; {last}"
        case SparkSource(path=path):
            return (
                f"store {path}{POLICY_SUFFIX} and {path}{SIGNATURE_SUFFIX} (`ccd policy sign`) beside the data; {last}"
            )
    assert_never(source)


def _state(file: Path) -> tuple[int, int, int]:
    there = file.stat()
    return there.st_ino, there.st_size, there.st_mtime_ns
