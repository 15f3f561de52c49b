"""Programs on disk: what is left of a graph when all passes are done, for the next process.

A file names the kernels of a program, which lie in the cache of kernels, and says what each reads
and writes. It is found by the text of the graph, the target, and the sources of the compiler; a
file that does not fit, or one of whose kernels is gone, is as good as none. Loops, library calls
and operators of users are compiled anew in each process, as is what compiles in no time.
"""

from __future__ import annotations

import functools
import hashlib
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lamina.backend.codegen.llvm import (
    CompiledKernel,
    DiskCache,
    Entry,
    compiler_version,
    disk_cache,
    kernels_of_keys,
)
from lamina.backend.compile.text import plain_text
from lamina.backend.targets import Target
from lamina.base.records import field_names
from lamina.graph.ir import Graph
from lamina.graph.ops import Opaque
from lamina.runtime import Argument, Buffer, Launch, Mode, Output, Program, Slot

LEAST_NODES = 48
LEAST_S = 0.03  # what compiles faster is not worth a file
MOST_ELEMENTS = 4096  # of a constant that the text of a graph spells out
_LENGTH = struct.Struct("<I")
_PACKAGE = Path(__file__).parents[2]


@dataclass(frozen=True)
class Assembly:
    """All that running a program takes.

    Attributes:
        launches: kernels and other steps in order.
        outputs: sizes and donors of what it makes.
        constants: buffers that every run reads.
        num_inputs: how many buffers a run takes.
        results: for each output of the graph, ("output" | "input" | "constant", number).
        kernels: of the launches, in order.
        held: what else must live as long: calls of libraries and of Python.
        acts: whether something in it must keep its order with what is outside.
        kept_bytes: memory that outlives a run.
        frozen: inputs that what lies there follows from.
        mode: the executor that it starts with.
    """

    launches: Sequence[Launch]
    outputs: Sequence[Output]
    arena_bytes: int
    constants: Sequence[Buffer]
    num_inputs: int
    results: Sequence[tuple[str, int]]
    kernels: Sequence[CompiledKernel]
    held: Sequence[Any] = ()
    acts: bool = False
    kept_bytes: int = 0
    frozen: Sequence[int] = ()
    mode: Mode = "threads"

    def program(self) -> Program:
        """The executor's form."""
        keep = [*self.kernels, *self.held]
        made = Program(
            self.launches,
            self.outputs,
            self.arena_bytes,
            self.constants,
            self.num_inputs,
            keep,
            self.kept_bytes,
            self.frozen,
        )
        made.mode = self.mode
        return made


def key_of(
    graph: Graph,
    target: Target,
    level: int,
    generic: bool,
    relaxed: tuple[str, ...] = (),
    frozen: tuple[int, ...] = (),
    mode: Mode = "threads",
    chosen: str = "",
) -> str | None:
    """Under what the program of a graph lies; None for a graph that is compiled anew.

    Args:
        chosen: the state of the choices in force.
    """
    if len(graph.nodes) < LEAST_NODES or _cache() is None or not _is_plain(graph):
        return None
    options = f"{level} {generic} {relaxed} {frozen} {mode} {chosen}"
    parts = "\n".join((plain_text(graph), target.key, options, _sources(), compiler_version()))
    return hashlib.sha256(parts.encode()).hexdigest()


def read(key: str, target: Target) -> Assembly | None:
    """The program that lies under a key, if it can be run."""
    cache = _cache()
    entry = cache.read(key, compiler_version(), target.key) if cache else None
    return _decoded(entry.code, target) if entry else None


def write(key: str, assembly: Assembly, target: Target, seconds: float) -> None:
    """Keep a program that took so long to make, if all of it can be named."""
    cache = _cache()
    named = len(assembly.launches) == len(assembly.kernels)
    if cache is None or seconds < LEAST_S or not named:
        return
    cache.write(Entry(key, compiler_version(), target.key, "", 0, _encoded(assembly)))


def _cache() -> DiskCache | None:
    return disk_cache("programs", ".program")


@functools.cache
def _sources() -> str:
    """Names the compiler above the kernels: when its files changed, and their sizes."""
    digest = hashlib.sha256()
    for part in ("base", "graph", "backend", "runtime"):
        for path in sorted((_PACKAGE / part).rglob("*.py")):
            stat = path.stat()
            digest.update(f"{path.name} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _is_plain(graph: Graph) -> bool:
    """Whether the text of a graph says all about it, and says it shortly."""
    for v in graph.nodes:
        op: Any = v.op
        if isinstance(op, Opaque) or not type(op).__module__.startswith("lamina."):
            return False
        if not all(_is_short(getattr(op, name)) for name in field_names(op)):
            return False
    return True


def _is_short(part: Any) -> bool:
    """Whether a parameter of an op is; bodies may stand in tuples, also where none will run."""
    if isinstance(part, tuple):
        return all(map(_is_short, part))
    if isinstance(part, Graph):
        return _is_plain(part)
    return getattr(getattr(part, "array", None), "size", 0) <= MOST_ELEMENTS


def _encoded(assembly: Assembly) -> bytes:
    """length of the header (u32) | header (JSON) | the bytes of the constants."""
    launches = [
        {
            "name": launch.name,
            "key": kernel.key,
            "args": [(int(a.slot), a.value) for a in launch.args],
            "extent": launch.extent,
            "grain": launch.grain,
            "scratch": launch.scratch_bytes,
            "after": launch.dependencies,
            "once": launch.once,
        }
        for launch, kernel in zip(assembly.launches, assembly.kernels, strict=True)
    ]
    header = {
        "launches": launches,
        "outputs": [(o.nbytes, o.donor) for o in assembly.outputs],
        "arena": assembly.arena_bytes,
        "constants": [b.nbytes for b in assembly.constants],
        "inputs": assembly.num_inputs,
        "results": list(assembly.results),
        "kept": assembly.kept_bytes,
        "frozen": list(assembly.frozen),
        "mode": assembly.mode,
    }
    text = json.dumps(header).encode()
    constants = (bytes(memoryview(b).cast("B")) for b in assembly.constants)
    return _LENGTH.pack(len(text)) + text + b"".join(constants)


def _decoded(data: bytes, target: Target) -> Assembly | None:
    """The program, or None where one of its kernels is gone."""
    (length,) = _LENGTH.unpack_from(data)
    header = json.loads(data[_LENGTH.size : _LENGTH.size + length])
    launches = header["launches"]
    kernels = kernels_of_keys([(row["key"], row["name"]) for row in launches], target)
    if kernels is None:
        return None
    at = _LENGTH.size + length
    constants = []
    for nbytes in header["constants"]:
        constants.append(Buffer.wrap(np.frombuffer(data[at : at + nbytes], np.uint8)))
        at += nbytes
    return Assembly(
        [_launch(row, kernel) for row, kernel in zip(launches, kernels, strict=True)],
        [Output(nbytes, donor) for nbytes, donor in header["outputs"]],
        header["arena"],
        constants,
        header["inputs"],
        [(kind, number) for kind, number in header["results"]],
        kernels,
        kept_bytes=header["kept"],
        frozen=header["frozen"],
        mode=header["mode"],
    )


def _launch(row: dict[str, Any], kernel: CompiledKernel) -> Launch:
    return Launch(
        row["name"],
        kernel.address,
        tuple(Argument(Slot(slot), value) for slot, value in row["args"]),
        row["extent"],
        row["grain"],
        row["scratch"],
        tuple(row["after"]),
        once=row["once"],
    )
