"""The program `ccd-worker`: what holds for every library is settled before the first one is loaded, then `worker.commands`.

Three parties' containers start on few processors, and to load libraries is most of what a small run does.
"""

import os

from worker.loading import load
from worker.unwanted import hide_unwanted


def main() -> None:
    """Run the command."""
    hide_unwanted()
    # Pydantic asks every installed package whether it brings a plugin; none of ours does, and a worker takes no others.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    load("worker.commands").app()


if __name__ == "__main__":
    main()
