"""The machine that measures: what it is, which processors are used, how busy it is."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
_CPUINFO = Path("/proc/cpuinfo")
_CPUS = Path("/sys/devices/system/cpu")


def describe() -> dict[str, Any]:
    """Processor, flags, caches, memory and system; no names of hosts or people."""
    info = read_cpuinfo(_CPUINFO.read_text() if _CPUINFO.exists() else "")
    return {
        "processor": info.get("model name") or platform.processor() or platform.machine(),
        "architecture": platform.machine(),
        "family_model_stepping": [info.get(k) for k in ("cpu family", "model", "stepping")],
        "flags": sorted(info.get("flags", info.get("Features", "")).split()),
        "logical_cpus": os.cpu_count(),
        "caches": caches(),
        "memory_bytes": memory_bytes(),
        "system": f"{platform.system()} {numeric(platform.release())}",
        "python": platform.python_version(),
        "libc": " ".join(platform.libc_ver()),
    }


def numeric(release: str) -> str:
    """The version at the beginning of a release: "6.1" of "6.1.0-generic"."""
    return ".".join(release.split("-")[0].split(".")[:2])


def read_cpuinfo(text: str) -> dict[str, str]:
    """The fields of the first processor."""
    first = text.split("\n\n", 1)[0]
    pairs = (line.split(":", 1) for line in first.splitlines() if ":" in line)
    return {name.strip(): value.strip() for name, value in pairs}


def caches(folder: Path = _CACHES) -> dict[str, str]:
    """Sizes of the data caches of the first processor, by level: {"L2": "1024K"}."""
    found: dict[str, str] = {}
    for index in sorted(folder.glob("index*")):
        try:
            level, kind, size = ((index / n).read_text().strip() for n in ("level", "type", "size"))
        except OSError:
            continue
        if kind != "Instruction":
            found[f"L{level}"] = size
    return found


def memory_bytes() -> int:
    """All memory; 0 where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0


def load() -> float | None:
    """How many processes wanted to run lately; None where the system does not say."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def use_cpus(threads: int) -> list[int]:
    """Confines this process and all it starts to `threads` processors; returns them.

    Distinct cores first, then their siblings. Where the system has no such thing, nothing happens.
    """
    if not hasattr(os, "sched_getaffinity"):
        return []
    allowed = sorted(os.sched_getaffinity(0))
    chosen = spread(allowed, [_siblings(cpu) for cpu in allowed])[:threads]
    os.sched_setaffinity(0, chosen)
    return sorted(chosen)


def allowed_threads() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def spread(cpus: Sequence[int], siblings: Sequence[frozenset[int]]) -> list[int]:
    """The processors in an order that uses every core once before any twice."""
    first: list[int] = []
    later: list[int] = []
    seen: set[frozenset[int]] = set()
    for cpu, core in zip(cpus, siblings):
        (later if core in seen else first).append(cpu)
        seen.add(core)
    return first + later


def _siblings(cpu: int) -> frozenset[int]:
    path = _CPUS / f"cpu{cpu}" / "topology" / "thread_siblings_list"
    try:
        return read_list(path.read_text())
    except OSError:
        return frozenset([cpu])


def read_list(text: str) -> frozenset[int]:
    """The numbers of a list such as "0-3,8"."""
    found: set[int] = set()
    for part in text.strip().split(","):
        low, _, high = part.partition("-")
        found.update(range(int(low), int(high or low) + 1))
    return frozenset(found)
