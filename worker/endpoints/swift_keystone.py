"""Signing in to Swift by Keystone v3.

The texts of keystoneauth1's exceptions hold URLs and parts of answers: of those only the kind and the status are told.
"""

from typing import Any

import requests
from keystoneauth1 import exceptions as ksa
from keystoneauth1.identity import v3
from keystoneauth1.session import Session as KeystoneSession

from worker.endpoints.patience import Passing, Patience
from worker.endpoints.swift_answers import judge, place
from worker.endpoints.swift_door import Target, path_of, untrusted
from worker.endpoints.swift_secret import KeystoneLogin, SwiftSecret
from worker.errors import StoreRefused

OBJECT_STORE = "object-store"


class KeystoneDoor:
    """A way in by a token of Keystone's."""

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
        """Return where to send a request; signs in if need be."""
        try:
            token = self._session.get_token()
            if self._url is None:
                self._url = self._endpoint()
        except ksa.ClientException as error:
            raise self._problem(error, place(container, name)) from None
        return Target(f"{self._url}/{path_of(container, name)}", {"X-Auth-Token": token or ""})

    def renew(self) -> bool:
        """Forget the token."""
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


def _plugin(url: str, login: KeystoneLogin) -> v3.Auth:
    given: dict[str, Any] = dict(login.identity)
    return v3.ApplicationCredential(url, **given) if login.is_application else v3.Password(url, **given)


def _plain_requests() -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # no proxy, no .netrc: credentials go where the Secret says
    return session
