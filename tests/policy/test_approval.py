"""An approval is of one run, by one key, and ends; whatever else it is held against, it is none."""

import datetime
from dataclasses import fields, replace

import pytest

from policy.approval import (
    APPROVAL_PURPOSE,
    Approval,
    ApprovalMetadata,
    ApprovalSpec,
    Subject,
    faults,
    has_expired,
    signed_part,
)
from policy.identity import load_private_key, new_identity
from policy.signature import sign

KEY, CERTIFICATE = new_identity("alpha", 30)
SUBJECT = Subject("alpha", "pay-0123456789", "1" * 64, "2" * 64, "3" * 64, "image@sha256:" + "4" * 64, "5" * 64)
NOON = datetime.datetime(2027, 1, 1, 12, tzinfo=datetime.UTC)


def approval(key: bytes = KEY, purpose: str = APPROVAL_PURPOSE, expires: str = "2027-01-01T12:00:00Z") -> Approval:
    unsigned = Approval(
        api_version="ccd.dev/v1alpha1",
        kind="Approval",
        metadata=ApprovalMetadata(party=SUBJECT.party, run=SUBJECT.run_id),
        spec=ApprovalSpec(
            run=SUBJECT.run,
            own=SUBJECT.own,
            plan=SUBJECT.plan,
            manifests=SUBJECT.manifests,
            image=SUBJECT.image,
            expires=expires,
        ),
        signature="",
    )
    return unsigned.model_copy(update={"signature": sign(load_private_key(key), purpose, signed_part(unsigned))})


def test_it_holds_for_the_very_run_that_was_approved_whoever_knows_of_the_manifests():
    assert list(faults(approval(), SUBJECT, CERTIFICATE)) == []
    assert list(faults(approval(), replace(SUBJECT, manifests=None), CERTIFICATE)) == []


@pytest.mark.parametrize("field", [field.name for field in fields(Subject)])
def test_it_holds_for_nothing_that_differs_in_anything(field):
    other = replace(SUBJECT, **{field: getattr(SUBJECT, field)[::-1] + "x"})
    (fault,) = faults(approval(), other, CERTIFICATE)
    assert fault.startswith("it is not for this")


@pytest.mark.parametrize("signed", [approval(new_identity("alpha", 30)[0]), approval(purpose="verdict")])
def test_another_key_or_a_signature_for_another_purpose_is_none(signed):
    (fault,) = faults(signed, SUBJECT, CERTIFICATE)
    assert fault.startswith("its signature does not hold")


@pytest.mark.parametrize("change", [{"expires": "2030-01-01T00:00:00Z"}, {"image": "image@sha256:" + "f" * 64}])
def test_a_word_changed_after_signing_breaks_it(change):
    whole = approval()
    changed = whole.model_copy(update={"spec": whole.spec.model_copy(update=change)})
    assert any("signature does not hold" in fault for fault in faults(changed, SUBJECT, CERTIFICATE))


def test_it_ends_at_its_very_second_and_what_never_ends_has_ended():
    assert not has_expired(approval(), NOON - datetime.timedelta(seconds=1))
    assert has_expired(approval(), NOON)
    assert has_expired(approval(expires="2027-02-30T12:00:00Z"), NOON)
