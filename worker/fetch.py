"""The first container: is the run done already? If not, the owner's policy first, then the data, then is it as declared?

A failure is left in `outcome.json` for `compute`, which tells the peers: they must not wait for a party that will
not bring anything.
"""

from dataclasses import dataclass
from pathlib import Path

from conclave.local.check import check_file
from conclave.local.errors import DataMismatch as FileMismatch
from policy.parse import parse_policy
from policy.signature import BadSignature
from worker.endpoints.origin import Beside, Origin
from worker.errors import BadDocument, DataMismatch, Terminated
from worker.failure import explain
from worker.judge import check_signature, header_problems
from worker.log import Log
from worker.meter import used_so_far
from worker.origins import Origins
from worker.runspec import VOLUMES_PATH, DatasetSpec, RunSpec, Source, schema_of
from worker.stores import Stores, manifest_name
from worker.workdir import Done, Fetched, FetchedAll, WorkDir


def fetch(spec: RunSpec, work: WorkDir, secrets: Path, log: Log, volumes: Path = Path(VOLUMES_PATH)) -> None:
    """Leave `done.json`, or `fetched.json` and the data, or `outcome.json` in the work directory."""
    stores = Stores(secrets)
    origins = Origins(stores, volumes)
    try:
        found = find_done(spec, stores)
        if found is not None:
            work.write_done(Done(found=found))
            log.event("done already", manifest=found)
            return
        datasets = tuple(_fetch_source(spec, source, origins.of(source), work, log) for source in spec.own.sources)
        work.write_fetched(FetchedAll(datasets=datasets))
    except Terminated:
        raise
    except Exception as error:
        outcome = explain(error, spec.own.party)
        work.remove_data()
        work.write_outcome(outcome)
        log.event("fetch failed", code=outcome.code, reason=outcome.reasons[0].what)
    fetched = work.fetched()
    received = sum(each.size_bytes + len(each.policy.encode()) for each in fetched.datasets) if fetched else 0
    work.write_usage(used_so_far(max(work.size_bytes(), work.most_bytes), received))


def find_done(spec: RunSpec, stores: Stores) -> str | None:
    """Return where this run's manifest lies already, or None."""
    name = manifest_name(spec.run.run_id)
    for place in (spec.own.records, spec.own.output):
        if place is not None and stores.of(place.credentials).exists(place.container, name):
            return f"{place.container}/{name}"
    return None


def _fetch_source(spec: RunSpec, source: Source, origin: Origin, work: WorkDir, log: Log) -> Fetched:
    dataset = next(each for each in spec.run.datasets if each.name == source.dataset)
    policy, signature = _Text.of(origin.policy()), _Text.of(origin.signature())
    _check_consent(spec, dataset, policy, signature)
    log.event("policy fetched", dataset=dataset.name)
    path = work.data_file(dataset.name, source.format)
    download = origin.download(path)
    log.event("data fetched", dataset=dataset.name, size_bytes=download.size_bytes)
    unique = frozenset(column.name for column in dataset.columns if column.unique)
    try:
        facts = check_file(path, source.format, schema_of(dataset), source.null, unique)
    except FileMismatch as mismatch:
        column = f"column {mismatch.column}, " if mismatch.column else ""
        row = f"row {mismatch.row}: " if mismatch.row else ""
        what = f"{dataset.name}: {column}{row}{mismatch.rule}"
        rule = "a file is what its party document declares"
        raise DataMismatch(what, origin.place, rule, mismatch.fix) from None
    for problem in header_problems(parse_policy(policy.text, policy.place), dataset, facts.header):
        raise DataMismatch(f"{dataset.name}: {problem}", origin.place, "a policy names exactly the file's columns")
    log.event("data checked", dataset=dataset.name, rows=facts.n_rows)
    return Fetched(
        dataset=dataset.name,
        policy=policy.text,
        signature=signature.text.strip(),
        header=facts.header,
        sha256=download.sha256,
        n_rows=facts.n_rows,
        size_bytes=download.size_bytes,
        file=str(path.relative_to(work.root)),
    )


@dataclass(frozen=True)
class _Text:
    """What lies beside the data, as text."""

    place: str
    text: str

    @classmethod
    def of(cls, beside: Beside) -> "_Text":
        try:
            return cls(beside.place, beside.content.decode())
        except UnicodeDecodeError:
            raise BadDocument("what lies there is not text in UTF-8", beside.place) from None


def _check_consent(spec: RunSpec, dataset: DatasetSpec, policy: _Text, signature: _Text) -> None:
    """Make sure, before any data moves, that the owner's word is there: readable, on this dataset, and signed."""
    parsed = parse_policy(policy.text, policy.place)
    if parsed.metadata.dataset != dataset.name:
        raise BadDocument(
            f"the policy beside {dataset.name} is on another dataset",
            policy.place,
            fix="put each policy beside its own data",
        )
    try:
        check_signature(spec.run, parsed, signature.text.strip())
    except BadSignature as error:
        raise BadDocument(
            f"the signature of the policy of {dataset.name} does not hold: {error.what}",
            signature.place,
            fix="sign the policy again with the key of the certificate in the party document",
        ) from None
