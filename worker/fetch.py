"""The first container: is the run done already? If not, could its end be stored? Then each dataset: its policy, what
that reserves to its owner, the data.

A failure is left in `outcome.json` for `compute`, which tells the peers: they must not wait for a party that will
not bring anything.
"""

import contextlib
import datetime
from pathlib import Path

from worker.consent import Consent
from worker.endpoints.spark import SparkOrigin
from worker.errors import Terminated
from worker.failure import explain
from worker.intake import Wanted, take_in
from worker.log import Log
from worker.meter import used_so_far
from worker.names import manifest_name
from worker.origins import Origins
from worker.runspec import APPROVAL_PATH, VOLUMES_PATH, RunSpec, Source
from worker.stores import Stores
from worker.unfinished import find_unfinished
from worker.workdir import Done, Fetched, FetchedAll, WorkDir


def fetch(
    spec: RunSpec,
    work: WorkDir,
    secrets: Path,
    log: Log,
    volumes: Path = Path(VOLUMES_PATH),
    approval: Path = Path(APPROVAL_PATH),
) -> None:
    """Leave `done.json`, or `fetched.json` and the data, or `outcome.json` in the work directory."""
    stores = Stores(secrets)
    origins = Origins(stores, volumes)
    try:
        unfinished = find_unfinished(spec, stores, log)
        if unfinished is not None:
            work.write_manifest(unfinished.manifest)
            work.write_done(Done(found=unfinished.found, is_unfinished=True))
            log.event("done but for the manifest", manifest=unfinished.found)
            return
        found = find_done(spec, stores)
        if found is not None:
            work.write_done(Done(found=found))
            log.event("done already", manifest=found)
            return
        _check_writable(spec, stores)
        consent = Consent(spec, approval, log, datetime.datetime.now(datetime.UTC), stores)
        datasets = tuple(_take_in(spec, source, origins, work, secrets, log, consent) for source in spec.own.sources)
        held_to = consent.begin()
        attempt = consent.attempt if consent.spent else None
        work.write_fetched(FetchedAll(datasets=datasets, approval=consent.given, attempt=attempt, held_to=held_to))
    except BaseException as error:
        work.remove_data()
        if isinstance(error, Terminated) or not isinstance(error, Exception):
            raise
        outcome = explain(error, spec.own.party)
        work.write_outcome(outcome)
        log.event("fetch failed", code=outcome.code, reason=outcome.reasons[0].what)
    fetched = work.fetched()
    received = sum(each.size_bytes + len(each.policy.encode()) for each in fetched.datasets) if fetched else 0
    work.write_usage(used_so_far(max(work.size_bytes(), work.most_bytes), received))


def _check_writable(spec: RunSpec, stores: Stores) -> None:
    """Find out before anything is computed: an answer that cannot be stored would be lost, and its run not be repeatable."""
    for place in (spec.own.output, spec.own.records):
        if place is not None:
            stores.of(place.credentials).check_writable(place.container)


def find_done(spec: RunSpec, stores: Stores) -> str | None:
    """Return where this run's manifest lies already, or None."""
    name = manifest_name(spec.run.run_id)
    for place in (spec.own.records, spec.own.output):
        if place is not None and stores.of(place.credentials).exists(place.container, name):
            return f"{place.container}/{name}"
    return None


def _take_in(
    spec: RunSpec, source: Source, origins: Origins, work: WorkDir, secrets: Path, log: Log, consent: Consent
) -> Fetched:
    dataset = next(each for each in spec.run.datasets if each.name == source.dataset)
    owner = next(member for member in spec.run.members if member.name == spec.own.party)
    wanted = Wanted(dataset, source, owner.certificate, spec.own.capacity, admit=consent.check)
    with contextlib.ExitStack() as opened:
        origin = origins.of(source)
        if isinstance(origin, SparkOrigin):
            opened.callback(origin.close)
        fetched = take_in(wanted, origin, work, secrets, log, refuse)
    assert fetched is not None
    return fetched


def refuse(problem: Exception) -> None:
    """End the run at the first problem."""
    raise problem
