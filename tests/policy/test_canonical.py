"""Canonical JSON is that of the RFC's own implementation, whichever encoder wrote it."""

import math

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from policy.canonical import canonical_json, digest
from worker.runspec import Deadlines

INTEGERS = st.integers(min_value=-(2**53) - 2, max_value=2**53 + 2)
TEXTS = st.text(st.characters(codec=None), max_size=6) | st.text(st.characters(max_codepoint=0x80), max_size=6)
VALUES = st.recursive(
    st.none() | st.booleans() | INTEGERS | st.floats() | INTEGERS.map(float) | TEXTS,
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(TEXTS, inside, max_size=4),
    max_leaves=12,
)


@given(VALUES)
@example({"\ue000": 1, "\U00010000": 2, "b": [-0.0, 1e16, 1e-7, 0.1, 300.0, True, 1, None]})
@example(['\x7f\x1f\u2028\\"\n/', 2**53 - 1, 2.0**53, -(2.0**53), 1e21, 5e-324])
@example({"a": "\ud800"})
def test_every_value_is_written_as_the_rfc_says(value: object) -> None:
    try:
        expected = rfc8785.dumps(value)  # type: ignore[arg-type]
    except ValueError as refusal:
        with pytest.raises(type(refusal)):
            canonical_json(value)
    else:
        assert canonical_json(value) == expected


@pytest.mark.parametrize("value", [{1: 2}, {"a": {None: 1}}, {"a": b""}, [{1, 2}], math.nan, [math.inf], 2**53])
def test_what_json_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(rfc8785.CanonicalizationError):
        canonical_json(value)


def test_a_model_is_written_as_its_json() -> None:
    deadlines = Deadlines(barrierS=0.25, receiveS=120)

    assert canonical_json(deadlines) == rfc8785.dumps({"barrierS": 0.25, "receiveS": 120.0})
    assert digest({"own": (deadlines,)}) == digest({"own": [{"receiveS": 120, "barrierS": 0.25}]})
