"""A run spec that cannot be used: what is left of it may still be enough to tell the peers, who would wait in vain.

Only who takes part and where is read, and more generously than `worker.runspec` reads it. Nothing is computed or fetched
by it, no store is opened, and peers prove themselves by their certificates as ever.
"""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pydantic import ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from policy.manifest import Code, Reason
from worker.conversation import Conversation
from worker.errors import PeerMissing, Stopped, Terminated
from worker.log import Log
from worker.mounts import KEY_FILE
from worker.runspec import Deadlines, MemberSpec, Model
from worker.transport import wait_for_peers


class _Generous(Model):
    """What is not known is passed over."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True
    )


class _Member(_Generous):
    name: str
    certificate: str
    host: str
    port: int


class _Deadlines(_Generous):
    barrier_s: float = Deadlines().barrier_s
    receive_s: float = Deadlines().receive_s


class _Run(_Generous):
    members: tuple[_Member, ...]
    deadlines: _Deadlines = _Deadlines()


class _Own(_Generous):
    party: str
    identity: str


class _Spec(_Generous):
    run: _Run
    own: _Own


@dataclass(frozen=True)
class Remains:
    """Who takes part, and who we are."""

    members: tuple[MemberSpec, ...]
    deadlines: Deadlines
    party: str
    identity: str  # the Secret


def remains_of(path: Path) -> Remains | None:
    """Return what the file at `path` says of its run's members, or None if it does not say enough."""
    try:
        spec = _Spec.model_validate_json(path.read_bytes())
        members = tuple(MemberSpec.model_validate(member.model_dump()) for member in spec.run.members)
        deadlines = Deadlines.model_validate(spec.run.deadlines.model_dump())
    except (OSError, ValidationError):
        return None
    names = [member.name for member in members]
    if len(names) < 2 or len(set(names)) < len(names) or spec.own.party not in names:
        return None
    return Remains(members, deadlines, spec.own.party, spec.own.identity)


def tell_peers(remains: Remains, code: Code, reasons: Iterable[Reason], secrets: Path, scratch: Path, log: Log) -> None:
    """Meet the peers and stop in the place of the first message, so that they end with these reasons and at once.

    Raises:  Terminated, and nothing else: whoever calls has a reason of its own to end with.
    """
    me, told = remains.party, tuple(reasons)
    try:
        network = wait_for_peers(remains, me, secrets / remains.identity / KEY_FILE, scratch, log)
        with contextlib.closing(network), contextlib.suppress(Stopped, PeerMissing):
            Conversation(network, log).stop(code, told)
        log.event("peers told", peers=len(remains.members) - 1)
    except Terminated:
        raise
    except PeerMissing as error:
        log.event("peers not told", reason=error.what)
    except Exception as error:  # a key that is none, a port that is taken
        log.event("peers not told", reason=type(error).__name__)
