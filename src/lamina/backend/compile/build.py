"""`compile_graph`: the program of a graph, from memory, from disk, or compiled.

What compiles (`anew.py`) and what explains faults is imported where it is needed: a process that
finds its programs on disk starts without it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from lamina.backend.codegen.llvm import CompiledKernel
from lamina.backend.compile import kept
from lamina.backend.compile.choices import in_force
from lamina.backend.compile.kept import Assembly
from lamina.backend.targets import Target, select
from lamina.base import config
from lamina.base.errors import DepthError, OutOfMemoryError
from lamina.base.text import quantity
from lamina.graph.ir import Graph
from lamina.graph.ops import outside_axis
from lamina.runtime import (
    NO_MEMORY,
    PART_RADIX,
    TOO_DEEP,
    Buffer,
    KernelFault,
    Mode,
    OutOfMemory,
    raised_by,
)

if TYPE_CHECKING:
    from lamina.backend.compile.lower import Lowered, Step
    from lamina.backend.compile.pipelines import Stage
    from lamina.backend.compile.plan_memory import Plan
    from lamina.backend.compile.rematerialize import Remade


@dataclass
class Record:
    """How a program came to be, for `explain`.

    Attributes:
        stages: the graph passes with their results.
        seconds: time of each step of the back end by name.
        remade: what a budget of memory did, if there is one.
    """

    source: Graph
    stages: list[Stage] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    lowered: Lowered | None = None
    plan: Plan | None = None
    remade: Remade | None = None
    kernels: list[CompiledKernel] = field(default_factory=list)


class Compiled:
    """A graph that runs.

    Args:
        graph: what the user's function became.
        target: the machine it was compiled for.
        assembly: kernels, and what each reads and writes.
        record: how it came to be; None for a program that was found on disk.
        recompile: makes the program of a graph with its record.

    Attributes:
        program: the executor's form.
        results: for each output of the graph, ("output" | "input" | "constant", number).
        acts: whether it must keep its order with others, as a part of one.
    """

    def __init__(
        self,
        graph: Graph,
        target: Target,
        assembly: Assembly,
        record: Record | None,
        recompile: Callable[[Graph], Compiled],
    ):
        results = assembly.results
        self.graph = graph
        self.target = target
        self.program = assembly.program()
        self.results = tuple(results)
        self._record = record
        self._recompile = recompile
        self._run = self.program.run
        self._assembly = assembly
        self._constants = assembly.constants
        self.acts = assembly.acts
        straight = [("output", i) for i in range(len(results))]
        self._results = None if list(results) == straight else list(results)

    @property
    def record(self) -> Record:
        """How the program came to be; for one that was found on disk, found out when asked for."""
        if self._record is None:
            self._record = self._recompile(self.graph)._record
        assert self._record is not None
        return self._record

    def run(self, buffers: Sequence[Any], donated: Sequence[bool] | None = None) -> list[Any]:
        """The output buffers.

        Raises:
            BoundsError: an index that was computed at run time lies outside its axis.
        CallError: a library call failed; a LaminaError that it raised comes as it is.
            OutOfMemoryError: the arena or an output does not fit under the memory limit.
        """
        try:
            made = self._run(buffers, bytes(donated) if donated is not None else 0)
        except KernelFault as fault:
            # It has its cause. Given a name here, it would keep the buffers of this frame alive.
            raise self.fault(fault.values)  # noqa: B904
        except OutOfMemory as refused:
            raise self._refused(refused) from None
        if self._results is None:
            return made
        sources = {"output": made, "input": buffers, "constant": self._constants}
        return [_kept(sources[kind][number]) for kind, number in self._results]

    def fault(self, status: Sequence[int]) -> BaseException:
        """The error behind the status of a run: code, value, limit, and the way to the kernel."""
        from lamina.backend.compile.calls import surfaced
        from lamina.backend.compile.faults import culprit, line_of, step_of

        lowered = self.record.lowered
        assert lowered is not None
        code, value, size, way = status
        inside, kernel = divmod(way, PART_RADIX)
        step = step_of(lowered, kernel)
        if inside and step.control is not None:
            further, part = divmod(inside, PART_RADIX)
            return step.control.parts[part - 1].fault((code, value, size, further))
        if code in (TOO_DEEP, NO_MEMORY):
            return self._refused_call(step, status)
        called = step.call
        if called is not None:
            line = line_of(called, self.record.source, self.graph)
            return surfaced(raised_by(value), called, line)
        node = culprit(lowered, kernel, code)
        if node is None:
            error = outside_axis("gather", value, size)
        else:
            line = line_of(node, self.record.source, self.graph)
            error = outside_axis(node.op.name, value, size, line)
        error.__suppress_context__ = True
        return error

    def _refused_call(self, step: Step, status: Sequence[int]) -> BaseException:
        """The error of a recursive call that was refused: too deep, or no memory."""
        from lamina.backend.compile.faults import line_of

        code, value, limit, _ = status
        call = step.control.node if step.control is not None else None
        name = getattr(call.op, "to", call.op.name) if call is not None else "function"
        line = line_of(call, self.record.source, self.graph) if call is not None else step.span
        if code == NO_MEMORY:
            return OutOfMemoryError(
                f"recursive {name}: no memory for one more call",
                [f"asked for: {quantity(value, 'B')}"],
                "let the recursion end earlier, or free tensors",
                line,
            )
        return DepthError(
            f"recursive {name}: too many calls inside one another",
            [f"allowed: {limit}", f"call number {value} was refused"],
            "check that the recursion ends, or raise the limit: lm.recursive(f, most_calls=...)",
            line,
        )

    def of(self, graph: Graph) -> Compiled:
        """The same program for an equal graph, whose lines its errors name."""
        if graph is self.graph:
            return self
        other = copy.copy(self)
        other.graph = graph
        return other

    def with_own_memory(self) -> Compiled:
        """The same program with memory of its own for what it keeps from one run to the next."""
        other = copy.copy(self)
        other.program = self._assembly.program()
        other._run = other.program.run
        return other

    def _refused(self, refused: OutOfMemory) -> OutOfMemoryError:
        limit = refused.limit_bytes
        return OutOfMemoryError(
            "run: not enough memory for this program",
            [
                f"asked for: {quantity(refused.requested_bytes, 'B')}",
                f"in use:    {quantity(refused.in_use_bytes, 'B')}"
                + (f" of {quantity(limit, 'B')} allowed" if limit else ""),
            ],
            "use smaller batches, free tensors, or raise the limit with "
            "lamina.runtime.set_memory_limit",
        )


def _kept(buffer: Buffer) -> Buffer:
    """The buffer itself, or a copy of one over memory that somebody else may write to."""
    if buffer.owned or buffer.readonly:
        return buffer
    made = Buffer(buffer.nbytes)
    memoryview(made).cast("B")[:] = memoryview(buffer).cast("B")
    return made


PROGRAMS_KEPT = 1024
Relaxed = tuple[str, ...]
Frozen = tuple[int, ...]
_programs: dict[
    tuple[Graph, str, int, bool, Relaxed, Frozen, Mode, str], Compiled
] = {}  # the one used last stands last


def compile_graph(
    graph: Graph,
    target: Target | None = None,
    level: int | None = None,
    generic: bool = False,
    relaxed: Relaxed = (),
    frozen: Sequence[int] = (),
    mode: Mode = "threads",
) -> Compiled:
    """The program of `graph`; equal graphs are compiled once in a process.

    Args:
        graph: typed inputs and outputs.
        target: the machine; the one at hand (or `LAMINA_TARGET`) when not given.
        level: optimisation level, 0 to 3; `LAMINA_OPT` when not given.
        generic: kernels leave their sizes open and serve other shapes too.
        relaxed: liberties that the program may take, as `liberties` gives them.
        frozen: numbers of inputs that are seldom others than at the call before. What follows from
            them alone is made once and kept, by each program that is returned for itself, and
            made again when one of them is another buffer, or has other contents.
        mode: the executor that the program starts with (see `runtime.Program.mode`), and for which
            its memory is planned; under any other one it is right too.
    """
    target = target or select()
    level = config.optimisation_level() if level is None else level
    how = How(target, level, generic, relaxed, tuple(sorted(set(frozen))), mode)
    chosen = "" if generic else in_force(target).state
    key = (graph, target.key, level, generic, relaxed, how.frozen, mode, chosen)
    found = _programs.pop(key, None) or _found(graph, how, chosen)
    _programs[key] = found
    if len(_programs) > PROGRAMS_KEPT:
        _programs.pop(next(iter(_programs)), None)  # another thread may have been faster
    found = found.of(graph)
    return found.with_own_memory() if found.program.kept_bytes else found


@dataclass(frozen=True)
class How:
    """For which machine a graph is compiled, and how; see `compile_graph`."""

    target: Target
    level: int
    generic: bool
    relaxed: Relaxed
    frozen: Frozen
    mode: Mode


def _found(graph: Graph, how: How, chosen: str) -> Compiled:
    """The program from disk, or compiled."""
    target = how.target
    anew = partial(_compile, how=how)
    options = how.level, how.generic, how.relaxed, how.frozen, how.mode
    key = kept.key_of(graph, target, *options, chosen)
    if key is None:
        return anew(graph)
    assembly = kept.read(key, target)
    if assembly is not None:
        return Compiled(graph, target, assembly, None, anew)
    return anew(graph, key)


def _compile(graph: Graph, key: str | None = None, *, how: How) -> Compiled:
    """Compiles a graph, and keeps the program under `key`."""
    from lamina.backend.compile.anew import compiled_anew  # the whole compiler: where it is needed

    return compiled_anew(graph, key, how=how)
