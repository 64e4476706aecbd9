"""What a pull request asks for, beside what was asked before: the material of `ccd plan` in all its formats."""

import datetime
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from conclave.estimate import estimate
from conclave.ir.errors import QueryProblem
from conclave.mpc.costs import Cost
from conclave.plan.show import kind_of, learned, parties_of
from conclave.plan.steps import Choice, LocalStep, MpcSetting, Plan, Price
from conclave.plan.tariff import time_us
from conclave.plan.wire import digest
from policy.disclosed import Told, told
from policy.document import Policy
from policy.problem import DocumentError
from policy.protections import told_multiples
from renderer.across import Risk, history
from renderer.approving import Standing, standings
from renderer.check import load_workflow, load_workspace
from renderer.documents import WORKFLOWS, Document, Workspace, read_workspace
from renderer.errors import one_line
from renderer.git import Repository
from renderer.made_of import differences, identities, made_of, opened_to
from renderer.plan import compile_run
from renderer.published import Opinion, opinions, policies_of, read_published
from renderer.query import query_problem
from renderer.spec import PlannedRun, datasets_of, plan_run
from renderer.workflow import Workflow
from worker.runspec import Run

State = Literal["new", "changed", "unchanged", "unreadable"]
# Steps are named in parentheses, or are the tables whose rows are counted; a dataset's name has a slash.
_STEPS = (
    (re.compile(r" \(\w+\)"), ""),
    (re.compile(r"\([lms]\d+, "), "("),
    (re.compile(r"rows m\d+ has"), "rows there are"),
)


def _computed_by(mpc: MpcSetting) -> str:
    by = ", ".join(mpc.compute)
    return by if mpc.protocol == "replicated3" else f"{by}, with {mpc.protocol}"


