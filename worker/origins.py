"""The origins of a run spec's datasets: which endpoint reads which source."""

from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from worker.endpoints.files import FilesOrigin
from worker.endpoints.origin import Origin
from worker.endpoints.swift_origin import SwiftOrigin
from worker.runspec import FilesSource, Source, SwiftSource
from worker.stores import Stores


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
            case FilesSource():
                return FilesOrigin(self.volumes, source.claim, source.path)
        assert_never(source)
