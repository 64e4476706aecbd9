"""A federation that asks for signatures: what nobody has signed makes nothing and prunes nothing. One story, in order."""

import shutil
from collections.abc import Iterator

import pytest

from tests.cluster.conftest import or_skip
from tests.cluster.gitops.applications import wait_for
from tests.cluster.gitops.argo import ArgoCd
from tests.cluster.gitops.forge import NAMESPACES, WORKFLOW, Forge, found
from tests.cluster.gitops.install import APPLICATION, NAMESPACE
from tests.cluster.gitops.keys import Key, new_key
from tests.renderer.conftest import edit
from tests.renderer.gitops import git


@pytest.fixture(scope="module")
def key(argo: ArgoCd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Key]:
    """The key of somebody whom the federation trusts."""
    with or_skip(), new_key(tmp_path_factory.mktemp("keys"), "steward") as key:
        key.publish(argo.keyring)
        yield key


@pytest.fixture(scope="module")
def signed(argo: ArgoCd, key: Key, tmp_path_factory: pytest.TempPathFactory) -> Forge:
    """A federation that asks for that key's signature."""
    forge = found(tmp_path_factory.mktemp("signed"), "signed", argo.plane)
    edit(forge.root, "federation.yaml", "  image:", f"  signatures: {{keys: [{key.fingerprint}]}}\n  image:")
    forge.render()
    forge.join()
    forge.merge("Begin", *key.options)
    return forge


def add_workflow(forge: Forge, name: str) -> None:
    text = (forge.root / f"workflows/{WORKFLOW}.yaml").read_text()
    (forge.root / f"workflows/{name}.yaml").write_text(text.replace(f"name: {WORKFLOW}", f"name: {name}"))
    forge.render()


def jobs(forge: Forge) -> dict[str, set[str]]:
    """The workflows that have a Job, by party."""
    return {
        party: {one["metadata"]["labels"]["ccd.dev/workflow"] for one in forge.objects(party).values()}
        for party in NAMESPACES
    }


def everywhere(*workflows: str) -> dict[str, set[str]]:
    return {party: set(workflows) for party in NAMESPACES}


def complaints(forge: Forge) -> list[str]:
    """What each party's ApplicationSet says is wrong with it."""
    found = []
    for namespace in forge.namespaces:
        status = forge.client.get(APPLICATION, "ApplicationSet", f"ccd-{namespace}", NAMESPACE).get("status", {})
        wrong = [
            one for one in status.get("conditions", []) if one["type"] == "ErrorOccurred" and one["status"] == "True"
        ]
        found.append("\n".join(one["message"] for one in wrong))
    return found


def wait_until_all_refuse(forge: Forge, what: str) -> None:
    wait_for(f"every ApplicationSet says: {what}", lambda: all(what in said for said in complaints(forge)))


def test_a_signed_commit_is_applied(signed: Forge):
    wait_for("everybody has the Job", lambda: jobs(signed) == everywhere(WORKFLOW))


def test_an_unsigned_commit_makes_nothing(signed: Forge):
    add_workflow(signed, "unsigned")

    commit = signed.merge("Trust me")

    wait_until_all_refuse(signed, f"Failed verifying revision {commit} by 'Ann Alyst <ann@example.org>': unsigned")
    assert jobs(signed) == everywhere(WORKFLOW)


def test_the_applications_that_are_there_say_so_too(signed: Forge):
    wait_for(
        "each Application shows what is wrong",
        lambda: all("Failed verifying revision" in one.said for one in signed.applications()),
    )


def test_an_unsigned_commit_prunes_nothing(signed: Forge):
    before = {party: signed.objects(party) for party in NAMESPACES}
    shutil.rmtree(signed.root / "argocd/rendered")

    commit = signed.merge("Retire everything")

    wait_until_all_refuse(signed, f"Failed verifying revision {commit}")
    after = {party: signed.objects(party) for party in NAMESPACES}
    assert all(before.values())
    assert after == before


def test_a_signature_on_top_does_not_bless_what_lies_below(signed: Forge, key: Key):
    below = git(signed.root, "rev-parse", "HEAD")
    add_workflow(signed, "sealed")

    commit = signed.merge("Signed, but what lies below is not", *key.options)

    wait_until_all_refuse(signed, f"Failed verifying revision {below}")
    assert not any(commit in said for said in complaints(signed))
    assert jobs(signed) == everywhere(WORKFLOW)


def test_a_seal_over_what_was_reviewed_does(signed: Forge, key: Key):
    (signed.root / "README.md").write_text("Sealed\n")

    signed.merge("Go on\n\nArgocd-gpg-seal: what lies below has been looked through", *key.options)

    wait_for("what is in Git is applied", lambda: jobs(signed) == everywhere(WORKFLOW, "unsigned", "sealed"))


def test_a_key_that_is_not_listed_counts_for_nothing(
    signed: Forge, argo: ArgoCd, tmp_path_factory: pytest.TempPathFactory
):
    with new_key(tmp_path_factory.mktemp("keys"), "stranger") as stranger:
        stranger.publish(argo.keyring)
        add_workflow(signed, "strange")
        commit = signed.merge("Signed, though", *stranger.options)

    wait_until_all_refuse(signed, f"Failed verifying revision {commit}")
    assert jobs(signed) == everywhere(WORKFLOW, "unsigned", "sealed")
