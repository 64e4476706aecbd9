"""What has been merged stays as it was: nothing that was approved is written anew, and nothing is run again."""

from pathlib import Path, PurePosixPath

import pytest

from renderer import layout, spec
from renderer.merged import run_of
from tests.renderer.conftest import edit
from tests.renderer.gitops import ccd, commit_all, git
from tests.renderer.signed import renew_identities

WORKFLOW = "workflows/visits-by-ward.yaml"
# Of the federation in tests/renderer/federation. It stands for every run that was ever finished: whoever has to change
# it here makes each of them run again in federations that take up this version, unless `renderer.merged` keeps them.
RUN_ID = "visits-by-ward-f2dc26f7c5"


def runs(root: Path, namespace: str = "hospital-a") -> list[str]:
    return sorted(path.name for path in (root / "argocd/rendered" / namespace).iterdir())


def text_of(root: Path, run_id: str, file: str = "job.yaml") -> str:
    return (root / "argocd/rendered/hospital-a" / run_id / file).read_text()


@pytest.fixture
def another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """A version of ccd with other templates."""
    deny = layout.OBJECTS["networkpolicy-deny"]
    monkeypatch.setitem(layout.OBJECTS, "networkpolicy-deny", lambda run, member: deny(run, member) + "# anew\n")


@pytest.fixture
def another_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    """A version of ccd that digests something more, so that each run gets another name."""
    digest = spec.digest
    monkeypatch.setattr(spec, "digest", lambda content: digest({**content, "more": 1}))


def test_a_run_keeps_its_name(repository: Path) -> None:
    assert runs(repository) == [RUN_ID]


def test_new_identities_are_a_run_beside_the_merged_one(repository: Path) -> None:
    before = text_of(repository, RUN_ID)

    renew_identities(repository)

    assert len(runs(repository)) == 2
    assert text_of(repository, RUN_ID) == before


def test_a_changed_workflow_is_a_run_beside_the_merged_one(repository: Path) -> None:
    before = text_of(repository, RUN_ID)
    git(repository, "switch", "--quiet", "--create", "change")
    edit(repository, "visits-by-ward.yaml", "planning", "staffing")

    assert ccd(repository, "render").exit_code == 0

    assert len(runs(repository)) == 2
    assert text_of(repository, RUN_ID) == before
    assert ccd(repository, "render", "--check", "--base", "main").exit_code == 0


def test_a_draft_that_was_never_merged_is_replaced(repository: Path) -> None:
    git(repository, "switch", "--quiet", "--create", "change")
    edit(repository, "visits-by-ward.yaml", "planning", "staffing")
    ccd(repository, "render")
    commit_all(repository, "A draft")
    (draft,) = set(runs(repository)) - {RUN_ID}
    edit(repository, "visits-by-ward.yaml", "staffing", "teaching")

    ccd(repository, "render")

    assert len(runs(repository)) == 2
    assert draft not in runs(repository)


def test_another_version_leaves_merged_runs_as_they_were_approved(repository: Path, another_version: None) -> None:
    check = ccd(repository, "render", "--check", "--base", "main")

    assert check.exit_code == 0, check.output
    assert "networkpolicy-deny.yaml" in ccd(repository, "render", "--check", "--anew").stdout


def test_another_version_renders_a_changed_workflow_its_own_way(repository: Path, another_version: None) -> None:
    edit(repository, "visits-by-ward.yaml", "planning", "staffing")

    ccd(repository, "render")

    (new,) = set(runs(repository)) - {RUN_ID}
    assert text_of(repository, new, "networkpolicy-deny.yaml").endswith("# anew\n")
    assert "# anew" not in text_of(repository, RUN_ID, "networkpolicy-deny.yaml")


def test_another_version_runs_nothing_again_that_has_not_changed(repository: Path, another_digest: None) -> None:
    result = ccd(repository, "render")

    assert result.exit_code == 0, result.output
    assert runs(repository) == [RUN_ID]
    assert git(repository, "status", "--porcelain") == ""


