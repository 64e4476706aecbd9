"""Which objects a container holds, as far as their names begin alike."""

import json
from http import HTTPStatus
from urllib.parse import quote

from worker.endpoints.patience import Passing
from worker.endpoints.swift_session import SwiftSession

MAX_PAGES = 1000


def names(session: SwiftSession, container: str, prefix: str) -> list[str]:
    """Return the names that begin with `prefix`, in order; none if there is no such container."""
    found: list[str] = []
    for _ in range(MAX_PAGES):
        marker = quote(found[-1], safe="") if found else ""
        query = f"format=json&prefix={quote(prefix, safe='')}&marker={marker}"
        with session.send("GET", container, query=query, allow=(HTTPStatus.NOT_FOUND,)) as answer:
            page = [] if answer.status_code == HTTPStatus.NOT_FOUND else _names_in(b"".join(answer.iter_raw()))
        # A store that ignores the marker, or the prefix, must not keep us for ever.
        more = sorted(name for name in page if name.startswith(prefix) and (not found or name > found[-1]))
        if not more:
            break
        found += more
    return found


def _names_in(text: bytes) -> list[str]:
    try:
        listed = json.loads(text)
        return [str(each["name"]) for each in listed if "name" in each]
    except (ValueError, TypeError, KeyError):
        raise Passing("the store's list of objects cannot be read") from None
