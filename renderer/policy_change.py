"""What a changed policy would change: who may learn what, and which runs it would newly allow or refuse.

Published policies are copies, and so is this comparison: what a worker will say hangs on the policy beside the data.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from conclave.ir.errors import QueryProblem
from policy.document import FilterRule, Policy
from policy.verdict import Reason
from policy.verify import Request, verify
from renderer.check import load_workspace
from renderer.documents import Workspace
from renderer.git import Repository
from renderer.past import past_runs
from renderer.plan import compile_run
from renderer.progress import Watch, unwatched
from renderer.published import policies_of, read_published
from renderer.review import Base
from renderer.spread import Spread
from worker.runspec import Run

Says = Literal["accepts", "refuses", "not known"]


@dataclass(frozen=True)
class RunChange:
    """One run that reads the dataset, merged or proposed, under the policy as it was and as it would be."""

    workflow: str
    run_id: str
    is_retired: bool
    before: Says
    now: Says
    allows: tuple[str, ...]  # what it no longer refuses
    refuses: tuple[str, ...]  # what it did not refuse before

    @property
    def what(self) -> str:
        """What becomes of the run."""
        if (self.before, self.now) == ("refuses", "accepts"):
            return "newly allowed"
        if self.now == "refuses" and self.before != "refuses":
            return "newly refused"
        return "refused as before, for other reasons" if self.now == "refuses" else "accepted"

    def to_json(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        return {
            "workflow": self.workflow,
            "runId": self.run_id,
            "retired": self.is_retired,
            "before": self.before,
            "now": self.now,
            "allows": list(self.allows),
            "refuses": list(self.refuses),
        }


@dataclass(frozen=True)
class PolicyChange:
    """What became of one dataset's published policy since the base revision."""

    dataset: str
    before: int | None  # its version; None: it was not published
    now: int | None
    granted: tuple[str, ...]  # what may be disclosed now and could not before, were a workflow to ask for it
    withdrawn: tuple[str, ...]
    clauses: tuple[tuple[str, str, str], ...]  # other clauses: name, before, now
    runs: tuple[RunChange, ...]  # those of which something becomes another
    n_runs: int  # all that read the dataset
    not_compared: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        return {
            "dataset": self.dataset,
            "before": self.before,
            "now": self.now,
            "granted": list(self.granted),
            "withdrawn": list(self.withdrawn),
            "clauses": {name: {"before": old, "now": new} for name, old, new in self.clauses},
            "runs": [run.to_json() for run in self.runs],
            "runsCompared": self.n_runs - len(self.not_compared),
            "notCompared": list(self.not_compared),
        }


def policy_changes(root: Path, revision: str, watch: Watch = unwatched) -> tuple[PolicyChange, ...]:
    """Return what became of each published policy since `revision`, held against all runs that were ever merged.

    Raises:  DocumentError; CommandError for a revision that is none.
    """
    workspace, base = load_workspace(root), Base(root, revision)
    old, new = base.policies, policies_of(read_published(workspace))
    changed = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    if not changed or base.why:
        return ()
    runs = _runs(root, revision, workspace, watch)
    return tuple(_Change(name, old, new).made(runs, frozenset(workspace.workflows), watch) for name in changed)


def _runs(root: Path, revision: str, workspace: Workspace, watch: Watch) -> dict[str, Run]:
    repository = Repository.at(root)
    past = past_runs(repository, repository.resolve(revision), watch)
    runs = {each.run_id: each.run for each in past if each.run is not None}
    planned = (workspace.planned(name).run for name in workspace.workflows)
    return {**runs, **{run.run_id: run for run in planned}}


