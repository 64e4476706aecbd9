"""What an exception means for the run: its exit code and the reasons that others may read. The one place that knows.

Texts of our own exceptions are made to be read by others. Texts of anybody else's may quote the data: of those only
the class and the places in the code are told.
"""

import traceback
from pathlib import PurePath

from conclave.ir.errors import QueryProblem
from conclave.local.errors import DataMismatch as FileMismatch
from conclave.local.errors import EncodeProblem, EngineUnavailable, LocalError, TooFewSubjectsLocally
from conclave.mpc.errors import (
    Outgrown,
    ProtocolError,
    RepeatedKeys,
    TooFewSubjects,
    TooManyMatches,
    TooManyPairs,
)
from policy.identity import BadIdentity
from policy.manifest import Code, Reason, Status
from policy.problem import DocumentError
from worker.errors import BAD_DOCUMENT, BUG, DATA_MISMATCH, DONE, PEER_MISSING, REJECTED, STORE_UNAVAILABLE, WorkerError
from worker.workdir import Outcome

MOST_FRAMES = 8


def explain(error: BaseException, party: str) -> Outcome:
    """Return how the run ends at `party` because of `error`."""
    match error:
        case WorkerError():
            return outcome(party, error.code, error.reasons(party))
        case DocumentError():
            reasons = tuple(
                Reason(
                    party=party,
                    code=BAD_DOCUMENT,
                    what=f"{problem.field}: {problem.what}" if problem.field else problem.what,
                    where=f"{problem.file}:{problem.line}:{problem.column}",
                    fix=problem.fix or "",
                )
                for problem in error.problems
            )
            return outcome(party, BAD_DOCUMENT, reasons)
        case BadIdentity():
            return _one(party, BAD_DOCUMENT, error.what, fix=error.fix)
        case QueryProblem():
            return _one(party, BAD_DOCUMENT, error.what, where=str(error.at or ""), fix=error.fix or "")
        case TooFewSubjects() | TooFewSubjectsLocally():
            fix = "ask for larger groups; `spec.minimum` of the datasets' policies says how many subjects are enough"
            return _one(party, REJECTED, str(error), fix=fix)
        case FileMismatch() | LocalError() | EncodeProblem():
            return _one(party, DATA_MISMATCH, str(error))
        case EngineUnavailable():
            fix = (
                "check that the party's Spark Connect server runs, and lets the worker in with the token of its Secret"
            )
            return _one(party, STORE_UNAVAILABLE, str(error), fix=fix)
        case RepeatedKeys():
            fix = "declare `unique: true` where a value is unique in its own dataset only, or mend the data"
            return _one(party, DATA_MISMATCH, str(error), fix=fix)
        case Outgrown():
            fix = "ask for less at once, or in larger units; or declare narrower types or bounds for what is multiplied"
            return _one(party, DATA_MISMATCH, str(error), fix=fix)
        case TooManyMatches():
            fix = "say a larger number in the workflow's spec.mpc.mostMatches, or join by another column"
            return _one(party, DATA_MISMATCH, str(error), fix=fix)
        case TooManyPairs(most=None):
            fix = (
                "declare the column that tells one table's rows apart: `unique: true`, or `table` if owners share it; or "
                "say in the workflow in how many rows of a table a value comes at most, such as "
                "`spec: {mpc: {mostMatches: {TABLE.COLUMN: 8}}}`, by which joins run by sorting"
            )
            return _one(party, BAD_DOCUMENT, str(error), fix=fix)
        case TooManyPairs():
            fix = "say a smaller number in the workflow's spec.mpc.mostMatches, or leave rows out before the join"
            return _one(party, BAD_DOCUMENT, str(error), fix=fix)
        case ProtocolError():
            return _one(party, PEER_MISSING, str(error))
    where = ", ".join(_frames(error))
    return _one(party, BUG, f"a bug in the worker: {type(error).__name__}", where, fix="report it with this place")


def outcome(party: str, code: Code, reasons: tuple[Reason, ...]) -> Outcome:
    """Return an outcome with the status that goes with the code."""
    return Outcome(party=party, status=status_of(code), code=code, reasons=reasons)


def status_of(code: Code) -> Status:
    """Return the manifest's word for an exit code."""
    if code == DONE:
        return "succeeded"
    return "rejected" if code == REJECTED else "failed"


def _one(party: str, code: Code, what: str, where: str = "", fix: str = "") -> Outcome:
    return outcome(party, code, (Reason(party=party, code=code, what=what, where=where, fix=fix),))


def _frames(error: BaseException) -> list[str]:
    """Return the innermost places, innermost last: a file below its package, and a line."""
    frames = traceback.extract_tb(error.__traceback__)[-MOST_FRAMES:]
    return [f"{'/'.join(PurePath(frame.filename).parts[-2:])}:{frame.lineno}" for frame in frames]
