"""The last container: put result and manifest where they belong, once, and end with the run's code.

Order:   the result first. A manifest says that the run is done, so it must never be there without its result; a crash
         between the two leaves a result that the next attempt finds equal, or refuses to go on.
Retries: an attempt that will be repeated (40, 50) files its manifest under `attempts/`, never as `manifest.json`.
"""

import datetime
import hashlib
import secrets as tokens
from pathlib import Path

from policy.manifest import Manifest, encode_manifest, without_resources
from worker.errors import DONE, PERMANENT, StoreUnavailable, WorkerError
from worker.log import Log
from worker.runspec import Place, RunSpec
from worker.stores import Stores, attempt_name, manifest_name, result_name
from worker.workdir import Outcome, WorkDir

MAX_RESULT_BYTES = 1 << 30  # of an earlier attempt's result, read back to compare


def publish(spec: RunSpec, work: WorkDir, secrets: Path, log: Log) -> Outcome | None:
    """Store what compute left; return how the run ended, or None if it was done already.

    Raises:  StoreUnavailable; WorkerError if another result lies there already, or compute left nothing.
    """
    if work.is_done():
        log.event("done already")
        return None
    outcome, manifest = work.outcome(), work.manifest()
    if outcome is None or manifest is None:
        raise WorkerError("the container `compute` left no outcome", "the Job's initContainers")
    stores = Stores(secrets)
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
    # Recipients and others may read the answer's container; what our Job has used is in our own records alone.
    run, shown = spec.run, encode_manifest(without_resources(manifest))
    if spec.own.output is not None:
        if manifest.code == DONE:
            _put_result(spec, spec.own.output, work.result(run.outputs.format), stores, log)
        _put(spec.own.output, manifest_name(run.run_id), shown, stores, log)
    if spec.own.records is not None:
        _put(spec.own.records, manifest_name(run.run_id), encode_manifest(manifest), stores, log)


def _publish_attempt(spec: RunSpec, manifest: Manifest, stores: Stores, log: Log) -> None:
    when = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    name = attempt_name(spec.run.run_id, when, tokens.token_hex(4))
    for place, copy in ((spec.own.output, without_resources(manifest)), (spec.own.records, manifest)):
        if place is not None:
            _put(place, name, encode_manifest(copy), stores, log)


def _put(place: Place, name: str, content: bytes, stores: Stores, log: Log) -> None:
    done = stores.of(place.credentials).put_once(place.container, name, content)
    log.event("manifest stored" if done == "created" else "manifest was there", object=f"{place.container}/{name}")


def _put_result(spec: RunSpec, place: Place, path: Path, stores: Stores, log: Log) -> None:
    store, name = stores.of(place.credentials), result_name(spec.run.run_id, spec.run.outputs.format)
    if store.put_once(place.container, name, path) == "created":
        log.event("result stored", object=f"{place.container}/{name}", size_bytes=path.stat().st_size)
        return
    there = store.get_small(place.container, name, MAX_RESULT_BYTES)
    if hashlib.sha256(there).digest() != hashlib.sha256(path.read_bytes()).digest():
        raise WorkerError(
            "another result of this run lies there already, without a manifest",
            f"{place.container}/{name}",
            "a result is written once",
            "compare the two runs' policies and data; remove the object, or raise spec.run for a new run",
        )
    log.event("result was there", object=f"{place.container}/{name}")
