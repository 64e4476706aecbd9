"""A policy comes from a peer, and may be written to keep its readers busy: whatever it says, it is read in little time."""

import contextlib
import time

import pytest

from policy.parse import MOST_PROBLEMS, parse_policy
from policy.problem import DocumentError
from policy.yaml import MAX_CHARACTERS

POLICY = """\
apiVersion: ccd.dev/v1alpha1
kind: Policy
metadata: {dataset: bravo/flights, version: 1}
spec:
  columns:
    carrier: {type: varchar(2)}
    delay: {type: integer}
  grants:
    - to: [carol]
      purposes: [research]
      columns:
        delay: [sum]
"""
ROOM = MAX_CHARACTERS - len(POLICY) - 100
# Far above what any of them takes, and far below what takes time with the square of a text's length.
BOUND_S = 15.0


def filled(piece: str) -> str:
    return piece * (ROOM // len(piece))


def listed(name: str, of: int) -> str:
    return ", ".join(f"{name}{number}" for number in range(of))


def with_columns(number: int) -> str:
    columns = "".join(f"    c{each}: {{type: date}}\n" for each in range(number))
    grants = "".join(f"        d{each}: [sum]\n" for each in range(number))
    return POLICY.replace("  grants:\n", f"{columns}  grants:\n") + grants


TEXTS = {
    "one comment": f"{POLICY}# {filled('x')}",
    "what could be a scheme of a URL": f"{POLICY}# {filled('a-')}://",
    "schemes of URLs": f"{POLICY}# {filled('a://')}",
    "a password of colons": f"{POLICY}# a://{filled(':')}",
    "beginnings of web tokens": f"{POLICY}# {filled('eyJ-')}",
    "second parts of a web token": f"{POLICY}# eyJaaaaaaaaa.{filled('eyJ-')}",
    "a key's beginning": f"{POLICY}# -----BEGIN {filled('A ')}",
    "a list": f"{POLICY}more:\n{filled('- a' + chr(10))}",
    "one field again and again": POLICY + filled("more: 1\n"),
    "brackets": f"{POLICY}more: {filled('[')}",
    "escapes": f'{POLICY}more: "{filled(chr(92) + "x41")}"',
    "lines in quotes": f'{POLICY}more: "{filled(chr(10))}"',
    "digits": f"{POLICY}more: {filled('9')}",
    "recipients": POLICY.replace("[carol]", f"[{listed('p', 15_000)}]"),
    "one recipient": POLICY.replace("[carol]", f"[{filled('p,')}]"),
    "one capability": POLICY.replace("[sum]", f"[{filled('sum,')}]"),
    "columns that are not there": with_columns(2300),
    "a long name that is nearly another": POLICY.replace(
        "  grants:\n", f"    ? {'a' * 60_000}\n    : {{type: date}}\n  grants:\n"
    )
    + f"        ? {'a' * 60_000}b\n        : [sum]\n",
    "fields that are nearly others": POLICY + "".join(f"spe{each}: 1\n" for each in range(9_000)),
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_reading_takes_little_time_whatever_stands_there(text):
    assert len(text) <= MAX_CHARACTERS
    began = time.process_time()
    with contextlib.suppress(DocumentError):
        parse_policy(text, "policy")
    assert time.process_time() - began < BOUND_S


def test_of_thousands_of_mistakes_the_first_are_said():
    with pytest.raises(DocumentError) as caught:
        parse_policy(with_columns(2300), "policy")
    assert len(caught.value.problems) == MOST_PROBLEMS
