"""A way into Swift: what a request is sent with, and where to; and a store whose certificate is not trusted."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import quote

from worker.endpoints.swift_secret import SwiftSecret
from worker.errors import StoreRefused


@dataclass(frozen=True)
class Target:
    """Where a request goes, with what proves that we may. Neither is ever shown."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


class Door(Protocol):
    """A way in."""

    def target(self, method: str, container: str, name: str) -> Target:
        """Return where to send a request; signs in if need be."""

    def renew(self) -> bool:
        """Forget the token, so that the next request signs in anew; whether that can help."""


def path_of(container: str, name: str) -> str:
    """Return a container's or an object's path, quoted; a segment of dots would be resolved away by HTTP clients."""
    segments = [container, *(name.split("/") if name else ())]
    return "/".join(seg.replace(".", "%2E") if seg in (".", "..") else quote(seg, safe="") for seg in segments)


def is_untrusted(error: BaseException | None) -> bool:
    """Whether a connection failed because the store's certificate is not trusted."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


def untrusted(secret: SwiftSecret) -> StoreRefused:
    """Return what to raise then."""
    fix = "put the CA that signed it, as PEM, under the key OS_CACERT"
    return StoreRefused("the store's certificate is not trusted", f"the Secret {secret.name!r}", fix=fix)
