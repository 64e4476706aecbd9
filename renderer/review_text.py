"""A review in words: as text for a terminal, and as Markdown for a pull request, written for data stewards.

What an author wrote reaches the Markdown as text alone: no mark-up, no mention, no fence that ends early.
"""

import difflib
from collections.abc import Iterator

from conclave.plan.show import describe, show_plan, size, told_of
from policy.explain import flow_of, rule_of
from renderer.across_text import NO_PROOF, facts_of, title_of
from renderer.markdown import code, code_in_a_cell, escape, fence
from renderer.policy_change import PolicyChange
from renderer.policy_change_text import change_as_markdown, no_changes_at
from renderer.published import Opinion, refusals, unknown
from renderer.review import Comparison, Review
from renderer.told import as_facts, together
from renderer.told import as_text as told_as_text

# As to what the same parties are told. That a party's certificate, its file or its store is another one is said above it.
SAME_QUESTION = "by the plan nobody learns more, and nobody less; the question is the same"
MOST_REASONS = 10  # why a base cannot be read; the command's own checks at that revision tell all


def as_text(one: Review) -> str:
    """Return a review for a terminal."""
    run = one.ask.run
    parts = [f"{run.run_id}, for {run.purpose}\n", show_plan(one.ask.plan, one.costs, one.ask.multiples, one.rows)]
    if tells := told_as_text(one.ask.disclosed):
        parts.append(tells)
    if missing := _unknown(one):
        parts.append(f"{missing}\n")
    if any(opinion.published or not opinion.dataset for opinion in one.opinions):
        parts.append("\n".join(["published policies", *_policy_lines(one)]) + "\n")
    if one.approvals:
        parts.append("\n".join(["approvals", *_approval_lines(one)]) + "\n")
    if one.risks:
        parts.append("\n".join(["together with what was asked before", *_risk_lines(one)]) + "\n")
    if one.comparison is not None:
        parts.append(
            "\n".join([f"compared with {one.comparison.revision}", *_change_lines(one, one.comparison)]) + "\n"
        )
    return "\n".join(parts)


def _unknown(one: Review) -> str | None:
    return unknown((o.dataset for o in one.opinions if o.dataset), [o.dataset for o in one.opinions if o.published])


def as_markdown(
    reviews: tuple[Review, ...],
    retired: tuple[str, ...],
    revision: str | None,
    changes: tuple[PolicyChange, ...] = (),
) -> str:
    """Return reviews, and what becomes of policies, as one comment on a pull request."""
    lines = [line for one in reviews for line in _markdown(one)]
    lines += [line for change in changes for line in change_as_markdown(change)]
    if retired:
        names = ", ".join(f"**{escape(name)}**" for name in retired)
        lines += [
            "## Retired",
            "",
            f"{names}: nothing is asked of anybody any more. What was released stays released.",
            "",
        ]
    if not lines:
        lines = [no_changes_at(revision or "HEAD"), ""]
    return "\n".join(lines)


def _markdown(one: Review) -> Iterator[str]:
    run, comparison = one.ask.run, one.comparison
    state = f" ({comparison.state})" if comparison and comparison.state in ("new", "changed", "unchanged") else ""
    yield f"## {escape(run.workflow)}{state}"
    yield ""
    yield f"Run {code(run.run_id)}, for the purpose {code(run.purpose)}."
    yield ""
    yield from _markdown_learned(one)
    yield from _markdown_told(one)
    if comparison is not None:
        yield from _markdown_changes(one, comparison)
    yield from _markdown_policies(one)
    yield from _markdown_approvals(one)
    yield from _markdown_history(one)
    yield from _markdown_facts(one)
    yield from _markdown_steps(one)


def _markdown_learned(one: Review) -> Iterator[str]:
    yield "### What each party learns"
    yield ""
    yield "| party | learns |"
    yield "|---|---|"
    facts = one.ask.told
    for member in one.ask.run.members:
        said = "<br>".join(escape(fact) for fact in facts.get(member.name, ())) or "nothing"
        yield f"| {escape(member.name)} | {said} |"
    yield ""
    yield (
        "MPC tells nobody more, as long as those who compute follow the protocol and no two of them conspire. Before it, "
        "every party of the run sees the others' policies, headers, file digests and verdicts."
    )
    yield ""
    if missing := _unknown(one):
        yield escape(missing)
        yield ""


def _markdown_told(one: Review) -> Iterator[str]:
    if not one.ask.disclosed:
        return
    yield "### What the answer tells of whose columns"
    yield ""
    yield "| told to | of | what | as a grant says it |"
    yield "|---|---|---|---|"
    for each in together(one.ask.disclosed):
        for what, needs in each.told:
            of = ", ".join(map(escape, each.datasets))
            yield f"| {escape(each.recipient)} | {of} | {escape(what)} | {code(', '.join(needs))} |"
    yield ""


