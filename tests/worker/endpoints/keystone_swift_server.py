"""All of OpenStack Swift in one process, which asks a Keystone who its clients are.

Usage:  python -m tests.worker.endpoints.keystone_swift_server STATE FILTERS

The first line on stdout is JSON: {"ready": true, "port": 8080}. It ends when stdin closes.
"""

import sys
from pathlib import Path

from swift.common import utils

from renderer.dev.swift_server import serve, tell_ready, wait_for_stdin_to_close


def main() -> None:
    utils.monkey_patch()
    tell_ready(serve(Path(sys.argv[1]), 0, "authtoken keystoneauth", Path(sys.argv[2]).read_text()))
    wait_for_stdin_to_close()


if __name__ == "__main__":
    main()
