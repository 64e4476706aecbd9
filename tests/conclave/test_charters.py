import re
from importlib import import_module
from pathlib import Path

import pytest


@pytest.mark.parametrize("name", ["conclave.ir", "conclave.sql", "conclave.passes"])
def test_a_package_lists_the_files_it_has(name: str):
    package = import_module(name)
    assert package.__doc__ is not None
    assert package.__file__ is not None
    listed = re.findall(r"^- (\w+): ", package.__doc__, flags=re.MULTILINE)
    there_are = [path.stem for path in Path(package.__file__).parent.glob("*.py") if path.stem != "__init__"]
    assert sorted(listed) == sorted(there_are)
