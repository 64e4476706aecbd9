import json
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from policy.identity import load_certificate, load_private_key
from policy.parse import parse_policy
from policy.verify import Request, verify
from renderer.check import check_workspace, load_workspace
from renderer.dev.federation import COMMIT_MESSAGES, lay_out
from renderer.dev.session import is_up, require_state, running_swift, start_daemon, stop_daemon
from renderer.dev.state import read_state, write_state
from renderer.dev.upload import POLICIES
from renderer.errors import CommandError
from renderer.layout import rendered_files
from renderer.plan import compile_run
from renderer.spec import plan_run
from renderer.tree import changes

HOSTILE_CONFIG = """
[user]
    name = Somebody
    email = somebody@example.org
    signingKey = nobody
[commit]
    gpgSign = true
[core]
    hooksPath = {hooks}
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("dev") / "federation"
    lay_out(root)
    return root


def git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", root, *arguments], capture_output=True, text=True, check=True).stdout


def test_joining_submitting_and_rendering_are_a_commit_each(root):
    assert git(root, "log", "--reverse", "--format=%s").splitlines() == list(COMMIT_MESSAGES.values())
    assert git(root, "status", "--porcelain") == ""


def test_documents_and_rendered_tree_are_in_order(root):
    workspace = load_workspace(root)
    assert changes(root, rendered_files(workspace)) == ()


def test_secrets_are_private_and_not_committed(root):
    files = [path for path in (root / "secrets").rglob("*") if path.is_file()]
    assert len(files) == 4 + 3 * (3 * 3 + 2)  # identities, and three keys of each store Secret
    for path in files:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    committed = git(root, "ls-files").split()
    assert {name.split("/")[0] for name in committed} == {".gitignore", "workflows", "argocd"}
    everything = git(root, "log", "--patch")
    for path in files:
        secret = path.read_text().strip().splitlines()
        assert (secret[1] if path.name == "tls.key" else path.read_text()) not in everything or path.name in (
            "ST_AUTH",
            "ST_USER",
        )


def test_every_party_has_a_fresh_identity_whose_key_is_in_its_namespace(root):
    product = load_workspace(Path(__file__).parents[3]).party_models
    for name, party in load_workspace(root).party_models.items():
        key = root / "secrets" / party.spec.namespace / party.spec.identity.secret / "tls.key"
        certificate = load_certificate(party.spec.identity.certificate)
        assert certificate.public_key == load_private_key(key.read_bytes()).public_key()
        assert certificate.party == name
        assert party.spec.identity.certificate != product[name].spec.identity.certificate


def test_the_stores_that_workers_may_reach_are_on_loopback(root):
    for party in load_workspace(root).party_models.values():
        assert [(each.cidr, each.port) for each in party.spec.egress] == [("127.0.0.1/32", read_state(root).port)]


def test_the_users_git_configuration_does_not_matter(tmp_path, monkeypatch):
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("pre-commit", "commit-msg", "post-checkout"):
        (hooks / name).write_text("#!/bin/sh\nexit 1\n")
        (hooks / name).chmod(0o700)
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(HOSTILE_CONFIG.format(hooks=hooks))
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    lay_out(tmp_path / "federation")
    monkeypatch.delenv("GIT_DIR")
    assert len(git(tmp_path / "federation", "log", "--format=%h").splitlines()) == 3
    assert not (tmp_path / "elsewhere").exists()


def test_an_interrupted_layout_leaves_nothing_behind(tmp_path, monkeypatch):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("renderer.dev.federation.write_users", interrupted)
    with pytest.raises(KeyboardInterrupt):
        lay_out(tmp_path / "federation")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    lay_out(tmp_path / "federation")


def test_a_directory_of_the_users_is_not_touched(tmp_path):
    (tmp_path / "mine").mkdir()
    with pytest.raises(CommandError, match="is no sample federation"):
        lay_out(tmp_path / "mine")


@pytest.mark.parametrize("workflow", ["market-concentration", "arrival-delays"])
def test_the_sample_policies_accept_the_shipped_workflows(root, workflow):
    workspace = load_workspace(root)
    run = plan_run(workspace.workflows[workflow].model, workspace.party_models, workspace.federation.model).run
    policies = {dataset.name: parse_policy(text_of(dataset.name), dataset.name) for dataset in run.datasets}
    request = Request(run.purpose, tuple(policies))
    plan = compile_run(run)
    assert verify(plan, policies, request).reasons == ()
    # And nothing beyond: for another purpose they refuse.
    assert verify(plan, policies, Request("curiosity", tuple(policies))).reasons


def text_of(dataset: str) -> str:
    return (POLICIES / f"{dataset.replace('/', '.')}.policy.yaml").read_text()


def test_swift_is_started_where_it_is_needed_and_a_taken_port_moves_it(root, swift):
    before = require_state(root)
    secret = root / "secrets" / "airport-ewr" / "swift-data" / "ST_AUTH"
    with running_swift(root) as auth_url:
        assert auth_url == secret.read_text()
        assert is_up(root, require_state(root))
        with running_swift(root) as same:
            assert same == auth_url
        assert is_up(root, require_state(root))
    assert not is_up(root, require_state(root))
    # Another program has taken the port meanwhile: here, another Swift, which does not know our users.
    write_state(root, type(before)(port=swift.port))
    with running_swift(root) as moved:
        assert moved not in (None, swift.url)
        assert secret.read_text() == moved
    assert json.loads((root / "dev.json").read_text())["port"] != swift.port


def test_a_copy_of_a_federation_has_a_swift_of_its_own(root, tmp_path):
    shutil.copytree(root, tmp_path / "copy")
    with running_swift(root) as original, running_swift(tmp_path / "copy") as copied:
        assert original != copied


def test_dev_up_leaves_swift_running_until_dev_down(root):
    state = start_daemon(root)
    try:
        assert start_daemon(root) == state
        assert is_up(root, state)
    finally:
        assert stop_daemon(root)
    assert not is_up(root, require_state(root))
    assert not stop_daemon(root)
    os.waitpid(state.pid, 0)


def test_a_federation_without_a_local_swift_uses_its_own_stores(tmp_path):
    with running_swift(tmp_path) as auth_url:
        assert auth_url is None
    with pytest.raises(CommandError, match="ccd demo"):
        start_daemon(tmp_path)


def test_check_workspace_finds_nothing(root):
    workspace = load_workspace(root)
    models = workspace.party_models.values()
    begin = max(load_certificate(party.spec.identity.certificate).not_before for party in models)  # made one by one
    assert check_workspace(workspace, begin).problems == ()
