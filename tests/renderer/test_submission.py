"""`ccd submit` and `ccd cancel`: one commit with exactly what belongs to it, and nothing pushed unasked."""

from pathlib import Path

import pytest

from renderer.submission import pull_request
from tests.renderer.conftest import edit
from tests.renderer.gitops import IDENTITY, ccd, git

WORKFLOW = "workflows/visits-by-ward.yaml"


def test_a_submission_is_a_commit_on_a_branch_of_its_own(repository: Path) -> None:
    git(repository, "remote", "add", "origin", "https://joe:hunter2@github.com/hospitals/federation.git")
    edit(repository, "visits-by-ward.yaml", "planning", "staffing")
    ccd(repository, "render")  # an author may have looked at the result before
    edit(repository, "visits-by-ward.yaml", "staffing", "budget")

    result = ccd(repository, "submit", WORKFLOW)

    assert result.exit_code == 0, result.output
    branch = git(repository, "branch", "--show-current")
    assert branch.startswith("submit/visits-by-ward-")
    assert git(repository, "status", "--porcelain") == ""
    assert git(repository, "log", "-1", "--format=%s") == "Submit visits-by-ward for budget"
    assert ccd(repository, "render", "--check").exit_code == 0
    runs = git(repository, "ls-tree", "--name-only", "HEAD", "argocd/rendered/hospital-a/").splitlines()
    assert len(runs) == 2  # the merged one and the submitted one; of what was only looked at, nothing
    assert f"next       git push --set-upstream origin {branch}\n" in result.stdout
    assert f"https://github.com/hospitals/federation/compare/main...{branch}?expand=1" in result.stdout
    assert "hunter2" not in result.output


