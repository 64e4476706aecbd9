"""How a run ended, for people."""

from rich.console import Console

from renderer.answer import table_of
from renderer.local.run import Ended, Local
from worker.runspec import Run


def print_ended(ended: Ended, local: Local, console: Console) -> None:
    """Print the result as a table, where result and manifest lie, and whether the signatures hold."""
    run, filed = local.planned.run, ended.filed
    if ended.was_done:
        console.print(f"this run is done already: {run.run_id}; nothing was computed", soft_wrap=True)
    if ended.exit_code == 0 and filed.rows:
        console.print()
        console.print(table_of(filed.rows, tuple(filed.rows[0])))
        console.print()
    elif ended.exit_code == 0:
        console.print("the result has no rows")
    else:
        console.print(f"{ended.status} with exit code {ended.exit_code}", style="bold red")
        _print_reasons(ended, console)
        console.print(f"logs      {local.logs}", highlight=False)
    for title, name in (("result", filed.result_name), ("manifest", filed.manifest_name)):
        if name is not None:
            place = f"{run.outputs.writer}'s Swift account, {run.outputs.container}/{name}"
            console.print(f"{title:<9} {place}", highlight=False, soft_wrap=True)
    if not filed.problems:
        console.print(
            f"[bold green]verified[/]  {_verified(run, filed.result_name is not None)}", highlight=False, soft_wrap=True
        )
    for problem in filed.problems:
        console.print(f"[bold red]not verified[/]  {problem}", highlight=False, soft_wrap=True)


def _verified(run: Run, has_result: bool) -> str:
    signed = f"the manifest is signed by {', '.join(member.name for member in run.members)}"
    return f"{signed}; the result is the one they signed for" if has_result else signed


def _print_reasons(ended: Ended, console: Console) -> None:
    reasons = (ended.filed.manifest or {}).get("reasons", [])
    for reason in reasons:
        console.print(f"{reason['party']}: {reason['what']}", highlight=False, markup=False, soft_wrap=True)
        for title in ("where", "rule", "flow", "fix"):
            if reason.get(title):
                console.print(f"  {title}: {reason[title]}", highlight=False, markup=False, soft_wrap=True)
    if not reasons:
        for job in ended.jobs:
            if not job.succeeded:
                console.print(f"{job.job}: exit code {job.exit_code}, {job.reason}", highlight=False)
