"""All of OpenStack Keystone in one process on loopback: SQLite, Fernet tokens, an administrator.

Usage:  python -m tests.worker.endpoints.keystone_server STATE PORT PASSWORD_FILE

The first line on stdout is JSON: {"ready": true, "port": 5000}. It ends when stdin closes.
"""

import json
import os
import sys
import threading
from pathlib import Path

import waitress

CONF = """\
[DEFAULT]
use_stderr = true
default_log_levels = keystone=WARNING,alembic=WARNING,sqlalchemy=WARNING,oslo=WARNING

[database]
connection = sqlite:///{state}/keystone.db

[fernet_tokens]
key_repository = {state}/fernet

[fernet_receipts]
key_repository = {state}/receipts

[credential]
key_repository = {state}/credential

[identity]
password_hash_rounds = 4

[cache]
enabled = true
backend = dogpile.cache.memory
"""


def main() -> None:
    state, port, password = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]).read_text()
    for name in ("fernet", "receipts", "credential"):
        (state / name).mkdir(parents=True, mode=0o700)
    conf = state / "keystone.conf"
    conf.write_text(CONF.format(state=state))
    os.environ["OS_KEYSTONE_CONFIG_FILES"] = str(conf)
    sys.argv = ["keystone"]
    app = application(conf, port, password)
    server = waitress.create_server(app, host="127.0.0.1", port=port, threads=4)
    threading.Thread(target=end_with_parent, daemon=True).start()
    print(json.dumps({"ready": True, "port": port}), flush=True)
    server.run()


def application(conf: Path, port: int, password: str):
    # Keystone reads its configuration while its modules load.
    import keystone.conf
    import keystone.server
    from keystone.cmd.bootstrap import Bootstrapper
    from keystone.common import fernet_utils
    from keystone.common.sql import upgrades
    from keystone.server.flask import application as flask_application
    from keystone.server.flask import core

    keystone.server.configure(config_files=[str(conf)])
    for group in ("fernet_tokens", "fernet_receipts", "credential"):
        keys = fernet_utils.FernetUtils(getattr(keystone.conf.CONF, group).key_repository, 3, group)
        keys.create_key_directory()
        keys.initialize_key_repository()
    upgrades.offline_sync_database_to_version(None)
    bootstrap = Bootstrapper()
    bootstrap.admin_username = bootstrap.project_name = bootstrap.admin_role_name = "admin"
    bootstrap.admin_password = password
    bootstrap.service_name, bootstrap.region_id = "keystone", "RegionOne"
    bootstrap.public_url = bootstrap.internal_url = bootstrap.admin_url = f"http://127.0.0.1:{port}/v3"
    bootstrap.bootstrap()
    return core.setup_app_middleware(flask_application.application_factory("public"))


def end_with_parent() -> None:
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
