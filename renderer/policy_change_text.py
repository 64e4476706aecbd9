"""What changed policies would change, in words."""

from collections.abc import Iterator

from renderer.markdown import code, escape
from renderer.policy_change import PolicyChange, RunChange

MOST = 20  # runs, or permissions, that are named one by one


def change_as_text(change: PolicyChange) -> str:
    """Return a change for a terminal."""
    lines = [f"policy of {change.dataset}: {_versions(change)}"]
    lines += [f"  {sign} {text}" for sign, text in _facts(change)]
    for run in change.runs:
        lines.append(f"  {run.what:<15} {_run(run)}")
        lines += [f"    {text}" for text in _of_run(run)]
    lines.append(f"  {_rest(change)}")
    return "\n".join(lines) + "\n"


def change_as_markdown(change: PolicyChange) -> Iterator[str]:
    """Yield a change's lines for a pull request."""
    yield f"## Policy of {escape(change.dataset)} ({_versions(change)})"
    yield ""
    facts = list(_facts(change))
    for sign, text in facts[:MOST]:
        word = {"+": "**now allowed**, if a workflow asks for it: ", "-": "no longer allowed: ", "~": ""}[sign]
        yield f"- {word}{escape(text)}"
    if len(facts) > MOST:
        yield f"- and {len(facts) - MOST} more"
    yield ""
    if change.runs:
        yield "| run | | what would be disclosed, and what not |"
        yield "|---|---|---|"
        for run in change.runs[:MOST]:
            told = "<br>".join(map(escape, _of_run(run)))
            yield f"| {escape(_run(run))} | **{run.what}** | {told} |"
        yield ""
    yield escape(_rest(change))
    yield ""


def no_changes_at(revision: str) -> str:
    """Return what is said if no workflow and no policy differs."""
    return f"No workflow asks for anything else than at {code(revision)}."


def _versions(change: PolicyChange) -> str:
    if change.before is None:
        return f"v{change.now}, not published before"
    if change.now is None:
        return f"v{change.before}, not published any more"
    return f"v{change.before} became v{change.now}"


def _facts(change: PolicyChange) -> Iterator[tuple[str, str]]:
    # Not all are shown: what holds for every run comes first, and what is withdrawn last.
    yield from (("~", f"{name}: {before} became {now}") for name, before, now in change.clauses)
    yield from (("+", text) for text in change.granted)
    yield from (("-", text) for text in change.withdrawn)


def _run(run: RunChange) -> str:
    return f"{run.run_id}{', retired' if run.is_retired else ''}"


def _of_run(run: RunChange) -> list[str]:
    return [
        *(f"allowed now: {what}" for what in run.allows),
        *(f"refused now: {what}" for what in run.refuses),
        *(f"told now, to {fact}" for fact in run.tells),
        *(f"told no longer, to {fact}" for fact in run.hides),
        *(["the answer is computed from other values or rows"] if run.is_answered_otherwise else []),
    ]


def _rest(change: PolicyChange) -> str:
    same = change.n_runs - len(change.runs) - len(change.not_compared)
    more = f"; {len(change.not_compared)} could not be compared" if change.not_compared else ""
    reading = (
        "1 run, merged or proposed, reads" if change.n_runs == 1 else f"{change.n_runs} runs, merged or proposed, read"
    )
    rest = f"nothing changes for {same if same else 'none'} of them"
    if change.n_runs == 1:
        rest = "nothing changes for it" if same else "it is named above" if not more else ""
    return f"{reading} {change.dataset}" + (f"; {rest}" if rest else "") + f"{more}."
