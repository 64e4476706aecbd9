"""The program `ccd-worker`: what holds for every library is settled before the first one is loaded, then `worker.commands`.

Three parties' containers start on few processors, and to load libraries is most of what a small run does.
"""

import gc
import importlib
import os
import sys

# Loaded by libraries wherever they are installed, for what nobody here asks for: Arrow's conversions to pandas, and the
# command line of httpx, with all that draws tables.
UNWANTED = ("pandas", "httpx._main")


class _Unwanted:
    """Hides modules. An empty entry in `sys.modules` would not do: Arrow takes one for the module."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name in UNWANTED:
            raise ModuleNotFoundError(name=name)


def main() -> None:
    """Run the command."""
    sys.meta_path.insert(0, _Unwanted())
    # Pydantic asks every installed package whether it brings a plugin; none of ours does, and a worker takes no others.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # What is imported stays: to look for garbage among it meanwhile would cost a tenth of the start.
    gc.disable()
    commands = importlib.import_module("worker.commands")
    gc.enable()
    commands.app()


if __name__ == "__main__":
    main()
