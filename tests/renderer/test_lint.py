"""Style is yamllint's business, and what is no YAML at all is left to the documents' reader."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from yamllint import linter

from renderer.lint import lint, load_rules
from tests.renderer.conftest import edit
from tests.renderer.gitops import ccd

RULES = load_rules(Path(__file__).parent)
LINES = st.sampled_from(
    [
        "---",
        "a: 1",
        "a : 2",
        "b:   3 ",
        "- c",
        "  d: yes",
        "[e",
        "'f",
        "# yamllint disable-line",
        "# yamllint disable-file",
        "#g",
        "",
    ]
)


@given(st.lists(LINES, max_size=6).map("\n".join))
@example("# yamllint disable-file\na : 1")
@example("---\na: [\n")
def test_what_is_found_is_what_yamllint_itself_finds(text: str) -> None:
    expected = [(one.line, one.column, one.rule) for one in linter.run(text, RULES, "f.yaml") if one.rule is not None]

    found = [
        (one.line, one.column, one.what.rpartition("(")[2].removesuffix(")")) for one in lint(text, "f.yaml", RULES)
    ]

    assert found == expected


@pytest.mark.parametrize("text", ["a: \x07\n", "a: \ufffe\n"])
def test_what_no_reader_takes_is_left_to_the_documents_own(text: str) -> None:
    assert lint(text, "f.yaml", RULES) == ()


def test_a_character_that_yaml_does_not_take_is_a_mistake_in_its_document(federation: Path) -> None:
    edit(federation, "visits-by-ward.yaml", "spec:\n", "# \x07\nspec:\n")

    done = ccd(federation, "validate")

    assert done.exit_code == 10
    assert "workflows/visits-by-ward.yaml:1:1: error: this is not YAML" in done.stderr


def test_what_yamllint_finds_comes_with_what_to_do_about_it() -> None:
    said = {one.what.rpartition("(")[2]: one.fix for one in lint("a: no\nb: 1 ", "f.yaml", RULES)}

    assert said == {
        "document-start)": "write --- on a line of its own before the document",
        "truthy)": "write true or false; what is meant as text goes in quotes",
        "trailing-spaces)": "take the blanks at the line's end away",
        "new-line-at-end-of-file)": "end the last line",
    }


def test_a_byte_order_mark_moves_nothing() -> None:
    assert lint("\ufeff# c\n---\na: 1\n", "f.yaml", RULES) == ()


def test_a_key_that_is_there_twice_is_said_once(federation: Path) -> None:
    edit(federation, "visits-by-ward.yaml", "  purpose:", "  purpose: x\n  purpose:")

    done = ccd(federation, "validate")

    assert done.stderr.count("visits-by-ward.yaml:8:3") == 1
    assert "spec.purpose: written twice, first on line 7 (fix: keep one)" in done.stderr
