"""`ccd-worker data`: one request of a data owner on its own machine, answered by the code that a run uses.

Everything that is written, plaintext and credentials of the environment alike, lies in one private directory that is
gone at the end, however it ends.
"""

import os
import tempfile
from pathlib import Path

from policy.canonical import digest
from policy.document import Policy
from policy.manifest import Code
from policy.parse import parse_policy
from worker import deposit
from worker.dataspec import EXISTS, MAX_PROBLEMS, DataReport, DataRequest
from worker.environment import Means
from worker.errors import BAD_DOCUMENT, PERMANENT, STORE_UNAVAILABLE, Terminated
from worker.failure import explain
from worker.intake import Wanted, take_in
from worker.log import Log
from worker.origins import Origins
from worker.progress import Progress
from worker.runspec import SwiftSource
from worker.spending import check_place
from worker.stores import Stores
from worker.workdir import Fetched, Outcome, WorkDir


def answer(request: DataRequest, means: Means, log: Log) -> DataReport:
    """Do what is asked and say what came of it."""
    os.umask(0o077)
    with tempfile.TemporaryDirectory(prefix="ccd-data-") as directory:
        return _Answer(request, means, log).give(Path(directory))


class _Answer:
    def __init__(self, request: DataRequest, means: Means, log: Log) -> None:
        self._means, self._log = means, log
        self._request = _with_credentials(request, means.instead)
        self._party = request.dataset.name.partition("/")[0]
        self._outcomes: list[Outcome] = []

    def give(self, root: Path) -> DataReport:
        try:
            stores = Stores(self._means.store_secrets(root), watch=Progress(self._log))
            return self._act(WorkDir(root / "work"), stores)
        except Terminated:
            raise
        except deposit.Exists as error:
            self._refuse(error)
            return self._refused(EXISTS)
        except Exception as error:
            self._refuse(error)
            return self._refused()

    def _act(self, work: WorkDir, stores: Stores) -> DataReport:
        request = self._request
        work.data.mkdir(parents=True)
        if request.action == "put":
            return deposit.put(request, stores, work, self._log, self._refuse) or self._refused()
        origin = Origins(stores, self._means.volumes).of(request.source)
        wanted = Wanted(
            request.dataset,
            request.source,
            request.certificate,
            request.capacity,
            Progress(self._log),
            admit=lambda policy: check_place(policy, request.source, self._refuse),
        )
        secrets, only = self._means.secrets, request.policy_only
        fetched = take_in(wanted, origin, work, secrets, self._log, self._refuse, only)
        return self._refused() if self._outcomes else self._accepted(fetched)

    def _refuse(self, problem: Exception) -> None:
        self._outcomes.append(explain(problem, self._party))

    def _accepted(self, fetched: Fetched | None) -> DataReport:
        report = DataReport(dataset=self._request.dataset.name, place=self._place, accepted=True, code=0)
        if fetched is None:
            return report
        policy: Policy = parse_policy(fetched.policy, "policy")
        known = {
            "policy": digest(policy),
            "policy_version": policy.metadata.version,
            "rows": fetched.n_rows,
            "size_bytes": fetched.size_bytes,
            "sha256": fetched.sha256,
            "sealed": self._request.source.sealed is not None,
        }
        return report.model_copy(update=known)

    def _refused(self, code: int | None = None) -> DataReport:
        reasons = tuple(dict.fromkeys(reason for outcome in self._outcomes for reason in outcome.reasons))
        return DataReport(
            dataset=self._request.dataset.name,
            place=self._place,
            accepted=False,
            code=_code([outcome.code for outcome in self._outcomes]) if code is None else code,
            problems=reasons[:MAX_PROBLEMS],
        )

    @property
    def _place(self) -> str:
        source = self._request.source
        return f"{source.container}/{source.object}" if isinstance(source, SwiftSource) else source.dataset


def _with_credentials(request: DataRequest, credentials: str | None) -> DataRequest:
    if credentials is None or not isinstance(request.source, SwiftSource):
        return request
    source = request.source.model_copy(update={"credentials": credentials})
    return request.model_copy(update={"source": source})


def _code(codes: list[Code]) -> int:
    """Return what a run ends with: what lasts before what may pass."""
    lasting = [code for code in codes if code in PERMANENT]
    return min(lasting, default=STORE_UNAVAILABLE if codes else BAD_DOCUMENT)
