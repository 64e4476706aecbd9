"""What holding workflows against history has found, in words: for a terminal and for a pull request."""

from collections.abc import Iterator
from typing import Any

from policy.across import Difference
from renderer.across import History, Risk
from renderer.counted import counted
from renderer.printable import printable

NO_PROOF = (
    "This is a check, not a proof. It compares compiled queries, two at a time, and counts what is told of a column: not"
    " the data, not what recipients know otherwise, and not what else three answers tell together."
)
_STANDINGS = {
    "blocks": "DIFFERENCING RISK",
    "together": "differencing, only if recipients put their answers together",
    "allowed": "differencing, allowed",
}


def as_text(found: History) -> str:
    """Return everything that was found."""
    if not found.workflows:
        return (
            f"no workflow that is not merged yet; {counted(found.n_merged, 'merged run')} (--all looks at them, too)\n"
        )
    lines = [line for risk in found.risks for line in _lines(risk)]
    for past in found.unreadable:
        lines.append(f"not compared: {past.run_id} ({past.commit[:10]}): this version cannot read or compile it")
    what = f"{counted(len(found.workflows), 'workflow')} held against {counted(found.n_merged, 'merged run')}"
    result = counted(len(found.blocking), "differencing risk") if found.blocking else "no differencing risk that blocks"
    return "\n".join([*lines, f"{what}: {result}", NO_PROOF]) + "\n"


def as_json(found: History) -> dict[str, Any]:
    """Return what `--json` prints."""
    return {
        "workflows": list(found.workflows),
        "mergedRuns": found.n_merged,
        "blocks": bool(found.blocking),
        "risks": [risk.to_json() for risk in found.risks],
        "notCompared": [{"runId": past.run_id, "commit": past.commit} for past in found.unreadable],
        "note": NO_PROOF,
    }


def facts_of(risk: Risk) -> dict[str, str]:
    """Return what there is to know of a risk, by name."""
    found: Difference = risk.difference
    allowed = "; ".join(risk.by)
    facts = {
        "earlier": str(risk.earlier),
        "both tell": ", ".join(found.aggregates),
        "differ": "; ".join(found.how),
        "learnt": found.learns,
        "by": risk.who,
        "allowed by": allowed,
        "what to do": "" if risk.standing == "allowed" else risk.fix,
    }
    return {name: text for name, text in facts.items() if text}


def title_of(risk: Risk) -> str:
    """Return what it is called."""
    return f"{_STANDINGS[risk.standing]}: {risk.workflow} and {risk.earlier.workflow}"


def _lines(risk: Risk) -> Iterator[str]:
    place = risk.document.problem(("spec", "query"), "")
    yield f"{place.file}:{place.line}: {title_of(risk)}"
    for name, text in facts_of(risk).items():
        yield f"  {name + ':':<12}{printable(text)}"
    yield ""
