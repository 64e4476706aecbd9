"""Who may read a container: told when we make it, and only looked at when it is there already.

An ACL is never changed: whoever owns the container has chosen it, and may have meant it to be narrow.
"""

from collections.abc import Iterable, Sequence
from http import HTTPStatus

from worker.endpoints.swift_session import SwiftSession

READ = "X-Container-Read"
EVERYBODY = "*"


def make_container(session: SwiftSession, container: str, readers: Sequence[str]) -> None:
    """Make the container, open to `readers`, unless it is there."""
    # In two steps: a PUT with an ACL would replace that of a container that somebody made in between.
    status = session.status("PUT", container)
    if status == HTTPStatus.CREATED and readers:
        with session.send("POST", container, headers={READ: ",".join(readers)}):
            pass


def missing_readers(session: SwiftSession, container: str, readers: Sequence[str]) -> tuple[str, ...]:
    """Return which of `readers` the container's ACL does not let read. Those who may not see the ACL see none."""
    with session.send("HEAD", container) as answer:
        rules = [rule.strip() for rule in answer.headers.get(READ, "").split(",") if rule.strip()]
    return tuple(reader for reader in readers if not is_admitted(reader, rules))


def is_admitted(reader: str, rules: Iterable[str]) -> bool:
    """Whether rules of an ACL let all of `reader` read: "account", "account:user" or "account:*".

    >>> is_admitted("alpha:ann", ["alpha"]), is_admitted("alpha:ann", ["alpha:*"]), is_admitted("alpha", ["alpha:ann"])
    (True, True, False)
    >>> is_admitted("alpha:*", [".r:*", ".rlistings"]), is_admitted("alpha:ann", ["*:ann"])
    (True, True)
    """
    account, _, user = reader.partition(":")
    users = {user or EVERYBODY, EVERYBODY}
    for rule in rules:
        if rule == ".r:*":
            return True
        rule_account, _, rule_user = rule.partition(":")
        if rule_account in (account, EVERYBODY) and (rule_user or EVERYBODY) in users:
            return True
    return False
