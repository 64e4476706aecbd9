"""A new federation, begun with the very commands that docs/operating.md has for it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.renderer.gitops import ccd, commit_all, git

ROOT = Path(__file__).parents[2]
SHELL_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
TOOL = f'#!/bin/sh\nexec "{sys.executable}" -c "from renderer.cli import main; main()" "$@"\n'


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """What `git init` and copying make of a clone of ours; `ccd` is this one, which needs no installing."""
    install = (ROOT / "docs/operating.md").read_text().partition("\n## Install\n")[2]
    first = SHELL_BLOCK.search(install)
    assert first is not None
    lines = first[1].splitlines()
    assert [line for line in lines if line.startswith("pip install")] == lines[:1]
    (tmp_path / "ccd").symlink_to(ROOT)
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "ccd").write_text(TOOL)
    (tools / "ccd").chmod(0o755)
    environment = os.environ | {"PATH": f"{tools}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    subprocess.run(
        ["bash", "-ec", "\n".join(lines[1:])], cwd=tmp_path, env=environment, check=True, capture_output=True
    )
    return tmp_path / "federation"


def test_a_federation_that_is_begun_as_documented_is_sound_and_takes_parties_in(begun: Path) -> None:
    assert ccd(begun, "validate").exit_code == 0
    joined = ccd(
        begun,
        *("party", "init", "alpha", "--namespace", "hospital-a"),
        *("--reviewer", "@alpha/stewards", "--egress", "192.0.2.0/24:443"),
    )
    assert joined.exit_code == 0, joined.output
    for command in (("render",), ("codeowners",)):
        assert ccd(begun, *command).exit_code == 0
    commit_all(begun, "Begin")

    for check in (
        ("validate",),
        ("render", "--check", "--base", "main"),
        ("codeowners", "--check"),
        ("schema", "--check"),
    ):
        done = ccd(begun, *check)
        assert done.exit_code == 0, done.output
    # What the commands for a cluster name, here and in `ccd party init`, is there; no key is.
    listed = git(begun, "ls-files").splitlines()
    assert {"argocd/settings/argocd-cm.yaml", "argocd/clusterrole.yaml", "argocd/ci/gitlab.yaml"} <= {*listed}
    assert not [file for file in listed if file.startswith("secrets/")]
