"""The origins of a run spec's datasets: which endpoint reads which source."""

import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from worker.endpoints.dataverse import Address, DataverseOrigin
from worker.endpoints.files import FilesOrigin
from worker.endpoints.origin import Origin
from worker.endpoints.patience import Trying
from worker.endpoints.swift_origin import SwiftOrigin
from worker.errors import BadDocument
from worker.mounts import read_secret
from worker.runspec import DataverseSource, FilesSource, Source, SwiftSource
from worker.stores import Stores

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
        assert_never(source)

    def _dataverse(self, source: DataverseSource) -> Origin:
        address = Address(source.url, source.persistent_id, source.version, source.file, source.form, source.storage)
        trying = Trying(watch=self.stores.watch)
        if source.credentials is None:
            return DataverseOrigin(address, trying=trying)
        token = read_secret(self.stores.secrets, source.credentials, TOKEN_KEY)
        if not _TOKEN.fullmatch(token):
            where, fix = f"{source.credentials}/{TOKEN_KEY}", "put the API token into it, and nothing else"
            raise BadDocument("the Secret's key holds no API token", where, fix=fix)
        return DataverseOrigin(address, token, self._trust(source.credentials), trying)

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
