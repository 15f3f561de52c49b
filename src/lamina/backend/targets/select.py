"""Which Target kernels are made for: the machine at hand, or less of it when asked."""

from __future__ import annotations

import importlib
import os
import platform
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

from lamina.backend.targets.target import Caches, Target
from lamina.base import config
from lamina.base.errors import UsageError

_HERE = Path(__file__).parent
_SYSFS = Path("/sys/devices/system/cpu/cpu0/cache")
_ARCHES = {"amd64": "x86_64", "x86_64": "x86_64", "arm64": "aarch64", "aarch64": "aarch64"}


def select(name: str | None = None) -> Target:
    """The target called `name`, with the caches and processors of this machine.

    Args:
        name: "native" (the whole machine), "avx512", "avx2", "generic", "null"; what
            `LAMINA_TARGET` says when not given.

    Raises:
        UsageError: there is no such target, or this machine lacks instructions that it has.
    """
    return _select(name or config.target() or "native", config.threads())


def described(name: str) -> Target:
    """The target of the file `<arch>/<name>.py`, as it stands there."""
    for found in _descriptions():
        if found.name == name:
            return found
    known = ", ".join(["native", *sorted(t.name for t in _descriptions())])
    raise UsageError(f"there is no target {name!r}", [f"targets: {known}"], "set LAMINA_TARGET")


@cache
def _select(name: str, threads: int | None) -> Target:
    native = name == "native"
    wanted = None if native else described(name)
    if wanted is not None and not wanted.runs:
        return wanted
    cpu, features = _host()
    arch = _ARCHES.get(platform.machine().lower(), platform.machine())
    fitting = [t for t in _descriptions() if t.arch == arch and t.features <= features]
    if not fitting:
        raise UsageError(f"no target describes this machine: {arch} {cpu}")
    best = max(
        (t for t in fitting if not t.cpus or cpu in t.cpus),
        key=lambda t: (bool(t.cpus), t.vector_bytes, len(t.features)),
    )
    if wanted is None or wanted.name == best.name:
        chosen = replace(best, llvm_cpu=cpu, features=features)
    elif wanted in fitting:
        chosen = wanted
    else:
        lacking = sorted(wanted.features - features)[:8] if wanted.arch == arch else [wanted.arch]
        raise UsageError(
            f"target {name!r} has instructions that this machine lacks",
            [f"machine: {cpu}, at most {best.name!r}", f"lacking: {', '.join(lacking)}"],
            f"set LAMINA_TARGET={best.name}, or leave it unset",
        )
    cores = threads or _processors()
    return replace(chosen, caches=read_caches(chosen.caches), cores=cores)


@cache
def _descriptions() -> tuple[Target, ...]:
    return tuple(_found())


def _found() -> Iterator[Target]:
    """Every `TARGET` in the folders of this one."""
    for path in sorted(_HERE.glob("*/[a-z]*.py")):
        module = importlib.import_module(f"{__package__}.{path.parent.name}.{path.stem}")
        yield module.TARGET


def _host() -> tuple[str, frozenset[str]]:
    """LLVM's name of this processor, and the features it has."""
    import llvmlite.binding as llvm  # takes a while; a plan for the null target needs none

    features = llvm.get_host_cpu_features()
    return llvm.get_host_cpu_name(), frozenset(f for f, present in features.items() if present)


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def read_caches(otherwise: Caches, folder: Path = _SYSFS) -> Caches:
    """The data caches that the operating system reports, and `otherwise` what it does not."""
    found: dict[str, int] = {}
    for index in sorted(folder.glob("index*")):
        try:
            level, kind, size, line = (
                (index / name).read_text().strip()
                for name in ("level", "type", "size", "coherency_line_size")
            )
            size_bytes = _bytes(size)
            line_bytes = int(line)
        except (OSError, ValueError):
            continue
        if kind == "Instruction" or size_bytes <= 0 or level not in "123":
            continue
        found["l1d_bytes" if level == "1" else f"l{level}_bytes"] = size_bytes
        found["line_bytes"] = line_bytes or otherwise.line_bytes
        if level == "1":
            found["l1d_ways"] = _ways(index) or otherwise.l1d_ways
    return replace(otherwise, **found)


def _ways(index: Path) -> int:
    """The associativity of a cache; 0 where it is not told."""
    try:
        return int((index / "ways_of_associativity").read_text())
    except (OSError, ValueError):
        return 0


def _bytes(text: str) -> int:
    """`"32K"` is 32768."""
    scale = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}.get(text[-1:], 1)
    return int(text.rstrip("KMG")) * scale
