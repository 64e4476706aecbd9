"""The forms of a Secret that opens a Swift account. Which one it is, its keys decide; it is exactly one.

clouds.yaml               as OpenStack hands it out; OS_CLOUD names the cloud if there are several
OS_AUTH_URL, …            as an openrc file has them: a user's password or an application credential (Keystone v3)
ST_AUTH, ST_USER, ST_KEY  version 1 authentication
TEMPURLS                  signed URLs, one a line, to read objects only: of one each, or of all with a prefix

Beside any of them: OS_CACERT, the certificates (PEM) that the store's own is checked against, PLAIN_HTTP (see
`worker.endpoints.swift_address`), and READERS, the accounts that a container may be opened to which is made with this
Secret. Errors name keys, never what they hold.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from policy.problem import DocumentError
from policy.yaml import read_yaml
from worker.endpoints.swift_address import PLAIN_HTTP, Addresses
from worker.errors import BadDocument
from worker.mounts import read_secret

CACERT = "OS_CACERT"
READERS = "READERS"
FORMS = (
    "give the Secret one of: clouds.yaml; OS_AUTH_URL with OS_APPLICATION_CREDENTIAL_ID and"
    " OS_APPLICATION_CREDENTIAL_SECRET, or with OS_USERNAME, OS_PASSWORD and OS_PROJECT_NAME; ST_AUTH, ST_USER and"
    " ST_KEY; TEMPURLS"
)
_V1 = ("ST_AUTH", "ST_USER", "ST_KEY")
# An openrc's names without OS_, as clouds.yaml spells them.
_USER = ("username", "user_id", "password", "user_domain_name", "user_domain_id")
_PROJECT = ("project_name", "project_id", "project_domain_name", "project_domain_id")
_APPLICATION = ("application_credential_id", "application_credential_secret")
_PLACE = ("region_name", "interface")
_FIXED = {"identity_api_version": ("3",), "auth_type": ("password", "v3password", "v3applicationcredential")}
_OPENRC = frozenset(("auth_url", *_USER, *_PROJECT, *_APPLICATION, *_PLACE, *_FIXED))
_DEFAULT_DOMAIN = "Default"


@dataclass(frozen=True)
class V1Login:
    """Version 1 authentication."""

    auth_url: str
    user: str
    key: str = field(repr=False)


@dataclass(frozen=True)
class KeystoneLogin:
    """Keystone v3. `identity` holds what keystoneauth1's plugin takes by the same names."""

    auth_url: str
    is_application: bool
    identity: Mapping[str, str] = field(repr=False)
    region: str | None = None
    interface: str = "public"


@dataclass(frozen=True)
class TempUrls:
    """Signed URLs."""

    urls: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True)
class SwiftSecret:
    """What a mounted Secret says."""

    name: str
    login: V1Login | KeystoneLogin | TempUrls
    addresses: Addresses
    cacert: Path | None = None  # the mounted file
    readers: tuple[str, ...] = ()  # accounts, as `worker.endpoints.swift_access` has them

    @property
    def advice(self) -> str:
        """Which keys to check when the store says that it does not know us."""
        match self.login:
            case V1Login():
                return "check ST_USER and ST_KEY in the Secret"
            case TempUrls():
                return "sign new URLs: those under TEMPURLS have expired, or were signed with another key"
            case KeystoneLogin(is_application=True):
                return "check the application credential's id and secret in the Secret, and that it was not deleted"
        return "check user, password, domain and project in the Secret"


def read_swift_secret(secrets: Path, name: str) -> SwiftSecret:
    """Return what the mounted Secret says.

    Raises:  BadDocument for a form that is not whole, two at once, or none; it names keys alone.
    """
    try:
        keys = {path.name for path in (secrets / name).iterdir() if not path.name.startswith("..")}
    except OSError:
        keys = set()
    return _Reader(secrets, name, keys).read()