def without_steps(told: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Return what each party learns without the names of steps."""
    return {name: tuple(map(_without_steps, facts)) for name, facts in told.items()}


def _without_steps(fact: str) -> str:
    for pattern, instead in _STEPS:
        fact = pattern.sub(instead, fact)
    return fact


@dataclass(frozen=True)
class Ask:
    """One workflow, compiled: what is asked."""

    run: Run
    plan: Plan
    identities: Mapping[str, str]
    opened_to: tuple[str, ...]
    made_of: Mapping[str, Any]
    multiples: Mapping[str, int]  # of which numbers of rows are told, by dataset
    disclosed: tuple[Told, ...]  # of whose columns

    @staticmethod
    def of(planned: PlannedRun, number: int, policies: Mapping[str, Policy]) -> "Ask":
        """Compile a planned run with what the policies ask to be built into it; `number` is the workflow's `spec.run`.

        Raises:  QueryProblem.
        """
        plan = compile_run(planned.run, policies)
        multiples = told_multiples(policies)
        names = {dataset.name for dataset in planned.run.datasets}
        of = {name: policy for name, policy in policies.items() if name in names}
        return Ask(
            planned.run,
            plan,
            identities(planned),
            opened_to(planned),
            made_of(planned, number),
            multiples,
            told(plan, of, planned.run.purpose),
        )

    @property
    def told(self) -> dict[str, tuple[str, ...]]:
        """What each party learns."""
        return learned(self.plan, self.multiples)

    @property
    def learned(self) -> dict[str, tuple[str, ...]]:
        """What each party learns, without the names of steps: these change when nothing does."""
        return without_steps(self.told)

    @property
    def facts(self) -> dict[str, str]:
        """What reviewers decide about, each in a line; the query has lines of its own."""
        run = self.run
        return {
            "purpose": run.purpose,
            "data": "; ".join(f"{table.name}: {', '.join(table.datasets)}" for table in run.tables),
            "answer": ", ".join(f"{field.name} {field.type}" for field in self.plan.answer),
            "recipients": ", ".join(run.outputs.recipients),
            "written by": f"{run.outputs.writer}, to {run.outputs.container}",
            "computed by": _computed_by(self.plan.mpc) if self.plan.mpc else "the owner alone, without MPC",
            "worker": run.image,
            "opened to": ", ".join(self.opened_to) or "no account but the writer's own",
            **{f"identity of {name}": fingerprint for name, fingerprint in self.identities.items()},
        }


@dataclass(frozen=True)
class Comparison:
    """What became of a workflow since the base revision."""

    revision: str  # as it was asked for
    state: State
    before: Ask | None = None
    why: tuple[str, ...] = ()  # it is unreadable

    def differences(self, now: Ask) -> dict[str, tuple[str, str]]:
        """Return the facts that changed, as (before, now)."""
        old = self.before.facts if self.before else {}
        return {name: (old[name], new) for name, new in now.facts.items() if name in old and old[name] != new}

    def documents(self, now: Ask) -> dict[str, tuple[str, str]]:
        """Return what else of the documents changed, by where it stands, as (before, now)."""
        found = differences(self.before.made_of, now.made_of) if self.before else ()
        return {where: (old, new) for where, old, new in found}

    def newly_learned(self, now: Ask) -> dict[str, tuple[str, ...]]:
        """Return what parties learn now and did not learn before."""
        return _beyond(now.learned, self.before.learned if self.before else {})

    def no_longer_learned(self, now: Ask) -> dict[str, tuple[str, ...]]:
        """Return what parties learned before and do not learn now."""
        return _beyond(self.before.learned if self.before else {}, now.learned)

    def newly_told(self, now: Ask) -> tuple[Told, ...]:
        """Return what recipients are told of columns now and were not before."""
        return _more(now, self.before)

    def no_longer_told(self, now: Ask) -> tuple[Told, ...]:
        """Return what recipients were told of columns before and are not now."""
        return _more(self.before, now)

    def query_changed(self, now: Ask) -> bool:
        """Whether the answer is another one although its columns may be called the same."""
        return self.before is not None and self.before.run.query != now.run.query


@dataclass(frozen=True)
class Review:
    """One workflow as it is put before its reviewers."""

    document: Document[Workflow]
    ask: Ask
    rows: int  # that costs are estimated for
    costs: Mapping[str, Cost]
    opinions: tuple[Opinion, ...]
    comparison: Comparison | None
    approvals: tuple[Standing, ...] = ()
    risks: tuple[Risk, ...] = ()  # together with what was merged before

    def to_json(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        plan, run = self.ask.plan, self.ask.run
        steps = [
            {
                "name": step.name,
                "kind": kind_of(step),
                "parties": parties_of(step, plan),
                **({"sql": step.sql} if isinstance(step, LocalStep) else {}),
                **(
                    {"rounds": cost.rounds, "bytesSent": cost.bytes_sent} if (cost := self.costs.get(step.name)) else {}
                ),
            }
            for step in plan.steps
        ]
        return {
            "runId": run.run_id,
            "planDigest": digest(plan),
            "steps": steps,
            "choices": [_choice_json(choice) for choice in plan.choices],
            "learned": self.ask.told,
            "disclosed": [each.to_json() for each in self.ask.disclosed],
            "answer": [{"name": field.name, "type": str(field.type)} for field in plan.answer],
            "policies": [_opinion_json(opinion) for opinion in self.opinions],
            "approvals": [each.to_json() for each in self.approvals],
            **({"history": [risk.to_json() for risk in self.risks]} if self.comparison else {}),
            **({"base": self._comparison_json(self.comparison)} if self.comparison else {}),
        }

    def _comparison_json(self, comparison: Comparison) -> dict[str, Any]:
        changed = comparison.differences(self.ask)
        return {
            "revision": comparison.revision,
            "state": comparison.state,
            **({"why": list(comparison.why)} if comparison.why else {}),
            "changed": {name: {"before": old, "now": new} for name, (old, new) in changed.items()},
            "documents": {
                where: {"before": old, "now": new} for where, (old, new) in comparison.documents(self.ask).items()
            },
            "queryChanged": comparison.query_changed(self.ask),
            "newlyLearned": comparison.newly_learned(self.ask),
            "noLongerLearned": comparison.no_longer_learned(self.ask),
            "newlyDisclosed": [each.to_json() for each in comparison.newly_told(self.ask)],
            "noLongerDisclosed": [each.to_json() for each in comparison.no_longer_told(self.ask)],
        }


def _choice_json(choice: Choice) -> dict[str, Any]:
    def costs(price: Price) -> dict[str, Any]:
        return {"rounds": price.rounds, "bytes": price.size_bytes, "seconds": time_us(price) / 1e6}

    return {
        "part": choice.part,
        "taken": {"what": choice.taken, **costs(choice.costs)},
        "leftOut": {"what": choice.left_out, **costs(choice.would_cost)},
        "why": choice.why,
    }


class Base:
    """The federation as it was at the revision that a pull request is to be merged into."""

    def __init__(self, root: Path, revision: str) -> None:
        repository = Repository.at(root)
        self.revision = revision
        # Workflows that others have merged since are not this pull request's to explain.
        commit = repository.fork_point(repository.resolve(revision))
        self.why: tuple[str, ...] = ()  # its documents cannot be read
        self._workspace: Workspace | None = None
        self.policies: Mapping[str, Policy] = {}  # that were published
        with tempfile.TemporaryDirectory(prefix="ccd-base-") as directory:
            repository.export(commit, Path(directory), WORKFLOWS)
            if any(Path(directory).iterdir()):  # else there was no federation then, and everything is new indeed
                try:
                    self._workspace = read_workspace(Path(directory))
                    self.policies = policies_of(read_published(self._workspace))
                except DocumentError as error:
                    # Files are named as they are in the repository, whatever directory they were read in.
                    told = (f"{each.file}:{each.line}: {one_line(each)}" for each in error.problems)
                    self.why = tuple(each.removeprefix(f"{directory}/") for each in told)

    def names(self) -> tuple[str, ...]:
        """Return the workflows that it has."""
        return tuple(self._workspace.workflows) if self._workspace else ()

    def compare(self, name: str, ask: Ask) -> Comparison:
        """Return what became of the workflow that asks for `ask` now."""
        if self.why:
            return Comparison(self.revision, "unreadable", why=self.why)
        document = self._workspace.workflows.get(name) if self._workspace else None
        if self._workspace is None or document is None:
            return Comparison(self.revision, "new")
        try:
            planned = plan_run(document.model, self._workspace.party_models, self._workspace.federation.model)
            state: State = "unchanged" if planned.run.run_id == ask.run.run_id else "changed"
            return Comparison(self.revision, state, Ask.of(planned, document.model.spec.run, self.policies))
        except (QueryProblem, KeyError, ValueError) as error:
            # It was not sound then, which is no reason to keep quiet about what it is now.
            why = error.what if isinstance(error, QueryProblem) else "it names what was not there"
            return Comparison(self.revision, "unreadable", why=(f"{document.file}: {why}",))


def review(
    root: Path, files: tuple[Path, ...], rows: int, revision: str | None, with_costs: bool = True
) -> tuple[tuple[Review, ...], tuple[str, ...]]:
    """Return the workflows in `files`, and what was retired since `revision`; without files, all that differ from it.

    Raises:  DocumentError for documents that do not hold together; CommandError for a revision that is none.
    """
    # What others ask is held against this one if it is to be compared: then all of it has to be sound.
    is_alone = len(files) == 1 and revision is None
    workspace = load_workflow(root, files[0])[0] if is_alone else load_workspace(root)
    base = Base(root, revision) if revision is not None else None
    datasets = datasets_of(workspace.workflow_in(files[0]).model) if is_alone else None
    published, now = read_published(workspace, datasets), datetime.datetime.now(datetime.UTC)
    risks = history(root, files, revision, workspace=workspace).risks if base is not None and with_costs else ()
    found: list[Review] = []
    for document in [workspace.workflow_in(file) for file in files] or workspace.workflows.values():
        ask = ask_of(document, workspace, policies_of(published))
        comparison = base.compare(document.model.metadata.name, ask) if base else None
        if files or comparison is None or comparison.state != "unchanged":
            said = opinions(ask.plan, ask.run, published)
            costs = estimate(ask.plan, rows) if with_costs else {}
            planned = workspace.planned(document.model.metadata.name)
            approved = standings(workspace, planned, published, now)
            own = tuple(risk for risk in risks if risk.document is document)
            found.append(Review(document, ask, rows, costs, said, comparison, approved, own))
    retired = () if base is None or files else tuple(sorted(set(base.names()) - set(workspace.workflows)))
    return tuple(found), retired


def ask_of(document: Document[Workflow], workspace: Workspace, policies: Mapping[str, Policy]) -> Ask:
    """Return a workflow's run and plan, with what the policies ask to be built into it.

    Raises:  DocumentError for a query that cannot be compiled.
    """
    planned = plan_run(document.model, workspace.party_models, workspace.federation.model)
    try:
        return Ask.of(planned, document.model.spec.run, policies)
    except QueryProblem as error:
        raise DocumentError([query_problem(document, error)]) from error


def _beyond(more: Mapping[str, tuple[str, ...]], less: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    found = {name: tuple(fact for fact in facts if fact not in less.get(name, ())) for name, facts in more.items()}
    return {name: facts for name, facts in found.items() if facts}


def _more(one: Ask | None, other: Ask | None) -> tuple[Told, ...]:
    known = other.disclosed if other else ()
    return tuple(each for each in (one.disclosed if one else ()) if each not in known)


def _opinion_json(opinion: Opinion) -> dict[str, Any]:
    published = opinion.published
    return {
        "dataset": opinion.dataset,
        "says": opinion.says,
        "file": published.file if published else None,
        "version": published.policy.metadata.version if published else None,
        "signature": published.signature if published else None,
        "reasons": [reason.to_json() for reason in opinion.reasons],
        "reserved": list(opinion.reserved),
    }
