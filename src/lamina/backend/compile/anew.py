"""A graph compiled: passes, schedules, memory plan and kernels, one after the other.

A program that is found on disk needs nothing of this, so `build.py` imports it on first use only.
"""

from __future__ import annotations

import time
from functools import partial

from lamina.backend.codegen.llvm import compile_kernels
from lamina.backend.compile import kept
from lamina.backend.compile.assemble import assembled
from lamina.backend.compile.build import Compiled, How, Record, compile_graph
from lamina.backend.compile.lower import lower
from lamina.backend.compile.once import keep
from lamina.backend.compile.pipelines import pipeline
from lamina.backend.compile.plan_memory import plan_memory
from lamina.backend.compile.postpone import postpone_updates
from lamina.backend.compile.rematerialize import budgets_of, rematerialize
from lamina.graph.ir import Graph


def compiled_anew(graph: Graph, key: str | None = None, *, how: How) -> Compiled:
    """Compiles a graph, and keeps the program under `key`."""
    start = time.perf_counter()
    target = how.target
    record = Record(graph)
    budgets = budgets_of(graph)
    frozen = () if budgets else how.frozen  # with a budget, memory is dearer than time
    fused = pipeline(how.level, how.relaxed, target, frozen)(graph, record.stages)
    clock = _Clock(record.seconds)
    lowered = record.lowered = lower(
        fused, target, partial(_body, how=how), how.generic, frozen=frozen
    )
    if frozen:
        keep(lowered, frozen)
    clock.mark("schedule")
    postpone_updates(lowered)
    parallel = how.mode == "graph" and not budgets
    plan = record.plan = plan_memory(lowered, parallel)
    clock.mark("plan_memory")
    if budgets:
        lowered, plan, record.remade = rematerialize(lowered, plan, budgets)
        record.lowered, record.plan = lowered, plan
        clock.mark("rematerialize")
    nests = [task.nest for step in lowered.steps for task in step.tasks]
    kernels = record.kernels = compile_kernels(nests, target)
    clock.mark("codegen")
    assembly = assembled(lowered, plan, kernels, target, how.mode)
    made = Compiled(graph, target, assembly, record, partial(compiled_anew, how=how))
    clock.mark("program")
    if key is not None:
        kept.write(key, assembly, target, time.perf_counter() - start)
    return made


def _body(graph: Graph, how: How) -> Compiled:
    """A body of a loop or branch as a program of its own."""
    return compile_graph(graph, how.target, how.level, how.generic, how.relaxed)


class _Clock:
    def __init__(self, seconds: dict[str, float]):
        self.seconds = seconds
        self.last = time.perf_counter()

    def mark(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name] = now - self.last
        self.last = now
