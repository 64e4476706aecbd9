"""What an answer tells of whose columns, as people read it: owners of whom the same is told stand together."""

from collections.abc import Iterable
from dataclasses import dataclass

from policy.disclosed import Told


@dataclass(frozen=True, order=True)
class Together:
    """What one recipient is told of the same columns of several datasets."""

    recipient: str
    datasets: tuple[str, ...]
    told: tuple[tuple[str, tuple[str, ...]], ...]  # what, and what a grant of it has to hold


def together(told: Iterable[Told]) -> tuple[Together, ...]:
    """Return datasets of which a recipient is told the same, in one."""
    by_dataset: dict[tuple[str, str], list[tuple[str, tuple[str, ...]]]] = {}
    for each in sorted(told):
        by_dataset.setdefault((each.recipient, each.dataset), []).append((each.what, each.needs))
    alike: dict[tuple[str, tuple[tuple[str, tuple[str, ...]], ...]], list[str]] = {}
    for (recipient, dataset), facts in by_dataset.items():
        alike.setdefault((recipient, tuple(facts)), []).append(dataset)
    return tuple(sorted(Together(recipient, tuple(sets), facts) for (recipient, facts), sets in alike.items()))


def as_text(told: Iterable[Told]) -> str:
    """Return it for a terminal; empty if nothing is told."""
    lines, before = ["what the answer tells of whose columns"], ""
    for each in together(told):
        lines.append(f"  {each.recipient if each.recipient != before else '':<12} of {', '.join(each.datasets)}")
        lines += (f"  {'':<12}   {what}" for what, _ in each.told)
        before = each.recipient
    return "\n".join([*lines, ""]) if before else ""


def as_facts(told: Iterable[Told]) -> dict[str, tuple[str, ...]]:
    """Return it in sentences, by recipient."""
    facts: dict[str, list[str]] = {}
    for each in together(told):
        of = ", ".join(each.datasets)
        facts.setdefault(each.recipient, []).extend(f"{what}, of {of}" for what, _ in each.told)
    return {name: tuple(sentences) for name, sentences in facts.items()}
