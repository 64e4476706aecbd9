"""Where programs come from, and what is said when there are none."""

from pathlib import Path

import pytest

from tests.cluster import binaries
from tests.cluster.binaries import ASSETS, HERE, NoBinaries, binary, build


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No Go, no cache, nothing given."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(ASSETS, raising=False)
    return tmp_path


def test_what_the_environment_gives_is_taken(bare: Path, monkeypatch: pytest.MonkeyPatch):
    (bare / "etcd").touch()
    monkeypatch.setenv(ASSETS, str(bare))
    assert binary("plane", "etcd") == bare / "etcd"


def test_without_go_it_says_what_to_do(bare: Path):
    with pytest.raises(NoBinaries, match=r"etcd: not found \(fix: install Go.*export KUBEBUILDER_ASSETS="):
        binary("plane", "etcd")


def test_absence_fails_in_ci_and_only_there(bare: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CI", "true")
    assert binaries.main(["plane"]) == 1
    monkeypatch.delenv("CI")
    assert binaries.main(["plane"]) == 0


def test_a_module_is_built_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    module = tmp_path / "modules/hello"
    module.mkdir(parents=True)
    (module / "go.mod").write_text("module example.org/hello\n\ngo 1.24\n")
    (module / "go.sum").write_text("")
    (module / "binaries.toml").write_text(
        '[binaries]\nhello = "example.org/hello"\n[variables]\n"main.version" = "v1"\n'
    )
    (module / "main.go").write_text("package main\n\nvar version string\n\nfunc main() { println(version) }\n")
    monkeypatch.setattr("tests.cluster.binaries.HERE", module.parent)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    [first] = build("hello")
    made = first.stat()
    [second] = build("hello")

    assert (first, made.st_mtime_ns) == (second, second.stat().st_mtime_ns)
    (module / "go.sum").write_text("\n")
    assert build("hello") != [first]


def test_every_module_is_pinned():
    for module in binaries.modules():
        assert (HERE / module / "go.sum").exists(), module