def test_a_new_workflow_can_be_submitted_and_pushed(repository: Path, tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--bare", "forge.git")
    git(repository, "remote", "add", "origin", str(tmp_path / "forge.git"))
    text = (repository / WORKFLOW).read_text().replace("name: visits-by-ward", "name: again")
    (repository / "workflows/again.yaml").write_text(text)

    result = ccd(repository, "submit", "workflows/again.yaml", "--push", "--branch", "again", "-m", "Ask again")

    assert result.exit_code == 0, result.output
    assert git(tmp_path / "forge.git", "log", "-1", "--format=%s", "again") == "Ask again"
    assert "git push" not in result.stdout


@pytest.mark.parametrize(
    ("file", "text"), [("workflows/parties/bravo.yaml", "# changed\n"), ("workflows/new.yaml", None), ("README", None)]
)
def test_other_changes_do_not_get_in(repository: Path, file: str, text: str | None) -> None:
    edit(repository, "visits-by-ward.yaml", "planning", "staffing")
    path = repository / file
    path.write_text(
        path.read_text() + text
        if text
        else (repository / WORKFLOW).read_text().replace("name: visits-by-ward", "name: new")
    )
    if file == "README":
        git(repository, "add", file)  # staged, it would be in the commit

    result = ccd(repository, "submit", WORKFLOW)

    assert result.exit_code == 1
    assert f"there are other changes that are not committed: {file} (fix: commit or stash them first)" in result.stderr
    assert git(repository, "branch", "--show-current") == "main"


def test_a_note_beside_the_documents_stays_where_it_is(repository: Path) -> None:
    edit(repository, "visits-by-ward.yaml", "planning", "staffing")
    (repository / "note").write_text("mine")

    assert ccd(repository, "submit", WORKFLOW).exit_code == 0
    assert git(repository, "status", "--porcelain") == "?? note"


def test_an_author_whom_git_does_not_know_is_asked_who_they_are(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(repository, "visits-by-ward.yaml", "planning", "staffing")
    for name in IDENTITY:
        monkeypatch.delenv(name)

    unknown = ccd(repository, "submit", WORKFLOW)
    git(repository, "config", "user.name", "Ann")
    git(repository, "config", "user.email", "ann@example.org")
    known = ccd(repository, "submit", WORKFLOW)

    assert unknown.exit_code == 1
    assert "Git does not know who you are" in unknown.stderr
    assert known.exit_code == 0


def test_there_is_nothing_to_submit_twice(repository: Path) -> None:
    result = ccd(repository, "submit", WORKFLOW)

    assert result.exit_code == 1
    assert "is committed as it is" in result.stderr


def test_a_branch_is_not_taken_over(repository: Path) -> None:
    edit(repository, "visits-by-ward.yaml", "planning", "staffing")

    result = ccd(repository, "submit", WORKFLOW, "--branch", "main")

    assert "there is a branch main already (fix:" in result.stderr
    assert "is no name for a branch" in ccd(repository, "submit", WORKFLOW, "--branch", "a..b").stderr


def test_a_cancelled_run_leaves_nothing_to_apply(repository: Path) -> None:
    (directory,) = (repository / "argocd/rendered/hospital-a").iterdir()

    result = ccd(repository, "cancel", directory.name)

    assert result.exit_code == 0, result.output
    assert git(repository, "log", "-1", "--format=%s") == "Retire visits-by-ward"
    assert git(repository, "status", "--porcelain") == ""
    assert not (repository / WORKFLOW).exists()
    assert not (repository / "argocd/rendered").exists()
    assert ccd(repository, "validate").exit_code == 0
    assert ccd(repository, "codeowners", "--check").exit_code == 0
    assert "visits-by-ward" not in (repository / "CODEOWNERS").read_text()


def test_only_a_run_that_is_there_can_be_cancelled(repository: Path) -> None:
    result = ccd(repository, "cancel", "visits-by-ward-0000000000")

    assert result.exit_code == 2
    assert "the runs are: visits-by-ward-" in result.stderr


def test_a_directory_that_is_no_repository_is_said_in_words(federation: Path) -> None:
    result = ccd(federation, "submit", WORKFLOW)

    assert result.exit_code == 1
    assert "is not in a Git repository" in result.stderr


@pytest.mark.parametrize(
    ("url", "page"),
    [
        ("git@github.com:a/b.git", "https://github.com/a/b/compare/main...x/y?expand=1"),
        ("ssh://git@git.example.org:2222/a/b.git", "https://git.example.org/a/b/compare/main...x/y"),
        ("https://token@gitlab.example.org/a/b/c", "https://gitlab.example.org/a/b/c/-/merge_requests/new?"),
        ("/srv/git/federation.git", None),
        ("file:///srv/git/federation.git", None),
    ],
)
def test_where_a_pull_request_is_opened(url: str, page: str | None) -> None:
    link = pull_request(url, "x/y", "main")

    assert link == page if page is None else str(link).startswith(page)
    assert "token" not in str(link)


def test_commits_that_come_along_are_said(repository: Path) -> None:
    """Whoever submits twice in a row has the first submission in the second."""
    edit(repository, "visits-by-ward.yaml", "planning", "staffing")
    first = ccd(repository, "submit", WORKFLOW)
    edit(repository, "visits-by-ward.yaml", "staffing", "budget")

    second = ccd(repository, "submit", WORKFLOW)

    assert "along" not in first.stdout
    assert f"along      {git(repository, 'rev-parse', '--short', 'HEAD~1')} Submit visits-by-ward for staffing\n" in (
        second.stdout
    )
    assert "not yet on main: begin there to leave them out" in second.stdout


def test_a_remote_that_is_not_there_is_told_before_anything_is_touched(repository: Path) -> None:
    edit(repository, "visits-by-ward.yaml", "planning", "staffing")
    before = git(repository, "status", "--porcelain", "--branch")

    pushed = ccd(repository, "submit", WORKFLOW, "--push")
    after = git(repository, "status", "--porcelain", "--branch")
    committed = ccd(repository, "submit", WORKFLOW)

    assert pushed.exit_code == 1
    assert "there is no remote origin (fix: git remote add origin URL, or leave out --push)" in pushed.stderr
    assert after == before
    assert committed.exit_code == 0
    assert "next       git remote add origin URL" in committed.stdout


def test_a_push_that_fails_leaves_the_commit_and_says_where(repository: Path, tmp_path: Path) -> None:
    git(repository, "remote", "add", "origin", str(tmp_path / "nowhere.git"))
    edit(repository, "visits-by-ward.yaml", "planning", "staffing")

    result = ccd(repository, "submit", WORKFLOW, "--push", "--branch", "ask")

    assert result.exit_code == 1
    assert "it is committed on the branch ask: git push --set-upstream origin ask" in result.stderr
    assert git(repository, "log", "-1", "--format=%s", "ask") == "Submit visits-by-ward for staffing"
