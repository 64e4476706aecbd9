"""Ports of loopback for servers that are started later."""

import os
import socket

# Below what kernels lend to outgoing connections: a port from there may be somebody's by the time its server starts,
# and who dials it before that may even be connected to itself. Kubernetes' node ports begin where these end.
_FIRST, _LAST = 15_000, 29_999
_STRIDE = 9_271  # of the golden section: processes that start one after the other begin far apart, and all others, too
_next: dict[int, int] = {}


def free_ports(n: int) -> list[int]:
    """Return `n` different ports that nobody listens on; each call goes on where the last one in this process ended."""
    span, found = _LAST - _FIRST + 1, list[int]()
    at = _next.setdefault(os.getpid(), os.getpid() * _STRIDE)
    for offset in range(at, at + span):
        if len(found) == n:
            break
        _next[os.getpid()] = offset + 1
        if _is_free(port := _FIRST + offset % span):
            found.append(port)
    if len(found) < n:
        raise OSError(f"fewer than {n} ports are free from {_FIRST} to {_LAST}")
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
