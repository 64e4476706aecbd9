"""One own dataset, from where it lies to a file that is as declared: for a run, and for an owner who asks beforehand.

Both go this one way and differ only in what `refuse` does with a problem: a run ends at the first, an owner is told all.

Order:   the owner's word first, before any data moves; then the data; then the owner's word once more. Who replaces both
         takes the policy away before the data and puts the new one after it (`worker.deposit`), so no data is ever taken
         in under a policy that was not beside it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from conclave.local.check import FileFacts, examine_file
from conclave.local.errors import DataMismatch as FileMismatch
from conclave.local.errors import LocalError, Mismatch
from conclave.local.reading import Watch, unwatched
from policy.document import Policy
from policy.identity import load_certificate
from policy.parse import parse_policy
from policy.problem import DocumentError
from policy.protections import told_rows
from policy.signature import BadSignature, verify
from worker.columns import header_problems
from worker.endpoints.origin import Beside, Origin
from worker.endpoints.spark import SparkOrigin
from worker.endpoints.store import Download
from worker.errors import BadDocument, DataMismatch, StoreUnavailable
from worker.inplace import held_to_size, look_at
from worker.log import Log
from worker.runspec import Capacity, DatasetSpec, Source, SparkSource, schema_of
from worker.unpack import unpack
from worker.workdir import Fetched, WorkDir

Refuse = Callable[[Exception], None]
Admit = Callable[[Policy], None]
_PROBLEMS = (BadDocument, DataMismatch, StoreUnavailable)  # and not `Terminated`, which is nobody's to refuse


def anything(policy: Policy) -> None:
    """Ask for nothing: nobody computes on what is taken in."""


@dataclass(frozen=True)
class Wanted:
    """A dataset as the documents have it."""

    dataset: DatasetSpec
    source: Source
    certificate: str  # of its owner
    capacity: Capacity
    watch: Watch = unwatched  # how far the check of the data is
    admit: Admit = anything  # asked once the policy is known to be the owner's, before any data moves


@dataclass(frozen=True)
class Word:
    """What lies beside the data, as text."""

    policy: str
    policy_place: str
    signature: str
    signature_place: str


def take_in(
    wanted: Wanted, origin: Origin, work: WorkDir, secrets: Path, log: Log, refuse: Refuse, policy_only: bool = False
) -> Fetched | None:
    """Return what is told of the dataset, its file checked and in `work`; None if something was refused.

    Raises:  what `refuse` raises.
    """
    problems: list[Exception] = []

    def note(problem: Exception) -> None:
        problems.append(problem)
        refuse(problem)

    word, policy = take_word(wanted, origin, note)
    if word is not None and policy is not None:
        log.event("policy fetched", dataset=wanted.dataset.name)
        wanted.admit(policy)
    if policy_only:
        return None
    took = (
        _look_at_data(wanted, origin, log, note)
        if isinstance(origin, SparkOrigin)
        else _take_data(wanted, origin, work, secrets, log, note)
    )
    if word is not None and _read_word(origin, note) not in (word, None):
        what = "policy or signature were replaced while the data was fetched"
        note(StoreUnavailable(what, word.policy_place, fix="none needed: the next attempt takes the new ones"))
    if took is None or word is None or policy is None:
        return None
    file, download, facts = took
    for problem in header_problems(policy, wanted.dataset, facts.header):
        name, rule = wanted.dataset.name, "a policy names exactly the file's columns"
        note(DataMismatch(f"{name}: {problem}", origin.place, rule))
    if problems:
        return None
    log.event("data checked", dataset=wanted.dataset.name, rows=facts.n_rows)
    return Fetched(
        dataset=wanted.dataset.name,
        policy=word.policy,
        signature=word.signature,
        header=facts.header,
        sha256=download.sha256,
        n_rows=facts.n_rows,
        told_rows=told_rows(policy, facts.n_rows),
        size_bytes=download.size_bytes,
        version=download.version,
        file=file,
    )


def take_word(wanted: Wanted, origin: Origin, refuse: Refuse) -> tuple[Word | None, Policy | None]:
    """Return the owner's word, if it is there, and the policy it says, if it is the owner's on this dataset."""
    word = _read_word(origin, refuse)
    return word, None if word is None else check_word(wanted, word, refuse)


def check_word(wanted: Wanted, word: Word, refuse: Refuse) -> Policy | None:
    """Return the policy in `word`, if it can be read, is on this dataset, and is signed by its owner."""
    name = wanted.dataset.name
    try:
        policy = parse_policy(word.policy, word.policy_place)
    except DocumentError as error:
        refuse(error)
        return None
    if policy.metadata.dataset != name:
        what = f"the policy beside {name} is on another dataset"
        refuse(BadDocument(what, word.policy_place, fix="put each policy beside its own data"))
        return None
    try:
        verify(load_certificate(wanted.certificate).public_key, "policy", policy, word.signature)
    except BadSignature as error:
        what = f"the signature of the policy of {name} does not hold: {error.what}"
        fix = "sign the policy again with the key of the certificate in the party document"
        refuse(BadDocument(what, word.signature_place, fix=fix))
        return None
    return policy


def check_data(wanted: Wanted, path: Path, place: str, refuse: Refuse) -> FileFacts | None:
    """Return what an unpacked file is, if it is as declared."""
    unique = [column.name for column in wanted.dataset.columns if column.unique]
    keys = [key.columns for key in wanted.dataset.keys]
    memory = wanted.capacity.engine_memory
    try:
        examined = examine_file(
            path, wanted.source.file_format, schema_of(wanted.dataset), [*unique, *keys], memory, wanted.watch
        )
    except LocalError as error:
        refuse(error)
        return None
    examined = held_to_size(examined, wanted.dataset.most_rows)
    for mismatch in examined.mismatches:
        refuse(_told(wanted, mismatch, place))
    return examined.facts


def unpack_data(
    wanted: Wanted, stored: Path, target: Path, work: WorkDir, secrets: Path, place: str, refuse: Refuse
) -> bool:
    """Make `target` of what is stored; return whether it could be done."""
    try:
        unpack(stored, target, wanted.source, secrets, wanted.capacity.work_bytes - work.size_bytes(), place)
    except FileMismatch as error:
        refuse(_told(wanted, error.mismatch, place))
        return False
    except _PROBLEMS as error:
        refuse(error)
        return False
    return True


def _take_data(
    wanted: Wanted, origin: Origin, work: WorkDir, secrets: Path, log: Log, refuse: Refuse
) -> tuple[str, Download, FileFacts] | None:
    name = wanted.dataset.name
    path = work.data_file(name, wanted.source.format)
    stored = path.with_name("stored")
    try:
        download = origin.download(stored)
    except _PROBLEMS as error:
        refuse(error)
        return None
    held = {"version": download.version, "checksum": download.checksum}
    log.event("data fetched", dataset=name, size_bytes=download.size_bytes, **{k: v for k, v in held.items() if v})
    if not unpack_data(wanted, stored, path, work, secrets, origin.place, refuse):
        return None
    facts = check_data(wanted, path, origin.place, refuse)
    return None if facts is None else (str(path.relative_to(work.root)), download, facts)


def _look_at_data(
    wanted: Wanted, origin: SparkOrigin, log: Log, refuse: Refuse
) -> tuple[str, Download, FileFacts] | None:
    assert isinstance(wanted.source, SparkSource)
    try:
        found = look_at(wanted.dataset, wanted.source, origin)
    except _PROBLEMS as error:
        refuse(error)
        return None
    for mismatch in found.examined.mismatches:
        refuse(_told(wanted, mismatch, origin.place))
    if found.facts is None:
        return None
    log.event("data looked at", dataset=wanted.dataset.name, version=found.version)
    return "", Download(0, found.sha256, found.version), found.facts


def _read_word(origin: Origin, refuse: Refuse) -> Word | None:
    try:
        policy, signature = origin.policy(), origin.signature()
        return Word(_text(policy), policy.place, _text(signature).strip(), signature.place)
    except _PROBLEMS as error:
        refuse(error)
        return None


def _text(beside: Beside) -> str:
    try:
        return beside.content.decode()
    except UnicodeDecodeError:
        raise BadDocument("what lies there is not text in UTF-8", beside.place) from None


def _told(wanted: Wanted, mismatch: Mismatch, place: str) -> DataMismatch:
    column = f"column {mismatch.column}, " if mismatch.column else ""
    row = f"row {mismatch.row}: " if mismatch.row else ""
    what = f"{wanted.dataset.name}: {column}{row}{mismatch.rule}"
    return DataMismatch(what, place, "a file is what its party document declares", mismatch.fix)
