"""A federation in a Git repository of its own, and the commands people run in it."""

import os
import subprocess
from pathlib import Path

from typer.testing import CliRunner, Result

from renderer.cli import app

STEWARDS = {"alpha": "@alpha/stewards", "bravo": "@bravo/stewards", "carol": "@carol/stewards"}
IDENTITY = {
    "GIT_AUTHOR_NAME": "Ann Alyst",
    "GIT_AUTHOR_EMAIL": "ann@example.org",
    "GIT_COMMITTER_NAME": "Ann Alyst",
    "GIT_COMMITTER_EMAIL": "ann@example.org",
}
# Nothing of the machine's own configuration.
ALONE = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}


def ccd(root: Path, *arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["-C", str(root), *(str(argument) for argument in arguments)])


def git(root: Path, *arguments: str) -> str:
    environment = {**os.environ, **ALONE, **IDENTITY}
    done = subprocess.run(["git", *arguments], cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def commit_all(root: Path, message: str) -> str:
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", message)
    return git(root, "rev-parse", "HEAD")


def name_reviewers(root: Path) -> None:
    """Give each party of the small federation somebody who reviews for it."""
    for party, steward in STEWARDS.items():
        path = root / f"workflows/parties/{party}.yaml"
        text = path.read_text()
        if "reviewers:" not in text:
            path.write_text(text.replace("spec:\n", f'spec:\n  reviewers: ["{steward}"]\n', 1))


def publish_policy(root: Path, dataset: str, uses: str) -> Path:
    """Publish a policy for the visits of alpha or bravo that grants `uses` of the cost."""
    text = f"""\
---
apiVersion: ccd.dev/v1alpha1
kind: Policy
metadata: {{dataset: {dataset}, version: 1}}
spec:
  columns:
    ward: {{type: varchar(8)}}
    kind: {{type: varchar(20)}}
    cost: {{type: "decimal(10,2)"}}
  grants:
    - to: [alpha, bravo, carol]
      purposes: [planning]
      columns:
        ward: [group_key, count]
        kind: [filter]
        cost: [{uses}]
  compute:
    protocols: [replicated3]
    parties: [alpha, bravo, carol]
"""
    path = root / "workflows/policies" / f"{dataset.replace('/', '.')}.policy.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path
