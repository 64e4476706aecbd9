"""A shape is told apart from every other structure; what a mould is filled with is what a reader would have read."""

import re

import pytest

from policy.yaml import read_yaml
from renderer.documents import Workspace
from renderer.layout import rendered_files
from renderer.shape import mould_of, shape_of
from renderer.validate import ObjectChecker

FIRST = 'a: "x"\nb:\n  - "y"\nc:\n  f: |\n    "in" a block\n  d: 1\n'


def test_a_mould_is_filled_with_what_a_reader_reads() -> None:
    value, lines = read_yaml(FIRST, "f")
    mould = mould_of(FIRST, value, lines)
    other = FIRST.replace('"x"', '"# \\"\\u0041: |"').replace('"y"', '""')
    shape, first = shape_of(other), shape_of(FIRST)

    assert mould
    assert shape
    assert first
    assert shape.key == first.key
    read, _ = read_yaml(other, "f")
    assert read["c"].pop("f")
    assert mould.fill(shape.strings) == {**read, "c": {"f": "", **read["c"]}}


@pytest.mark.parametrize(
    "other",
    [
        FIRST.replace("d: 1", "d: 2"),
        FIRST.replace("d: 1", "e: 1"),
        FIRST.replace('"y"', "y"),
        FIRST + "e: 2\n",
        FIRST.replace('"in" a block\n', '"in" a block\n  out: 1\n'),
        FIRST.replace('  - "y"\n', '  - "y"\n  - "z"\n'),
    ],
)
def test_another_structure_is_another_shape(other: str) -> None:
    mine, its = shape_of(FIRST), shape_of(other)
    assert mine
    assert its
    assert mine.key != its.key


def test_a_block_in_a_list_hides_nothing_that_follows() -> None:
    text = 'b:\n  - c: |\n      "in" a block\n    d: 1\n'
    mine, its = shape_of(text), shape_of(text.replace("d: 1", "d: 2"))

    assert mine
    assert its
    assert mine.key != its.key
    assert mould_of(text, *read_yaml(text, "f")) is None


@pytest.mark.parametrize("text", ["a: 'x'\n", 'a: "x\n  y"\n', "a: \t1\n", 'a: "é"\n', 'a: "\\x41"\n'])
def test_what_only_a_reader_can_tell_has_no_shape(text: str) -> None:
    assert shape_of(text) is None


def test_a_bad_string_in_a_known_shape_is_found_at_its_line(workspace: Workspace) -> None:
    (good,) = [f.text for f in rendered_files(workspace) if "hospital-b" in str(f.path) and f.path.name == "job.yaml"]
    checker = ObjectChecker()
    assert checker.check(good, "f", "hospital-b") == ()

    bad = good.replace('namespace: "hospital-b"', 'namespace: "hospital-a"')
    (problem,) = checker.check(bad, "f", "hospital-b")

    assert problem.field == "metadata.namespace"
    assert problem == ObjectChecker().check(bad, "f", "hospital-b")[0]


@pytest.mark.parametrize("name", ["job", "networkpolicy-peers", "service", "configmap"])
def test_each_string_of_a_known_shape_is_held_to_what_it_is_held_to_when_read(workspace: Workspace, name: str) -> None:
    (good,) = [f.text for f in rendered_files(workspace) if "hospital-b" in str(f.path) and f.path.stem == name]
    warm = ObjectChecker()
    assert warm.check(good, "f", "hospital-b") == ()
    body = good.partition("\ndata:\n")[0]  # what a ConfigMap holds is its reader's business

    found = 0
    for quoted in re.finditer(r'"[^"\n]*"', body):
        bad = f'{good[: quoted.start()]}"not/ good!"{good[quoted.end() :]}'
        problems = ObjectChecker().check(bad, "f", "hospital-b")
        assert warm.check(bad, "f", "hospital-b") == problems
        found += bool(problems)
    assert found
