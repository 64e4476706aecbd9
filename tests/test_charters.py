"""Every package says what it does, what it must not do, and what is in it: the list is held to be true here."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("conclave", "policy", "renderer", "templates", "worker")
PACKAGES = sorted(file.parent.relative_to(ROOT) for room in ROOMS for file in ROOT.glob(f"{room}/**/__init__.py"))
ENTRY = re.compile(r"^- (\w+): (.+)$", re.MULTILINE)


def charter_of(package: Path) -> str:
    tree = ast.parse((ROOT / package / "__init__.py").read_text(encoding="utf-8"))
    return ast.get_docstring(tree) or ""


def modules_of(package: Path) -> list[str]:
    files = [file.stem for file in (ROOT / package).glob("*.py") if file.stem != "__init__"]
    packages = [file.parent.name for file in (ROOT / package).glob("*/__init__.py")]
    return sorted(files + packages)


@pytest.mark.parametrize("package", PACKAGES, ids=str)
def test_a_charter_says_what_the_package_does(package):
    assert charter_of(package), f"{package}/__init__.py has no docstring"


@pytest.mark.parametrize("package", PACKAGES, ids=str)
def test_a_charter_lists_exactly_the_modules_that_exist(package):
    listed = [name for name, _ in ENTRY.findall(charter_of(package))]
    assert sorted(listed) == modules_of(package), f"{package}/__init__.py: write a line '- name: what' for each module"


@pytest.mark.parametrize("package", PACKAGES, ids=str)
def test_a_package_holds_its_charter_and_nothing_else(package):
    body = ast.parse((ROOT / package / "__init__.py").read_text(encoding="utf-8")).body
    assert len(body) <= 1, f"{package}/__init__.py: code belongs in a module of its own"
