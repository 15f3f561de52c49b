"""Memory that programs read and write: pooled, aligned, and shared with NumPy without copies."""

from lamina.base.records import frozen
from lamina.runtime.native import native

Buffer = native.Buffer


@frozen
class MemoryStats:
    """What the pool holds.

    Args:
        in_use_bytes: blocks that somebody owns.
        pooled_bytes: idle blocks, kept for reuse.
        peak_bytes: highest `in_use_bytes` since `reset_peak`.
        allocations: blocks taken from the operating system so far.
        requests: blocks asked of the pool so far.
    """

    in_use_bytes: int
    pooled_bytes: int
    peak_bytes: int
    allocations: int
    requests: int


def memory_stats() -> MemoryStats:
    """The pool's numbers just now.

    Example:
        >>> before = memory_stats()
        >>> buffer = Buffer(1000)
        >>> memory_stats().in_use_bytes - before.in_use_bytes
        1024
    """
    return MemoryStats(**native.memory_stats())


def reset_peak() -> None:
    """Starts measuring `peak_bytes` anew."""
    native.reset_peak()


def trim_pool() -> int:
    """Hands idle blocks back to the operating system; returns their bytes."""
    return native.trim_pool()


def set_memory_limit(limit_bytes: int) -> None:
    """Makes the pool refuse, with `OutOfMemory`, to have more bytes in use; 0 for no limit."""
    native.set_memory_limit(limit_bytes)
