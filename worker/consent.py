"""What an owner has reserved to itself: its approval of this very run, and how many there may be.

It is asked in `fetch`, before any data is loaded. Neither who renders nor who applies what is rendered is believed. The
policy that asks for the approval lies beside the data and is signed; the approval is signed with the same key; and what
was approved is compared with what this worker is about to do, which it reads, digests and compiles by itself.
"""

import datetime
import importlib
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from policy.approval import Approval, faults, has_expired
from policy.canonical import digest
from policy.document import Policy
from policy.identity import load_certificate
from policy.manifest import ApprovalRef
from worker.errors import REJECTED, WorkerError
from worker.log import Log
from worker.runspec import RunSpec
from worker.spending import Spending, spend
from worker.stores import Stores

MAX_APPROVAL_BYTES = 16 * 1024


class Refused(WorkerError):
    """The party's own policy does not let it take part."""

    code = REJECTED


@dataclass
class Consent:
    """Holds the party's policies against this run."""

    spec: RunSpec
    approval: Path  # where the run's ConfigMap is mounted; there need not be one
    log: Log
    now: datetime.datetime
    stores: Stores  # where what was spent of limits is kept
    given: ApprovalRef | None = None  # the approval that a policy has asked for, and that has been found to hold
    attempt: str = field(default_factory=lambda: secrets.token_hex(16))  # its name where policies set limits
    spent: list[Spending] = field(default_factory=list)

    def check(self, policy: Policy) -> None:
        """Return if the policy's owner has agreed to this run in the way that the policy asks for.

        Raises:  Refused, Spent; BadDocument for a query that cannot be compiled; StoreUnavailable.
        """
        if policy.spec.approval == "explicit":
            self._check_approval(policy)
        spending = spend(self.spec, self.stores, policy, self.now, self.attempt, self.log)
        self.spent += [] if spending is None else [spending]

    def begin(self) -> tuple[str, ...]:
        """Write down that this attempt begins; return what earlier ones may have told answers of.

        Raises:  StoreUnavailable.
        """
        for spending in self.spent:
            spending.begin()
        held_to = {spending.paid.held_to for spending in self.spent}
        return tuple(sorted(each for each in held_to if each is not None))

    def _check_approval(self, policy: Policy) -> None:
        metadata, party, run_id = policy.metadata, self.spec.own.party, self.spec.run.run_id
        rule = f"{party}, {metadata.dataset} policy v{metadata.version}, spec.approval: explicit"
        where = f"workflows/approvals/{party}/{run_id}.yaml"
        fix = (
            f"raise spec.run and render; then {party} approves that run before it is merged: "
            f"`ccd approve {self.spec.run.workflow} --party {party}`"
        )
        approval = self._read(metadata.dataset, where, rule, fix)
        # Loaded here: it takes the whole compiler, of which a fetch has no other use.
        subject: Any = importlib.import_module("worker.subject")
        problems = list(faults(approval, subject.subject_of(self.spec), self._certificate()))
        if has_expired(approval, self.now):
            problems.append(f"it expired at {approval.spec.expires}")
        if problems:
            raise Refused(
                f"{party}'s approval does not let {metadata.dataset} be used: {problems[0]}", where, rule, fix
            )
        signer = load_certificate(self._certificate()).fingerprint
        self.given = ApprovalRef(digest=digest(approval), signer=signer, expires=approval.spec.expires)
        self.log.event("approved", dataset=metadata.dataset, expires=approval.spec.expires, digest=self.given.digest)

    def _read(self, dataset: str, where: str, rule: str, fix: str) -> Approval:
        try:
            with self.approval.open("rb") as file:
                content = file.read(MAX_APPROVAL_BYTES + 1)
            if len(content) > MAX_APPROVAL_BYTES:
                raise Refused(
                    f"what stands for an approval is larger than {MAX_APPROVAL_BYTES} bytes", where, rule, fix
                )
            return Approval.model_validate_json(content, by_alias=True, by_name=False)
        except FileNotFoundError:
            what = f"{dataset} is used with {self.spec.own.party}'s approval only, and this run has none"
            raise Refused(what, where, rule, fix) from None
        except (ValidationError, OSError):
            raise Refused("what stands for an approval cannot be read", where, rule, fix) from None

    def _certificate(self) -> str:
        return next(member.certificate for member in self.spec.run.members if member.name == self.spec.own.party)
