"""Compare with a committed text; CCD_UPDATE_GOLDEN=1 rewrites it instead, and reviewers read the difference."""

import os
from pathlib import Path


def assert_golden(path: Path, text: str) -> None:
    """Check that `text` is what `path` holds."""
    if os.environ.get("CCD_UPDATE_GOLDEN") == "1":
        path.write_text(text)
    assert path.read_text() == text