@dataclass(frozen=True)
class _Reader:
    secrets: Path
    name: str
    keys: set[str]

    def read(self) -> SwiftSecret:
        forms = {
            "clouds.yaml": "clouds.yaml" in self.keys,
            "TEMPURLS": "TEMPURLS" in self.keys,
            "ST_*": any(key.startswith("ST_") for key in self.keys),
            "OS_*": any(key.startswith("OS_") for key in self.keys - {CACERT, "OS_CLOUD"}),
        }
        found = [form for form, is_there in forms.items() if is_there]
        if len(found) > 1:
            self._refuse(f"holds {' and '.join(found)}: it is not clear which opens the store", "keep one of them")
        addresses = Addresses(self.name, frozenset(self._listed(PLAIN_HTTP)))
        cacert = self.secrets / self.name / CACERT if CACERT in self.keys else None
        login: V1Login | KeystoneLogin | TempUrls
        match found:
            case ["clouds.yaml"]:
                login, cacert = self._cloud(cacert)
            case ["TEMPURLS"]:
                login = TempUrls(tuple(line.strip() for line in self._get("TEMPURLS").splitlines() if line.strip()))
            case ["ST_*"]:
                self._only(self.keys, "ST_", _V1)
                login = V1Login(*(self._get(key) for key in _V1))
            case ["OS_*"]:
                self._only(self.keys - {CACERT}, "OS_", [f"OS_{field.upper()}" for field in sorted(_OPENRC)])
                given = {field: self._get(f"OS_{field.upper()}") for field in _OPENRC if self._has(field)}
                login = self._keystone(given, lambda field: f"OS_{field.upper()}")
            case _:
                where = "is not mounted or holds no credentials of a store"
                self._refuse(where, FORMS)
        return SwiftSecret(self.name, login, addresses, cacert, self._listed(READERS))

    def _keystone(self, given: Mapping[str, str], key: Any) -> KeystoneLogin:
        for name, allowed in _FIXED.items():
            if given.get(name, allowed[0]).removesuffix(".0") not in allowed:
                self._refuse(f"asks by {key(name)} for another way than Keystone v3", f"leave {key(name)} out")
        is_application = any(name in given for name in _APPLICATION)
        mixed = [key(name) for name in (*_USER, *_PROJECT) if name in given and name not in _harmless(is_application)]
        if is_application and mixed:
            self._refuse(f"holds an application credential and {', '.join(mixed)}", "keep one way to sign in")
        if is_application:
            needed: list[tuple[str, ...]] = [("auth_url",), *((name,) for name in _APPLICATION)]
        else:
            needed = [("auth_url",), ("username", "user_id"), ("password",), ("project_name", "project_id")]
        for names in needed:
            if not any(given.get(name) for name in names):
                self._refuse(f"lacks {' or '.join(map(key, names))}", FORMS)
        identity = {
            name: given[name] for name in (_APPLICATION if is_application else (*_USER, *_PROJECT)) if name in given
        }
        if not is_application:
            _fill_domains(identity)
        return KeystoneLogin(
            given["auth_url"],
            is_application,
            identity,
            given.get("region_name"),
            given.get("interface", "public").removesuffix("URL"),
        )

    def _cloud(self, cacert: Path | None) -> tuple[KeystoneLogin, Path | None]:
        clouds = self._clouds()
        name = self._get("OS_CLOUD") if "OS_CLOUD" in self.keys else None
        if name is None and len(clouds) != 1:
            self._refuse(f"has a clouds.yaml with {len(clouds)} clouds", "name the one to use under the key OS_CLOUD")
        if name is not None and name not in clouds:
            self._refuse("has a clouds.yaml without the cloud that OS_CLOUD names", "make the names the same")
        cloud = clouds[name] if name is not None else next(iter(clouds.values()))
        if not isinstance(cloud, dict) or not isinstance(cloud.get("auth"), dict):
            self._refuse("has a clouds.yaml whose cloud lacks `auth`", "download it again from OpenStack")
        if cloud.get("verify", True) is not True:
            self._refuse("has a clouds.yaml with `verify: false`", f"put the store's CA under the key {CACERT} instead")
        if "cacert" in cloud:
            # A path on somebody's machine means nothing here; a key of the same Secret does.
            key = Path(str(cloud["cacert"])).name
            if key not in self.keys:
                self._refuse("has a clouds.yaml with `cacert`", "put the certificates under a key of that file's name")
            cacert = self.secrets / self.name / key
        given = {key: value for key, value in {**cloud, **cloud["auth"]}.items() if key in _OPENRC}
        for key, value in given.items():
            given[key] = str(value) if key == "identity_api_version" else value
            if not isinstance(given[key], str):
                self._refuse(f"has a clouds.yaml whose `{key}` is not text", "put it in quotes")
        return self._keystone(given, lambda field: f"`{field}` in clouds.yaml"), cacert

    def _clouds(self) -> dict[str, Any]:
        try:
            document, _ = read_yaml(self._get("clouds.yaml"), "clouds.yaml")
        except DocumentError as error:
            # The place alone: what a reader says of a text may quote it.
            line = error.problems[0].line
            self._refuse(f"has a clouds.yaml that cannot be read at line {line}", "download it again from OpenStack")
        clouds = document.get("clouds") if isinstance(document, dict) else None
        if not isinstance(clouds, dict) or not clouds:
            self._refuse("has a clouds.yaml without `clouds`", "download it again from OpenStack")
        return clouds

    def _has(self, field: str) -> bool:
        return f"OS_{field.upper()}" in self.keys

    def _get(self, key: str) -> str:
        return read_secret(self.secrets, self.name, key)

    def _listed(self, key: str) -> tuple[str, ...]:
        return tuple(self._get(key).replace(",", " ").split()) if key in self.keys else ()

    def _only(self, keys: set[str], prefix: str, known: Any) -> None:
        unknown = sorted(key for key in keys if key.startswith(prefix) and key not in known)
        if unknown:
            self._refuse(f"has keys that mean nothing here: {', '.join(unknown)}", f"known are {', '.join(known)}")

    def _refuse(self, what: str, fix: str) -> NoReturn:
        raise BadDocument(f"the Secret {self.name!r} {what}", str(self.secrets / self.name), fix=fix)


def _harmless(is_application: bool) -> tuple[str, ...]:
    """Return what may stand beside an application credential without meaning anything: openrc files do that."""
    return ("user_domain_name", "user_domain_id", "project_domain_name", "project_domain_id") if is_application else ()


def _fill_domains(identity: dict[str, str]) -> None:
    for who in ("user", "project"):
        is_needed = f"{who}_id" not in identity
        if is_needed and not {f"{who}_domain_name", f"{who}_domain_id"} & identity.keys():
            identity[f"{who}_domain_name"] = _DEFAULT_DOMAIN
