"""Keeping freed memory: asking the kernel anew for every large array costs as much as the arithmetic on it."""

import ctypes

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
LARGEST_INT = (1 << 31) - 1


def keep_freed_memory() -> None:
    """Let the C library reuse the memory of freed arrays instead of returning it. Does nothing where it cannot."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, LARGEST_INT)