def _markdown_changes(one: Review, comparison: Comparison) -> Iterator[str]:
    if comparison.state == "unchanged":
        return
    yield f"### What this changes, compared with {code(comparison.revision)}"
    yield ""
    if comparison.state == "new":
        yield "This workflow is new: all that is said above would be learned for the first time."
    elif comparison.before is None:
        yield (
            "**Not compared**: the documents there cannot be read. Take all that is said above as new, and look at the "
            "changed files for what was retired."
        )
        yield ""
        yield from (f"- {escape(why)}" for why in comparison.why[:MOST_REASONS])
    else:
        yield from _markdown_differences(one, comparison)
    yield ""


def _markdown_differences(one: Review, comparison: Comparison) -> Iterator[str]:
    more, less = comparison.newly_learned(one.ask), comparison.no_longer_learned(one.ask)
    for title, changed in (("now learns", more), ("no longer learns", less)):
        for party, facts in sorted(changed.items()):
            for fact in facts:
                yield f"- **{escape(party)} {title}** {escape(fact)}"
    newly, no_longer = as_facts(comparison.newly_told(one.ask)), as_facts(comparison.no_longer_told(one.ask))
    for title, changed in (("is now told", newly), ("is no longer told", no_longer)):
        for party, facts in changed.items():
            yield from (f"- **{escape(party)} {title}** {escape(fact)}" for fact in facts)
    for name, (before, now) in comparison.differences(one.ask).items():
        yield f"- {name}: {code(before)} became {code(now)}"
    for where, (before, now) in comparison.documents(one.ask).items():
        yield f"- {escape(where)}: {code(before)} became {code(now)}"
    if comparison.query_changed(one.ask):
        yield "- **the query is another one**, so the answer is, even where its columns are called the same:"
        yield ""
        assert comparison.before is not None
        old, new = comparison.before.run.query.splitlines(), one.ask.run.query.splitlines()
        yield from fence("diff", "\n".join([*difflib.unified_diff(old, new, "before", "now", lineterm="")][2:]))
    elif not more and not less:
        yield f"- {SAME_QUESTION}"


def _markdown_policies(one: Review) -> Iterator[str]:
    yield "### What the owners' policies say"
    yield ""
    yield "| data | published policy | verdict |"
    yield "|---|---|---|"
    for opinion in one.opinions:
        yield f"| {escape(opinion.dataset or 'all')} | {escape(_stamp(opinion))} | {_verdict(opinion)} |"
    yield ""
    yield from _markdown_refusals(one)
    yield "Workers go by the signed policy beside the data, whatever is published here; without one, they refuse."
    yield ""


def _markdown_refusals(one: Review) -> Iterator[str]:
    places = iter(refusals(one.document, one.opinions))
    for opinion in one.opinions:
        for reason in opinion.reasons:
            place = next(places)
            yield f"**{escape(reason.what)}**"
            yield ""
            named = {"where": f"{place.file}:{place.line}", "rule": rule_of(reason), "flow": flow_of(reason)}
            for name, text in {**named, "what to do": reason.fix}.items():
                if text:
                    yield f"- {name}: {escape(text)}"
            yield ""


def _markdown_approvals(one: Review) -> Iterator[str]:
    if not one.approvals:
        return
    yield "### Approvals of this very run"
    yield ""
    yield "| party | asked for | approval | until |"
    yield "|---|---|---|---|"
    for each in one.approvals:
        asked = "by its published policy" if each.is_asked else ""
        state = each.state if each.state == "approved" else f"**{each.state}**"
        why = f": {escape(each.problems[0])}" if each.problems else ""
        yield f"| {escape(each.party)} | {asked} | {state}{why} | {escape(each.expires)} |"
    yield ""
    yield (
        "A worker whose policy asks for its owner's approval loads no data without it. It has to be committed before this "
        "is merged: `ccd approve`."
    )
    yield ""


def _markdown_history(one: Review) -> Iterator[str]:
    if one.comparison is None:
        return
    yield "### Together with what was asked before"
    yield ""
    if not one.risks:
        yield "No merged workflow tells the same of rows that differ from these by some."
    for risk in one.risks:
        yield f"**{escape(title_of(risk))}**"
        yield ""
        yield from (f"- {name}: {escape(text)}" for name, text in facts_of(risk).items())
        yield ""
    yield ""
    yield NO_PROOF
    yield ""


