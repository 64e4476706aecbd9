"""How a run ended, for people."""

from collections.abc import Iterator

from rich.console import Console

from renderer.answer import table_of
from renderer.cluster.phase import standing_of
from renderer.local.record import FILE, read_record
from renderer.local.run import Ended, Local
from renderer.printable import printable
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
        _print_reasons(ended, local, console)
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


def _print_reasons(ended: Ended, local: Local, console: Console) -> None:
    reasons = (ended.filed.manifest or {}).get("reasons", [])
    for reason in reasons:
        console.print(f"{reason['party']}: {reason['what']}", highlight=False, markup=False, soft_wrap=True)
        for title in ("where", "rule", "flow", "fix"):
            if reason.get(title):
                console.print(f"  {title}: {reason[title]}", highlight=False, markup=False, soft_wrap=True)
    if not reasons:
        for line in _last_words(ended, local):
            console.print(line, highlight=False, markup=False, soft_wrap=True)


def _last_words(ended: Ended, local: Local) -> Iterator[str]:
    """Yield what the workers said at their ends, each reason once, where no manifest says it."""
    others = tuple(f"{member.name}: " for member in local.planned.run.members)
    said = dict[str, None]()
    for job in ended.jobs:
        if not job.succeeded:
            party = local.party_of[job.job]
            record = read_record(local.logs / party / FILE)
            reason = standing_of(record.job).reason if record is not None else job.reason
            # A worker that ends because of another says whose reason it is.
            said[reason if reason.startswith(others) else f"{party}: {reason}"] = None
    for reason in said:
        yield from map(printable, reason.split("\n"))
