"""What docs/policy.md shows of a policy's pull request and of warnings is what the commands print."""

import re
from pathlib import Path

from tests.renderer.gitops import ccd, commit_all, publish_policy

DOCS = (Path(__file__).parents[2] / "docs" / "policy.md").read_text(encoding="utf-8")
FILE = "workflows/policies/alpha.visits.policy.yaml"


def shown(starts: str) -> str:
    """Return the one block of the docs that starts so."""
    (block,) = re.findall(rf"```\n({re.escape(starts)}.*?)```", DOCS, re.DOTALL)
    return str(block)


def change(root: Path, *words: tuple[str, str]) -> None:
    text = (root / FILE).read_text()
    for old, new in words:
        assert text.count(old) == 1
        text = text.replace(old, new)
    (root / FILE).write_text(text)


def test_the_docs_show_what_a_changed_policy_changes(repository: Path) -> None:
    publish_policy(repository, "alpha/visits", "sum")
    commit_all(repository, "Publish")
    change(repository, ("version: 1", "version: 2"), ("cost: [sum]", "cost: [mean]"))
    (repository / FILE).write_text((repository / FILE).read_text() + "  limits: {runs: 12, per: P30D}\n")

    told = ccd(repository, "plan", "--base", "main").stdout

    assert re.sub(r"(visits-by-ward)-[0-9a-f]{10}", r"\1-RUN", told) == shown("policy of alpha/visits")


def test_the_docs_show_the_warnings_of_a_policy_in_vain(repository: Path, monkeypatch) -> None:
    publish_policy(repository, "alpha/visits", "mean")
    change(repository, ("[replicated3]", "[replicated]"), ("ward: [group_key, count]", "ward: [group_key, sum]"))
    limits = "  limits: {runs: 12, per: P30D, until: 2025-01-01}\n"
    (repository / FILE).write_text((repository / FILE).read_text() + limits)
    monkeypatch.chdir(repository)

    result = ccd(repository, "policy", "check", FILE)

    assert result.exit_code == 0
    assert result.stderr == shown("workflows/policies/alpha.visits.policy.yaml:18")
    assert result.stdout.startswith(f"{FILE}: sound; alpha/visits policy v1, ")
