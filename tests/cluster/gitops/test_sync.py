"""What a merge does in the parties' namespaces. The tests of this module tell one story, in order."""

import shutil
from typing import Any

from tests.cluster.gitops.applications import wait_for
from tests.cluster.gitops.forge import NAMESPACES, WORKFLOW, Forge
from tests.renderer.conftest import edit

KINDS = ("ConfigMap", "Job", "NetworkPolicy", "Service", "ServiceAccount")


def wait_until_synced(forge: Forge, run_id: str) -> None:
    def is_synced() -> bool:
        found = [forge.application(party, run_id) for party in NAMESPACES]
        return all(one is not None and one.is_done for one in found)

    wait_for(f"{run_id} is synced everywhere", is_synced)


def versions(forge: Forge) -> dict[tuple[str, str, str], str]:
    """The resourceVersion of every object of ours."""
    return {
        (party, kind, name): one["metadata"]["resourceVersion"]
        for party in NAMESPACES
        for kind in KINDS
        for name, one in forge.objects(party, kind).items()
    }


def syncs(forge: Forge) -> dict[str, Any]:
    return {one.name: (one.n_syncs, one.operation["startedAt"]) for one in forge.applications()}


def test_a_merge_makes_each_party_s_job_in_its_own_namespace(forge: Forge):
    wait_until_synced(forge, forge.run_id)

    for party in NAMESPACES:
        assert list(forge.objects(party)) == [f"{forge.run_id}-{party}"]
        assert {kind: len(forge.objects(party, kind)) for kind in KINDS} == {
            **dict.fromkeys(KINDS, 1),
            "NetworkPolicy": 2,
        }


def test_a_second_sync_changes_nothing(forge: Forge):
    before, operations = versions(forge), syncs(forge)
    compared = {one.name: one.compared_at for one in forge.applications()}
    (forge.root / "README.md").write_text("Nothing that is applied\n")

    commit = forge.merge("Say what this is")

    wait_for("the new commit is compared", lambda: all(one.revision == commit for one in forge.applications()))
    assert all(one.compared_at >= compared[one.name] and one.sync == "Synced" for one in forge.applications())
    assert versions(forge) == before
    assert syncs(forge) == operations


def test_a_changed_workflow_is_a_new_job_beside_the_old_one(forge: Forge):
    old, before = forge.run_id, versions(forge)
    edit(forge.root, f"{WORKFLOW}.yaml", "jobSeconds: 600", "jobSeconds: 601")
    forge.render()

    forge.merge("Wait a second longer")

    wait_until_synced(forge, forge.run_id)
    for party in NAMESPACES:
        assert set(forge.objects(party)) == {f"{old}-{party}", f"{forge.run_id}-{party}"}
    after = versions(forge)
    assert {key: after[key] for key in before} == before


def test_an_older_run_that_is_retired_is_pruned_alone(forge: Forge):
    [old] = {one.name.partition(".")[0] for one in forge.applications()} - {forge.run_id}
    kept = {key: version for key, version in versions(forge).items() if not key[2].startswith(old)}
    for directory in (forge.root / "argocd/rendered").glob(f"*/{old}"):
        shutil.rmtree(directory)
    forge.render()  # as `ccd cancel`, and it stays away

    forge.merge("Retire the older run")

    wait_for("the old run's Applications are gone", lambda: len(forge.applications()) == len(NAMESPACES))
    assert versions(forge) == kept


def test_a_deleted_job_comes_back(forge: Forge):
    name = f"{forge.run_id}-alpha"
    old = forge.objects("alpha")[name]["metadata"]["uid"]

    forge.client.delete("batch/v1", "Job", name, forge.namespace("alpha"))

    def is_back() -> bool:
        found = forge.objects("alpha").get(name)
        return found is not None and found["metadata"]["uid"] != old

    wait_for("the Job is there again", is_back)


def test_a_network_policy_that_was_deleted_comes_back(forge: Forge):
    [name] = [one for one in forge.objects("bravo", "NetworkPolicy") if one.endswith("-deny")]

    forge.client.delete("networking.k8s.io/v1", "NetworkPolicy", name, forge.namespace("bravo"))

    wait_for("nothing is allowed again", lambda: name in forge.objects("bravo", "NetworkPolicy"))


def test_retiring_prunes_everything(forge: Forge):
    for file in (forge.root / "workflows").glob("*.yaml"):
        if file.name != "federation.yaml":
            file.unlink()
    forge.render()

    forge.merge("Retire all")

    wait_for("no Application is left", lambda: forge.applications() == [])
    assert versions(forge) == {}
