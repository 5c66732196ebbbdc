"""Memory that a burst took goes back to the machine: a logger has little, and runs for years."""

import contextlib
import ctypes

__all__ = ["give_memory_back"]

_TRIM_THRESHOLD = -1  # M_TRIM_THRESHOLD of mallopt(3)
_KEPT_BYTES = 131_072  # its own default, which glibc raises for good with each large block


def give_memory_back() -> None:
    """For this process, by glibc; nothing happens with another C library."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
