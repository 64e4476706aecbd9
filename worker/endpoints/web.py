"""GET with redirects followed by hand: a token goes home and nowhere else, and no site is visited that was not named.

httpx would send a header like X-Dataverse-key along to whatever site it is redirected to, and log the addresses of
requests: a store's signed address works like a credential. Neither happens here, and no error names more than a site.
"""

import contextlib
import ipaddress
import logging
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import httpx

from worker.endpoints.patience import Patience

DEFAULT = Patience()
MAX_REDIRECTS = 5
MAX_SITE = 120  # characters of a site's name that an error repeats
_REDIRECTS = (301, 302, 303, 307, 308)
_PORTS = {"https": 443, "http": 80}

for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.CRITICAL + 1)


class RedirectRefused(Exception):
    """A redirect that is not followed. `what` names at most a site."""

    def __init__(self, what: str, fix: str = "") -> None:
        super().__init__(what)
        self.what, self.fix = what, fix


@dataclass(frozen=True)
class Answer:
    """An answer whose body is still to be read."""

    response: httpx.Response
    is_home: bool  # whether it is from home, and not from a site that home redirected to


class Web:
    """One site that may be given a token, and the sites that it may redirect to."""

    def __init__(
        self,
        home: str,
        others: tuple[str, ...] = (),
        token: tuple[str, str] | None = None,  # header and value
        trust: ssl.SSLContext | None = None,  # default: the system's certificate authorities
        patience: Patience = DEFAULT,
    ) -> None:
        self._home = site_of(httpx.URL(home))
        self._known = {self._home, *(site_of(httpx.URL(other)) for other in others)}
        self._token = dict([token] if token else [])
        self._client = httpx.Client(
            verify=trust or ssl.create_default_context(),
            timeout=httpx.Timeout(patience.idle_s, connect=patience.connect_s),
            follow_redirects=False,
            trust_env=False,  # no proxy that the environment names hears the token
            headers={"Accept-Encoding": "identity", "User-Agent": "ccd-worker"},
        )

    @contextlib.contextmanager
    def get(self, address: str, headers: Mapping[str, str] | None = None) -> Iterator[Answer]:
        """Give the answer that stands at the end of all redirects.

        Raises:  RedirectRefused; httpx.HTTPError for a site that does not answer, or stops in the middle.
        """
        url, at_home = httpx.URL(address), True
        for _ in range(MAX_REDIRECTS + 1):
            # Who has left home never brings a token back, whatever address it is sent to.
            at_home = at_home and site_of(url) == self._home
            sent = {**(headers or {}), **(self._token if at_home else {})}
            self._client.cookies.clear()
            response = self._client.send(self._client.build_request("GET", url, headers=sent), stream=True)
            with contextlib.closing(response):
                if response.status_code not in _REDIRECTS:
                    yield Answer(response, at_home)
                    return
                url = self._next(url, response.headers.get("location", ""))
        raise RedirectRefused(f"it redirects more than {MAX_REDIRECTS} times")

    def close(self) -> None:
        """Hang up."""
        self._client.close()

    def _next(self, url: httpx.URL, location: str) -> httpx.URL:
        try:
            target = url.join(location)
            site = site_of(target)
        except (httpx.InvalidURL, ValueError):
            raise RedirectRefused("it redirects to what is no address") from None
        if target.userinfo:
            raise RedirectRefused("it redirects to an address with a password in it")
        if not location or site not in self._known:
            fix = "if that is where it keeps its files, name it in the party document as `storage`, and in `egress`"
            raise RedirectRefused(f"it redirects to {_shown(site)}, which nobody has named", fix)
        return target


def site_of(url: httpx.URL) -> str:
    """Return scheme, host and port of an address, in one spelling.

    >>> site_of(httpx.URL("https://Data.Example.org/a?b")), site_of(httpx.URL("http://127.0.0.1:8080"))
    ('https://data.example.org:443', 'http://127.0.0.1:8080')

    Raises:  ValueError for what is no address of a web site.
    """
    port = url.port or _PORTS.get(url.scheme)
    if port is None or not url.host:
        raise ValueError("no web site")
    host = f"[{url.host}]" if ":" in url.host else url.host
    return f"{url.scheme}://{host.lower()}:{port}"


def is_private(url: str) -> bool:
    """Whether `url` is a site that is spoken with in private: over https, or on this machine; and no user is in it."""
    try:
        parts = httpx.URL(url)
        site_of(parts)
    except (httpx.InvalidURL, ValueError):
        return False
    return not parts.userinfo and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.host)))


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _shown(site: str) -> str:
    """Return a site's name as an error may repeat it: a server chose it, and it may be meant to mislead."""
    plain = "".join(character if character.isascii() and character.isprintable() else "?" for character in site)
    return plain if len(plain) <= MAX_SITE else f"{plain[:MAX_SITE]}..."
