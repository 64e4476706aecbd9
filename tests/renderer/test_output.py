"""`ccd output`: what a recipient is shown has been verified, from a real store."""

import json
import shutil
from pathlib import Path

import pytest
import swiftclient

from renderer.check import load_workspace
from renderer.dev.swift import SwiftProcess
from renderer.dev.swift_users import SwiftUsers
from tests.renderer.conftest import plan
from tests.renderer.gitops import ccd
from tests.renderer.signed import manifest_of, renew_identities

RESULT = b'[{"ward":"A","n":3,"cost":"1.50"}]'
WORKFLOW = "workflows/visits-by-ward.yaml"


@pytest.fixture
def filed(repository: Path, swift: SwiftProcess, swift_users: SwiftUsers) -> tuple[Path, str, swiftclient.Connection]:
    """The federation, its run's id, and the writer's store, in which manifest and result lie."""
    keys = renew_identities(repository)
    own = manifest_of(repository, keys, has_opening=False, used_by="alpha").read_bytes()
    manifest = manifest_of(repository, keys, result=RESULT)
    run_id = plan(load_workspace(repository)).run.run_id
    user = swift_users.of("alpha:steward")
    store = swiftclient.Connection(swift.url, user.login, user.key, auth_version="1")
    store.put_container("answers")
    store.put_object("answers", f"{run_id}/manifest.json", manifest.read_bytes())
    store.put_object("answers", f"{run_id}/result.json", RESULT)
    store.put_container("records")
    store.put_object("records", f"{run_id}/manifest.json", own)
    for secret in ("alpha-output", "alpha-records"):
        place = repository / "secrets/hospital-a" / secret
        place.mkdir(parents=True)
        for key, value in (("ST_AUTH", swift.url), ("ST_USER", user.login), ("ST_KEY", user.key)):
            (place / key).write_text(value)
    return repository, run_id, store


def test_a_result_is_shown_and_written_once_it_is_verified(
    filed: tuple[Path, str, swiftclient.Connection], tmp_path: Path
) -> None:
    root, run_id, _ = filed

    shown = ccd(root, "output", run_id)
    written = ccd(root, "output", WORKFLOW, "-o", tmp_path / "r.json", "--manifest", tmp_path / "m.json")
    as_json = json.loads(ccd(root, "output", run_id, "--json").stdout)

    assert (shown.exit_code, written.exit_code) == (0, 0), shown.output + written.output
    assert "1.50" in shown.stdout or "1.5" in shown.stdout
    assert "the manifest is signed by alpha, bravo, carol" in shown.stdout
    assert (tmp_path / "r.json").read_bytes() == RESULT
    assert as_json["output"] == [{"ward": "A", "n": 3, "cost": 1.5}]
    assert ccd(root, "verify", tmp_path / "m.json", "--result", tmp_path / "r.json").exit_code == 0


def test_nothing_is_shown_of_a_result_that_was_changed(
    filed: tuple[Path, str, swiftclient.Connection], tmp_path: Path
) -> None:
    root, run_id, store = filed
    store.put_object("answers", f"{run_id}/result.json", RESULT.replace(b"3", b"4"))

    result = ccd(root, "output", run_id, "-o", tmp_path / "r.json")

    assert result.exit_code == 1
    assert "not verified: the result is not the one that the parties signed for" in result.stderr
    assert result.stdout == ""
    assert not (tmp_path / "r.json").exists()


def test_of_a_run_that_has_not_ended_it_is_said_where_to_look(filed: tuple[Path, str, swiftclient.Connection]) -> None:
    root, run_id, store = filed
    store.delete_object("answers", f"{run_id}/manifest.json")

    result = ccd(root, "output", run_id)

    assert (result.exit_code, result.stdout) == (1, "")
    assert f"error: no manifest of {run_id} was filed (fix: ccd status {run_id} says where" in result.stderr


def test_a_run_that_was_not_rendered_is_said_in_words(repository: Path) -> None:
    result = ccd(repository, "output", "visits-by-ward-0000000000")

    assert result.exit_code == 10
    assert "no Job of the run visits-by-ward-0000000000" in result.stderr


def test_a_workflows_name_stands_for_its_current_run_or_its_only_one(
    filed: tuple[Path, str, swiftclient.Connection],
) -> None:
    root, run_id, _ = filed
    older = {path for path in (root / "argocd/rendered").glob("*/*") if path.name != run_id}
    assert older

    current = ccd(root, "output", "visits-by-ward")
    document = root / WORKFLOW
    document.write_text(document.read_text().replace("kind: Workflow", "kind: Work"))
    several = ccd(root, "output", "visits-by-ward")
    for path in older:
        shutil.rmtree(path)
    one = ccd(root, "output", "visits-by-ward")

    assert several.exit_code == 2
    assert "visits-by-ward has several runs" in several.stderr
    assert run_id in several.stderr
    assert (current.exit_code, one.exit_code) == (0, 0), current.output + one.output
    assert current.stdout == one.stdout == ccd(root, "output", run_id).stdout


def test_a_name_that_is_no_run_is_told_with_those_that_are(repository: Path) -> None:
    run_id = plan(load_workspace(repository)).run.run_id

    result = ccd(repository, "output", "visits")

    assert result.exit_code == 2
    assert f"there is no run visits in argocd/rendered (fix: the runs are: {run_id})" in result.stderr


def test_a_partys_own_copy_says_what_its_job_used(
    filed: tuple[Path, str, swiftclient.Connection], tmp_path: Path
) -> None:
    root, run_id, _ = filed

    shown = ccd(root, "output", run_id, "--records", "alpha", "--manifest", tmp_path / "m.json")

    assert shown.exit_code == 0, shown.output
    assert "used      alpha: 12.5 s CPU in 30.1 s, 321 MiB memory" in shown.stdout
    assert ccd(root, "verify", tmp_path / "m.json").exit_code == 0
    assert "used" not in ccd(root, "output", run_id).stdout
    stranger = ccd(root, "output", run_id, "--records", "dora")
    assert "dora is no party of" in stranger.stderr
