"""What the store's HTTP status means for us. Of an answer, nothing but its status is ever told."""

import datetime
import email.utils
from collections.abc import Mapping
from http import HTTPStatus

from worker.endpoints.patience import Passing
from worker.endpoints.swift_secret import SwiftSecret
from worker.errors import StoreRefused

PASSING: frozenset[int] = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.CONFLICT,  # two writers at the same moment, or a clock that is behind
        HTTPStatus.UNPROCESSABLE_ENTITY,  # what arrived is not what was sent
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
        498,  # Swift's own word for too many requests
        499,
    }
)
_ADVICE: dict[int, str] = {
    HTTPStatus.FORBIDDEN: "give the Secret's user access to this container",
    HTTPStatus.NOT_FOUND: "check the name in the party document, or upload the object",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "raise the quota of the container or the account, or remove what is old",
    HTTPStatus.INSUFFICIENT_STORAGE: "the store is full: raise its quota, or remove what is old",
}


def judge(
    status: int, headers: Mapping[str, str], secret: SwiftSecret, where: str, who: str = "the store"
) -> Passing | StoreRefused:
    """Return what to raise for an answer that is no success."""
    if status != HTTPStatus.INSUFFICIENT_STORAGE and (status >= 500 or status in PASSING):
        return Passing(f"{who} answered {status}", retry_after_s(headers))
    fix = secret.advice if status == HTTPStatus.UNAUTHORIZED else _ADVICE.get(status, "")
    return StoreRefused(f"{who} answered {status} to the Secret {secret.name!r}", where, fix=fix)


def place(container: str, name: str) -> str:
    """Return how an error names an object or a container."""
    return f"{container}/{name}" if name else container


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return how long the store asks us to wait, by a number of seconds or a date."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        when = email.utils.parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    if when.tzinfo is None:
        return None
    return max(0.0, (when - datetime.datetime.now(datetime.UTC)).total_seconds())
