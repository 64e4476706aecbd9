"""`ccd submit` and `ccd cancel`: a workflow asked for, or asked for no more, as a commit to review."""

from pathlib import Path
from typing import Annotated

import typer

from renderer.complete import runs, workflows
from renderer.settings import settings_of
from renderer.submission import Proposal, propose_retirement, propose_workflow
from renderer.submission import submit as submit_proposal

Branch = Annotated[str | None, typer.Option(help="The branch to make.")]
Message = Annotated[str | None, typer.Option("--message", "-m", help="The commit's message.")]
Push = Annotated[bool, typer.Option("--push", help="Push the branch to the remote; nothing is pushed without it.")]
Remote = Annotated[str, typer.Option(help="The Git remote that pull requests go to.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(submit)
    app.command()(cancel)


def submit(
    context: typer.Context,
    workflow: Annotated[
        Path,
        typer.Argument(
            help="The workflow's file, such as workflows/wage-gap.yaml, or its name.", autocompletion=workflows
        ),
    ],
    branch: Branch = None,
    message: Message = None,
    push: Push = False,
    remote: Remote = "origin",
) -> None:
    """Put a workflow before its reviewers: make a branch, render, write CODEOWNERS, commit.

    Refuses if anything else is changed that would get into the commit. Prints where to open the pull request.
    """
    _submit(propose_workflow(settings_of(context).root, workflow, branch, message), remote, push)


def cancel(
    context: typer.Context,
    run: Annotated[str, typer.Argument(help="The run's id, or its workflow's name or file.", autocompletion=runs)],
    branch: Branch = None,
    message: Message = None,
    push: Push = False,
    remote: Remote = "origin",
) -> None:
    """Retire a run: a commit that removes its workflow and what was rendered; Argo CD then prunes its Jobs.

    What was released stays released, and every party keeps its copy of the manifest. To run a workflow again instead,
    raise its [bold]spec.run[/bold].
    """
    _submit(propose_retirement(settings_of(context).root, run, branch, message), remote, push)


def _submit(proposal: Proposal, remote: str, push: bool) -> None:
    submitted = submit_proposal(proposal, remote, push)
    subject = proposal.message.splitlines()[0]
    typer.echo(f"committed  {submitted.commit[:10]} on {submitted.branch}, by {submitted.author}: {subject}")
    for path in submitted.paths:
        typer.echo(f"           {path}")
    for commit in submitted.along:
        typer.echo(f"along      {commit}")
    if submitted.along:
        typer.echo(f"           on this branch as well, not yet on {proposal.target}: begin there to leave them out")
    steps = [] if push else [f"git push --set-upstream {remote} {submitted.branch}"]
    if not submitted.has_remote:
        steps.insert(0, f"git remote add {remote} URL: there is no remote {remote} yet")
    steps.append(f"open a pull request: {submitted.link or f'of {submitted.branch} into {proposal.target}'}")
    for index, step in enumerate(steps):
        typer.echo(f"{'then' if index else 'next'}       {step}")
