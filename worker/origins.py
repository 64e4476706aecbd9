"""The origins of a run spec's datasets: which endpoint reads which source."""

import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

import httpx

from worker.endpoints.dataverse import Address, DataverseOrigin
from worker.endpoints.files import FilesOrigin
from worker.endpoints.origin import Origin
from worker.endpoints.patience import Trying
from worker.endpoints.spark import SparkOrigin
from worker.endpoints.swift_origin import SwiftOrigin
from worker.endpoints.web import is_private, site_of
from worker.errors import BadDocument
from worker.mounts import read_secret
from worker.runspec import DataverseSource, FilesSource, Source, SparkSource, SwiftSource
from worker.spark import open_session
from worker.stores import Stores

SITE_KEY = "DATAVERSE_URL"  # where the token may be sent: the owner says it, and no pull request
TOKEN_KEY = "DATAVERSE_TOKEN"  # noqa: S105 - the key's name
AUTHORITIES_KEY = "DATAVERSE_CACERT"  # optional
_TOKEN = re.compile(r"[!-~]{1,256}")


@dataclass(frozen=True)
class Origins:
    """Opens origins with what the Job mounts."""

    stores: Stores
    volumes: Path

    def of(self, source: Source) -> Origin:
        """Return where `source` lies.

        Raises:  BadDocument if its Secret is not mounted or lacks a key.
        """
        match source:
            case SwiftSource():
                return SwiftOrigin(self.stores.of(source.credentials), source.container, source.object)
            case DataverseSource():
                return self._dataverse(source)
            case FilesSource():
                return FilesOrigin(self.volumes, source.claim, source.path, self.stores.watch)
            case SparkSource():
                return SparkOrigin(lambda: open_session(source, self.stores.secrets), source.path)
        assert_never(source)

    def _dataverse(self, source: DataverseSource) -> Origin:
        _check_https(source)
        address = Address(source.url, source.persistent_id, source.version, source.file, source.form, source.storage)
        trying = Trying(watch=self.stores.watch)
        if source.credentials is None:
            return DataverseOrigin(address, trying=trying)
        token = read_secret(self.stores.secrets, source.credentials, TOKEN_KEY)
        if not _TOKEN.fullmatch(token):
            where, fix = f"{source.credentials}/{TOKEN_KEY}", "put the API token into it, and nothing else"
            raise BadDocument("the Secret's key holds no API token", where, fix=fix)
        self._check_home(source.url, source.credentials)
        return DataverseOrigin(address, token, self._trust(source.credentials), trying)

    def _check_home(self, url: str, secret: str) -> None:
        """Return if that is the site that the Secret is for."""
        home = read_secret(self.stores.secrets, secret, SITE_KEY)
        if not is_private(home) or site_of(httpx.URL(home)) != site_of(httpx.URL(url)):
            what, rule = (
                "the run leads its token to another site than the Secret's",
                "the owner says where a token goes",
            )
            raise BadDocument(what, f"{secret}/{SITE_KEY}", rule, f"if {url} is right, put it under the key {SITE_KEY}")

    def _trust(self, secret: str) -> ssl.SSLContext | None:
        """Return whom to trust beside the usual authorities, if the Secret says so: its sites may have either."""
        path = self.stores.secrets / secret / AUTHORITIES_KEY
        if not path.exists():
            return None
        context = ssl.create_default_context()
        try:
            context.load_verify_locations(cafile=path)
        except OSError:  # of which SSLError is one
            fix = "put the authority's certificates there, as PEM"
            raise BadDocument(
                "the Secret's key holds no certificates", f"{secret}/{AUTHORITIES_KEY}", fix=fix
            ) from None
        return context


def _check_https(source: DataverseSource) -> None:
    """Return if nobody on the way can read along, or answer in a site's place."""
    for url in (source.url, *source.storage):
        if not is_private(url):
            fix = "write it as https://data.example.org, or with a port; http:// is for this machine alone"
            raise BadDocument("the address of Dataverse or of its storage is not https", url, fix=fix)
