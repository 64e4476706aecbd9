"""`ccd plan`: what a workflow will do, and what each party will learn, before anything runs."""

import enum
import json
from pathlib import Path
from typing import Annotated

import typer

from conclave.estimate import REHEARSED_ROWS
from conclave.plan.graph import graph_of
from renderer.complete import workflows
from renderer.errors import CommandError
from renderer.plan_svg import svg_of
from renderer.policy_change import policy_changes
from renderer.policy_change_text import change_as_text
from renderer.printable import printable
from renderer.progress import Terminal
from renderer.review import review
from renderer.review_text import as_markdown, as_text
from renderer.settings import settings_of


class Format(enum.StrEnum):
    """How a plan is shown."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("plan")(plan)


def plan(
    context: typer.Context,
    workflow: Annotated[
        Path | None,
        typer.Argument(
            help="The workflow's file, such as workflows/wage-gap.yaml, or its name; default: all that differ from --base.",
            autocompletion=workflows,
        ),
    ] = None,
    rows: Annotated[
        int, typer.Option(help="Estimate costs for this many rows that each owner puts into MPC.", min=1, max=100_000)
    ] = REHEARSED_ROWS,
    shown_as: Annotated[Format, typer.Option("--format", help="Markdown is for a pull request.")] = Format.TEXT,
    base: Annotated[
        str | None, typer.Option(metavar="REV", help="Say what is disclosed beyond the Git revision REV.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    graph: Annotated[
        Path | None, typer.Option(metavar="FILE.svg", help="Draw the plan, too: a lane for each party and for MPC.")
    ] = None,
) -> None:
    """Show which step of a workflow runs where, what each party learns, and what it will cost.

    Every worker compiles this very plan for itself, and runs it only if all have the same. Rounds and bytes are
    those of one compute party, found by rehearsing the steps on [bold]--rows[/bold] rows of zeros from each owner.
    Policies published as [bold]workflows/policies/PARTY.DATASET.policy.yaml[/bold] give their verdicts. With
    [bold]--base[/bold] and no workflow, of policies that changed it is said which runs, merged ones and retired ones
    included, they would newly allow or refuse, and what would be disclosed.
    """
    if workflow is None and base is None:
        raise CommandError("which workflow?", "name its file, or name a revision to compare all with: --base main", 2)
    if graph is not None and (workflow is None or graph.suffix != ".svg"):
        raise CommandError("--graph draws one workflow as SVG", "name the workflow, and a file that ends in .svg", 2)
    files = () if workflow is None else (workflow,)
    root = settings_of(context).root
    reviews, retired = review(root, files, rows, base)
    # Asked for one workflow, it is of that alone; a pull request is asked about without one.
    changes = policy_changes(root, base, Terminal()) if base is not None and not files else ()
    if graph is not None:
        ask = reviews[0].ask
        graph.write_text(svg_of(graph_of(ask.plan), f"{ask.run.workflow}: what runs where"), encoding="utf-8")
    if as_json or shown_as is Format.JSON:
        shown = [one.to_json() for one in reviews]
        policies = [change.to_json() for change in changes]
        everything = {"workflows": shown, "retired": retired, "policies": policies}
        typer.echo(json.dumps(shown[0] if files else everything, indent=2))
    elif shown_as is Format.MARKDOWN:
        typer.echo(as_markdown(reviews, retired, base, changes), nl=False)
    else:
        parts = [*map(as_text, reviews), *map(change_as_text, changes), *(f"{name} is retired\n" for name in retired)]
        typer.echo("\n".join(map(printable, "\n".join(parts).split("\n"))), nl=False)
