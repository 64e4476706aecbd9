"""NetworkPolicies, computed: for each pod, whom it may speak to and who may speak to it. Pure; a test holds it.

It knows the part of the API that is used here, and refuses the rest: what it does not understand, it must not open.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

Object = Mapping[str, Any]
Labels = Mapping[str, str]


class NotUnderstood(Exception):
    """A NetworkPolicy says something that is not implemented here."""


@dataclass(frozen=True, order=True)
class Opening:
    """Networks, and the ports at which connections may be made. No ports: all of them."""

    networks: tuple[str, ...]
    ports: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Pod:
    """A pod that has an address."""

    namespace: str
    name: str
    address: str
    labels: Labels = field(hash=False)


@dataclass(frozen=True)
class Allowed:
    """What a pod may do. None: no policy selects it in that direction, so everything passes."""

    ingress: frozenset[Opening] | None
    egress: frozenset[Opening] | None


def pods_of(objects: Iterable[Object]) -> list[Pod]:
    """Return the pods that have an address of their own and have not ended."""
    found = []
    for pod in objects:
        metadata, status = pod["metadata"], pod.get("status", {})
        has_ended = status.get("phase") in ("Succeeded", "Failed")
        if status.get("podIP") and not has_ended and not pod["spec"].get("hostNetwork"):
            found.append(Pod(metadata["namespace"], metadata["name"], status["podIP"], metadata.get("labels", {})))
    return found


def allowed(pods: Iterable[Pod], namespaces: Mapping[str, Labels], policies: Iterable[Object]) -> dict[Pod, Allowed]:
    """Return what each pod may do.

    Raises:  NotUnderstood.
    """
    pods, policies = list(pods), list(policies)
    return {
        pod: Allowed(
            _openings(pod, "Ingress", "from", pods, namespaces, policies),
            _openings(pod, "Egress", "to", pods, namespaces, policies),
        )
        for pod in pods
    }


def _openings(
    pod: Pod, direction: str, side: str, pods: list[Pod], namespaces: Mapping[str, Labels], policies: list[Object]
) -> frozenset[Opening] | None:
    isolating = [one for one in policies if _applies(one, pod, direction)]
    if not isolating:
        return None
    found = set()
    for policy in isolating:
        for rule in policy["spec"].get(direction.lower(), []):
            _only(rule, side, "ports")
            peers = rule.get(side, [])
            networks = {n for peer in peers for n in _networks(peer, pod.namespace, pods, namespaces)}
            found.add(Opening(tuple(sorted(networks if peers else {"0.0.0.0/0"})), _ports(rule.get("ports", []))))
    return frozenset(opening for opening in found if opening.networks)


def _applies(policy: Object, pod: Pod, direction: str) -> bool:
    spec = policy["spec"]
    _only(spec, "podSelector", "policyTypes", "ingress", "egress")
    return (
        policy["metadata"]["namespace"] == pod.namespace
        and direction in spec["policyTypes"]
        and _selects(spec["podSelector"], pod.labels)
    )


def _networks(peer: Object, own: str, pods: list[Pod], namespaces: Mapping[str, Labels]) -> set[str]:
    _only(peer, "namespaceSelector", "podSelector", "ipBlock")
    if "ipBlock" in peer:
        _only(peer["ipBlock"], "cidr")
        return {str(ip_network(peer["ipBlock"]["cidr"]))}
    selector = peer.get("podSelector", {})
    if "namespaceSelector" in peer:
        among = {name for name, labels in namespaces.items() if _selects(peer["namespaceSelector"], labels)}
    else:
        among = {own}
    return {f"{pod.address}/32" for pod in pods if pod.namespace in among and _selects(selector, pod.labels)}


def _ports(ports: list[Object]) -> tuple[tuple[str, int], ...]:
    for port in ports:
        _only(port, "protocol", "port")
        if not isinstance(port.get("port"), int):
            raise NotUnderstood(f"port {port}")
    return tuple(sorted((port.get("protocol", "TCP").lower(), port["port"]) for port in ports))


def _selects(selector: Object, labels: Labels) -> bool:
    _only(selector, "matchLabels")
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())


def _only(found: Object, *known: str) -> None:
    unknown = sorted(set(found) - set(known))
    if unknown:
        raise NotUnderstood(f"{', '.join(unknown)} in a NetworkPolicy")
