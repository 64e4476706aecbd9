"""Name servers elsewhere than usual: what is rendered for them is admitted where the owner has named them, else refused."""

import shutil

import pytest

from policy.yaml import read_yaml
from renderer.argo_rights import role_binding
from renderer.check import load_workspace
from renderer.documents import Workspace
from renderer.grant import grant
from renderer.networkpolicy import allow_peers
from tests.cluster.client import Client, Refused
from tests.cluster.control_plane import ControlPlane
from tests.cluster.federation import ARGO_CD, ARGO_CD_GROUPS, Federation, owners_word, refusal
from tests.cluster.manifests import GONE, changed
from tests.cluster.process import wait_until
from tests.cluster.tree import ROOT, Manifest

# As OpenShift has it, and a node's own cache beside it.
NAMESPACE = "airport-openshift"
OPENSHIFT = {
    "namespace": "openshift-dns",
    "podLabels": {"dns.operator.openshift.io/daemonset-dns": "default"},
    "port": 5353,
    "addresses": [{"cidr": "169.254.20.10/32", "port": 53}],
}
DNS, CACHE = "spec.egress[3]", "spec.egress[4]"


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The shipped federation, but for a party in a cluster of another make."""
    root = tmp_path_factory.mktemp("elsewhere")
    shutil.copytree(ROOT / "workflows", root / "workflows")
    party = root / "workflows/parties/lga.yaml"
    text = party.read_text().replace("namespace: airport-lga", f"namespace: {NAMESPACE}")
    party.write_text(
        f"{text}  dns:\n    namespace: openshift-dns\n    port: 5353\n"
        "    podLabels: {dns.operator.openshift.io/daemonset-dns: default}\n"
        "    addresses: [{cidr: 169.254.20.10/32}]\n"
    )
    return load_workspace(root)


@pytest.fixture(scope="module")
def opened(elsewhere: Workspace) -> Manifest:
    """What is rendered for that party."""
    run = elsewhere.planned("market-concentration")
    [member] = [member for member in run.members if member.name == "lga"]
    return read_yaml(allow_peers(run, member), "networkpolicy-peers.yaml")[0]


@pytest.fixture(scope="module")
def word(elsewhere: Workspace) -> Manifest:
    """What its owner is offered to sign."""
    [given, _] = owners_word(grant(elsewhere.party_models["lga"], elsewhere))
    return given


@pytest.fixture(scope="module")
def argo_cd(control_plane: ControlPlane, federation: Federation, elsewhere: Workspace, word: Manifest) -> Client:
    """Argo CD, with its rights in that party's namespace; the owner has agreed."""
    admin = control_plane.client()
    [sample] = [one for one in federation.tree.namespaces if one["metadata"]["name"] == "airport-lga"]
    admin.apply(changed(sample, ("metadata.name", NAMESPACE)), manager="owner")
    rights = read_yaml(role_binding(elsewhere.party_models["lga"]), "rolebinding.yaml")[0]
    for manifest in (word, rights):
        admin.apply(manifest, manager="owner")
    return control_plane.client(ARGO_CD, *ARGO_CD_GROUPS)


def test_what_is_rendered_and_granted_is_what_the_party_says(opened: Manifest, word: Manifest):
    assert word["spec"]["dns"] == OPENSHIFT
    assert opened["spec"]["egress"][3]["ports"] == [{"protocol": name, "port": 5353} for name in ("UDP", "TCP")]


def test_it_is_admitted_where_the_owner_has_named_them(argo_cd: Client, opened: Manifest):
    wait_until(lambda: refusal(argo_cd, opened) == "", "the owner's word is known to the API server")


@pytest.mark.parametrize(
    "change",
    [
        (f"{DNS}.ports[0].port", 53),
        (f"{DNS}.to[0].podSelector", GONE),
        (f"{DNS}.to[0].namespaceSelector.matchLabels", {"kubernetes.io/metadata.name": "kube-system"}),
        (f"{CACHE}.to[0].ipBlock.cidr", "169.254.0.0/16"),
        (f"{CACHE}.ports[0].port", 5353),
        (f"{CACHE}.ports", GONE),
    ],
)
def test_only_these_are_opened(argo_cd: Client, opened: Manifest, change):
    wait_until(lambda: refusal(argo_cd, opened) == "", "the owner's word is known to the API server")

    assert "ccd/egress:" in refusal(argo_cd, changed(opened, change))


def test_what_git_says_of_name_servers_opens_nothing_by_itself(federation: Federation, opened: Manifest):
    # The owner of this namespace has named the usual ones.
    message = refusal(federation.argo_cd, changed(opened, ("metadata.namespace", "airport-lga")))

    assert "ccd/egress:" in message, message


def test_a_grant_names_its_name_servers(admin: Client, argo_cd: Client, word: Manifest):
    with pytest.raises(Refused, match=r"spec\.dns: Required value"):
        admin.apply(changed(word, ("spec.dns", GONE)), manager="owner", dry_run=True)
    with pytest.raises(Refused, match="the whole Internet"):
        admin.apply(changed(word, ("spec.dns.addresses[0].cidr", "0.0.0.0/0")), manager="owner", dry_run=True)
