"""An owner approves a run: what is written, how it reaches the worker, what is no approval, and who is told."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from ruamel.yaml import YAML

from policy.approval import Approval
from policy.identity import load_certificate, load_private_key, new_identity
from policy.load import load_document
from policy.signature import sign
from renderer.check import load_workspace
from renderer.codeowners import owners_of
from renderer.documents import read_workspace
from renderer.names import run_directory
from tests.renderer.conftest import copy_repository, edit, set_environment
from tests.renderer.gitops import ccd, commit_all, git, publish_policy
from tests.renderer.signed import manifest_of, renew_identities
from worker.runspec import RunSpec
from worker.subject import subject_of

WORKFLOW = "visits-by-ward"


@dataclass
class Owner:
    """alpha, on a branch with a run that its published policy wants to be approved; its key lies under secrets/."""

    root: Path

    @property
    def run_id(self) -> str:
        return read_workspace(self.root).planned(WORKFLOW).run.run_id

    @property
    def file(self) -> Path:
        return self.root / "workflows/approvals/alpha" / f"{self.run_id}.yaml"

    @property
    def key(self) -> Path:
        return self.root / "secrets/hospital-a/ccd-identity/tls.key"

    def config_map(self, party: str = "hospital-a") -> dict[str, str]:
        path = self.root / run_directory(party, self.run_id) / "configmap.yaml"
        return dict(YAML(typ="safe", pure=True).load(path.read_text())["data"])

    def approve(self, *options: str | Path):
        return ccd(self.root, "approve", WORKFLOW, *options)


def name_key(root: Path, party: str, directory: str) -> None:
    key, certificate = new_identity(party, 300)
    document = root / f"workflows/parties/{party}.yaml"
    head, _, rest = document.read_text().partition("      -----BEGIN CERTIFICATE-----\n")
    tail = rest.partition("      -----END CERTIFICATE-----\n")[2]
    document.write_text(head + "".join(f"      {line}\n" for line in certificate.strip().splitlines()) + tail)
    path = root / "secrets" / directory / "ccd-identity" / "tls.key"
    path.parent.mkdir(parents=True)
    path.write_bytes(key)


@pytest.fixture(scope="module")
def submitted(committed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The branch that asks for the run, for copies."""
    root = copy_repository(committed, tmp_path_factory.mktemp("submitted") / "federation")
    with pytest.MonkeyPatch.context() as monkeypatch:
        set_environment(monkeypatch)
        (root / ".gitignore").write_text("secrets/\n")
        git(root, "switch", "--quiet", "--create", "submit")
        name_key(root, "alpha", "hospital-a")
        policy = publish_policy(root, "alpha/visits", "sum")
        policy.write_text(policy.read_text() + "  approval: explicit\n")
        publish_policy(root, "bravo/visits", "sum")
        edit(root, f"{WORKFLOW}.yaml", "SUM(cost) AS cost", "SUM(cost) AS total")
        assert ccd(root, "render").exit_code == 0
        assert ccd(root, "codeowners").exit_code == 0
        commit_all(root, "Submit")
    return root


