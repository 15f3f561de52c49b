"""Memory of this process, as Linux counts it. Elsewhere there are no numbers."""

from __future__ import annotations

import ctypes
import gc
from pathlib import Path

_STATUS = Path("/proc/self/status")
_REFERENCES = Path("/proc/self/clear_refs")
FORGET_THE_MOST = "5"


def resident_bytes() -> int | None:
    """What is in memory now."""
    return _field("VmRSS")


def most_bytes() -> int | None:
    """The most that was in memory since `forget`."""
    return _field("VmHWM")


def forget() -> None:
    """Gives what is free back to the system, and lets the most begin anew."""
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
        _REFERENCES.write_text(FORGET_THE_MOST)
    except (AttributeError, OSError):
        pass


def _field(name: str) -> int | None:
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    found = (line.split() for line in lines if line.startswith(f"{name}:"))
    return next((int(kib) << 10 for _, kib, _ in found), None)
