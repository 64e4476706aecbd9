"""Values and names of others are shown: neither a terminal nor a pipeline's log acts on them."""

import io

import pytest
from rich.console import Console

from policy.problem import Problem
from renderer.answer import table_of
from renderer.errors import print_problems

CLEAR = "\x1b[2J\x1b]8;;http://evil.example\x07"


def test_a_result_s_values_are_shown_as_they_are() -> None:
    rows = [{"ward": f"[red]{CLEAR}", "n": 3}, {"ward": "[/nothing]", "n": None}]
    stream = io.StringIO()

    Console(file=stream, force_terminal=True, width=200, color_system=None).print(table_of(rows, ("ward", "n")))

    shown = stream.getvalue()
    assert r"[red]\x1b[2J\x1b]8;;http://evil.example\x07" in shown
    assert "[/nothing]" in shown
    assert "\x1b]8" not in shown


def test_a_file_s_name_makes_no_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    print_problems([Problem(f"workflows/{CLEAR}\n::add-mask::x.yaml", 1, 1, "", "is no workflow\n::error::y")])

    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert "\x1b" not in said
