"""A run whose results and records lie in a Swift behind Keystone, opened in every form that OpenStack hands out."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import MARKET, Federation
from tests.renderer.gitops import ccd
from tests.worker.endpoints.keystone import Cloud, start_cloud
from tests.worker.endpoints.mounting import mount
from tests.worker.endpoints.test_keystone import clouds_yaml

# Each form of credentials has quick tests in tests/worker/endpoints/test_keystone.py.
pytestmark = pytest.mark.deep

OPENSTACK = ("OS_AUTH_URL", "OS_CLOUD", "ST_AUTH")


@pytest.fixture(scope="module")
def cloud(tmp_path_factory) -> Iterator[Cloud]:
    """A real Keystone, and a real Swift in its catalog."""
    with start_cloud(tmp_path_factory.mktemp("cloud")) as started:
        yield started


@pytest.fixture
def moved(federation: Federation, cloud: Cloud, monkeypatch) -> Federation:
    """The regulator writes with an application credential; records are kept with clouds.yaml and with a password."""
    for name in OPENSTACK:
        monkeypatch.delenv(name, raising=False)
    ann, bob = cloud.users["ann"], cloud.users["bob"]
    secrets = federation.root / "secrets"
    mount(secrets / "regulator", cloud.application_keys(ann), "swift-output")
    mount(secrets / "airport-ewr", {"clouds.yaml": clouds_yaml(cloud, bob)}, "swift-records")
    mount(secrets / "airport-lga", cloud.password_keys(bob), "swift-records")
    return federation


def test_a_run_is_filed_found_and_shown_with_credentials_of_keystone(
    moved: Federation, cloud: Cloud, tmp_path: Path, monkeypatch
):
    ended = moved.run(MARKET)

    assert (ended.exit_code, ended.filed.problems) == (0, ()), ended.filed.problems
    assert ended.filed.rows
    assert moved.objects("regulator", "results") == []
    again = moved.run(MARKET)
    assert again.was_done
    assert again.filed.rows == ended.filed.rows

    shown = ccd(moved.root, "output", ended.run_id, "--json")
    assert shown.exit_code == 0, shown.output
    assert json.loads(shown.stdout)["output"] == ended.filed.rows
    for party in ("ewr", "lga"):
        kept = ccd(moved.root, "output", ended.run_id, "--records", party)
        assert kept.exit_code == 0, kept.output
        assert "the manifest is signed by" in kept.stdout

    # A recipient with its own tools' environment, and no Secret.
    shutil.rmtree(moved.root / "secrets/regulator/swift-output")
    nobody = ccd(moved.root, "output", ended.run_id)
    assert nobody.exit_code == 1
    assert "clouds.yaml" in nobody.stderr
    ann = cloud.users["ann"]
    for name, value in cloud.password_keys(ann).items():
        monkeypatch.setenv(name, value)
    assert json.loads(ccd(moved.root, "output", ended.run_id, "--json").stdout)["output"] == ended.filed.rows
    # Another recipient reads in the writer's account as itself, as soon as the writer's container lets it.
    bob, port = cloud.users["bob"], cloud.swift_port
    for name, value in cloud.password_keys(bob).items():
        monkeypatch.setenv(name, value)
    theirs = ("output", ended.run_id, "--json", "--account", f"http://127.0.0.1:{port}/v1/AUTH_{ann.project_id}")
    assert "403" in ccd(moved.root, *theirs).stderr
    cloud.client(ann).post_container("results", {"X-Container-Read": f"{bob.project_id}:*"})
    assert json.loads(ccd(moved.root, *theirs).stdout)["output"] == ended.filed.rows
    elsewhere = ccd(moved.root, *theirs[:-1], f"http://localhost:{port}/v1/AUTH_{ann.project_id}")
    assert elsewhere.exit_code == 10
    assert "is for another store" in elsewhere.stderr

    monkeypatch.setenv("OS_PASSWORD", "hush-1")
    refused = ccd(moved.root, "output", ended.run_id)
    assert refused.exit_code == 50
    assert "Keystone answered 401" in refused.stderr
    assert "hush-1" not in refused.output
