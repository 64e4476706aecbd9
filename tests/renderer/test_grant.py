"""`ccd party grant`: what an owner allows is what the documents ask for, and no more."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from policy.yaml import read_yaml
from renderer.documents import Workspace
from renderer.grant import grant
from renderer.job import job
from tests.renderer.conftest import plan
from tests.renderer.gitops import ccd


def printed(text: str) -> list[Any]:
    return list(YAML(typ="safe").load_all(text))


def test_every_secret_that_a_job_mounts_is_granted_to_that_container(workspace: Workspace) -> None:
    run = plan(workspace)
    for member in run.members:
        granted = printed(grant(workspace.party_models[member.name], workspace))[0]["spec"]["secrets"]
        pod = read_yaml(job(run, member), "job.yaml")[0]["spec"]["template"]["spec"]
        for container in (*pod["initContainers"], *pod["containers"]):
            mounts = [mount["name"] for mount in container["volumeMounts"]]
            mounted = {name.removeprefix("secret-") for name in mounts if name.startswith("secret-")}
            assert mounted <= set(granted[container["name"]]), container["name"]


def test_the_identity_s_key_is_for_one_container_alone(workspace: Workspace) -> None:
    party = workspace.party_models["alpha"]
    granted = printed(grant(party, workspace))[0]["spec"]["secrets"]

    assert granted["compute"] == [party.spec.identity.secret]
    assert party.spec.identity.secret not in {*granted["fetch"], *granted["publish"]}


def test_it_names_the_federation_s_image_and_the_others_namespaces(workspace: Workspace) -> None:
    spec = printed(grant(workspace.party_models["alpha"], workspace))[0]["spec"]

    assert spec["images"] == [workspace.federation.model.spec.image]
    assert spec["peers"] == ["hospital-b", "institute"]
    assert len(spec["egress"]) == len(workspace.party_models["alpha"].spec.egress)


def test_it_closes_the_namespace(workspace: Workspace) -> None:
    grant_, closed = printed(grant(workspace.party_models["alpha"], workspace))

    assert {one["metadata"]["namespace"] for one in (grant_, closed)} == {"hospital-a"}
    assert closed["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_the_command_prints_it_and_writes_nothing(repository: Path, workspace: Workspace) -> None:
    before = sorted(repository.rglob("*"))
    result = ccd(repository, "party", "grant", "alpha")

    assert result.exit_code == 0, result.output
    grant_, closed = printed(result.stdout)
    named = {key: grant_["metadata"][key] for key in ("name", "namespace")}
    assert named == {"name": "worker", "namespace": "hospital-a"}
    assert grant_["metadata"]["labels"] == closed["metadata"]["labels"]
    assert grant_["metadata"]["labels"]["ccd.dev/party"] == "alpha"
    assert sorted(repository.rglob("*")) == before


def test_an_unknown_party_is_named_with_the_known_ones(repository: Path) -> None:
    result = ccd(repository, "party", "grant", "nobody")

    assert result.exit_code == 2
    assert "alpha, bravo, carol" in result.stderr


def test_a_new_party_is_told_of_it_and_may_ask_at_once(repository: Path) -> None:
    told = ccd(
        repository,
        *("party", "init", "delta", "--namespace", "hospital-d"),
        *("--reviewer", "@delta/stewards", "--egress", "192.0.2.0/24:443"),
    )
    assert "ccd party grant delta | kubectl apply --filename -" in told.stdout

    spec = printed(ccd(repository, "party", "grant", "delta").stdout)[0]["spec"]

    assert spec["secrets"] == {
        "fetch": ["swift-output", "swift-records"],
        "compute": ["ccd-identity"],
        "publish": ["swift-output", "swift-records"],
    }
    assert (spec["claims"], spec["egress"]) == ([], [{"cidr": "192.0.2.0/24", "port": 443}])
