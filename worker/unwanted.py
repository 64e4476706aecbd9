"""Pandas out of sight: Arrow imports it wherever it is installed, for conversions that nobody here asks for.

Spark's client cannot do without it; with Spark it is shown again, before the client is imported.
"""

import sys


class _Unwanted:
    """A finder that finds no pandas."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == "pandas":
            raise ModuleNotFoundError(name=name)


_FINDER = _Unwanted()


def hide_pandas() -> None:
    """Let imports of pandas fail from now on."""
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)


def show_pandas() -> None:
    """Let them find it again, where it is installed."""
    if _FINDER in sys.meta_path:
        sys.meta_path.remove(_FINDER)
