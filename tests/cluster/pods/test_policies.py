"""What NetworkPolicies allow, computed: against the API's own words, with no cluster."""

import pytest

from tests.cluster.pods.policies import Allowed, NotUnderstood, Opening, Pod, allowed

WORKER = Pod("alpha", "w", "10.88.0.5", {"run": "r1"})
PEER = Pod("bravo", "w", "10.88.0.6", {"run": "r1"})
OTHER = Pod("bravo", "other", "10.88.0.7", {"run": "r2"})
PODS = [WORKER, PEER, OTHER]
NAMESPACES = {name: {"kubernetes.io/metadata.name": name} for name in ("alpha", "bravo")}


def policy(**spec):
    return {"metadata": {"namespace": "alpha"}, "spec": {"podSelector": {}, **spec}}


def test_a_pod_that_no_policy_selects_may_do_everything():
    assert allowed(PODS, NAMESPACES, [policy(policyTypes=["Egress"])])[OTHER] == Allowed(None, None)


def test_a_policy_without_rules_closes_the_directions_that_it_names_and_no_other():
    assert allowed(PODS, NAMESPACES, [policy(policyTypes=["Egress"])])[WORKER] == Allowed(None, frozenset())


def test_a_peer_is_meant_by_namespace_and_label_together():
    peer = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "bravo"}},
        "podSelector": {"matchLabels": {"run": "r1"}},
    }
    rule = {"from": [peer], "ports": [{"protocol": "TCP", "port": 8443}]}
    found = allowed(PODS, NAMESPACES, [policy(policyTypes=["Ingress"], ingress=[rule])])[WORKER]
    assert found.ingress == {Opening(("10.88.0.6/32",), (("tcp", 8443),))}


def test_several_policies_add_up():
    stores = [{"to": [{"ipBlock": {"cidr": f"192.0.2.{n}/32"}}], "ports": [{"port": 443}]} for n in (1, 2)]
    both = [policy(policyTypes=["Egress"], egress=[store]) for store in stores]
    found = allowed(PODS, NAMESPACES, both)[WORKER].egress
    assert found == {Opening((f"192.0.2.{n}/32",), (("tcp", 443),)) for n in (1, 2)}


def test_a_rule_whose_peers_are_not_there_opens_nothing():
    nobody = {"podSelector": {"matchLabels": {"run": "r9"}}}
    found = allowed(PODS, NAMESPACES, [policy(policyTypes=["Ingress"], ingress=[{"from": [nobody]}])])[WORKER]
    assert found.ingress == frozenset()


@pytest.mark.parametrize(
    "rule",
    [
        {"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}]},
        {"from": [{"podSelector": {"matchExpressions": [{"key": "run", "operator": "Exists"}]}}]},
        {"ports": [{"port": "https"}]},
        {"ports": [{"port": 1, "endPort": 9}]},
    ],
)
def test_what_is_not_understood_is_refused_and_never_opened(rule):
    with pytest.raises(NotUnderstood):
        allowed(PODS, NAMESPACES, [policy(policyTypes=["Ingress"], ingress=[rule])])
