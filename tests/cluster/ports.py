"""Free ports."""

import socket


def free_ports(n: int) -> list[int]:
    """Return `n` different ports that were free on loopback a moment ago."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    try:
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