def _markdown_facts(one: Review) -> Iterator[str]:
    yield "<details><summary>What is asked</summary>"
    yield ""
    yield "| | |"
    yield "|---|---|"
    for name, text in one.ask.facts.items():
        yield f"| {name} | {escape(text)} |"
    yield ""
    yield from fence("sql", one.ask.run.query.rstrip())
    yield ""
    yield "</details>"
    yield ""


def _markdown_steps(one: Review) -> Iterator[str]:
    total = [cost for cost in one.costs.values() if cost.rounds or cost.bytes_sent]
    rounds, sent = sum(cost.rounds for cost in total), sum(cost.bytes_sent for cost in total)
    price = f"about {rounds} rounds and {size(sent)} sent by each of those who compute" if total else "no MPC"
    yield f"<details><summary>Each step, where it runs and what it costs: {price}</summary>"
    yield ""
    yield "| step | where | what | cost |"
    yield "|---|---|---|---|"
    for step in one.ask.plan.steps:
        where, what = describe(step, one.ask.plan)
        cost = one.costs.get(step.name)
        paid = f"{cost.rounds} rounds, {size(cost.bytes_sent)}" if cost in total else ""
        shown = "<br>".join(code_in_a_cell(line) for line in what.splitlines())
        yield f"| {escape(step.name)} | {escape(where)} | {shown} | {paid} |"
    yield ""
    yield f"Costs are for {one.rows} rows that each owner puts into MPC."
    yield ""
    if one.ask.plan.choices:
        yield "Chosen by estimated cost, with as many rows as owners declare at most:"
        yield ""
        yield from (f"- {escape('; '.join(line.strip() for line in told_of(each)))}" for each in one.ask.plan.choices)
        yield ""
    yield "</details>"
    yield ""


def _policy_lines(one: Review) -> Iterator[str]:
    for opinion in one.opinions:
        yield f"  {opinion.dataset or 'all':<22} {opinion.says:<15} {_stamp(opinion)}".rstrip() + _spends(opinion)
    for problem in refusals(one.document, one.opinions):
        fix = f" (fix: {problem.fix})" if problem.fix else ""
        yield f"  {problem.file}:{problem.line}:{problem.column}: {problem.what}{fix}"


def _approval_lines(one: Review) -> Iterator[str]:
    for each in one.approvals:
        until = f"until {each.expires}" if each.state == "approved" else "; ".join(each.problems)
        yield f"  {each.party:<22} {each.state:<15} {until}".rstrip()


def _risk_lines(one: Review) -> Iterator[str]:
    for risk in one.risks:
        yield f"  {title_of(risk)}"
        yield from (f"    {name + ':':<12}{text}" for name, text in facts_of(risk).items())


def _change_lines(one: Review, comparison: Comparison) -> Iterator[str]:
    if comparison.state == "unreadable":
        yield "  not compared: the documents there cannot be read, so take all of it as new, and look for what was retired"
        yield from (f"  ! {why}" for why in comparison.why)
        return
    if comparison.before is None or comparison.state == "unchanged":
        yield f"  {comparison.state}"
        return
    for sign, changed in (
        ("+", comparison.newly_learned(one.ask)),
        ("-", comparison.no_longer_learned(one.ask)),
        ("+", as_facts(comparison.newly_told(one.ask))),
        ("-", as_facts(comparison.no_longer_told(one.ask))),
    ):
        for party, facts in sorted(changed.items()):
            for fact in facts:
                yield f"  {sign} {party:<12} {fact}"
    for name, (before, now) in comparison.differences(one.ask).items():
        yield f"  ~ {name:<12} {before} -> {now}"
    for where, (before, now) in comparison.documents(one.ask).items():
        yield f"  ~ {where:<12} {before} -> {now}"
    if comparison.query_changed(one.ask):
        yield "  ~ the query is another one"
    elif comparison.newly_learned(one.ask) == comparison.no_longer_learned(one.ask) == {}:
        yield f"  = {SAME_QUESTION}"


def _stamp(opinion: Opinion) -> str:
    published = opinion.published
    return f"v{published.policy.metadata.version}, {published.signature}" if published else ""


def _verdict(opinion: Opinion) -> str:
    said = {"accept": "accepts", "reject": "**refuses**", "not published": "not published: not known"}[opinion.says]
    return said + _spends(opinion)


def _spends(opinion: Opinion) -> str:
    noise = opinion.published.policy.spec.noise if opinion.published and opinion.says == "accept" else None
    spent = () if noise is None else (f"each run spends epsilon {noise.epsilon:g}",)
    return "".join(f"; {what}" for what in (*spent, *opinion.reserved))
