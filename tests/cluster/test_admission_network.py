"""A NetworkPolicy or Service that opens more than a run needs is refused by the API server."""

from typing import Any

import pytest

from tests.cluster.federation import Federation, refusal
from tests.cluster.manifests import GONE, changed
from tests.cluster.tree import Manifest, Tree, another_run

INGRESS, EGRESS = "spec.ingress[0]", "spec.egress[0]"
DNS, STORE = "spec.egress[3]", "spec.egress[4]"

TRIES: dict[str, tuple[str, list[tuple[str, Any]]]] = {
    "all pods selected": ("selector", [("spec.podSelector", {})]),
    "the pods of all runs selected": ("selector", [("spec.podSelector.matchLabels", {"ccd.dev/party": "ewr"})]),
    "other pods selected by an expression": (
        "selector",
        [("spec.podSelector.matchExpressions", [{"key": "x", "operator": "DoesNotExist"}])],
    ),
    "a name that is no run's": ("selector", [("metadata.name", "ccd-closed")]),
    "no label of a run": ("selector", [("metadata.labels", {})]),
    "everybody may come in": ("ingress", [(f"{INGRESS}.from", GONE)]),
    "an address may come in": ("ingress", [(f"{INGRESS}.from", [{"ipBlock": {"cidr": "192.0.2.66/32"}}])]),
    "every port is open": ("ingress", [(f"{INGRESS}.ports", GONE)]),
    "another port is open": ("ingress", [(f"{INGRESS}.ports[0].port", 22)]),
    "a range of ports is open": ("ingress", [(f"{INGRESS}.ports[0].endPort", 9000)]),
    "every namespace may come in": ("ingress", [(f"{INGRESS}.from[0].namespaceSelector", {})]),
    "a namespace that is no peer's may come in": (
        "ingress",
        [(f"{INGRESS}.from[0].namespaceSelector.matchLabels", {"kubernetes.io/metadata.name": "evil"})],
    ),
    "every pod of a peer may come in": ("ingress", [(f"{INGRESS}.from[0].podSelector", GONE)]),
    "pods of another run may come in": (
        "ingress",
        [(f"{INGRESS}.from[0].podSelector.matchLabels", {"ccd.dev/run": "other", "ccd.dev/party": "jfk"})],
    ),
    "everything is reached": ("egress", [(f"{EGRESS}.to", GONE)]),
    "the whole Internet is reached": ("egress", [(f"{STORE}.to[0].ipBlock.cidr", "0.0.0.0/0")]),
    "the whole Internet is reached by IPv6": ("egress", [(f"{STORE}.to[0].ipBlock.cidr", "::/0")]),
    "a store that the owner has not named is reached": (
        "egress",
        [(f"{STORE}.to[0].ipBlock.cidr", "198.51.100.0/24")],
    ),
    "another port of the store is reached": ("egress", [(f"{STORE}.ports[0].port", 22)]),
    "every port of the store is reached": ("egress", [(f"{STORE}.ports", GONE)]),
    "the store's port is reached at every pod": ("egress", [(f"{STORE}.to", [{"podSelector": {}}])]),
    "another port of the cluster's own pods is reached": ("egress", [(f"{DNS}.ports[0].port", 6443)]),
    "a name server outside is reached": ("egress", [(f"{DNS}.to", [{"ipBlock": {"cidr": "192.0.2.66/32"}}])]),
    "another protocol of the name servers is reached": ("egress", [(f"{DNS}.ports[0].protocol", "SCTP")]),
    "every port of the name servers is reached": ("egress", [(f"{DNS}.ports", GONE)]),
    "other pods beside the name servers are reached": ("egress", [(f"{DNS}.to[0].podSelector", GONE)]),
    "pods with another label than the name servers' are reached": (
        "egress",
        [(f"{DNS}.to[0].podSelector.matchLabels", {"k8s-app": "kube-proxy"})],
    ),
    "name servers by an expression are reached": (
        "egress",
        [(f"{DNS}.to[0].podSelector.matchExpressions", [{"key": "x", "operator": "DoesNotExist"}])],
    ),
    "name servers that the owner has not named are reached": (
        "egress",
        [(f"{DNS}.to[0].namespaceSelector.matchLabels", {"kubernetes.io/metadata.name": "openshift-dns"})],
    ),
    "a pod that is no peer's is reached": (
        "egress",
        [(f"{EGRESS}.to[0].namespaceSelector.matchLabels", {"kubernetes.io/metadata.name": "evil"})],
    ),
    "a direction is left open": ("both-ways", [("spec.policyTypes", ["Ingress"]), ("spec.egress", GONE)]),
}
SERVICE_TRIES: dict[str, list[tuple[str, Any]]] = {
    "every node's port": [("spec.type", "NodePort"), ("spec.clusterIP", GONE)],
    "a load balancer": [("spec.type", "LoadBalancer"), ("spec.clusterIP", GONE)],
    "a name outside": [("spec", {"type": "ExternalName", "externalName": "evil.example.org"})],
    "an address outside": [("spec.externalIPs", ["192.0.2.66"])],
    "other pods": [("spec.selector", {"app": "other"})],
    "no selector": [("spec.selector", GONE)],
    "another port": [("spec.ports[0].port", 443)],
    "another name": [("metadata.name", "anything")],
}


def one_of(shipped: Tree, kind: str, end: str) -> Manifest:
    run = another_run(shipped.run_of("airport-ewr", "market-concentration"), "aaaa")
    [found] = [one for one in run if one["kind"] == kind and one["metadata"]["name"].endswith(end)]
    return found


@pytest.fixture(scope="module")
def peers(shipped: Tree) -> Manifest:
    return one_of(shipped, "NetworkPolicy", "-peers")


@pytest.fixture(scope="module")
def service(shipped: Tree) -> Manifest:
    return one_of(shipped, "Service", "-ewr")


def test_what_the_tries_change_would_be_admitted(federation: Federation, peers: Manifest, service: Manifest):
    assert refusal(federation.argo_cd, peers) == ""
    assert refusal(federation.argo_cd, service) == ""


def test_all_of_the_tree_is_admitted(federation: Federation, shipped: Tree):
    for manifest in (*shipped.of_kind("NetworkPolicy"), *shipped.of_kind("Service")):
        federation.argo_cd.apply(manifest, dry_run=True)


@pytest.mark.parametrize("name", TRIES)
def test_a_network_policy_is_refused_by_which(federation: Federation, peers: Manifest, name: str):
    rule, changes = TRIES[name]

    message = refusal(federation.argo_cd, changed(peers, *changes))

    assert "ValidatingAdmissionPolicy 'ccd-networkpolicies'" in message, message
    assert f"ccd/{rule}:" in message


@pytest.mark.parametrize("name", SERVICE_TRIES)
def test_a_service_is_refused_with(federation: Federation, service: Manifest, name: str):
    message = refusal(federation.argo_cd, changed(service, *SERVICE_TRIES[name]))

    assert "ValidatingAdmissionPolicy 'ccd-services'" in message, message
    assert "ccd/service:" in message
