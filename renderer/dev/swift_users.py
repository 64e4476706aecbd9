"""The local Swift's accounts and users, and the file that hands them to the server.

Plain dataclasses, because the server imports this: eventlet's monkey patching chokes on pydantic.
"""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from renderer.local.private_files import write_private

LOCK_NAME = "server.lock"  # in the state directory, held by the server that works on it

# Swift's tempauth splits `user_<account>_<user> = <key>` at underscores and blanks.
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_KEY = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class SwiftUser:
    """One user of one account. An admin may do everything in it, others what a container's ACL says."""

    account: str
    name: str
    key: str
    admin: bool = False

    def __post_init__(self) -> None:
        if not (_NAME.fullmatch(self.account) and _NAME.fullmatch(self.name)):
            raise ValueError(f"{self.login!r}: account and user take a-z, 0-9 and inner hyphens")
        if not _KEY.fullmatch(self.key):
            raise ValueError(f"the key of {self.login!r} may hold letters, digits, _ and - only")

    @property
    def login(self) -> str:
        """What a client sends as X-Auth-User, and what an ACL names."""
        return f"{self.account}:{self.name}"


@dataclass(frozen=True)
class SwiftUsers:
    """All of them; new ones need a restart of the server."""

    users: tuple[SwiftUser, ...]

    def of(self, login: str) -> SwiftUser:
        """Return the user with that login; KeyError if there is none."""
        return {user.login: user for user in self.users}[login]


def read_users(path: Path) -> SwiftUsers:
    """Read what `write_users` wrote."""
    return SwiftUsers(tuple(SwiftUser(**each) for each in json.loads(path.read_bytes())["users"]))


def write_users(users: SwiftUsers, path: Path) -> None:
    """Write the users to `path`, readable by its owner only."""
    text = json.dumps({"users": [asdict(user) for user in users.users]}, indent=2)
    write_private(path, text.encode() + b"\n")
