import socket
from pathlib import Path

from renderer.dev.ports import free_ports


def test_ports_are_never_given_twice_and_can_be_listened_on():
    ports = free_ports(20) + free_ports(20)
    assert len(set(ports)) == 40
    servers = [socket.create_server(("127.0.0.1", port)) for port in ports]
    for server in servers:
        server.close()


def test_a_port_that_is_taken_is_passed_over(monkeypatch):
    monkeypatch.setattr("renderer.dev.ports._next", {})
    (taken,) = free_ports(1)
    with socket.create_server(("127.0.0.1", taken)):
        monkeypatch.setattr("renderer.dev.ports._next", {})
        assert taken not in free_ports(5)


def test_no_port_is_one_that_an_outgoing_connection_may_have():
    """Whoever dials such a port before its server is there may be connected to itself, and keeps the server out."""
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert max(free_ports(50)) < lowest