@dataclass(frozen=True)
class _Change:
    dataset: str
    old: Mapping[str, Policy]
    new: Mapping[str, Policy]

    def made(self, runs: Mapping[str, Run], workflows: frozenset[str], watch: Watch) -> PolicyChange:
        """Return what the change does to the runs that read the dataset."""
        reading = [run for run in runs.values() if self.dataset in {each.name for each in run.datasets}]
        compared = list(watch("runs verified", Spread(self._both, reading)))
        changes: list[RunChange] = []
        for run, reasons in zip(reading, compared, strict=True):
            if reasons is not None and reasons[0] != reasons[1]:
                changes.append(self._run_change(run, *reasons, run.workflow not in workflows))
        before, now = self.old.get(self.dataset), self.new.get(self.dataset)
        had, has = set(_permissions(before)), set(_permissions(now))
        return PolicyChange(
            self.dataset,
            before.metadata.version if before else None,
            now.metadata.version if now else None,
            tuple(sorted(has - had)),
            tuple(sorted(had - has)),
            tuple(_clauses(before, now)),
            tuple(sorted(changes, key=lambda change: (change.what != "newly allowed", change.what, change.run_id))),
            len(reading),
            tuple(run.run_id for run, reasons in zip(reading, compared, strict=True) if reasons is None),
        )

    def _both(self, run: Run) -> tuple[dict[str, str] | None, dict[str, str] | None] | None:
        """Return what both policies have against a run: None where there is none; of a query that is none, nothing."""
        try:
            return self._against(run, self.old), self._against(run, self.new)
        except QueryProblem:
            return None

    def _against(self, run: Run, policies: Mapping[str, Policy]) -> dict[str, str] | None:
        if self.dataset not in policies:
            return None
        of_run = {each.name: policies[each.name] for each in run.datasets if each.name in policies}
        request = Request(run.purpose, tuple(each.name for each in run.datasets))
        reasons = verify(compile_run(run, policies), of_run, request).reasons
        return {_about(reason): reason.what for reason in reasons if reason.dataset == self.dataset}

    def _run_change(
        self, run: Run, before: dict[str, str] | None, now: dict[str, str] | None, is_retired: bool
    ) -> RunChange:
        had, has = before or {}, now or {}
        allows = sorted({what for about, what in had.items() if about not in has}) if now is not None else []
        refuses = sorted({what for about, what in has.items() if about not in had})
        said = _says(before), _says(now)
        return RunChange(run.workflow, run.run_id, is_retired, *said, tuple(allows), tuple(refuses))


def _says(reasons: dict[str, str] | None) -> Says:
    return "not known" if reasons is None else "refuses" if reasons else "accepts"


def _about(reason: Reason) -> str:
    """Return what makes two reasons the same: not the version, nor at which place among the grants they are missing."""
    return "\0".join((reason.code, reason.column or "", reason.capability or "", reason.recipient or "", reason.what))


def _permissions(policy: Policy | None) -> Iterator[str]:
    for grant in policy.spec.grants if policy else ():
        for recipient in grant.to:
            for purpose in grant.purposes:
                for column, capabilities in grant.columns.items():
                    for capability in capabilities:
                        over = " over expressions" if grant.expressions else ""
                        ways = _ways(grant.filters.get(column)) if capability == "filter" else ""
                        yield f"{recipient}, for {purpose}: {capability}{over} of {column}{ways}"


def _ways(rule: FilterRule | None) -> str:
    """Return in which ways a column may decide, where a rule says so."""
    if rule is None:
        return ", in any way"
    values = [] if rule.values is None else ["NULL" if each is None else str(each) for each in rule.values]
    steps = [] if rule.granularity is None else [f"in steps of {rule.granularity}"]
    return ", " + " or ".join([*([f"by {', '.join(values)}"] if values else []), *steps])


def _clauses(before: Policy | None, now: Policy | None) -> Iterator[tuple[str, str, str]]:
    old, new = (
        policy.spec.model_dump(mode="json", by_alias=True, exclude={"grants"}) if policy else {}
        for policy in (before, now)
    )
    if before is None or now is None:
        return
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            yield name, _shown(old.get(name)), _shown(new.get(name))


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        inner = (f"{name}: {_shown(item)}" for name, item in value.items() if item is not None)
        return "{" + ", ".join(inner) + "}"
    return "none" if value is None else str(value)
