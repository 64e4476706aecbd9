"""One account of one Swift: requests with what the Secret gives, and what their answers mean.

httpx's and keystoneauth1's loggers print URLs, signatures included, and headers: they are off. Nothing of an
exception's or an answer's text leaves this file.
"""

import contextlib
import logging
import ssl
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import TypeVar

import httpx

from worker.endpoints.patience import Passing, Trying
from worker.endpoints.swift_answers import judge, place
from worker.endpoints.swift_door import is_untrusted, untrusted
from worker.endpoints.swift_login import OtherAccount, open_door
from worker.endpoints.swift_secret import SwiftSecret
from worker.errors import BadDocument

T = TypeVar("T")
Content = Callable[[], Iterable[bytes]]  # made anew for each time it is sent

for _name in ("httpx", "httpcore", "keystoneauth", "requests", "urllib3"):
    logging.getLogger(_name).setLevel(logging.CRITICAL + 1)


class SwiftSession:
    """Sends requests; signs in when it has to."""

    def __init__(self, secret: SwiftSecret, trying: Trying, account: str | None = None) -> None:
        self.secret, self.trying = secret, trying
        patience = trying.patience
        self._client = httpx.Client(
            verify=_trusted(secret),
            timeout=httpx.Timeout(patience.idle_s, connect=patience.connect_s),
            trust_env=False,  # no proxy, no .netrc: credentials go where the Secret says
            headers={"Accept-Encoding": "identity", "User-Agent": "ccd-worker"},
        )
        self._door = open_door(secret, self._client, patience)
        if account is not None:
            self._door = OtherAccount(self._door, secret, secret.addresses.check(account, "the account's URL"))

    @contextlib.contextmanager
    def send(
        self,
        method: str,
        container: str,
        name: str = "",
        headers: Mapping[str, str] | None = None,
        query: str = "",
        content: Content | None = None,
        allow: Collection[int] = (),
    ) -> Iterator[httpx.Response]:
        """Give the answer, its body not yet read, if it is a success or one of `allow`.

        A token that is refused is renewed once: tokens expire, and may be revoked, in the middle of a run.
        Raises:  Passing, StoreRefused, BadDocument.
        """
        try:
            answer = self._send(method, container, name, headers, query, content)
            if answer.status_code == HTTPStatus.UNAUTHORIZED and self._door.renew():
                answer.close()
                answer = self._send(method, container, name, headers, query, content)
            with contextlib.closing(answer):
                if not answer.is_success and answer.status_code not in allow:
                    raise judge(answer.status_code, answer.headers, self.secret, place(container, name))
                yield answer
        except httpx.HTTPError as error:
            if is_untrusted(error):
                raise untrusted(self.secret) from None
            raise Passing(f"no answer ({type(error).__name__})") from None

    def status(self, method: str, container: str, name: str = "", allow: Collection[int] = ()) -> int:
        """Send a request of which only the status is of interest; see `send`."""
        with self.send(method, container, name, allow=allow) as answer:
            return answer.status_code

    def until_done(
        self, act: Callable[[], T], container: str, name: str = "", progress: Callable[[], int] = lambda: 0
    ) -> T:
        """Return what `act` returns, tried again for as long as there is a point in it."""
        fix = f"check that the address in the Secret {self.secret.name!r} is right and that the store is up"
        return self.trying.until_done(act, place(container, name), fix, progress)

    def close(self) -> None:
        """Hang up."""
        self._client.close()

    def _send(
        self,
        method: str,
        container: str,
        name: str,
        headers: Mapping[str, str] | None,
        query: str,
        content: Content | None,
    ) -> httpx.Response:
        target = self._door.target(method, container, name)
        url = target.url
        if query:
            url += ("&" if "?" in url else "?") + query
        request = self._client.build_request(
            method,
            url,
            headers={**target.headers, **(headers or {})},
            content=None if content is None else iter(content()),
        )
        return self._client.send(request, stream=True)


def _trusted(secret: SwiftSecret) -> ssl.SSLContext | bool:
    """Return whom to trust: the CA in the Secret and no other, or the usual ones."""
    if secret.cacert is None:
        return True
    try:
        return ssl.create_default_context(cafile=secret.cacert)
    except OSError:  # of which SSLError is one
        what = f"the key {secret.cacert.name} of the Secret {secret.name!r} holds no certificates"
        raise BadDocument(what, str(secret.cacert), fix="put the CA's certificates there, as PEM") from None
