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
# What runs elsewhere: what imports an extra, by those alone who have it; and SPU's, in an environment of its own, with
# the module beside it.
SPU_NODE = Path("conclave/cheetah/node.py")
ELSEWHERE = (Path("conclave/local/sparksession.py"), SPU_NODE)


def imported_by(room: str) -> set[str]:
    """Return the top-level modules that a room's files import, ours and Python's own aside."""
    files = set(Path(ROOT, room).rglob("*.py")) - {ROOT / path for path in ELSEWHERE}
    return set().union(*map(imported_in, files)) - set(ROOMS)


def imported_in(path: Path) -> set[str]:
    """Return those that one file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names)


def test_the_image_holds_everything_that_the_worker_imports():
    modules = set().union(*(imported_by(room) for room in ROOMS))
    assert "numba" in modules  # the search does find imports
    distributions = packages_distributions()
    missing = {
        module for module in modules if not {canonicalize_name(name) for name in distributions[module]} & set(lock())
    }
    assert missing == set(), "add them to the group `worker` in pyproject.toml, then `make lock`"


def test_the_lock_for_spu_holds_everything_that_its_process_imports():
    text = (ROOT / "image" / "spu.lock").read_text()
    held = set(re.findall(r"^([a-z0-9_-]+)==\S+ \\\n    --hash=sha256:[0-9a-f]{64}$", text, re.MULTILINE))
    assert {"jax", "spu"} <= imported_in(ROOT / SPU_NODE) - {"rows"} <= held
    # What it shares with the worker needs nothing at all.
    assert imported_in(ROOT / SPU_NODE.with_name("rows.py")) == set()


def test_the_image_holds_no_other_version_than_everybody_tests_with():
    text = (ROOT / "requirements.lock").read_text()
    # Some have several, for different versions of Python.
    everybody = set(re.findall(r"^([a-z0-9-]+)==([^\s;]+)", text, re.MULTILINE))
    assert set(lock().items()) <= everybody
