"""`ccd policy`: what owners' policies say of a workflow, offline; what answers tell together; check one and sign one."""

import datetime
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from conclave.estimate import REHEARSED_ROWS
from conclave.ir.errors import Position, QueryProblem
from policy.advice import advice
from policy.canonical import digest
from policy.disclosed import told
from policy.document import Policy
from policy.explain import explain
from policy.identity import load_private_key
from policy.parse import parse_policy
from policy.problem import DocumentError, Problem
from policy.reserved import reserved
from policy.signature import sign as signature_of
from policy.verdict import Verdict
from policy.verify import Request
from policy.verify import verify as verify_plan
from renderer.across import history as held_against
from renderer.across import problems_of
from renderer.across_text import as_json as history_json
from renderer.across_text import as_text as history_text
from renderer.annotate import ANNOTATE_HELP, Annotate, annotations
from renderer.approving import missing
from renderer.check import load_workflow, load_workspace
from renderer.complete import workflows
from renderer.counted import counted
from renderer.errors import BAD_DOCUMENT, CommandError, print_problems
from renderer.plan import plan_of_workflow
from renderer.progress import Terminal
from renderer.published import SIGNATURE_PURPOSE, read_published, reason_problem, refusals
from renderer.query import query_problem
from renderer.review import review
from renderer.settings import settings_of
from renderer.suggesting import suggested, text_of, write
from renderer.told import as_text as told_as_text
from worker.runspec import Run

REJECTED = 30

app = typer.Typer(
    help="What data owners allow: verify a workflow against policies, check a policy, sign it.",
    no_args_is_help=True,
)


def register(parent: typer.Typer) -> None:
    """Add the commands."""
    parent.add_typer(app, name="policy")


