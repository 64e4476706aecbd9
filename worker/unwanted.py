"""Modules out of sight that libraries load wherever they are installed, for what nobody here asks for.

Arrow loads pandas for its conversions, and httpx its command line, with all that draws tables. Spark's client cannot do
without pandas; with Spark it is shown again, before the client is imported.
"""

import sys


class _Unwanted:
    """A finder that finds none of them. An empty entry in `sys.modules` would not do: Arrow takes one for the module."""

    def __init__(self) -> None:
        self.names = {"pandas", "httpx._main"}

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name in self.names:
            raise ModuleNotFoundError(name=name)


_FINDER = _Unwanted()


def hide_unwanted() -> None:
    """Let imports of these modules fail from now on."""
    _FINDER.names.add("pandas")
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)


def show_pandas() -> None:
    """Let imports find pandas again, where it is installed."""
    _FINDER.names.discard("pandas")