@pytest.fixture
def owner(submitted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Owner:
    set_environment(monkeypatch)
    return Owner(copy_repository(submitted, tmp_path / "federation"))


def test_an_approval_is_written_where_its_party_owns_it_and_reaches_the_worker_without_a_new_run(owner):
    before, run_id = owner.config_map(), owner.run_id
    result = owner.approve()
    assert result.exit_code == 0, result.stderr
    assert owner.run_id == run_id
    after = owner.config_map()
    assert {**after, "approval.json": ""} == {**before, "approval.json": ""}
    assert json.loads(after["approval.json"]) == json.loads(
        load_document(owner.file.read_text(), "approval", Approval).model_dump_json(by_alias=True)
    )
    changed = set(git(owner.root, "ls-files", "--modified", "--others", "--exclude-standard").splitlines())
    config = run_directory("hospital-a", run_id) / "configmap.yaml"
    assert changed == {str(config), str(owner.file.relative_to(owner.root))}
    assert ccd(owner.root, "render", "--check").exit_code == 0
    assert owners_of(str(owner.file.relative_to(owner.root)), (owner.root / "CODEOWNERS").read_text()) == (
        "@alpha/stewards",
    )


def test_what_is_signed_is_what_the_worker_finds_in_its_own_run_spec(owner):
    assert owner.approve().exit_code == 0
    data = owner.config_map()
    subject = subject_of(RunSpec.model_validate_json(data["run.json"]))
    approval = Approval.model_validate_json(data["approval.json"])
    said = approval.spec
    assert (said.run, said.own, said.plan, said.image) == (subject.run, subject.own, subject.plan, subject.image)
    assert (approval.metadata.party, approval.metadata.run) == ("alpha", subject.run_id)


def test_the_owner_is_shown_what_it_signs(owner):
    shown = owner.approve("--days", "7").stdout
    for text in (owner.run_id, "planning", "alpha/visits, bravo/visits", "carol: the answer: ward, n, total"):
        assert text in shown
    run = json.loads(owner.config_map()["run.json"])["run"]
    for member in run["members"]:
        assert f"identity of {member['name']} {load_certificate(member['certificate']).fingerprint}" in shown
    assert all(line in shown for line in run["query"].strip().splitlines())
    assert "container: clinic, object: 2024/visits.csv" in shown
    document = json.loads(owner.approve("--json").stdout)
    assert document["approval"]["metadata"] == {"party": "alpha", "run": owner.run_id}
    assert document["files"][0] == str(owner.file.relative_to(owner.root))


def line_told(owner: Owner) -> str:
    """Return what a pull request's comment says of alpha's approval."""
    markdown = ccd(owner.root, "plan", "--rows", "2", f"workflows/{WORKFLOW}.yaml", "--format", "markdown").stdout
    return [line for line in markdown.splitlines() if line.startswith("| alpha | ") and "asked" not in line[:10]][-1]


def warned(owner: Owner) -> str:
    return ccd(owner.root, "validate").stderr


def judged(owner: Owner) -> int:
    return ccd(owner.root, "policy", "published", "--base", "main").exit_code


def test_a_pull_request_is_told_whose_approval_is_missing_and_that_it_is_there(owner):
    assert line_told(owner) == "| alpha | by its published policy | **missing** |  |"
    assert "alpha is asked for its approval of this run, and it is missing" in warned(owner)
    assert judged(owner) == 30
    owner.approve()
    assert line_told(owner).startswith("| alpha | by its published policy | approved | 20")
    assert (warned(owner), judged(owner)) == ("", 0)
    shown = json.loads(ccd(owner.root, "plan", "--rows", "2", f"workflows/{WORKFLOW}.yaml", "--json").stdout)
    assert [(each["party"], each["state"], each["asked"]) for each in shown["approvals"]] == [
        ("alpha", "approved", True)
    ]


@pytest.mark.parametrize("what", ["word", "manifest", "key"])
def test_an_approval_that_does_not_hold_is_named_by_its_file(owner, what):
    owner.approve()
    if what == "word":
        owner.file.write_text(owner.file.read_text().replace('expires: "20', 'expires: "21'))
    elif what == "manifest":
        job = owner.root / run_directory("hospital-a", owner.run_id) / "job.yaml"
        job.write_text(job.read_text().replace("backoffLimit: 3", "backoffLimit: 4"))
    else:
        text = owner.file.read_text()
        approval = load_document(text, "approval", Approval)
        other = load_private_key(new_identity("alpha", 30)[0])
        forged = sign(other, "approval", approval.model_dump(mode="json", by_alias=True, exclude={"signature"}))
        owner.file.write_text(text.replace(approval.signature, forged))
    result = ccd(owner.root, "validate")
    assert result.exit_code == 10
    assert str(owner.file.relative_to(owner.root)) in result.stderr
    assert "**does not hold**" in line_told(owner)
    assert judged(owner) == 30


def test_an_approval_in_another_partys_directory_is_refused(owner):
    owner.approve()
    elsewhere = owner.root / "workflows/approvals/bravo" / owner.file.name
    elsewhere.parent.mkdir()
    owner.file.rename(elsewhere)
    result = ccd(owner.root, "validate")
    assert result.exit_code == 10
    assert "lies elsewhere" in result.stderr


def test_a_changed_workflow_is_another_run_and_its_old_approval_is_not_rendered_for_it(owner):
    owner.approve()
    edit(owner.root, f"{WORKFLOW}.yaml", "SUM(cost) AS total", "SUM(cost) AS sum")
    assert ccd(owner.root, "render").exit_code == 0
    assert "approval.json" not in owner.config_map()
    assert "**missing**" in line_told(owner)


def test_nobody_signs_for_manifests_that_are_not_what_the_documents_make(owner):
    job = owner.root / run_directory("hospital-a", owner.run_id) / "job.yaml"
    job.write_text(job.read_text().replace("backoffLimit: 3", "backoffLimit: 4"))
    result = owner.approve()
    assert result.exit_code == 10
    assert "job.yaml is not what the documents make" in result.stderr
    assert not owner.file.exists()


@pytest.mark.parametrize("what", ["a manifest", "the directory", "the namespace", "the approvals"])
def test_nobody_signs_for_what_a_link_leads_to(owner, what):
    directory = owner.root / run_directory("hospital-a", owner.run_id)
    link = {
        "a manifest": directory / "job.yaml",
        "the directory": directory,
        "the namespace": directory.parent,
        "the approvals": owner.root / "workflows/approvals",
    }[what]
    link.parent.mkdir(exist_ok=True)
    if link.exists():
        link.rename(owner.root / "elsewhere")
    else:
        (owner.root / "elsewhere").mkdir()
    link.symlink_to(owner.root / "elsewhere")
    result = owner.approve()
    assert result.exit_code == 10
    assert f"{link.relative_to(owner.root)} is a link" in " ".join(result.stderr.split())


def test_what_is_merged_is_approved_too_late(owner):
    git(owner.root, "switch", "--quiet", "main")
    git(owner.root, "merge", "--quiet", "--ff-only", "submit")
    result = owner.approve()
    assert result.exit_code == 10
    assert "is merged" in result.stderr
    assert "raise spec.run" in result.stderr


def test_another_key_another_party_and_no_party_are_refused(owner, tmp_path):
    other = tmp_path / "tls.key"
    other.write_bytes(new_identity("alpha", 30)[0])
    for options, says in (
        (["--key", other], "is not alpha's key"),
        (["--party", "dora"], "dora takes no part"),
        (["--party", "bravo"], "there is no key"),
    ):
        result = owner.approve(*options)
        assert result.exit_code == 10
        assert says in result.stderr
    owner.key.unlink()
    assert "it is not clear who approves" in owner.approve().stderr
    assert not owner.file.exists()


def test_a_manifest_of_an_approved_run_is_traced_to_its_commit(repository):
    keys = renew_identities(repository)
    git(repository, "switch", "--quiet", "--create", "submit")
    edit(repository, f"{WORKFLOW}.yaml", "SUM(cost) AS cost", "SUM(cost) AS total")
    assert ccd(repository, "render").exit_code == 0
    pem = keys["alpha"].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    owner = Owner(repository)
    owner.key.parent.mkdir(parents=True)
    owner.key.write_bytes(pem)
    assert owner.approve().exit_code == 0
    owner.key.unlink()
    commit_all(repository, "Submit, approved")
    git(repository, "switch", "--quiet", "main")
    git(repository, "merge", "--quiet", "--no-ff", "submit", "--message", "Merge")
    result = ccd(repository, "verify", manifest_of(repository, keys))
    assert result.exit_code == 0, result.stdout


def test_an_approved_run_merges_and_stays_approved(owner):
    owner.approve()
    commit_all(owner.root, "Approve")
    git(owner.root, "switch", "--quiet", "main")
    git(owner.root, "merge", "--quiet", "--ff-only", "submit")
    owner.file.unlink()
    assert ccd(owner.root, "render").exit_code == 0  # what is merged stays as it was merged
    assert "approval.json" in owner.config_map()
    load_workspace(owner.root)
