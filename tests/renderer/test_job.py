"""The Job: every container has the Secrets it needs and no others, and no way out of its sandbox."""

from pathlib import Path
from typing import Any

import pytest

from policy.yaml import read_yaml
from renderer.check import load_workspace
from renderer.job import job
from renderer.spec import PlannedRun
from renderer.validate import ObjectChecker
from tests.renderer.conftest import NOW, edit, plan

# party -> container -> Secrets
SECRETS = {
    "alpha": {
        "fetch": {"alpha-data", "alpha-records", "alpha-output"},
        "compute": {"ccd-identity"},
        "publish": {"alpha-records", "alpha-output"},
    },
    "bravo": {"fetch": {"bravo-store"}, "compute": {"bravo-key"}, "publish": {"bravo-store"}},
    "carol": {"fetch": set(), "compute": {"ccd-identity"}, "publish": set()},
}


@pytest.fixture(params=["alpha", "bravo", "carol"])
def party(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def pod(run: PlannedRun, party: str) -> dict[str, Any]:
    (member,) = (member for member in run.members if member.name == party)
    value, _ = read_yaml(job(run, member), "job.yaml")
    pod = value["spec"]["template"]["spec"]
    assert isinstance(pod, dict)
    return pod


def test_each_container_mounts_the_least_secrets(pod: dict[str, Any], party: str) -> None:
    secrets = {volume["name"]: volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume}
    mounted = {
        container["name"]: {secrets[mount["name"]] for mount in container["volumeMounts"] if mount["name"] in secrets}
        for container in [*pod["initContainers"], *pod["containers"]]
    }

    assert mounted == SECRETS[party]
    assert set(secrets.values()) == set().union(*SECRETS[party].values())


def test_secrets_lie_where_the_worker_looks_for_them(pod: dict[str, Any]) -> None:
    for volume in pod["volumes"]:
        if "secret" in volume:
            assert volume["secret"]["defaultMode"] == 0o440
    for container in [*pod["initContainers"], *pod["containers"]]:
        for mount in container["volumeMounts"]:
            if mount["name"].startswith("secret-"):
                name = mount["name"].removeprefix("secret-")
                assert mount["mountPath"] == f"/var/run/ccd/secrets/{name}"
                assert mount["readOnly"] is True


def test_containers_run_in_order_and_restricted(pod: dict[str, Any]) -> None:
    assert [container["name"] for container in pod["initContainers"]] == ["fetch", "compute"]
    assert [container["name"] for container in pod["containers"]] == ["publish"]
    assert pod["restartPolicy"] == "Never"
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in [*pod["initContainers"], *pod["containers"]]:
        assert container["command"] == ["ccd-worker", container["name"]]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }
        assert container["resources"]["limits"] == container["resources"]["requests"]


def test_only_compute_listens(pod: dict[str, Any]) -> None:
    containers = [*pod["initContainers"], *pod["containers"]]

    assert [container["name"] for container in containers if "ports" in container] == ["compute"]


def test_a_volume_with_data_is_mounted_read_only_and_into_fetch_alone(federation: Path) -> None:
    swift = "backend: swift\n      container: clinic\n      object: visits.csv\n      credentials: bravo-store"
    edit(
        federation,
        "parties/bravo.yaml",
        swift,
        "backend: files\n      volume: {claim: stays}\n      path: a/visits.csv",
    )
    run = plan(load_workspace(federation, NOW))
    (member,) = (member for member in run.members if member.name == "bravo")

    pod = read_yaml(job(run, member), "job.yaml")[0]["spec"]["template"]["spec"]

    volumes = [volume for volume in pod["volumes"] if "persistentVolumeClaim" in volume]
    claim = {"claimName": "stays", "readOnly": True}
    assert volumes == [{"name": "claim-stays", "persistentVolumeClaim": claim}]
    mounts = {
        container["name"]: [mount for mount in container["volumeMounts"] if mount["name"] == "claim-stays"]
        for container in [*pod["initContainers"], *pod["containers"]]
    }
    mount = {"name": "claim-stays", "mountPath": "/var/run/ccd/volumes/stays", "readOnly": True}
    assert mounts == {"fetch": [mount], "compute": [], "publish": []}
    assert member.own.sources[0].claims == ("stays",)
    assert ObjectChecker().check(job(run, member), "job.yaml", member.namespace) == ()


def test_the_identity_that_unseals_data_is_mounted_by_fetch_alone(federation: Path) -> None:
    recipient = "age18xh0dmmc3e0k3ngerxw0tvdhzfkmdccfv7yccu5stcjxd7y7hpwsllnqyd"
    sealed = f"nullText: NA\n      sealed: {{recipient: {recipient}, identity: alpha-age}}"
    edit(federation, "parties/alpha.yaml", "nullText: NA", sealed)
    run = plan(load_workspace(federation, NOW))
    (member,) = (member for member in run.members if member.name == "alpha")
    text = job(run, member)
    value, _ = read_yaml(text, "job.yaml")
    pod = value["spec"]["template"]["spec"]

    mounted = {
        container["name"]: {mount["name"] for mount in container["volumeMounts"]}
        for container in [*pod["initContainers"], *pod["containers"]]
    }

    assert {name for name, mounts in mounted.items() if "secret-alpha-age" in mounts} == {"fetch"}
    assert recipient not in text
    assert ObjectChecker().check(text, "job.yaml", member.namespace) == ()
