"""A real Keystone and a real Swift that asks it, and what their administrator does in tests."""

import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import swiftclient
from keystoneauth1.identity import v3
from keystoneauth1.session import Session
from keystoneclient.v3 import client as keystone_client

from renderer.dev.ports import free_ports

FILTERS = """\
[filter:authtoken]
use = egg:keystonemiddleware#auth_token
www_authenticate_uri = {url}
auth_url = {url}
auth_type = password
project_domain_id = default
user_domain_id = default
project_name = service
username = swift
password = {password}
delay_auth_decision = true
service_type = object-store
service_token_roles_required = true
include_service_catalog = false
# A revoked token is refused at once.
token_cache_time = -1

[filter:keystoneauth]
use = egg:swift#keystoneauth
operator_roles = admin, swiftoperator
"""


@dataclass
class User:
    """A user in one project. The owner may do everything in the project's account."""

    name: str
    password: str = field(repr=False)
    project: str
    project_id: str
    id: str


@dataclass
class Cloud:
    """Keystone with Swift in its catalog."""

    url: str
    swift_port: int
    admin: Any
    users: dict[str, User]

    def session(self, user: User) -> Session:
        password = v3.Password(
            self.url,
            username=user.name,
            password=user.password,
            project_name=user.project,
            user_domain_id="default",
            project_domain_id="default",
        )
        return Session(auth=password)

    def client(self, user: User) -> swiftclient.Connection:
        return swiftclient.Connection(session=self.session(user), retries=0)

    def password_keys(self, user: User, **more: str) -> dict[str, str]:
        keys = {
            "OS_AUTH_URL": self.url,
            "OS_USERNAME": user.name,
            "OS_PASSWORD": user.password,
            "OS_PROJECT_NAME": user.project,
            "OS_USER_DOMAIN_NAME": "Default",
        }
        return keys | more

    def application_keys(self, user: User, **more: str) -> dict[str, str]:
        made = self.own(user).application_credentials.create(f"run-{secrets.token_hex(4)}")
        keys = {
            "OS_AUTH_URL": self.url,
            "OS_APPLICATION_CREDENTIAL_ID": made.id,
            "OS_APPLICATION_CREDENTIAL_SECRET": made.secret,
        }
        return keys | more

    def own(self, user: User) -> Any:
        """Keystone, as the user sees it."""
        return keystone_client.Client(session=self.session(user))

    def region_at(self, port: int) -> str:
        """A new region of the catalog whose Swift is reached at another port."""
        region = f"region-{secrets.token_hex(4)}"
        self.admin.regions.create(region)
        service = next(each for each in self.admin.services.list() if each.type == "object-store")
        url = f"http://127.0.0.1:{port}/v1/AUTH_%(project_id)s"
        self.admin.endpoints.create(service, url, interface="public", region=region)
        return region


@contextmanager
def start_cloud(root: Path) -> Iterator[Cloud]:
    password = secrets.token_hex(16)
    (root / "password").write_text(password)
    [port] = free_ports(1)
    with _server("keystone_server", root, str(root / "keystone"), str(port), str(root / "password")):
        url = f"http://127.0.0.1:{port}/v3"
        domains = {"user_domain_id": "default", "project_domain_id": "default"}
        login = v3.Password(url, username="admin", password=password, project_name="admin", **domains)
        admin = keystone_client.Client(session=Session(auth=login))
        swift_password = _service_user(admin)
        (root / "filters").write_text(FILTERS.format(url=url, password=swift_password))
        with _server("keystone_swift_server", root, str(root / "swift"), str(root / "filters")) as swift_port:
            service = admin.services.create("swift", "object-store")
            endpoint = f"http://127.0.0.1:{swift_port}/v1/AUTH_%(project_id)s"
            admin.endpoints.create(service, endpoint, interface="public", region="RegionOne")
            yield Cloud(url, swift_port, admin, _people(admin))


def _service_user(admin: Any) -> str:
    password = secrets.token_hex(16)
    project = admin.projects.create("service", "default")
    user = admin.users.create("swift", domain="default", password=password)
    for role in admin.roles.list():
        if role.name in ("admin", "service"):
            admin.roles.grant(role, user=user, project=project)
    return password


def _people(admin: Any) -> dict[str, User]:
    roles = {role.name: role for role in admin.roles.list()}
    operator = admin.roles.create("swiftoperator")
    users = {}
    for project, people in {"hospital": {"ann": operator, "rita": roles["reader"]}, "city": {"bob": operator}}.items():
        made = admin.projects.create(project, "default")
        for name, role in people.items():
            password = secrets.token_hex(16)
            user = admin.users.create(name, domain="default", password=password)
            admin.roles.grant(role, user=user, project=made)
            users[name] = User(name, password, project, made.id, user.id)
    return users


@contextmanager
def _server(module: str, root: Path, *arguments: str) -> Iterator[int]:
    command = [sys.executable, "-m", f"tests.worker.endpoints.{module}", *arguments]
    with (root / f"{module}.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, (root / f"{module}.log").read_text()[-2000:]
        yield json.loads(line)["port"]
    finally:
        process.stdin.close()
        process.kill()
        process.wait()
        process.stdout.close()
