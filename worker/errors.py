"""What can end a worker, each with the exit code that the Job's `podFailurePolicy` knows.

A reason says what, where, which rule and what to do; it never holds a value from the data. `worker.commands` alone turns
these into exit codes and text.
"""

from collections.abc import Iterable
from typing import Final

from policy.manifest import Code, Reason

DONE: Final = 0
BAD_DOCUMENT: Final = 10
DATA_MISMATCH: Final = 20
REJECTED: Final = 30
PEER_MISSING: Final = 40
STORE_UNAVAILABLE: Final = 50
BUG: Final = 70

# These ends are everyone's: another attempt would end the same way. 40 and 50 are worth another attempt.
PERMANENT: Final[frozenset[Code]] = frozenset({BAD_DOCUMENT, DATA_MISMATCH, REJECTED, BUG})


class WorkerError(Exception):
    """The run cannot go on at this party."""

    code: Code = BUG

    def __init__(self, what: str, where: str = "", rule: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what, self.where, self.rule, self.fix = what, where, rule, fix

    def reasons(self, party: str) -> tuple[Reason, ...]:
        """Return what the manifest and the peers are told, said by `party`."""
        return (Reason(party=party, code=self.code, what=self.what, where=self.where, rule=self.rule, fix=self.fix),)


class BadDocument(WorkerError):
    """A run spec, key, certificate, policy or query that cannot be used."""

    code: Code = BAD_DOCUMENT


class DataMismatch(WorkerError):
    """A file that is not what its party document or its policy declares."""

    code: Code = DATA_MISMATCH


class PeerMissing(WorkerError):
    """A peer that did not come, went away, or was too slow."""

    code: Code = PEER_MISSING


class Terminated(WorkerError):
    """SIGTERM: the pod is being taken away."""

    code: Code = PEER_MISSING


class StoreUnavailable(WorkerError):
    """A store that does not answer, or answers with an error that may pass."""

    code: Code = STORE_UNAVAILABLE


class StoreRefused(StoreUnavailable):
    """A store that answers, and says no: wrong credentials, no permission, or nothing there."""


class Stopped(WorkerError):
    """The run ended by agreement or by a peer's word; `code` and the reasons are the run's."""

    def __init__(self, code: Code, reasons: Iterable[Reason]) -> None:
        self.all_reasons = tuple(reasons)
        super().__init__(self.all_reasons[0].what if self.all_reasons else "stopped")
        self.code = code

    def reasons(self, party: str) -> tuple[Reason, ...]:
        """Return every party's reasons as they came."""
        return self.all_reasons


def common_code(codes: Iterable[Code], own: Code | None = None) -> Code:
    """Return the code that a run ends with when parties stop with `codes`, for the party whose own is `own`.

    A permanent code is everyone's, the lowest first. Otherwise a party that failed itself keeps its own code, and
    to the others it is a lost peer.

    >>> common_code([50, 30]), common_code([50], own=50), common_code([50])
    (30, 50, 40)
    """
    permanent = [code for code in codes if code in PERMANENT]
    if permanent:
        return min(permanent)
    return own if own is not None else PEER_MISSING
