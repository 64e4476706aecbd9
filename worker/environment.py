"""Credentials as OpenStack's and Swift's own tools find them on their user's machine, laid out like a mounted Secret.

The one form is then read by the one reader: `worker.endpoints.swift_secret`.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from worker.errors import BadDocument

V1 = ("ST_AUTH", "ST_USER", "ST_KEY")
OPENRC = (
    "OS_AUTH_URL",
    "OS_AUTH_TYPE",
    "OS_USERNAME",
    "OS_USER_ID",
    "OS_PASSWORD",
    "OS_USER_DOMAIN_NAME",
    "OS_USER_DOMAIN_ID",
    "OS_PROJECT_NAME",
    "OS_PROJECT_ID",
    "OS_PROJECT_DOMAIN_NAME",
    "OS_PROJECT_DOMAIN_ID",
    "OS_APPLICATION_CREDENTIAL_ID",
    "OS_APPLICATION_CREDENTIAL_SECRET",
    "OS_REGION_NAME",
    "OS_INTERFACE",
    "OS_IDENTITY_API_VERSION",
)
CLOUD, CLOUDS_FILE, CACERT = "OS_CLOUD", "OS_CLIENT_CONFIG_FILE", "OS_CACERT"
_CLOUDS = ("clouds.yaml", "~/.config/openstack/clouds.yaml", "/etc/openstack/clouds.yaml")


FROM_ENVIRONMENT = "environment"  # the name that its credentials go by, in messages too


@dataclass(frozen=True)
class Means:
    """What somebody gives a worker process on their own machine: Secrets as directories, volumes, perhaps the environment."""

    secrets: Path
    volumes: Path
    credentials: str | None = None  # a Secret in the place of the one that the worker reads with
    environment: Mapping[str, str] | None = None  # None: not to be used

    @property
    def instead(self) -> str | None:
        """The Secret to be used in the place of the one that is asked for, if any."""
        return self.credentials if self.environment is None else FROM_ENVIRONMENT

    def store_secrets(self, private: Path) -> Path:
        """Return where the stores' Secrets are, the environment's laid out in the directory `private`.

        Raises:  BadDocument if the environment is to be used and has none.
        """
        if self.environment is None:
            return self.secrets
        lay_out_environment(self.environment, private / "secrets" / FROM_ENVIRONMENT)
        return private / "secrets"


def lay_out_environment(environment: Mapping[str, str], secret: Path) -> None:
    """Write the environment's credentials into the directory `secret`, a private file for each key.

    Raises:  BadDocument if there are none.
    """
    if environment.get(CLOUD):
        files = {CLOUD: environment[CLOUD].encode(), "clouds.yaml": _clouds_file(environment).read_bytes()}
    else:
        names = V1 if environment.get("ST_AUTH") else OPENRC
        files = {name: environment[name].encode() for name in names if environment.get(name)}
    if not files:
        fix = "set ST_AUTH, ST_USER and ST_KEY, or OS_CLOUD, or source an openrc; or name a directory with --secrets"
        raise BadDocument("the environment has no credentials of a store", fix=fix)
    if environment.get(CACERT):
        files[CACERT] = Path(environment[CACERT]).read_bytes()
    secret.mkdir(mode=0o700, parents=True)
    for name, content in files.items():
        with os.fdopen(os.open(secret / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)


def _clouds_file(environment: Mapping[str, str]) -> Path:
    places = [environment[CLOUDS_FILE]] if environment.get(CLOUDS_FILE) else _CLOUDS
    for place in places:
        path = Path(place).expanduser()
        if path.is_file():
            return path
    fix = f"download it from OpenStack into {_CLOUDS[1]}, or name it in {CLOUDS_FILE}"
    raise BadDocument(f"{CLOUD} is set and there is no clouds.yaml", ", ".join(places), fix=fix)
