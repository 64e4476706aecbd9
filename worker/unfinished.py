"""A run whose writer died between result and manifest.

The other parties' Jobs have ended well by then and do not come again, so nothing could be computed a second time. But
the writer puts the signed manifest aside, then the result, then the manifest under its own name. Who finds the first
two, whole and fitting, can do the third.
"""

from dataclasses import dataclass

from pydantic import ValidationError

from policy.manifest import Manifest, verify_manifest
from worker.endpoints.store import Store
from worker.errors import DONE
from worker.log import Log
from worker.names import pending_name, result_name
from worker.runspec import Place, Run, RunSpec, run_digest
from worker.stores import Stores

MAX_MANIFEST_BYTES = 16 << 20


@dataclass(frozen=True)
class Unfinished:
    """What only lacks its name."""

    manifest: Manifest
    found: str


def find_unfinished(spec: RunSpec, stores: Stores, log: Log) -> Unfinished | None:
    """Return what the writer of an earlier attempt left, if it is whole; None at other parties."""
    place, name = spec.own.output, pending_name(spec.run.run_id)
    if place is None:
        return None
    store, found = stores.of(place.credentials), f"{place.container}/{name}"
    if not store.exists(place.container, name):
        return None
    manifest = _manifest(store, place, name)
    problem = "it is no manifest" if manifest is None else _problem(spec.run, manifest, store, place)
    if manifest is None or problem is not None:
        log.event("an earlier attempt cannot be finished", reason=problem, manifest=found)
        return None
    return Unfinished(manifest, found)


def _manifest(store: Store, place: Place, name: str) -> Manifest | None:
    try:
        return Manifest.model_validate_json(store.get_small(place.container, name, MAX_MANIFEST_BYTES))
    except ValidationError:
        return None


def _problem(run: Run, manifest: Manifest, store: Store, place: Place) -> str | None:
    """Return why a manifest does not end the run: every party must have signed it, over the very result that lies there."""
    certificates = {member.name: member.certificate for member in run.members}
    problems = verify_manifest(manifest, certificates, run_digest(run))
    if problems:
        return problems[0]
    name = result_name(run.run_id, run.outputs.format)
    openings = {output.name: output.opening for output in manifest.outputs}
    opening = openings.get(name)
    if manifest.code != DONE or len(openings) != 1 or opening is None:
        return "it does not say what the result is"
    if not store.exists(place.container, name):
        return "there is no result yet"
    there = store.digest(place.container, name)
    if (there.size_bytes, there.sha256) != (opening.size_bytes, opening.sha256):
        return "the result that lies there is another one"
    return None
