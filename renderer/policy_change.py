"""What a changed policy would change: who may learn what, and which runs it would newly allow or refuse.

Published policies are copies, and so is this comparison: what a worker will say hangs on the policy beside the data.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from conclave.ir.errors import QueryProblem
from conclave.plan.show import learned
from conclave.plan.wire import digest
from policy.document import FilterRule, Policy
from policy.protections import told_multiples
from policy.verdict import Reason
from policy.verify import Request, verify
from renderer.check import load_workspace
from renderer.documents import Workspace
from renderer.git import Repository
from renderer.past import past_runs
from renderer.plan import compile_run
from renderer.progress import Watch, unwatched
from renderer.published import policies_of, read_published
from renderer.review import Base, without_steps
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
    tells: tuple[str, ...] = ()  # of a run that is accepted both times: "party: what", told now and not before
    hides: tuple[str, ...] = ()  # and told before and not now
    is_answered_otherwise: bool = False  # bounds, say, that change the answer and nothing that is told beside it

    @property
    def what(self) -> str:
        """What becomes of the run."""
        if self.before == self.now == "accepts":
            return "accepted, and tells otherwise"
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
            "tells": list(self.tells),
            "hides": list(self.hides),
            "answeredOtherwise": self.is_answered_otherwise,
        }


@dataclass(frozen=True)
class _Word:
    """What one policy makes of a run."""

    against: Mapping[str, str]  # its reasons, by what makes two the same
    learned: frozenset[str]  # "party: what"
    plan: str  # digest

    @property
    def says(self) -> Says:
        return "refuses" if self.against else "accepts"


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
        for run, words in zip(reading, compared, strict=True):
            change = self._run_change(run, *words, run.workflow not in workflows) if words is not None else None
            if change is not None:
                changes.append(change)
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
            tuple(run.run_id for run, words in zip(reading, compared, strict=True) if words is None),
        )

    def _both(self, run: Run) -> tuple[_Word | None, _Word | None] | None:
        """Return what both policies make of a run: None where there is none; of a query that is none, nothing."""
        try:
            return self._word(run, self.old), self._word(run, self.new)
        except QueryProblem:
            return None

    def _word(self, run: Run, policies: Mapping[str, Policy]) -> _Word | None:
        if self.dataset not in policies:
            return None
        of_run = {each.name: policies[each.name] for each in run.datasets if each.name in policies}
        request = Request(run.purpose, tuple(each.name for each in run.datasets))
        plan = compile_run(run, policies)
        reasons = verify(plan, of_run, request).reasons
        against = {_about(reason): reason.what for reason in reasons if reason.dataset == self.dataset}
        told = without_steps(learned(plan, told_multiples(of_run)))
        facts = frozenset(f"{party}: {fact}" for party, those in told.items() for fact in those)
        return _Word(against, facts, digest(plan))

    def _run_change(self, run: Run, before: _Word | None, now: _Word | None, is_retired: bool) -> RunChange | None:
        """Return what becomes of a run; None if nothing does."""
        had, has = before.against if before else {}, now.against if now else {}
        said: tuple[Says, Says] = before.says if before else "not known", now.says if now else "not known"
        allows = sorted({what for about, what in had.items() if about not in has}) if now is not None else []
        refuses = sorted({what for about, what in has.items() if about not in had})
        tells, hides, is_otherwise = frozenset[str](), frozenset[str](), False
        if before is not None and now is not None and said == ("accepts", "accepts"):
            tells, hides = now.learned - before.learned, before.learned - now.learned
            is_otherwise = before.plan != now.plan and not tells | hides
        if said[0] == said[1] and not (allows or refuses or tells or hides or is_otherwise):
            return None
        return RunChange(
            run.workflow,
            run.run_id,
            is_retired,
            *said,
            tuple(allows),
            tuple(refuses),
            tuple(sorted(tells)),
            tuple(sorted(hides)),
            is_otherwise,
        )


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
    yield from _differing(old, new)


def _differing(old: Mapping[str, Any], new: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield the fields that differ, the innermost that both have: a bound, and not all columns because of it."""
    for name in sorted(old.keys() | new.keys()):
        before, now = old.get(name), new.get(name)
        if isinstance(before, dict) and isinstance(now, dict):
            yield from _differing(before, now, f"{above}{name}.")
        elif before != now:
            yield f"{above}{name}", _shown(before), _shown(now)


def _shown(value: Any) -> str:
    """Return a clause as it would stand in the document, without what is left out of it."""
    match value:
        case dict():
            inner = (f"{name}: {_shown(item)}" for name, item in value.items() if item not in (None, {}, []))
            return "{" + ", ".join(inner) + "}"
        case list() | tuple():
            return f"[{', '.join(map(_shown, value))}]"
        case bool():
            return str(value).lower()
        case float():
            return str(int(value)) if value.is_integer() else repr(value)
    return "none" if value is None else str(value)
