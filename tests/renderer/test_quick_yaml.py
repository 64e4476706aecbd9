"""The reader in C says what the slow one says, or nothing: same values, same places, and never yes to a refused text."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from policy.problem import DocumentError
from policy.yaml import MAX_CHARACTERS, MAX_DEPTH, read_yaml
from renderer.quick_yaml import quick_reading, read_quickly

ROOT = Path(__file__).parents[2]
SHIPPED = sorted([*(ROOT / "workflows").rglob("*.yaml"), *(ROOT / "argocd").rglob("*.yaml")])
TEXTS = [file.read_text(encoding="utf-8") for file in SHIPPED]

# What YAML is made of, and what its versions and readers take for different things.
PIECES = [
    *(":", ": ", "-", "- ", "?", "? ", ",", ", ", "[", "]", "{", "}", "#", " # c", " ", "  ", "\n", "\n  ", "\n    "),
    *("|", "|\n", "|-\n  ", "|+\n", " >\n  ", ">-\n ", "|2\n", "| # c\n  ", "'", '"', "''", '""', "\\", "\\n", "\\/"),
    *(
        "a",
        "b",
        "a: ",
        "b: ",
        "- a\n",
        "a: b\n",
        "  c: d\n",
        "'a': ",
        '"a": ',
        "a:b",
        "a#b",
        "{a: b}",
        "[a, b]",
        "{a:1}",
    ),
    *(
        "yes",
        "No",
        "on",
        "true",
        "~",
        "null",
        "NULL",
        "1",
        "-1",
        "+1",
        "0o7",
        "0777",
        "0b1",
        "0x1F",
        "1_000",
        "1e3",
        "1.",
    ),
    *(".5", "1.5", ".inf", "-.INF", ".nan", "1e999", "12:30", "190:20:30", "2027-06-30", "<<", "<<: ", "=", "= : "),
    *("1234567890123456", "&a ", "*a", "!t ", "!!str ", "@", "`", "%", "%YAML 1.1\n", "---", "---\n", "...\n"),
    *("|\n", "|\n  x\n", ">\n  x\n", "\n#x", "\n #x\n", "\n\n", "\n  \n   y\n", "  x\n", "   "),
    *("ü", "日", "\U0001f600", "\t", "\r\n", "\x85", "\u2028", "\ufeff", "\xa0", "\x01", "https://x/y?a=b&c", "x y"),
]


def agrees(text: str) -> bool:
    """Hold the quick reader to the slow one; return whether it took the text."""
    quick = quick_reading(text, "t.yaml")
    if quick is None:
        return False
    slow = read_yaml(text, "t.yaml")  # raises if it refuses what the quick one took
    assert quick == slow
    assert repr(quick[0]) == repr(slow[0])  # 1 equals True and 1.0, and is neither
    return True


@settings(max_examples=400)
@given(st.lists(st.sampled_from(PIECES), max_size=16).map("".join))
def test_of_any_text_the_quick_reader_says_what_the_slow_one_says(text: str) -> None:
    agrees(text)


@st.composite
def changed_documents(draw: st.DrawFn) -> str:
    """A part of a shipped document, with pieces in the place of some of its characters."""
    lines = draw(st.sampled_from(TEXTS)).splitlines(keepends=True)
    first = draw(st.integers(0, len(lines) - 1))
    text = "".join(lines[first : first + draw(st.integers(1, 12))])
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(text)))
        text = text[:start] + draw(st.sampled_from(PIECES)) + text[start + draw(st.sampled_from([0, 0, 1, 2, 5])) :]
    return text


@settings(max_examples=200)
@given(changed_documents())
def test_of_any_changed_document_the_quick_reader_says_what_the_slow_one_says(text: str) -> None:
    agrees(text)


@pytest.mark.deep
@settings(max_examples=1_500)
@given(st.one_of(st.lists(st.sampled_from(PIECES), max_size=24).map("".join), changed_documents()))
def test_of_many_more_texts_the_quick_reader_says_what_the_slow_one_says(text: str) -> None:
    agrees(text)


def test_every_shipped_document_is_read_quickly() -> None:
    assert yaml.__with_libyaml__
    documents = dict(zip(SHIPPED, TEXTS, strict=True))
    assert [file for file, text in documents.items() if not agrees(text)] == []


@pytest.mark.parametrize(
    "text",
    [
        *("yes", "[yes, no, on, off, y]", "1_000", "0o17", "017", "0b11", "0x1F", "1e3", "1.", "12:30", "2027-06-30"),
        *("~", "null", "'null'", '""', "a: ''", "'<<': 1", "'1': 1", "2027-06-30: 1", "-0", "+.5", "1e-3"),
        *("a: |\n  x\n  y\n", "a: >-\n  x\n  y\n", "a: |+\n  x\n\nb: 1\n", "a:\n- 1\n- b: {c: [d]}\n", "---\na: 1\n"),
        *(
            "a: b:c",
            "a: -b",
            "{a: b, c: [d, e]}",
            "a: 'it''s'",
            'a: "\\x41\\u00fc"',
            "a: 'b\n  c'",
            "a: b\n  c",
            "ü: 日\n",
        ),
    ],
)
def test_scalars_of_both_versions_of_yaml_are_read_quickly_and_the_same(text: str) -> None:
    assert agrees(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "# nothing", "a: [1", "a: 1\na: 2", "a: &x 1\nb: *x", "a: !t 1", "! a", "%YAML 1.1\n---\na: yes"),
        *(
            "a: 1\n---\nb: 2",
            "1: 2",
            "true: 1",
            "<<: {a: 1}",
            "= : 1",
            "|\n#x",
            "|+\n...\n",
            "[a]: 1",
            "? a\n: {? b}",
            "a: .nan",
            "a: 1e999",
        ),
        *("a: 1234567890123456", "[" * 100, "[" * MAX_DEPTH + "]" * MAX_DEPTH, "a: " + "x" * MAX_CHARACTERS, "a: \x01"),
        *(
            "a:\t1",
            "a: 1\n...\n",
            "a: 1\r\n",
            "\ufeffa: 1",
            "a: \x85b",
            "a: '\u2028'",
            "a:",
            "a: |2\n   b",
            "a: |\n\n   b",
            "a: | # c\n  b",
        ),
    ],
)
def test_what_is_refused_or_unclear_is_left_to_the_slow_reader(text: str) -> None:
    def told(read) -> object:
        try:
            return read(text, "t.yaml")
        except DocumentError as error:
            return error.problems

    assert quick_reading(text, "t.yaml") is None
    assert told(read_quickly) == told(read_yaml)


def test_the_deepest_text_that_is_taken_is_the_slow_readers() -> None:
    taken = "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1)
    assert read_quickly(taken, "t.yaml") == read_yaml(taken, "t.yaml")