def test_another_version_gives_a_changed_workflow_its_run(repository: Path, another_digest: None) -> None:
    edit(repository, "visits-by-ward.yaml", "planning", "staffing")

    ccd(repository, "render")

    assert len(runs(repository)) == 2


def test_a_merged_run_that_was_edited_is_not_current(repository: Path) -> None:
    git(repository, "switch", "--quiet", "--create", "change")
    job = repository / "argocd/rendered/hospital-a" / RUN_ID / "job.yaml"
    job.write_text(job.read_text().replace("backoffLimit: 3", "backoffLimit: 9"))
    commit_all(repository, "Try harder")

    check = ccd(repository, "render", "--check", "--base", "main")

    assert check.exit_code == 1
    assert "-  backoffLimit: 9\n+  backoffLimit: 3\n" in check.stdout


def test_a_run_that_nobody_has_merged_cannot_be_slipped_in(repository: Path) -> None:
    git(repository, "switch", "--quiet", "--create", "change")
    directory = repository / "argocd/rendered/hospital-a/visits-by-ward-0123456789"
    directory.mkdir()
    (directory / "job.yaml").write_text(text_of(repository, RUN_ID))
    commit_all(repository, "One more")

    check = ccd(repository, "render", "--check", "--base", "main")

    assert check.exit_code == 1
    assert "--- a/argocd/rendered/hospital-a/visits-by-ward-0123456789/job.yaml\n+++ /dev/null" in check.stdout


def test_part_of_a_merged_run_cannot_be_left_out(repository: Path) -> None:
    edit(repository, "visits-by-ward.yaml", "planning", "staffing")
    ccd(repository, "render")
    commit_all(repository, "Ask for staffing")
    git(repository, "switch", "--quiet", "--create", "change")
    (repository / "argocd/rendered/hospital-a" / RUN_ID / "networkpolicy-deny.yaml").unlink()
    commit_all(repository, "Open the door")

    check = ccd(repository, "render", "--check", "--base", "main")

    assert check.exit_code == 1
    assert f"+++ b/argocd/rendered/hospital-a/{RUN_ID}/networkpolicy-deny.yaml" in check.stdout


def test_an_older_run_is_retired_alone(repository: Path) -> None:
    edit(repository, "visits-by-ward.yaml", "planning", "staffing")
    ccd(repository, "render")
    commit_all(repository, "Ask for staffing")
    (new,) = set(runs(repository)) - {RUN_ID}

    result = ccd(repository, "cancel", RUN_ID)

    assert result.exit_code == 0, result.output
    assert runs(repository) == [new]
    assert ccd(repository, "render", "--check", "--base", "main").exit_code == 0
    assert (repository / WORKFLOW).exists()


def test_a_retired_workflow_takes_all_its_runs_along(repository: Path) -> None:
    edit(repository, "visits-by-ward.yaml", "planning", "staffing")
    ccd(repository, "render")
    commit_all(repository, "Ask for staffing")

    assert ccd(repository, "cancel", "visits-by-ward").exit_code == 0

    assert not (repository / "argocd/rendered").exists()
    assert not (repository / WORKFLOW).exists()


def test_a_run_that_never_was_retires_nothing(repository: Path) -> None:
    result = ccd(repository, "cancel", "visits-by-ward-0123456789")

    assert result.exit_code == 2
    assert "there is no run visits-by-ward-0123456789" in result.stderr


@pytest.mark.parametrize(
    ("path", "run"),
    [
        ("argocd/rendered/a/wage-gap-0123456789/job.yaml", "wage-gap-0123456789"),
        ("argocd/rendered/a/wage-gap-0123456789/deeper/job.yaml", "wage-gap-0123456789"),
        ("argocd/rendered/a/wage-gap-0123456789", None),
        ("argocd/rendered/a/wage-gap/job.yaml", None),
        ("argocd/appproject-a.yaml", None),
    ],
)
def test_a_file_belongs_to_the_run_of_its_directory(path: str, run: str | None) -> None:
    assert run_of(PurePosixPath(path)) == run
