"""Workflows held against all that was merged before them: would two answers together tell of a few rows?

What was merged is read out of Git's history as its workers were told it, and compiled anew; nobody's text is compared.
"""

import datetime
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from conclave.ir.errors import QueryProblem
from policy.accumulated import accumulations
from policy.across import Answer, Difference, differences
from policy.minimum import least_of
from policy.problem import Problem
from policy.releases import releases_of
from policy.told import Release
from policy.twins import called_alike, twins
from renderer.approving import standings
from renderer.check import load_workspace
from renderer.documents import Document, Workspace
from renderer.git import Repository
from renderer.merged import known_branch
from renderer.past import PastRun, past_runs
from renderer.plan import compile_run
from renderer.printable import printable
from renderer.progress import Watch, unwatched
from renderer.published import Published, read_published
from renderer.spread import Spread
from renderer.workflow import Workflow
from worker.runspec import Run

Standing = Literal["blocks", "together", "allowed"]


@dataclass(frozen=True)
class Earlier:
    """The other answer: of a merged run, or of another workflow of the same pull request."""

    workflow: str
    run_id: str
    commit: str = ""  # empty: not merged yet
    author: str = ""
    date: str = ""

    def __str__(self) -> str:
        if not self.commit:
            return f"{self.workflow} ({self.run_id}, of the same change)"
        return f"{self.workflow} ({self.run_id}, {self.commit[:10]} by {printable(self.author)} on {self.date[:10]})"


