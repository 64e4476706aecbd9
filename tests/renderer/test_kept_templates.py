"""Compiled templates: kept beside them, used as long as they are what would be compiled, and never needed."""

import sys
from pathlib import Path

import jinja2
import pytest
from jinja2 import DictLoader, Environment

from renderer.kept_templates import KeptTemplates


@pytest.fixture(autouse=True)
def python_keeps_what_it_compiles(monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)


@pytest.fixture
def maker(tmp_path: Path) -> Path:
    file = tmp_path / "maker.py"
    file.write_text("which filters there are")
    return file


def filled(directory: Path, maker: Path, text: str = "{{ 'a' | said }}", said: str = "first") -> str:
    """Return what a new environment, as of another process, makes of a template; its filter is run when it is compiled."""
    environment = Environment(loader=DictLoader({"t": text}), bytecode_cache=KeptTemplates(directory, [maker]))
    environment.filters["said"] = lambda value: f"{value}: {said}"
    return environment.get_template("t").render()


def test_what_was_compiled_is_used_again(tmp_path, maker):
    assert filled(tmp_path / "kept", maker) == "a: first"
    assert len([*(tmp_path / "kept").iterdir()]) == 1
    assert filled(tmp_path / "kept", maker, said="second") == "a: first"


def test_another_template_is_compiled_anew(tmp_path, maker):
    filled(tmp_path, maker)
    assert filled(tmp_path, maker, text="{{ 'b' | said }}") == "b: first"


def test_what_another_version_of_the_renderer_compiled_is_not_used(tmp_path, maker):
    filled(tmp_path, maker)
    maker.write_text("other filters")
    assert filled(tmp_path, maker, said="second") == "a: second"


def test_what_another_jinja_compiled_is_not_used(tmp_path, maker, monkeypatch):
    filled(tmp_path, maker)
    monkeypatch.setattr(jinja2, "__version__", "0.0")
    assert filled(tmp_path, maker, said="second") == "a: second"


def test_where_nothing_can_be_kept_each_process_compiles(tmp_path, maker):
    (tmp_path / "file").write_text("")
    for said in ("first", "second"):
        assert filled(tmp_path / "file/kept", maker, said=said) == f"a: {said}"


def test_nothing_is_kept_if_python_may_keep_nothing(tmp_path, maker, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    filled(tmp_path / "kept", maker)
    assert not (tmp_path / "kept").exists()
