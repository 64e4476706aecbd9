"""Redis, Argo CD's cache: whichever of `redis-server` and `valkey-server` is installed."""

import secrets
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from renderer.dev.ports import free_ports
from tests.cluster.binaries import NoBinaries
from tests.cluster.process import Server, running

PROGRAMS = ("redis-server", "valkey-server")


@dataclass(frozen=True)
class Redis:
    """A running Redis on loopback."""

    server: Server
    address: str
    password: str


@contextmanager
def start_redis(directory: Path, logs: Path) -> Iterator[Redis]:
    """Run Redis for the time of a `with` block; it keeps nothing.

    Raises:  NoBinaries.
    """
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        raise NoBinaries(f"{' or '.join(PROGRAMS)}: not found (fix: apt-get install redis-server)")
    [port] = free_ports(1)
    password = secrets.token_urlsafe(16)
    file = directory / "redis.conf"
    file.write_text(f'bind 127.0.0.1\nport {port}\nrequirepass {password}\nsave ""\nappendonly no\ndir {directory}\n')
    with running("redis", [program, file], logs) as server:
        server.wait_until(lambda: _answers(port))
        yield Redis(server, f"127.0.0.1:{port}", password)


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
