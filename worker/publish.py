"""The last container: put result and manifest where they belong, once, and end with the run's code.

Order:   the signed manifest aside, the result, the manifest under its name. A manifest says that the run is done, so it
         must never be there without its result. A crash after the result leaves what `worker.unfinished` takes up; one
         before it leaves nothing that looks like a result.
Retries: an attempt that will be repeated (40, 50) files its manifest under `attempts/`, never as `manifest.json`.
"""

import datetime
import hashlib
import secrets as tokens
from pathlib import Path

from policy.manifest import Manifest, encode_manifest, without_resources
from worker.attempts import file_settlement
from worker.errors import DONE, PERMANENT, StoreUnavailable, WorkerError
from worker.log import Log
from worker.names import attempt_name, manifest_name, pending_name, result_name
from worker.runspec import Place, RunSpec
from worker.stores import Stores
from worker.workdir import Outcome, WorkDir


def publish(spec: RunSpec, work: WorkDir, secrets: Path, log: Log) -> Outcome | None:
    """Store what compute left; return how the run ended, or None if it was done already.

    Raises:  StoreUnavailable; WorkerError if another result lies there already, or compute left nothing.
    """
    stores, done, manifest = Stores(secrets), work.done(), work.manifest()
    if done is not None:
        if done.is_unfinished and manifest is not None:
            _file_manifest(spec, manifest, stores, log)
        log.event("done already")
        return None
    outcome = work.outcome()
    if outcome is None or manifest is None:
        raise WorkerError("the container `compute` left no outcome", "the Job's initContainers")
    settlement = work.settlement()
    if settlement is not None:
        file_settlement(spec, settlement, stores, log)  # first: a crash before it costs another run
    try:
        if outcome.code == DONE or outcome.code in PERMANENT:
            _publish_final(spec, work, manifest, stores, log)
        else:
            _publish_attempt(spec, manifest, stores, log)
    except StoreUnavailable as error:
        if outcome.code == DONE:
            raise
        # How the run ended matters more than that its manifest could not be stored.
        log.event("manifest not stored", reason=error.what, where=error.where)
    work.remove_result(spec.run.outputs.format)
    return outcome


def _publish_final(spec: RunSpec, work: WorkDir, manifest: Manifest, stores: Stores, log: Log) -> None:
    run, place = spec.run, spec.own.output
    if place is not None and manifest.code == DONE:
        store, name = stores.of(place.credentials), pending_name(run.run_id)
        store.remove(place.container, name)  # of an attempt that did not come as far as its result
        store.put_once(place.container, name, encode_manifest(without_resources(manifest)), place.readers)
        _put_result(spec, place, work.result(run.outputs.format), stores, log)
    _file_manifest(spec, manifest, stores, log)


def _file_manifest(spec: RunSpec, manifest: Manifest, stores: Stores, log: Log) -> None:
    """Give the manifest its name, here and in the party's records; from then on the run is done."""
    run_id = spec.run.run_id
    # Recipients and others may read the answer's container; what our Job has used is in our own records alone.
    if spec.own.output is not None:
        _put(spec.own.output, manifest_name(run_id), encode_manifest(without_resources(manifest)), stores, log)
    if spec.own.records is not None:
        _put(spec.own.records, manifest_name(run_id), encode_manifest(manifest), stores, log)
    if spec.own.output is not None and manifest.code == DONE:
        try:
            stores.of(spec.own.output.credentials).remove(spec.own.output.container, pending_name(run_id))
        except StoreUnavailable as error:
            log.event("put aside and not removed", reason=error.what, where=error.where)


def _publish_attempt(spec: RunSpec, manifest: Manifest, stores: Stores, log: Log) -> None:
    when = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    name = attempt_name(spec.run.run_id, when, tokens.token_hex(4))
    for place, copy in ((spec.own.output, without_resources(manifest)), (spec.own.records, manifest)):
        if place is not None:
            _put(place, name, encode_manifest(copy), stores, log)


def _put(place: Place, name: str, content: bytes, stores: Stores, log: Log) -> None:
    done = stores.of(place.credentials).put_once(place.container, name, content, place.readers)
    log.event("manifest stored" if done == "created" else "manifest was there", object=f"{place.container}/{name}")


def _put_result(spec: RunSpec, place: Place, path: Path, stores: Stores, log: Log) -> None:
    store, name = stores.of(place.credentials), result_name(spec.run.run_id, spec.run.outputs.format)
    where = f"{place.container}/{name}"
    if store.put_once(place.container, name, path, place.readers) == "created":
        log.event("result stored", object=where, size_bytes=path.stat().st_size)
    elif store.digest(place.container, name).sha256 != _sha256(path):
        store.remove(place.container, pending_name(spec.run.run_id))  # it is not that result's manifest
        raise WorkerError(
            "another result of this run lies there already, without a manifest",
            where,
            "a result is written once",
            "compare the two runs' policies and data; remove the object, or raise spec.run for a new run",
        )
    else:
        log.event("result was there", object=where)
    _tell_who_cannot_read(place, stores, log)


def _tell_who_cannot_read(place: Place, stores: Stores, log: Log) -> None:
    """Say what is missing. The rules of a container that is there are its owner's, and are not changed here."""
    if not place.readers:
        return
    try:
        missing = stores.of(place.credentials).missing_readers(place.container, place.readers)
    except StoreUnavailable:
        missing = place.readers
    if missing:
        fix = (
            f"if they are to read here: swift post --read-acl '<as it is>,{','.join(missing)}' {place.container}; a"
            f" container that a worker makes is opened to those whom the Secret {place.credentials!r} names as READERS"
        )
        log.event("recipients not seen to have access", container=place.container, accounts=", ".join(missing), fix=fix)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
