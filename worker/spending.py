"""A run spends what the policy limits before any data is loaded. Peers hear that it is refused, and nothing else.

The entries lie beside the data, in a container that only its owner writes to, so that nobody who renders another place
for results or records begins with an empty ledger. Data that cannot be written beside has to have its policy name the
container of the owner's records.
"""

import datetime
from collections.abc import Callable
from dataclasses import dataclass

from policy.canonical import digest
from policy.document import Policy
from policy.limits import Reached, epsilon_of
from worker.attempts import settled
from worker.errors import REJECTED, BadDocument, WorkerError
from worker.ledger import Entry, Ledger, Paid
from worker.log import Log
from worker.runspec import RunSpec, Source, SwiftSource
from worker.stores import Stores

SUFFIX = ".limits"


class Spent(WorkerError):
    """A limit is reached. Which one, and by how much, is the owner's to know."""

    code = REJECTED


@dataclass(frozen=True)
class Spending:
    """A run that is paid for, of one dataset."""

    ledger: Ledger
    paid: Paid

    def begin(self) -> None:
        """Write down that the attempt begins, as the last thing before its data may be computed on.

        Raises:  StoreUnavailable.
        """
        self.ledger.begin(self.paid)


def spend(
    spec: RunSpec, stores: Stores, policy: Policy, now: datetime.datetime, attempt: str, log: Log
) -> Spending | None:
    """Spend one run of the policy's limits; None if it has none. `attempt` names this attempt and no other.

    Raises:  Spent; BadDocument if there is no place for entries; StoreUnavailable.
    """
    if policy.spec.limits is None:
        return None
    dataset = policy.metadata.dataset
    ledger = _ledger(spec, stores, policy)
    # The whole of what this worker is told: elsewhere for records or results, what was done already would not be found.
    # And the policy: under another one noise is drawn anew, and more may be paid for it. What the data of all others are
    # nobody knows yet: an attempt that follows one whose answer may be known is held to them later, in `compute`.
    same = digest([digest(spec), digest(policy)])
    own = Entry(run=spec.run.run_id, digest=same, at=now, epsilon=epsilon_of(policy), token=attempt)
    found = ledger.spend(policy, own, lambda earlier: settled(spec, earlier, stores))
    place = f"{ledger.container}/{ledger.prefix}/"
    if isinstance(found, Paid):
        log.event("limits spent", dataset=dataset, entries=place)
        return Spending(ledger, found)
    _tell(found, dataset, place, log)
    raise Spent("refused: limit", fix=f"ask {spec.own.party}, whose policy sets limits across runs")


def _tell(found: Reached, dataset: str, place: str, log: Log) -> None:
    since = None if found.since is None else f"{found.since:%Y-%m-%dT%H:%M:%SZ}"
    log.event(
        "limit reached",
        dataset=dataset,
        clause=found.clause,
        used=found.used,
        allowed=found.allowed,
        left=found.left,
        since=since,
        entries=place,
    )


def check_place(policy: Policy, source: Source, refuse: Callable[[Exception], None]) -> None:
    """Refuse limits that a run could not keep, since what is spent cannot be written beside such data."""
    limits = policy.spec.limits
    if limits is not None and limits.container is None and not isinstance(source, SwiftSource):
        refuse(_no_place(policy.metadata.dataset))


def _no_place(dataset: str) -> BadDocument:
    return BadDocument(
        f"the policy of {dataset} sets limits, and there is no place to keep what is spent",
        f"{dataset}, spec.limits.container",
        "beside data on a volume, in Dataverse or at Spark nothing can be written",
        "write the container of the party's records (spec.records in its document) into the policy, and sign it",
    )


def _ledger(spec: RunSpec, stores: Stores, policy: Policy) -> Ledger:
    limits, dataset = policy.spec.limits, policy.metadata.dataset
    assert limits is not None
    source = next(each for each in spec.own.sources if each.dataset == dataset)
    if isinstance(source, SwiftSource):
        container = limits.container or source.container
        return Ledger(stores.of(source.credentials), container, source.object + SUFFIX)
    records = spec.own.records
    if limits.container is None or records is None or records.container != limits.container:
        raise _no_place(dataset)
    return Ledger(stores.of(records.credentials), limits.container, dataset + SUFFIX)
