"""Devices: the things that run programs."""

import os
from functools import cache
from typing import Any

from lamina.base.records import frozen
from lamina.runtime.native import native

THREADS_VARIABLE = "LAMINA_THREADS"


@frozen
class Device:
    """Something that runs programs and owns memory.

    Example:
        >>> Device("cpu").name
        'cpu'
    """

    name: str = "cpu"

    def topology(self) -> dict[str, Any]:
        """CPUs, cores, caches, names and instruction sets, as read from the machine."""
        return topology()

    def __str__(self) -> str:
        return self.name


CPU = Device("cpu")


@cache
def topology() -> dict[str, Any]:
    """What this machine is made of; read once.

    Returns:
        `architecture`, `vendor`, `model`, `logical_cpus` (that this process may use),
        `physical_cores`, `memory_bytes`, `line_bytes`, `l1d_bytes`, `l2_bytes`, `l3_bytes`,
        `caches` (bytes and number of sharing CPUs by level) and `features` (name to bool).
    """
    return native.topology()


def num_threads() -> int:
    """Threads per kernel, the calling one included."""
    return native.num_threads()


def set_num_threads(threads: int) -> None:
    """Sets how many threads a kernel is split over.

    Raises:
        ValueError: if `threads` is less than 1.
    """
    native.set_num_threads(threads)


def apply_environment() -> None:
    """Takes the number of threads from `LAMINA_THREADS`, when that is set.

    Raises:
        ValueError: if it is no positive integer.
    """
    text = os.environ.get(THREADS_VARIABLE, "").strip()
    if not text:
        return
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"{THREADS_VARIABLE}={text!r}: expected a positive number of threads")
    set_num_threads(int(text))
