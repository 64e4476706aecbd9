"""What a run's pods may reach and be reached from: nothing, then its peers, DNS and the declared stores."""

from dataclasses import dataclass

from renderer.dns import NameServer
from renderer.party import Egress
from renderer.render import render
from renderer.run_object import Pairs, RunObject, labels, origin, selector
from renderer.spec import Member, PlannedRun
from worker.runspec import TLS_PORT


@dataclass(frozen=True)
class Peer:
    """Pods of one other member, or name servers: by namespace and by label, since either alone could be imitated."""

    namespace: str
    selector: Pairs


@dataclass(frozen=True)
class Deny(RunObject):
    """Which pods."""

    selector: Pairs


@dataclass(frozen=True)
class Allow(Deny):
    """Which pods, and whom they may speak with."""

    peers: tuple[Peer, ...]
    dns: Peer
    dns_port: int
    name_servers: tuple[NameServer, ...]
    stores: tuple[Egress, ...]
    port: int


def deny_all(run: PlannedRun, member: Member) -> str:
    """Return the NetworkPolicy that closes both directions."""
    name = f"{run.run.run_id}-deny"
    context = Deny(origin(run), name, member.namespace, labels(run, member), selector(run, member))
    return render("networkpolicy-deny.yaml.j2", context)


def allow_peers(run: PlannedRun, member: Member) -> str:
    """Return the NetworkPolicy that opens what the run needs."""
    peers = tuple(Peer(peer.namespace, selector(run, peer)) for peer in run.members if peer.name != member.name)
    context = Allow(
        origin(run),
        f"{run.run.run_id}-peers",
        member.namespace,
        labels(run, member),
        selector(run, member),
        peers,
        Peer(member.dns.namespace, tuple(sorted(member.dns.pod_labels.items()))),
        member.dns.port,
        tuple(sorted(set(member.dns.addresses), key=lambda server: (server.cidr, server.port))),
        tuple(sorted(set(member.egress), key=lambda egress: (egress.cidr, egress.port))),
        TLS_PORT,
    )
    return render("networkpolicy-peers.yaml.j2", context)