@app.command()
def verify(
    context: typer.Context,
    workflow: Annotated[Path, typer.Option(help="The workflow's file, or its name.", autocompletion=workflows)],
    policy: Annotated[list[Path], typer.Option(help="A dataset's policy; once for each dataset.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say whether all policies together allow a workflow, as its workers will say: no data, no network.

    Exits with 0 if they accept it, and says what the answer tells of whose columns; with 30 if not, and then every
    reason names the clause, the column, its way through the query, and what to change. A dataset whose policy is not
    given refuses.
    """
    root = settings_of(context).root
    plan, run, policies = plan_of_workflow(root, workflow, lambda run: _policies_of(run, policy))
    datasets = tuple(dataset.name for dataset in run.datasets)
    verdict = verify_plan(plan, policies, Request(run.purpose, datasets))
    tells = told(plan, policies, run.purpose)
    if as_json:
        disclosed = [each.to_json() for each in tells]
        typer.echo(json.dumps({**_shown(verdict, policies, run), "disclosed": disclosed}, indent=2))
    else:
        _, document = load_workflow(root, workflow)

        def locate(at: Position) -> str:
            problem = query_problem(document, QueryProblem("", at))
            return f"{problem.file}:{problem.line}:{problem.column}"

        typer.echo(explain(verdict, locate))
        _say_what_is_asked_besides(verdict, policies)
        if verdict.decision == "accept" and tells:
            typer.echo(f"\n{told_as_text(tells)}", nl=False)
    if verdict.decision == "reject":
        raise typer.Exit(REJECTED)


@app.command()
def published(
    context: typer.Context,
    base: Annotated[
        str | None, typer.Option(metavar="REV", help="Only workflows that differ from the Git revision REV.")
    ] = None,
    annotate: Annotated[Annotate | None, typer.Option(help=ANNOTATE_HELP)] = None,
) -> None:
    """Hold the workflows against the policies that owners have published in workflows/policies/.

    Exits with 30 if one is refused, and names the line of the query that causes it. What is published is a copy: a
    worker goes by the policy beside the data, so this can warn of a refusal and not promise consent.
    """
    root = settings_of(context).root
    reviews, _ = review(root, (), REHEARSED_ROWS, base, with_costs=False)
    refused = [problem for one in reviews for problem in refusals(one.document, one.opinions)]
    refused += [problem for one in reviews for problem in missing(one.document, one.approvals)]
    if annotate is not None:
        typer.echo(annotations(refused, annotate), nl=False)
    print_problems(refused)
    if refused:
        raise typer.Exit(REJECTED)
    if annotate is not Annotate.GITLAB:
        n_policies = len(read_published(load_workspace(root)))
        typer.echo(
            f"{counted(len(reviews), 'workflow')}, {n_policies} published {'policy' if n_policies == 1 else 'policies'}: no refusal"
        )


@app.command("suggest")
def suggest_(
    context: typer.Context,
    workflow: Annotated[Path, typer.Argument(help="The workflow's file, or its name.", autocompletion=workflows)],
    policy: Annotated[
        list[Path] | None, typer.Option(help="A dataset's policy as it is; default: the published one, if any.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", file_okay=False, help="Write whole policies with it, for `ccd policy verify`."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say what owners would have to grant for a workflow to be accepted: no more than it needs, and whose it is.

    Prints YAML for each owner to read, change, sign and put beside its data: nobody else can grant it. Take any of it
    away, and the verifier refuses. A column that decides is held to the comparisons of this very query
    ([bold]filters[/bold]): an owner who trusts the recipient with more may list more values, or leave the rule out. Think
    twice about [bold]open[/bold], [bold]expressions: true[/bold], a [bold]filter[/bold] without a rule and
    [bold]cleartextTo[/bold]: the query may be asked in another way, or run without keys in the clear.

    Exits with 0 if these grants are all that is missing, and with 30 if something is refused that no grant can mend;
    stderr says what. Then check it: [bold]--out DIR[/bold], and `ccd policy verify` with the files in it.
    """
    root = settings_of(context).root
    workspace, document = load_workflow(root, workflow)
    run = workspace.planned(document.model.metadata.name).run
    found = suggested(workspace, run, _policies_of(run, policy or []))
    if out is not None:
        for file in write(found, out):
            typer.echo(f"wrote {file}", err=as_json)
    if as_json:
        typer.echo(json.dumps(found.to_json(), indent=2))
    elif out is None:
        typer.echo(text_of(found), nl=False)
    if found.suggestion.left:
        print_problems([reason_problem(document, reason) for reason in found.suggestion.left])
        raise typer.Exit(REJECTED)


@app.command()
def history(
    context: typer.Context,
    workflow: Annotated[
        list[Path] | None,
        typer.Argument(help="Workflows' files, or their names; default: all that are not merged yet."),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(metavar="REV", help="The branch of what was merged; default: the federation's own."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Hold merged workflows against one another, too.")] = False,
    annotate: Annotated[Annotate | None, typer.Option(help=ANNOTATE_HELP)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say whether an answer, taken from one that was given before, would tell of a few rows.

    Each workflow is held against every run that was ever merged over the same datasets, retired ones included: their
    compiled plans, as their workers were told. The same aggregate over rows that may differ (a condition more, a
    range that moved, an owner left out, another HAVING, one more join), in groups that lie across each other, or beside
    the rows themselves is a differencing risk. What it is, who would learn what, and what to do is printed. Rows that
    certainly have none in common, and groups of the other's groups, are none.

    Exits with 30 if somebody gets both answers, unless the owners of the data say otherwise: by
    [bold]spec.acrossQueries: unchecked[/bold] in a published policy that they have signed, or by approving this very
    run. This is a check and no proof: it knows neither the data nor what a recipient knows otherwise.
    """
    root, watch = settings_of(context).root, Terminal()
    found = held_against(root, workflow or (), base, everything, watch)
    problems = problems_of(found)
    if as_json:
        typer.echo(json.dumps(history_json(found), indent=2))
    elif annotate is Annotate.GITLAB:
        typer.echo(annotations(problems, annotate), nl=False)
    else:
        typer.echo(annotations(problems, annotate) if annotate else "", nl=False)
        typer.echo(history_text(found), nl=False)
    if problems:
        raise typer.Exit(REJECTED)


@app.command()
def check(policies: Annotated[list[Path], typer.Argument(help="Policies' files.")]) -> None:
    """Say what is wrong with policies by themselves: their fields, types, columns, dates.

    Warns of what a policy says in vain, such as a day that has passed. Exits with 0 if all are sound, and with 10 if not.
    """
    for file in policies:
        policy = _read(file)
        print_problems(
            advice(file.read_text(encoding="utf-8"), str(file), datetime.datetime.now(datetime.UTC)), "warning"
        )
        typer.echo(f"{file}: sound; {policy.metadata.dataset} policy v{policy.metadata.version}, {digest(policy)}")


@app.command()
def sign(
    policy: Annotated[Path, typer.Argument(help="The policy's file.")],
    key: Annotated[Path, typer.Option(help="The owner's private key, as `ccd keys new` makes it.")],
) -> None:
    """Sign a policy with its owner's identity and write the signature beside it.

    The signature is over what the policy says, not over its text: comments and layout may change, a word may
    not. Sign again after every change, and raise [bold]metadata.version[/bold].
    """
    document = _read(policy)
    signature = signature_of(load_private_key(key.read_bytes()), SIGNATURE_PURPOSE, document)
    target = policy.with_name(f"{policy.name}.sig")
    target.write_text(f"{signature}\n", encoding="ascii")
    metadata = document.metadata
    typer.echo(f"signed {metadata.dataset} policy v{metadata.version}, {digest(document)}")
    typer.echo(f"put {policy.name} and {target.name} beside the data, in the owner's store")


def _policies_of(run: Run, files: list[Path]) -> dict[str, Policy]:
    names = [dataset.name for dataset in run.datasets]
    policies: dict[str, Policy] = {}
    for file in files:
        policy = _read(file)
        dataset = policy.metadata.dataset
        if dataset not in names:
            fix = f"its datasets are {', '.join(names)}"
            raise CommandError(f"{file}: {dataset} is not part of workflow {run.workflow}", fix, BAD_DOCUMENT)
        if dataset in policies:
            raise CommandError(f"{file}: a second policy for {dataset}", "give one", BAD_DOCUMENT)
        policies[dataset] = policy
    return policies


def _read(file: Path) -> Policy:
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise DocumentError([Problem(str(file), 1, 1, "", "is not UTF-8 text")]) from None
    return parse_policy(text, str(file))


def _say_what_is_asked_besides(verdict: Verdict, policies: Mapping[str, Policy]) -> None:
    asked = [(policy.metadata.version, each) for policy in policies.values() for each in reserved(policy)]
    if verdict.decision == "accept" and asked:
        typer.echo("before any data is loaded, their owners' workers ask besides:")
        for version, each in asked:
            typer.echo(f"  {each.dataset} policy v{version}, {each.clause}: {each.what}")


def _shown(verdict: Verdict, policies: Mapping[str, Policy], run: Run) -> dict[str, object]:
    against = {reason.dataset for reason in verdict.reasons}
    stamps = {stamp.dataset: stamp for stamp in verdict.policies}
    shown = []
    for name in sorted(dataset.name for dataset in run.datasets):
        stamp = stamps.get(name)
        shown.append(
            {
                "dataset": name,
                "decision": "reject" if name in against else "accept",
                "version": stamp.version if stamp else None,
                "digest": stamp.digest if stamp else None,
                "reserved": [each.what for each in reserved(policies[name])] if name in policies else [],
            }
        )
    reasons = [reason.to_json() for reason in verdict.reasons]
    kept = [obligation.to_json() for obligation in verdict.obligations]
    return {
        "decision": verdict.decision,
        "workflow": run.workflow,
        "policies": shown,
        "reasons": reasons,
        "obligations": kept,
    }
