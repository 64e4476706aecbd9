"""Policies that owners publish beside the workflows, so that a pull request hears its verdict before workers give it.

`workflows/policies/<party>.<dataset>.policy.yaml`, and its signature with `.sig` behind. These are copies: a worker
reads its owner's policy beside the data and nowhere else, so a copy can warn of a refusal and never bring consent.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from conclave.ir.errors import QueryProblem
from conclave.plan.steps import Plan
from policy.document import Policy
from policy.explain import flow_of, rule_of
from policy.identity import load_certificate
from policy.parse import parse_policy
from policy.problem import DocumentError, Problem
from policy.reserved import reserved
from policy.signature import BadSignature, verify
from policy.verdict import Reason
from policy.verify import Request
from policy.verify import verify as verify_plan
from renderer.documents import POLICIES, Document, Workspace, read_text
from renderer.party import Party
from renderer.query import query_problem
from renderer.workflow import Workflow
from worker.runspec import Run

SUFFIX = ".policy.yaml"
SIGNATURE_PURPOSE = "policy"
Signature = Literal["signed", "not signed", "not signed by its owner"]


@dataclass(frozen=True)
class Published:
    """A policy that its owner has published."""

    file: str
    policy: Policy
    signature: Signature


@dataclass(frozen=True)
class Opinion:
    """What is known of one dataset's policy and a workflow. Without a published policy: nothing, until it runs."""

    dataset: str  # empty: what no policy could allow
    published: Published | None
    reasons: tuple[Reason, ...] = ()

    @property
    def says(self) -> Literal["accept", "reject", "not published"]:
        """The policy's verdict."""
        if self.reasons:
            return "reject"
        return "not published" if self.dataset and self.published is None else "accept"

    @property
    def reserved(self) -> tuple[str, ...]:
        """What the owner's worker asks besides, before it loads any data."""
        return tuple(each.what for each in reserved(self.published.policy)) if self.published else ()


def read_published(workspace: Workspace, datasets: Collection[str] | None = None) -> dict[str, Published]:
    """Return the published policies by dataset; of some datasets alone, if they are named.

    Raises:  DocumentError with everything that is wrong in any of them.
    """
    found: dict[str, Published] = {}
    problems: list[Problem] = []
    wanted = None if datasets is None else {_file_name(dataset) for dataset in datasets}
    for file in sorted((workspace.root / POLICIES).glob("*.y*ml")):
        if wanted is not None and file.name not in wanted:
            continue
        name = f"{POLICIES}/{file.name}"
        try:
            policy = parse_policy(read_text(file, name), name)
        except DocumentError as error:
            problems += error.problems
            continue
        dataset = policy.metadata.dataset
        owner = workspace.parties.get(dataset.partition("/")[0])
        problem = _misplaced(file, name, dataset, owner)
        if problem is None and owner is not None:
            found[dataset] = Published(name, policy, _signature(file, policy, owner.model))
        elif problem is not None:
            problems.append(problem)
    if problems:
        raise DocumentError(problems)
    return found


def policies_of(published: Mapping[str, Published]) -> dict[str, Policy]:
    """Return the published policies themselves."""
    return {name: each.policy for name, each in published.items()}


def unknown(datasets: Iterable[str], published: Collection[str]) -> str | None:
    """Return what is said where a plan may lack what policies ask to be built in, since they are not published."""
    missing = sorted(set(datasets) - set(published))
    if not missing:
        return None
    whose = f"policy of {missing[0]} is" if len(missing) == 1 else f"policies of {', '.join(missing)} are"
    return (
        f"The {whose} not published. A minimum, bounds, padding or noise that {'it asks' if len(missing) == 1 else 'they ask'}"
        " for will be in the plan that runs, and is not in this one."
    )


def opinions(plan: Plan, run: Run, published: Mapping[str, Published]) -> tuple[Opinion, ...]:
    """Return what each dataset's policy says to a plan, as the workers will verify it."""
    datasets = tuple(sorted(dataset.name for dataset in run.datasets))
    policies = {name: published[name].policy for name in datasets if name in published}
    reasons = verify_plan(plan, policies, Request(run.purpose, datasets)).reasons
    said = [
        Opinion(name, published.get(name), tuple(r for r in reasons if r.dataset == name and name in published))
        for name in datasets
    ]
    in_general = tuple(reason for reason in reasons if reason.dataset not in datasets)
    return (*said, *([Opinion("", None, in_general)] if in_general else []))


def refusals(workflow: Document[Workflow], said: tuple[Opinion, ...]) -> Iterator[Problem]:
    """Yield each reason against a workflow at the line of its query that causes it."""
    for opinion in said:
        for reason in opinion.reasons:
            yield reason_problem(workflow, reason)


def reason_problem(workflow: Document[Workflow], reason: Reason) -> Problem:
    """Return a reason against a workflow at the line of its query that causes it."""
    way = flow_of(reason)
    parts = [reason.what, rule_of(reason) and f"rule: {rule_of(reason)}", way and f"flow: {way}"]
    what = "; ".join(part for part in parts if part)
    return query_problem(workflow, QueryProblem(what, reason.where, reason.fix))


def _misplaced(file: Path, name: str, dataset: str, owner: Document[Party] | None) -> Problem | None:
    if owner is None or dataset.partition("/")[2] not in owner.model.spec.datasets:
        return Problem(name, 1, 1, "metadata.dataset", f"no party has a dataset {dataset}", "see workflows/parties/")
    expected = _file_name(dataset)
    if file.name != expected:
        # CODEOWNERS goes by the name: another one would put one owner's policy into another's hands.
        return Problem(name, 1, 1, "", f"a policy for {dataset} has another name", f"call it {POLICIES}/{expected}")
    return None


def _file_name(dataset: str) -> str:
    return dataset.replace("/", ".") + SUFFIX


def _signature(file: Path, policy: Policy, owner: Party) -> Signature:
    beside = file.with_name(f"{file.name}.sig")
    if not beside.is_file():
        return "not signed"
    certificate = load_certificate(owner.spec.identity.certificate)
    try:
        verify(certificate.public_key, SIGNATURE_PURPOSE, policy, beside.read_text(encoding="ascii", errors="replace"))
    except BadSignature:
        return "not signed by its owner"
    return "signed"
