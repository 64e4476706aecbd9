"""Signing in to Swift: by version 1 authentication, by Keystone v3, or not at all, with signed URLs."""

import importlib
from dataclasses import dataclass, field
from typing import Any, NoReturn
from urllib.parse import parse_qs, unquote, urlsplit

import httpx

from worker.endpoints.patience import Passing, Patience
from worker.endpoints.swift_answers import judge, place
from worker.endpoints.swift_door import Door, Target, is_untrusted, path_of, untrusted
from worker.endpoints.swift_secret import KeystoneLogin, SwiftSecret, TempUrls, V1Login
from worker.errors import BadDocument


def open_door(secret: SwiftSecret, client: httpx.Client, patience: Patience) -> Door:
    """Return the way in that the Secret gives.

    Raises:  BadDocument if credentials must not be sent to the address in it.
    """
    match secret.login:
        case V1Login() as login:
            return _V1Door(secret, login, secret.addresses.check(login.auth_url, "ST_AUTH"), client)
        case TempUrls(urls):
            return _SignedDoor(secret, tuple(_Signed.of(secret.addresses.check(url, "TEMPURLS")) for url in urls))
        case KeystoneLogin() as login:
            # Half of what a fetch imports, for those who sign in this way only.
            keystone: Any = importlib.import_module("worker.endpoints.swift_keystone")
            auth_url = secret.addresses.check(login.auth_url, "the auth URL")
            door: Door = keystone.KeystoneDoor(secret, login, auth_url, patience)
            return door


class _V1Door:
    def __init__(self, secret: SwiftSecret, login: V1Login, auth_url: str, client: httpx.Client) -> None:
        self._secret, self._login, self._auth_url, self._client = secret, login, auth_url, client
        self._account: Target | None = None

    def target(self, method: str, container: str, name: str) -> Target:
        if self._account is None:
            self._account = self._sign_in(place(container, name))
        return Target(f"{self._account.url}/{path_of(container, name)}", self._account.headers)

    def renew(self) -> bool:
        self._account = None
        return True

    def _sign_in(self, where: str) -> Target:
        said = {b"X-Auth-User": self._login.user.encode(), b"X-Auth-Key": self._login.key.encode()}
        try:
            with self._client.stream("GET", self._auth_url, headers=said) as answer:
                pass  # all that counts is in the head
        except httpx.HTTPError as error:
            raise _no_answer(error, self._secret) from None
        if not answer.is_success:
            raise judge(answer.status_code, answer.headers, self._secret, where, "the store, when signing in,")
        url, token = answer.headers.get("X-Storage-Url"), answer.headers.get("X-Auth-Token")
        if not url or not token:
            raise Passing("no usable answer to signing in")
        return Target(self._secret.addresses.check(url, "the answer to signing in"), {"X-Auth-Token": token})


@dataclass(frozen=True)
class OtherAccount:
    """Another account of the same store, with a token of one's own: for results that somebody else has written."""

    own: Door
    secret: SwiftSecret
    url: str

    def target(self, method: str, container: str, name: str) -> Target:
        """Return where to send a request."""
        own = self.own.target(method, container, name)
        if not own.headers:
            self._refuse("holds signed URLs, which name their account themselves", "leave the account out")
        # Who signs in somewhere does not want the token to go anywhere else.
        if urlsplit(own.url)[:2] != urlsplit(self.url)[:2]:
            self._refuse("is for another store than the account's URL", "name an account of the store that it opens")
        return Target(f"{self.url}/{path_of(container, name)}", own.headers)

    def renew(self) -> bool:
        """Forget the token."""
        return self.own.renew()

    def _refuse(self, what: str, fix: str) -> NoReturn:
        raise BadDocument(f"the Secret {self.secret.name!r} {what}", fix=fix)


@dataclass(frozen=True)
class _Signed:
    """A TempURL, taken apart."""

    base: str = field(repr=False)  # up to the account
    container: str
    name: str
    prefix: str | None
    query: str = field(repr=False)

    @staticmethod
    def of(url: str) -> "_Signed":
        parts = urlsplit(url)
        before, _, after = parts.path.partition("/v1/")
        account, _, rest = after.partition("/")
        container, _, name = rest.partition("/")
        query = parse_qs(parts.query)
        if not (account and container and "temp_url_sig" in query and "temp_url_expires" in query):
            what = "TEMPURLS holds a line that is no signed URL of an object"
            fix = "write https://host/v1/ACCOUNT/CONTAINER/OBJECT?temp_url_sig=…&temp_url_expires=…, one a line"
            raise BadDocument(what, fix=fix)
        base = f"{parts.scheme}://{parts.netloc}{before}/v1/{account}"
        prefix = query.get("temp_url_prefix", [None])[0]
        return _Signed(base, unquote(container), unquote(name), prefix, parts.query)

    def opens(self, container: str, name: str) -> bool:
        if container != self.container:
            return False
        return name == self.name if self.prefix is None else name.startswith(self.prefix)


@dataclass(frozen=True)
class _SignedDoor:
    secret: SwiftSecret
    signed: tuple[_Signed, ...]

    def target(self, method: str, container: str, name: str) -> Target:
        if method not in ("GET", "HEAD"):
            what = f"the Secret {self.secret.name!r} holds TEMPURLS, with which nothing can be written"
            fix = "name another Secret for records and outputs, with credentials that may write"
            raise BadDocument(what, f"{container}/{name}", fix=fix)
        for each in self.signed:
            if each.opens(container, name):
                return Target(f"{each.base}/{path_of(container, name)}?{each.query}", {})
        what = f"no URL under TEMPURLS of the Secret {self.secret.name!r} is for this object"
        fix = "sign one for it, or one for all objects with the data's name as prefix: the policy lies beside the data"
        raise BadDocument(what, f"{container}/{name}", fix=fix)

    def renew(self) -> bool:
        return False


def _no_answer(error: httpx.HTTPError, secret: SwiftSecret) -> Exception:
    return untrusted(secret) if is_untrusted(error) else Passing(f"no answer ({type(error).__name__})")