@dataclass(frozen=True)
class Risk:
    """Two answers that differ by some rows."""

    document: Document[Workflow]
    run_id: str
    earlier: Earlier
    difference: Difference
    standing: Standing
    by: tuple[str, ...]  # which clauses and approvals allow it

    @property
    def workflow(self) -> str:
        """The one that asks now."""
        return self.document.model.metadata.name

    @property
    def who(self) -> str:
        """Who would learn it."""
        if self.difference.holders:
            what = "all these answers" if self.difference.kind == "numbers" else "both answers"
            who = "who gets" if len(self.difference.holders) == 1 else "each of whom gets"
            return f"{', '.join(self.difference.holders)}, {who} {what}"
        return f"{', '.join(self.difference.together)}, if they put their answers together"

    @property
    def fix(self) -> str:
        """What can be done."""
        owners = " and ".join(sorted({dataset.partition("/")[0] for dataset in self.difference.affected}))
        if self.difference.kind == "numbers":
            return f"ask for what was told before; or have {owners} look at all of it and approve this run: ccd approve {self.workflow}"
        return (
            f"ask exactly what was asked before, or of rows that have no row in common with it; or have {owners} look at"
            f" both and approve this run: ccd approve {self.workflow}"
        )

    def to_json(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        found, earlier = self.difference, self.earlier
        return {
            "workflow": self.workflow,
            "runId": self.run_id,
            "earlier": {
                "workflow": earlier.workflow,
                "runId": earlier.run_id,
                "commit": earlier.commit or None,
                "author": earlier.author or None,
                "date": earlier.date or None,
            },
            "kind": found.kind,
            "aggregates": list(found.aggregates),
            "datasets": list(found.affected),
            "differs": list(found.how),
            "learns": found.learns,
            "holders": list(found.holders),
            "together": list(found.together),
            "standing": self.standing,
            "allowedBy": list(self.by),
            "fix": self.fix,
        }


@dataclass(frozen=True)
class History:
    """What was held against what, and what was found."""

    workflows: tuple[str, ...]
    n_merged: int
    risks: tuple[Risk, ...]
    unreadable: tuple[PastRun, ...]

    @property
    def blocking(self) -> tuple[Risk, ...]:
        """What nobody has allowed."""
        return tuple(risk for risk in self.risks if risk.standing == "blocks")


@dataclass(frozen=True)
class _Asked:
    """One side of a comparison."""

    earlier: Earlier
    run: Run


def history(
    root: Path,
    files: Sequence[Path],
    revision: str | None = None,
    is_everything: bool = False,
    watch: Watch = unwatched,
    workspace: Workspace | None = None,
) -> History:
    """Hold workflows against what was merged: those in `files`, or all, or those that are not merged yet.

    Raises:  DocumentError; CommandError outside of Git, or if there is no such revision.
    """
    workspace = workspace or load_workspace(root)
    repository = Repository.at(root)
    tip = known_branch(repository, workspace.federation.model.spec.revision)
    commit = repository.resolve(revision if revision is not None else tip or "HEAD")
    past = past_runs(repository, commit, watch)
    merged = {each.run_id: each for each in past}
    asking = [workspace.workflow_in(file) for file in files] or [
        document
        for name, document in workspace.workflows.items()
        if is_everything or workspace.planned(name).run.run_id not in merged
    ]
    if not asking:
        return History((), len(past), (), ())
    sides = [_Asked(_earlier(each), each.run) for each in past if each.run is not None]
    sides += [_of(workspace, name) for name in workspace.workflows if workspace.planned(name).run.run_id not in merged]
    risks, failed = _Comparing(workspace, watch).risks(asking, sides)
    unreadable = tuple(each for each in past if each.run is None or each.run_id in failed)
    return History(tuple(each.model.metadata.name for each in asking), len(past), risks, unreadable)


class _Comparing:
    """What of the federation decides: policies and approvals. Plans are compiled once each."""

    def __init__(self, workspace: Workspace, watch: Watch) -> None:
        self._workspace, self._watch = workspace, watch
        self._published = read_published(workspace)
        self._now = datetime.datetime.now(datetime.UTC)
        self._releases: dict[str, tuple[Release, ...] | None] = {}

    def risks(
        self, asking: Sequence[Document[Workflow]], sides: Sequence[_Asked]
    ) -> tuple[tuple[Risk, ...], frozenset[str]]:
        """Return what was found, and the runs whose query cannot be compiled."""
        names = [document.model.metadata.name for document in asking]
        runs = [self._workspace.planned(name).run for name in names]
        near = [side for side in sides if any(_may_share_rows(run, side.run) for run in runs)]
        self._compile([side.run for side in near] + runs)
        found: list[Risk] = []
        for place, document in enumerate(asking):
            later = {self._workspace.planned(name).run.run_id for name in names[place + 1 :]}
            # Of two that are asked about, the first is held against the second only the other way round.
            others = [side for side in near if side.earlier.run_id not in later]
            found += self._of(document, others)
        failed = {side.earlier.run_id for side in near if self._releases[_key(side.run)] is None}
        return tuple(found), frozenset(failed)

    def _compile(self, runs: Iterable[Run]) -> None:
        fresh = {_key(run): run for run in runs}
        made = self._watch("merged runs compiled", Spread(_releases, [*fresh.values()]))
        self._releases |= dict(zip(fresh, made, strict=True))

    def _of(self, document: Document[Workflow], sides: Iterable[_Asked]) -> Iterator[Risk]:
        planned = self._workspace.planned(document.model.metadata.name)
        run, mine = planned.run, self._releases[_key(planned.run)]
        approved = {
            each.party
            for each in standings(self._workspace, planned, self._published, self._now)
            if each.state == "approved"
        }
        if mine is None:
            return
        now = Answer(run.workflow, run.outputs.recipients, mine)
        seen: set[tuple[str, Difference]] = set()
        answers: dict[Answer, Earlier] = {}
        for side in sides:
            theirs = self._releases[_key(side.run)]
            if side.earlier.run_id == run.run_id or theirs is None:
                continue
            # A changed workflow is held against itself as it was.
            name = side.earlier.workflow if side.earlier.workflow != run.workflow else f"{side.earlier.run_id}"
            then = Answer(name, side.run.outputs.recipients, theirs)
            found = twins(_columns(run), _columns(side.run))
            if found:
                then = replace(then, releases=_releases(side.run, found) or ())
            answers[then] = side.earlier
            own = {mine: theirs for theirs, mine in found.items()}
            for difference in differences(now, then, self._may_have_minimum, own):
                if (name, difference) not in seen:  # run again and again, it is the same question
                    seen.add((name, difference))
                    standing, by = self._standing(difference, approved)
                    yield Risk(document, run.run_id, side.earlier, difference, standing, by)
        before = sorted(answers, key=lambda each: (not answers[each].commit, answers[each].date, each.name))
        for many in accumulations(now, before, self._least):
            standing, by = self._standing(many.difference, approved)
            yield Risk(document, run.run_id, answers[many.since], many.difference, standing, by)

    def _least(self, dataset: str) -> int:
        """Return how many subjects a policy asks for, as far as is known."""
        found = self._published.get(dataset)
        return least_of(found.policy) if found is not None else 0

    def _may_have_minimum(self, dataset: str) -> bool:
        """Whether a policy suppresses groups, as far as is known: one that is not published may."""
        found = self._published.get(dataset)
        return found is None or found.policy.spec.minimum is not None

    def _standing(self, difference: Difference, approved: set[str]) -> tuple[Standing, tuple[str, ...]]:
        by, left = [], []
        for dataset in difference.affected:
            owner, published = dataset.partition("/")[0], self._published.get(dataset)
            if owner in approved:
                by.append(f"{owner}'s approval of this run")
            elif published is not None and _is_unchecked(published):
                version = published.policy.metadata.version
                by.append(f"{dataset} policy v{version}, spec.acrossQueries: unchecked")
            else:
                left.append(published)
        if not left:
            return "allowed", tuple(dict.fromkeys(by))
        strict = [each for each in left if each is not None and each.policy.spec.across_queries == "all-recipients"]
        return ("blocks" if difference.holders or strict else "together"), tuple(dict.fromkeys(by))


def problems_of(found: History) -> list[Problem]:
    """Return what blocks, each at the query that asks."""
    return [
        risk.document.problem(
            ("spec", "query"),
            f"differencing risk with {risk.earlier}: {risk.who}, would learn {risk.difference.learns};"
            f" {'; '.join(risk.difference.how)}",
            risk.fix,
        )
        for risk in found.blocking
    ]


def _is_unchecked(published: Published) -> bool:
    # Anybody can propose a copy; only what its owner has signed gives anything away.
    return published.signature == "signed" and published.policy.spec.across_queries == "unchecked"


def _columns(run: Run) -> dict[str, frozenset[str]]:
    return {dataset.name: frozenset(column.name for column in dataset.columns) for dataset in run.datasets}


def _may_share_rows(one: Run, other: Run) -> bool:
    mine, theirs = _columns(one), _columns(other)
    return bool(mine.keys() & theirs.keys() or twins(mine, theirs))


def _releases(run: Run, names: Mapping[str, str] | None = None) -> tuple[Release, ...] | None:
    try:
        return releases_of(called_alike(compile_run(run).query, names or {}))
    except (QueryProblem, ValueError, KeyError):
        return None  # another version's query


def _key(run: Run) -> str:
    """Return what makes two runs ask the same: neither name nor image, nor who is a member."""
    of = {"query", "tables", "datasets", "mpc"}
    return run.model_dump_json(include=of) + ",".join(run.outputs.recipients)


def _earlier(past: PastRun) -> Earlier:
    assert past.run is not None
    return Earlier(past.run.workflow, past.run_id, past.commit, past.author, past.date)


def _of(workspace: Workspace, name: str) -> _Asked:
    run = workspace.planned(name).run
    return _Asked(Earlier(name, run.run_id), run)
