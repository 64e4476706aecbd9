import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from policy.signature import BadSignature, sign, verify

VALUE = {"b": [1, 2], "a": "ü"}


def test_a_signature_holds_for_its_key_purpose_and_value_in_any_key_order():
    key = Ed25519PrivateKey.generate()
    verify(key.public_key(), "policy", {"a": "ü", "b": (1, 2)}, sign(key, "policy", VALUE) + "\n")


@pytest.mark.parametrize(
    ("purpose", "value", "signature"),
    [
        ("verdict", VALUE, None),
        ("policy", {**VALUE, "a": "u"}, None),
        ("policy", VALUE, "not base64!"),
        ("policy", VALUE, base64.b64encode(b"short").decode()),
        ("policy", VALUE, ""),
    ],
)
def test_anything_else_is_refused(purpose, value, signature):
    key = Ed25519PrivateKey.generate()
    with pytest.raises(BadSignature):
        verify(key.public_key(), purpose, value, sign(key, "policy", VALUE) if signature is None else signature)


@pytest.mark.parametrize("value", [1 << 70, float("nan"), "\ud800"])
def test_what_cannot_be_signed_is_not_signed(value):
    key = Ed25519PrivateKey.generate()
    with pytest.raises(BadSignature, match="canonical JSON cannot"):
        verify(key.public_key(), "policy", {"a": value}, sign(key, "policy", VALUE))


def test_another_key_is_refused():
    with pytest.raises(BadSignature, match="another key"):
        verify(
            Ed25519PrivateKey.generate().public_key(),
            "policy",
            VALUE,
            sign(Ed25519PrivateKey.generate(), "policy", VALUE),
        )


def test_a_purpose_cannot_smuggle_in_a_separator():
    with pytest.raises(ValueError, match="purpose"):
        sign(Ed25519PrivateKey.generate(), "policy\0", VALUE)
