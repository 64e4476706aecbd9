"""Which addresses credentials may travel to: https, or plain http on this machine, or where the owner allowed it.

The consent stands in the Secret itself, under PLAIN_HTTP: names of hosts, as they stand in the URLs. The Secret is the
owner's alone, so no pull request can give it. Only hosts inside a cluster or a private network can be allowed.
"""

import ipaddress
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import SplitResult, urlsplit

from worker.errors import BadDocument

PLAIN_HTTP = "PLAIN_HTTP"
_IN_CLUSTER = (".svc", ".svc.cluster.local")


@dataclass(frozen=True)
class Addresses:
    """The rule for one Secret."""

    secret: str
    plain_http: frozenset[str] = frozenset()  # hosts that its owner allows

    def check(self, url: str, source: str) -> str:
        """Return `url` without a slash at its end.

        Raises:  BadDocument if credentials must not be sent there; it names `source`, where the URL stands.
        """
        parts = _split(url)
        if parts is None or not parts.hostname or parts.username is not None or parts.password is not None:
            self._refuse(f"the URL in {source} cannot be used", "write it as https://host[:port]/path, without a user")
        if parts.scheme == "https" or (parts.scheme == "http" and self._is_allowed(parts.hostname)):
            return url.rstrip("/")
        self._refuse(
            f"the URL in {source} is not https: credentials and data would cross the network in the clear",
            f"use https; for a store inside the cluster, name its host under the key {PLAIN_HTTP} of the Secret",
        )

    def _is_allowed(self, host: str) -> bool:
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return host == "localhost" or (host in self.plain_http and host.endswith(_IN_CLUSTER))
        return address.is_loopback or (host in self.plain_http and address.is_private)

    def _refuse(self, what: str, fix: str) -> NoReturn:
        raise BadDocument(what, f"the Secret {self.secret!r}", "credentials travel encrypted", fix)


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        return parts if parts.port != 0 else None  # reading the port is what checks it
    except ValueError:
        return None
