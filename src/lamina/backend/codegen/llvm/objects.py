"""Nests -> loaded kernels: the memory cache, then the disk cache, then LLVM.

What writes LLVM's text is imported where something is compiled: kernels from disk need none of it.

kernels = compile_kernels([nest], target)
kernels[0].address      # void (*)(void** args, int64 begin, int64 end, void* scratch)
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import os
import threading
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import llvmlite
import llvmlite.binding as llvm

from lamina.base import config

from .disk import DiskCache, Entry
from .module import Processor, assembly, machine, object_bytes, optimised_ir

if TYPE_CHECKING:
    from lamina.backend.nest.nodes import Nest

    from .widths import Machine

    class KernelTarget(Machine, Processor, Protocol):
        """What compiling needs of a target."""


@dataclass(frozen=True)
class Loaded:
    """Code in memory; it is unloaded when nobody holds this any more."""

    address: int
    tracker: llvm.ResourceTracker


@dataclass(frozen=True)
class CompiledKernel:
    """A kernel in memory, ready to be called.

    Its code stays in memory as long as one of the kernels that share it lives.

    Attributes:
        address: `void (*)(void** args, int64_t begin, int64_t end, void* scratch)`.
        name: of the nest.
        symbol: of the function in its object.
        scratch_bytes: 64-byte aligned memory that one call needs.
        key: equal for kernels with equal code.
        code: the object, for deployment.
        loaded: what holds the code in memory.
    """

    address: int
    name: str
    symbol: str
    scratch_bytes: int
    key: str
    code: bytes
    loaded: Loaded


@functools.cache
def compiler_version() -> str:
    """Names the code generator: its sources and the LLVM under it."""
    digest = hashlib.sha256()
    here = Path(__file__).parent
    for path in [*sorted(here.rglob("*.py")), *sorted((here.parents[1] / "nest").glob("*.py"))]:
        digest.update(path.read_bytes())
    return f"{digest.hexdigest()[:16]}-llvmlite{llvmlite.__version__}"


def kernel_key(nest: Nest, target: KernelTarget) -> str:
    """The structural key of a kernel: its nest, the target and the compiler."""
    from lamina.backend.nest import printer

    parts = f"{printer.key(nest)}\n{target.key}\n{compiler_version()}"
    return hashlib.sha256(parts.encode()).hexdigest()


class Loader:
    """Brings object code into memory, once as long as somebody holds it."""

    def __init__(self) -> None:
        self._jit: llvm.LLJIT | None = None
        self._loaded: weakref.WeakValueDictionary[str, Loaded] = weakref.WeakValueDictionary()
        self._lock = threading.RLock()  # the collector may unload other code meanwhile
        self._numbers = itertools.count()

    def load(self, entry: Entry, target: KernelTarget) -> Loaded:
        """The code of an entry in memory."""
        with self._lock:
            found = self._loaded.get(entry.key)
            if found is None:
                found = self._loaded[entry.key] = self._link(entry, target)
            return found

    def _link(self, entry: Entry, target: KernelTarget) -> Loaded:
        if self._jit is None:
            machine(target)
            # JITLink keeps the sections of an object together. The older linker takes them from
            # wherever memory is, and aborts the process where they come to lie 2 GB apart.
            self._jit = llvm.create_lljit_compiler(use_jit_link=True)
        builder = llvm.JITLibraryBuilder().add_object_img(entry.code)
        builder.add_current_process().export_symbol(entry.symbol)
        name = f"{entry.key}-{next(self._numbers)}"  # LLVM takes no name twice
        tracker = builder.link(self._jit, name)
        return Loaded(tracker[entry.symbol], tracker)

    def count(self) -> int:
        """How many kernels are in memory."""
        return len(self._loaded)


ENTRIES_KEPT = 4096
_LOADER = Loader()
_ENTRIES: dict[str, Entry] = {}  # the one used last stands last
_DISKS: dict[Path, DiskCache] = {}


def disk_cache(part: str = "kernels", suffix: str = ".kernel") -> DiskCache | None:
    """A part of the disk cache that the settings name, if any."""
    folder = config.cache_dir()
    if folder is None:
        return None
    return _DISKS.setdefault(folder / part, DiskCache(folder / part, suffix=suffix))


def compile_kernels(nests: Sequence[Nest], target: KernelTarget) -> list[CompiledKernel]:
    """Machine code for each nest, in order; nests that differ in names only share it.

    Kernels come from memory, from disk, or from LLVM, which compiles several at a time.
    """
    keys = [kernel_key(nest, target) for nest in nests]
    disk = disk_cache()
    missing: dict[str, Nest] = {}
    found: dict[str, Entry] = {}
    for key, nest in zip(keys, nests):
        if key in found or key in missing:
            continue
        entry = _stored(key, disk, target)
        if entry is None:
            missing[key] = nest
        else:
            found[key] = entry
    for entry in _build_all(missing, target):
        found[entry.key] = entry
        if disk:
            disk.write(entry)
    _keep(found)
    return [_loaded(found[key], nest.name, target) for key, nest in zip(keys, nests)]


def kernels_of_keys(
    wanted: Sequence[tuple[str, str]], target: KernelTarget
) -> list[CompiledKernel] | None:
    """Kernels by their keys, under names of their own; None where one is not there any more."""
    disk = disk_cache()
    found: dict[str, Entry] = {}
    for key, _ in wanted:
        if key in found:
            continue
        entry = _stored(key, disk, target)
        if entry is None:
            return None
        found[key] = entry
    _keep(found)
    return [_loaded(found[key], name, target) for key, name in wanted]


def load(entry: Entry, target: KernelTarget) -> Loaded:
    """The code of an entry in memory."""
    return _LOADER.load(entry, target)


def _stored(key: str, disk: DiskCache | None, target: KernelTarget) -> Entry | None:
    """The entry of a key, from memory or from disk."""
    entry = _ENTRIES.get(key)
    if entry is None and disk:
        entry = disk.read(key, compiler_version(), target.key)
    return entry


def _keep(entries: dict[str, Entry]) -> None:
    """Notes entries as the ones used last."""
    for key, entry in entries.items():
        _ENTRIES.pop(key, None)
        _ENTRIES[key] = entry
    while len(_ENTRIES) > ENTRIES_KEPT:
        _ENTRIES.pop(next(iter(_ENTRIES)), None)  # another thread may have been faster


def _loaded(entry: Entry, name: str, target: KernelTarget) -> CompiledKernel:
    loaded = load(entry, target)
    return CompiledKernel(
        loaded.address, name, entry.symbol, entry.scratch_bytes, entry.key, entry.code, loaded
    )


def _build_all(missing: dict[str, Nest], target: KernelTarget) -> list[Entry]:
    if len(missing) <= 1:
        return [build(nest, target, key) for key, nest in missing.items()]
    workers = min(len(missing), config.threads() or os.cpu_count() or 1)
    with ThreadPoolExecutor(workers, "lamina-compile") as pool:
        return list(pool.map(lambda item: build(item[1], target, item[0]), missing.items()))


def build(nest: Nest, target: KernelTarget, key: str) -> Entry:
    """Compiles one nest, past all caches."""
    from .emit import emit

    text = emit(nest, target, symbol=f"lamina_{key[:24]}")
    code = object_bytes(text.text, target)
    return Entry(key, compiler_version(), target.key, text.symbol, text.scratch_bytes, code)


def kernel_ir(nest: Nest, target: KernelTarget) -> str:
    """The LLVM IR that is generated for a nest."""
    from .emit import emit

    return emit(nest, target).text


def kernel_optimised_ir(nest: Nest, target: KernelTarget) -> str:
    """The LLVM IR of a nest just before instruction selection."""
    from .emit import emit

    return optimised_ir(emit(nest, target).text, target)


def kernel_assembly(nest: Nest, target: KernelTarget) -> str:
    """The assembly text of a nest."""
    from .emit import emit

    return assembly(emit(nest, target).text, target)
