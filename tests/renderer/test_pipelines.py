"""The shipped pipelines: the commands that stand in them, run on sample pull requests."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.renderer.conftest import edit
from tests.renderer.gitops import ccd, commit_all, git, publish_policy

pytestmark = pytest.mark.deep  # dozens of processes: seconds each on a busy machine

PIPELINES = Path(__file__).parents[2] / "argocd/ci"
TOOL = '#!/bin/sh\nexec "{python}" -c "{program}" "$@"\n'
CCD = "from renderer.cli import main; main()"
YAMLLINT = "from yamllint.cli import run; run()"


@dataclass(frozen=True)
class Step:
    name: str
    code: int
    output: str


@dataclass(frozen=True)
class Forge:
    """Runs a pipeline's scripts in a clone, as a runner would; `gh` and `curl` note what they are asked to send."""

    root: Path
    tools: Path

    def github(self) -> list[Step]:
        document = YAML(typ="safe").load(PIPELINES / "github.yaml")
        steps: list[Step] = []
        for step in document["jobs"]["ccd"]["steps"]:
            failed = any(done.code for done in steps)
            if step.get("name") not in (None, "install") and (not failed or step.get("if") == "always()"):
                steps.append(self._run(step["name"], step["run"]))
        return steps

    def gitlab(self) -> list[Step]:
        document = YAML(typ="safe").load(PIPELINES / "gitlab.yaml")
        steps: list[Step] = []
        for line in document["ccd"]["script"]:
            if not any(step.code for step in steps):
                steps.append(self._run(line, line))
        return steps

    def _run(self, name: str, script: str) -> Step:
        variables = {
            "BASE": "main",
            "PULL_REQUEST": "7",
            "IS_FORK": "false",
            "GITHUB_STEP_SUMMARY": str(self.tools / "summary.md"),
            "CCD_COMMENT_TOKEN": "token",
            "CI_API_V4_URL": "https://gitlab.example.org/api/v4",
            "CI_PROJECT_ID": "3",
            "CI_MERGE_REQUEST_IID": "7",
            "PATH": f"{self.tools}:{os.environ['PATH']}",
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=self.root,
            env=os.environ | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return Step(name, done.returncode, done.stdout)


@pytest.fixture
def forge(repository: Path, tmp_path: Path) -> Forge:
    publish_policy(repository, "alpha/visits", "sum")
    commit_all(repository, "Publish")
    git(repository, "switch", "--quiet", "--create", "change")
    tools = tmp_path / "tools"
    tools.mkdir()
    programs = {
        "ccd": TOOL.format(python=sys.executable, program=CCD),
        "yamllint": TOOL.format(python=sys.executable, program=YAMLLINT),
        "gh": f'#!/bin/sh\necho "$@" >"{tools}/gh"\n',
        "curl": f'#!/bin/sh\necho "$@" >"{tools}/curl"; cat >>"{tools}/curl"\n',
    }
    for name, text in programs.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    return Forge(repository, tools)


@pytest.mark.parametrize("kind", ["github", "gitlab"])
def test_a_document_that_is_wrong_is_an_annotation_at_its_line(forge: Forge, kind: str) -> None:
    edit(forge.root, "visits-by-ward.yaml", "[carol, alpha]", "[carol, nobody]")
    commit_all(forge.root, "Invite nobody")

    failed = next(step for step in getattr(forge, kind)() if step.code)

    lines = (forge.root / "workflows/visits-by-ward.yaml").read_text().splitlines()
    line = next(number for number, text in enumerate(lines, 1) if "nobody" in text)
    assert failed.code == 10
    if kind == "github":
        assert f"::error file=workflows/visits-by-ward.yaml,line={line}," in failed.output
    else:
        (problem, *_) = json.loads((forge.root / "problems.json").read_text())
        assert problem["location"]["path"] == "workflows/visits-by-ward.yaml"
        assert problem["location"]["lines"]["begin"] == line


@pytest.mark.parametrize("kind", ["github", "gitlab"])
def test_a_second_file_of_owners_fails(forge: Forge, kind: str) -> None:
    (forge.root / ".github").mkdir()
    (forge.root / ".github/CODEOWNERS").write_text("* @mallory\n")
    commit_all(forge.root, "Own everything")

    (failed, *_) = [step for step in getattr(forge, kind)() if step.code]

    assert "codeowners --check" in failed.name or failed.name == "code owners"
    assert "a forge may go by .github/CODEOWNERS instead of CODEOWNERS at the top" in failed.output


def test_a_good_merge_request_passes_and_is_commented_on(forge: Forge) -> None:
    edit(forge.root, "visits-by-ward.yaml", "recipients: [carol, alpha]", "recipients: [alpha]")
    assert ccd(forge.root, "render").exit_code == 0
    commit_all(forge.root, "Ask for less")

    steps = forge.gitlab()

    assert [(step.name, step.code) for step in steps if step.code] == [], [step.output for step in steps]
    assert "merge_requests/7/notes" in (forge.tools / "curl").read_text()
    assert "**carol no longer learns** the answer" in (forge.root / "plan.md").read_text()


def test_a_good_pull_request_passes_and_is_commented_on(forge: Forge) -> None:
    edit(forge.root, "visits-by-ward.yaml", "recipients: [carol, alpha]", "recipients: [alpha]")
    assert ccd(forge.root, "render").exit_code == 0
    commit_all(forge.root, "Ask for less")

    steps = forge.github()

    assert [(step.name, step.code) for step in steps if step.code] == [], [step.output for step in steps]
    assert (forge.tools / "gh").read_text() == "pr comment 7 --edit-last --create-if-none --body-file plan.md\n"
    assert "**carol no longer learns** the answer" in (forge.root / "plan.md").read_text()


def test_a_stale_rendered_tree_fails(forge: Forge) -> None:
    edit(forge.root, "visits-by-ward.yaml", "purpose: planning", "purpose: planning  # next year")
    edit(forge.root, "visits-by-ward.yaml", "jobSeconds: 600", "jobSeconds: 60")
    commit_all(forge.root, "Forget to render")

    *_, failed = [step for step in forge.github() if step.code]

    assert failed.name == "rendered tree"
    assert "files are not current (fix: ccd render)" in failed.output


def test_anothers_file_asks_for_its_owner(forge: Forge) -> None:
    edit(forge.root, "parties/bravo.yaml", "@bravo/stewards", "@alpha/stewards")
    assert ccd(forge.root, "codeowners").exit_code == 0
    commit_all(forge.root, "Review for bravo too, says alpha")

    (approval,) = [step for step in forge.github() if step.name == "who has to approve"]

    assert "one of @bravo/stewards\n  - workflows/parties/bravo.yaml\n" in approval.output


def test_a_refusal_is_an_annotation_at_its_line(forge: Forge) -> None:
    edit(forge.root, "visits-by-ward.yaml", "SUM(cost)", "MAX(cost)")
    assert ccd(forge.root, "render").exit_code == 0
    commit_all(forge.root, "Ask for the dearest")

    github, gitlab = forge.github(), forge.gitlab()

    assert [step.name for step in github if step.code] == ["published policies"]
    (refused,) = [step for step in github if step.code]
    assert "::error file=workflows/visits-by-ward.yaml,line=11,col=" in refused.output
    assert "published" in gitlab[-1].name
    assert [step.code for step in gitlab] == [0] * (len(gitlab) - 1) + [30]
    (problem, *_) = json.loads((forge.root / "problems.json").read_text())
    assert problem["location"]["path"] == "workflows/visits-by-ward.yaml"
    sent = (forge.tools / "curl").read_text()
    assert "https://gitlab.example.org/api/v4/projects/3/merge_requests/7/notes" in sent
    assert "token" not in sent.splitlines()[0]  # it is nobody's argument
