"""Signing in to Swift: by version 1 authentication, by Keystone v3, or not at all, with signed URLs.

The texts of keystoneauth1's exceptions hold URLs and parts of answers: of those only the kind and the status are told.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn, Protocol
from urllib.parse import parse_qs, quote, unquote, urlsplit

import httpx
import requests
from keystoneauth1 import exceptions as ksa
from keystoneauth1.identity import v3
from keystoneauth1.session import Session as KeystoneSession

from worker.endpoints.patience import Passing, Patience
from worker.endpoints.swift_answers import judge, place
from worker.endpoints.swift_secret import KeystoneLogin, SwiftSecret, TempUrls, V1Login
from worker.errors import BadDocument, StoreRefused

OBJECT_STORE = "object-store"


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
            return _KeystoneDoor(secret, login, secret.addresses.check(login.auth_url, "the auth URL"), patience)


def path_of(container: str, name: str) -> str:
    """Return a container's or an object's path, quoted; a segment of dots would be resolved away by HTTP clients."""
    segments = [container, *(name.split("/") if name else ())]
    return "/".join(seg.replace(".", "%2E") if seg in (".", "..") else quote(seg, safe="") for seg in segments)


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


class _KeystoneDoor:
    def __init__(self, secret: SwiftSecret, login: KeystoneLogin, auth_url: str, patience: Patience) -> None:
        self._secret, self._login = secret, login
        url = auth_url if auth_url.endswith("/v3") else f"{auth_url}/v3"
        self._session = KeystoneSession(
            auth=_plugin(url, login),
            session=_plain_requests(),
            verify=str(secret.cacert) if secret.cacert is not None else True,
            timeout=patience.idle_s,
            redirect=False,  # would carry the password to wherever it points
        )
        self._url: str | None = None

    def target(self, method: str, container: str, name: str) -> Target:
        try:
            token = self._session.get_token()
            if self._url is None:
                self._url = self._endpoint()
        except ksa.ClientException as error:
            raise self._problem(error, place(container, name)) from None
        return Target(f"{self._url}/{path_of(container, name)}", {"X-Auth-Token": token or ""})

    def renew(self) -> bool:
        self._session.invalidate()
        return True

    def _endpoint(self) -> str:
        url = self._session.get_endpoint(
            service_type=OBJECT_STORE,
            interface=self._login.interface,
            region_name=self._login.region,
            skip_discovery=True,
        )
        if not url:
            raise ksa.EndpointNotFound
        return self._secret.addresses.check(url, "Keystone's catalog")

    def _problem(self, error: ksa.ClientException, where: str) -> Exception:
        match error:
            case ksa.HttpError(http_status=status):
                # A deleted application credential is not found; a wrong path of Keystone neither.
                if status == 404:
                    fix = f"{self._secret.advice}; and the auth URL"
                    return StoreRefused(f"Keystone answered 404 to the Secret {self._secret.name!r}", where, fix=fix)
                after = {"Retry-After": str(error.retry_after)} if error.retry_after else {}
                return judge(status, after, self._secret, where, "Keystone")
            case ksa.SSLError():
                return untrusted(self._secret)
            case ksa.CatalogException():
                what = "Keystone's catalog has no object store for this project, region and interface"
                return StoreRefused(what, where, fix="check the project, OS_REGION_NAME and OS_INTERFACE")
        return Passing(f"no answer from Keystone ({type(error).__name__})")


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


def _plugin(url: str, login: KeystoneLogin) -> v3.Auth:
    given: dict[str, Any] = dict(login.identity)
    return v3.ApplicationCredential(url, **given) if login.is_application else v3.Password(url, **given)


def _plain_requests() -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # no proxy, no .netrc: credentials go where the Secret says
    return session


def _no_answer(error: httpx.HTTPError, secret: SwiftSecret) -> Exception:
    return untrusted(secret) if is_untrusted(error) else Passing(f"no answer ({type(error).__name__})")


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
