"""All of OpenStack Swift (proxy, account, container and object server) in one process on loopback.

Usage:  python -m renderer.dev.swift_server --state DIR --port PORT --users FILE [--until-stdin-closes]

The first line on stdout is JSON: {"ready": true, "port": 8080}. Data, rings and swift.conf lie in the state
directory, nothing in /etc; the users' keys stay in FILE and in memory. One replica, no background daemons:
what is written is there at once, and nothing is repaired, expired or counted later.
"""

import argparse
import array
import fcntl
import json
import os
import socket
import sys
from pathlib import Path
from typing import IO, Any

import eventlet  # type: ignore[import-untyped]
from eventlet import wsgi
from eventlet.hubs import trampoline  # type: ignore[import-untyped]
from swift.account.server import AccountController  # type: ignore[import-untyped]
from swift.common import utils  # type: ignore[import-untyped]
from swift.common.ring import RingData  # type: ignore[import-untyped]
from swift.common.wsgi import ConfigString, SwiftHttpProtocol, loadapp  # type: ignore[import-untyped]
from swift.container.server import ContainerController  # type: ignore[import-untyped]
from swift.obj.server import ObjectController  # type: ignore[import-untyped]

from renderer.dev.swift_users import LOCK_NAME, SwiftUsers, read_users
from renderer.local.private_files import private_directory

LOOPBACK = "127.0.0.1"
DEVICE = "disk"  # the one "disk" of the rings: a directory
PARTITION_POWER = 4  # 16 partitions: plenty for one disk
LOG_HOOK = "renderer.dev.swift_plugins.log_to_stderr"

SWIFT_CONF = """\
[swift-hash]
swift_hash_path_prefix = ccd
swift_hash_path_suffix = development

[storage-policy:0]
name = only
default = yes
"""

# account_autocreate: the first request to an account makes it.
# The recheck times bound how long a changed ACL or a new container stays unseen in the cache.
PROXY_CONF = """\
[DEFAULT]
swift_dir = {swift_dir}
log_level = INFO
log_custom_handlers = {log_hook}

[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck proxy-logging cache listing_formats tempurl {auth}
    copy slo dlo versioned_writes proxy-server

[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
node_timeout = 60
recheck_account_existence = 1
recheck_container_existence = 1

[filter:catch_errors]
use = egg:swift#catch_errors

[filter:gatekeeper]
use = egg:swift#gatekeeper

[filter:healthcheck]
use = egg:swift#healthcheck

[filter:proxy-logging]
use = egg:swift#proxy_logging

[filter:cache]
paste.filter_factory = renderer.dev.swift_plugins:memory_cache

[filter:listing_formats]
use = egg:swift#listing_formats

[filter:tempurl]
use = egg:swift#tempurl

[filter:copy]
use = egg:swift#copy

[filter:versioned_writes]
use = egg:swift#versioned_writes

[filter:slo]
use = egg:swift#slo

[filter:dlo]
use = egg:swift#dlo

{auth_filters}
"""

TEMPAUTH_FILTER = """\
[filter:tempauth]
use = egg:swift#tempauth
{users}
"""


def main(argv: list[str] | None = None) -> None:
    """Serve until killed, or until stdin closes if asked."""
    parser = argparse.ArgumentParser(prog="swift_server", description="OpenStack Swift in one process")
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port")
    parser.add_argument("--users", type=Path, required=True, help="as renderer.dev.swift_users writes it")
    parser.add_argument("--until-stdin-closes", action="store_true", help="end when the parent does")
    options = parser.parse_args(argv)
    # Before any socket is made: Swift's servers call each other within this one process, so each wait must
    # let the others run. Swift's own programs patch at this moment, too.
    utils.monkey_patch()
    lock = lock_state(options.state.resolve())
    filters = TEMPAUTH_FILTER.format(users=user_lines(read_users(options.users)))
    port = serve(options.state.resolve(), options.port, "tempauth", filters)
    tell_ready(port)
    with lock:
        if options.until_stdin_closes:
            wait_for_stdin_to_close()
        else:
            eventlet.Event().wait()


def tell_ready(port: int) -> None:
    """Write the line that a parent waits for."""
    print(json.dumps({"ready": True, "port": port}), flush=True)


def lock_state(state: Path) -> IO[str]:
    """Keep other servers off the state directory for as long as the returned file is open."""
    file = (private_directory(state) / LOCK_NAME).open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"another server works on {state}")
    return file


def serve(state: Path, port: int, auth: str, auth_filters: str) -> int:
    """Start the four servers as green threads, with `auth` in the proxy's pipeline; return the proxy's port."""
    configuration = private_directory(state / "etc")
    devices = private_directory(state / "devices")
    private_directory(devices / DEVICE)
    (configuration / "swift.conf").write_text(SWIFT_CONF)
    utils.set_swift_dir(str(configuration))

    common = {
        "devices": str(devices),
        "swift_dir": str(configuration),
        "mount_check": "false",  # the device is a directory, not a mounted disk
        "fallocate_reserve": "0",  # a laptop's disk may be nearly full
        "log_level": "WARNING",
        "log_custom_handlers": LOG_HOOK,
    }
    servers = {"account": AccountController, "container": ContainerController, "object": ObjectController}
    for kind, controller in servers.items():
        listener = eventlet.listen((LOOPBACK, 0))
        # The ring first: each server reads the others' rings when it is made.
        write_ring(configuration, kind, listener.getsockname()[1])
        spawn_server(listener, controller(common))
    proxy_text = PROXY_CONF.format(swift_dir=configuration, log_hook=LOG_HOOK, auth=auth, auth_filters=auth_filters)
    # From a string: the keys would otherwise lie in one more file.
    proxy = loadapp(ConfigString(proxy_text))
    listener = eventlet.listen((LOOPBACK, port), backlog=256, reuse_port=False)
    spawn_server(listener, proxy)
    return int(listener.getsockname()[1])


def write_ring(directory: Path, kind: str, port: int) -> None:
    """Write the ring that sends every partition of `kind` to the one device, served at `port`."""
    device = {
        "id": 0,
        "region": 1,
        "zone": 1,
        "ip": LOOPBACK,
        "port": port,
        "replication_ip": LOOPBACK,
        "replication_port": port,
        "device": DEVICE,
        "weight": 1.0,
        "meta": "",
    }
    one_replica = [array.array("H", [0] * 2**PARTITION_POWER)]
    RingData(one_replica, [device], 32 - PARTITION_POWER).save(str(directory / f"{kind}.ring.gz"))


def user_lines(users: SwiftUsers) -> str:
    """Return tempauth's settings for `users`."""
    lines = []
    for user in users.users:
        groups = " .admin" if user.admin else ""
        lines.append(f"user_{user.account}_{user.name} = {user.key}{groups}")
    return "\n".join(lines)


def spawn_server(listener: socket.socket, app: Any) -> None:
    """Serve `app` on `listener` in a green thread of its own."""
    quiet = utils.get_logger({"log_level": "ERROR", "log_custom_handlers": LOG_HOOK}, log_route="wsgi")
    options = {"protocol": SwiftHttpProtocol, "log_output": False, "max_size": 256}
    eventlet.spawn(wsgi.server, listener, app, quiet, **options)


def wait_for_stdin_to_close() -> None:
    """Return when the other end of stdin is gone, which is also how a killed parent looks."""
    descriptor = sys.stdin.fileno()
    while True:
        trampoline(descriptor, read=True)
        if not os.read(descriptor, 4096):
            return


if __name__ == "__main__":
    main()
