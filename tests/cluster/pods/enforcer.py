"""Enforces the cluster's NetworkPolicies on the machine, by nftables: the part of a network plug-in that no module has.

Reads what the API server has, not what we rendered. Closed until computed: a pod that is not known yet reaches nothing
and is reached by nobody. What a pod sends to the machine itself counts as sent: a node is no way around a policy.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tests.cluster.client import Client
from tests.cluster.pods.containerd import POD_RANGE
from tests.cluster.pods.machine import Machine
from tests.cluster.pods.policies import Allowed, Opening, Pod, allowed, pods_of

TABLE = "ccdt-policies"
INTERVAL_S = 0.2


class Enforcer:
    """A thread that keeps the rules as the API server's objects want them."""

    def __init__(self, machine: Machine, admin: Client) -> None:
        self._machine, self._admin = machine, admin
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._rules = ""
        self.failure: BaseException | None = None

    def start(self) -> None:
        """Close everything, then begin."""
        self._enforce({})
        self._thread.start()

    def stop(self) -> None:
        """End the thread; raise what ended it before."""
        self._stop.set()
        self._thread.join()
        if self.failure is not None:
            raise self.failure

    def is_known(self, address: str) -> bool:
        """Whether the rules know the pod of that address."""
        return f"{address} : goto" in self._rules

    def _work(self) -> None:
        try:
            while not self._stop.wait(INTERVAL_S):
                namespaces = {
                    one["metadata"]["name"]: one["metadata"].get("labels", {})
                    for one in self._admin.list_all("v1", "Namespace")
                }
                policies = self._admin.list_all("networking.k8s.io/v1", "NetworkPolicy")
                self._enforce(allowed(pods_of(self._admin.list_all("v1", "Pod")), namespaces, policies))
        except BaseException as error:
            self.failure = error

    def _enforce(self, pods: Mapping[Pod, Allowed]) -> None:
        rules = ruleset(pods)
        if rules != self._rules:
            self._machine.run("nft", "-f", "-", text=rules)
            self._rules = rules


@contextmanager
def enforcing(machine: Machine, admin: Client) -> Iterator[Enforcer]:
    """Enforce NetworkPolicies for the time of a `with` block."""
    enforcer = Enforcer(machine, admin)
    enforcer.start()
    try:
        yield enforcer
    finally:
        enforcer.stop()


def ruleset(pods: Mapping[Pod, Allowed]) -> str:
    """Return the rules as one transaction for `nft -f`."""
    ordered = sorted(pods.items(), key=lambda item: item[0].address)
    lines = [
        f"table inet {TABLE}",
        f"delete table inet {TABLE}",
        f"table inet {TABLE} {{",
        "chain forward { type filter hook forward priority 0; policy drop;",
        "ct state established,related accept",
        f"ip saddr {POD_RANGE} jump egress",
        f"ip daddr {POD_RANGE} jump ingress",
        "accept",
        "}",
        "chain input { type filter hook input priority 0; policy accept;",
        "ct state established,related accept",
        f"ip saddr {POD_RANGE} jump egress",
        "}",
    ]
    for direction, field, other in (("egress", "saddr", "daddr"), ("ingress", "daddr", "saddr")):
        chains = [(pod, f"{direction}_{number}", getattr(can, direction)) for number, (pod, can) in enumerate(ordered)]
        for pod, chain, openings in chains:
            rules = (
                ["return"] if openings is None else [rule for one in sorted(openings) for rule in _rules(one, other)]
            )
            lines += [f"chain {chain} {{ # {pod.namespace}/{pod.name}", *rules, "drop", "}"]
        targets = ", ".join(f"{pod.address} : goto {chain}" for pod, chain, _ in chains)
        lines += [f"chain {direction} {{", *([f"ip {field} vmap {{ {targets} }}"] if targets else []), "drop", "}"]
    return "\n".join([*lines, "}"]) + "\n"


def _rules(opening: Opening, field: str) -> list[str]:
    networks = f"ip {field} {{ {', '.join(opening.networks)} }}"
    if not opening.ports:
        return [f"{networks} return"]
    return [f"{networks} {protocol} dport {port} return" for protocol, port in opening.ports]
