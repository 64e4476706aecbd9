"""A dataset where the party's Spark reads it: policy and signature are files beside it, and the data stays there."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from conclave.local.errors import LocalError
from conclave.local.sparkserver import Session
from worker.endpoints.origin import MAX_POLICY_BYTES, MAX_SIGNATURE_BYTES, POLICY_SUFFIX, SIGNATURE_SUFFIX, Beside
from worker.endpoints.store import Download
from worker.errors import BadDocument, StoreRefused


@dataclass
class SparkOrigin:
    """A `worker.endpoints.origin.Origin` whose data is looked at in place, by `session`."""

    connect: Callable[[], Session]
    path: str

    @property
    def place(self) -> str:
        """The path."""
        return self.path

    @cached_property
    def session(self) -> Session:
        """The session with which the dataset is looked at, opened when it is first asked for."""
        return self.connect()

    def policy(self) -> Beside:
        """Return the policy."""
        return self._beside(POLICY_SUFFIX, MAX_POLICY_BYTES)

    def signature(self) -> Beside:
        """Return the policy's signature."""
        return self._beside(SIGNATURE_SUFFIX, MAX_SIGNATURE_BYTES)

    def download(self, path: Path) -> Download:
        """Bring nothing: `worker.inplace` looks at it where it lies."""
        raise BadDocument("what Spark reads is not downloaded", self.place)

    def close(self) -> None:
        """End the session."""
        if "session" in self.__dict__:
            self.session.close()

    def _beside(self, suffix: str, limit_bytes: int) -> Beside:
        place = self.path + suffix
        try:
            content = self.session.content(place, limit_bytes)
        except LocalError as error:
            fix = "check the path in the party document, or put the file there, where Spark may read it"
            raise StoreRefused(f"Spark cannot read the file ({error.kind})", place, fix=fix) from None
        if content is None:
            raise BadDocument(f"the file is larger than {limit_bytes} bytes", place)
        return Beside(place, content)
