"""The program `ccd-worker`: what holds for every library is settled before the first one is loaded, then `worker.commands`.

Three parties' containers start on few processors, and to load libraries is most of what a small run does.
"""

import gc
import importlib
import os

from worker.unwanted import hide_unwanted


def main() -> None:
    """Run the command."""
    hide_unwanted()
    # Pydantic asks every installed package whether it brings a plugin; none of ours does, and a worker takes no others.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # What is imported stays: to look for garbage among it meanwhile would cost a tenth of the start.
    gc.disable()
    commands = importlib.import_module("worker.commands")
    gc.enable()
    commands.app()


if __name__ == "__main__":
    main()
