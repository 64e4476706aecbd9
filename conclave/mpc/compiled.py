"""How a loop is compiled: by numba, once, and kept beside its source also where that cannot be written to later.

A worker's file system is read-only, so an installation runs `python -m conclave.mpc.warm` first. What is not
found there (another kind of processor, say) is compiled when it is first called, and then not kept.
"""

import contextlib
import os
import platform
from collections.abc import Callable
from typing import Any, TypeVar

from llvmlite.binding import get_host_cpu_features
from numba import config, njit
from numba.core.caching import CompileResultCacheImpl, FunctionCache, InTreeCacheLocator

# The environment must not name another place to load compiled code from; see `_Implementation`.
config.CACHE_LOCATOR_CLASSES = ""  # type: ignore[attr-defined]

F = TypeVar("F", bound=Callable[..., Any])

# What a processor has beyond x86-64-v2, of which numpy's own wheels make use without asking.
LEVEL_3 = ("avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe")


def processor_level() -> str | None:
    """Return the level of x86-64 to compile for, or None, for this very processor, where there are no such levels.

    numba's own choice is this processor's model, and what is kept would serve no other: an image is warmed on one
    machine and runs on many. These loops gain nothing measurable from more than level 3.
    """
    if platform.machine() != "x86_64":
        return None
    has = get_host_cpu_features()
    return "x86-64-v3" if all(has.get(feature, False) for feature in LEVEL_3) else "x86-64-v2"


def _aim(level: str | None) -> None:
    # NUMBA_CPU_NAME, which numba has read already, goes first: so an image is warmed for another level.
    config.CPU_NAME = name = getattr(config, "CPU_NAME", None) or level  # type: ignore[attr-defined]
    # The level says it all; None would add what this processor has beyond it.
    if name is not None and getattr(config, "CPU_FEATURES", None) is None:
        config.CPU_FEATURES = ""  # type: ignore[attr-defined]


_aim(processor_level())


class BesideTheSource(InTreeCacheLocator):
    """The directory for compiled files beside the source, whether it can be written to or not."""

    def ensure_cache_path(self) -> None:
        """Make the directory if that is possible; numba's own class also writes to it, and fails if it cannot."""
        with contextlib.suppress(OSError):
            os.makedirs(self.get_cache_path(), exist_ok=True)  # type: ignore[no-untyped-call]


class _Implementation(CompileResultCacheImpl):
    # No other directory, such as one that the environment or a file in the working directory names: what is kept are
    # pickles, to be trusted as far as the source beside them.
    _locator_classes = [BesideTheSource]  # noqa: RUF012 - numba's own type


class InstalledCache(FunctionCache):
    """Compiled functions of an installation."""

    _impl_class = _Implementation

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return what was kept, or None, so that it is compiled anew, if that is missing, unreadable or damaged."""
        try:
            return super().load_overload(sig, target_context)  # type: ignore[no-untyped-call]
        except Exception:  # whatever is wrong with the file, the source beside it is right
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep what was compiled, unless it cannot be written."""
        with contextlib.suppress(OSError):
            super().save_overload(sig, data)  # type: ignore[no-untyped-call]


def compiled(function: F) -> F:
    """Compile when first called, or load what an earlier process compiled. Runs without the interpreter's lock."""
    dispatcher: Any = njit(nogil=True)(function)
    # What `cache=True` does, with numba's own cache.
    dispatcher._cache = InstalledCache(function)  # type: ignore[no-untyped-call]
    return dispatcher  # type: ignore[no-any-return]
