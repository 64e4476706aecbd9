"""The lock for the image holds what the worker imports, in the versions of the lock for everybody."""

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

from packaging.utils import canonicalize_name

from tests.image.conftest import ROOT
from tests.image.test_contents import lock

ROOMS = ("conclave", "policy", "worker")
# What imports an extra, and is imported by those alone who have it.
EXTRA = {Path("conclave/local/sparksession.py")}


def imported_by(room: str) -> set[str]:
    """Return the top-level modules that a room's files import, ours and Python's own aside."""
    found: set[str] = set()
    for path in Path(ROOT, room).rglob("*.py"):
        if path.relative_to(ROOT) in EXTRA:
            continue
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - set(ROOMS)


def test_the_image_holds_everything_that_the_worker_imports():
    modules = set().union(*(imported_by(room) for room in ROOMS))
    assert "numba" in modules  # the search does find imports
    distributions = packages_distributions()
    missing = {
        module for module in modules if not {canonicalize_name(name) for name in distributions[module]} & set(lock())
    }
    assert missing == set(), "add them to the group `worker` in pyproject.toml, then `make lock`"


def test_the_image_holds_no_other_version_than_everybody_tests_with():
    text = (ROOT / "requirements.lock").read_text()
    # Some have several, for different versions of Python.
    everybody = set(re.findall(r"^([a-z0-9-]+)==([^\s;]+)", text, re.MULTILINE))
    assert set(lock().items()) <= everybody
