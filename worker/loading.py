"""How a worker's modules are loaded: without a look for garbage among what they bring, since all of that stays.

A look at it, once while it is imported and twice soon after, would be a tenth of the way to the first round.
"""

import gc
import importlib
from types import ModuleType


def load(name: str) -> ModuleType:
    """Import a module."""
    gc.disable()
    try:
        return importlib.import_module(name)
    finally:
        # Together they let everything grow old unseen. To freeze it for good would keep it from the end of the process,
        # too, where a binding reports it as leaked.
        gc.freeze()
        gc.unfreeze()
        gc.enable()
