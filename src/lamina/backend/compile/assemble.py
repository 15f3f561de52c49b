"""From steps and kernels to what runs: launches in order, and everything they point to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lamina.backend.codegen.llvm import CompiledKernel
from lamina.backend.compile.calls import call_of, rows_of
from lamina.backend.compile.foreign import Bound
from lamina.backend.compile.history import dependencies
from lamina.backend.compile.kept import Assembly
from lamina.backend.compile.lower import Lowered, Slot, Step
from lamina.backend.compile.plan_memory import Plan
from lamina.backend.targets import Target
from lamina.runtime import Argument, Buffer, Call, Launch, Mode, Output
from lamina.runtime import Slot as Where

_WHERE = {
    "input": Where.INPUT,
    "output": Where.OUTPUT,
    "arena": Where.ARENA,
    "constant": Where.CONSTANT,
    "kept": Where.KEPT,
}


def assembled(
    lowered: Lowered,
    plan: Plan,
    kernels: Sequence[CompiledKernel],
    target: Target,
    mode: Mode = "threads",
) -> Assembly:
    """What running takes: launches in order, and everything they point to."""
    touches = [touch for step in lowered.steps for touch in step.touches]
    after = dependencies(touches, plan.donors, plan.arena_bytes)
    launches: list[Launch] = []
    buffers = [Buffer.wrap(a) for a in lowered.constants]
    it = iter(kernels)
    calls: list[Call | Bound] = []
    for step in lowered.steps:
        if step.foreign is not None:
            bound = Bound(step.foreign, target)
            first = (Argument(Where.CONSTANT, len(buffers)),)
            calls.append(bound)
            buffers.append(bound.plan)
            launches.append(_call_launch(step, bound, after[len(launches)], first))
        elif step.call is not None:
            calls.append(call_of(step.call, step.results))
            launches.append(_call_launch(step, calls[-1], after[len(launches)]))
        if step.control is not None:
            launches.append(_control_launch(step, after[len(launches)]))
        for number, task in enumerate(step.tasks):
            kernel = next(it)
            args = [_argument(step.slots[p.name]) for p in task.nest.params]
            if task.sizes:
                args.append(Argument(Where.CONSTANT, len(buffers)))
                buffers.append(Buffer.wrap(np.array(task.sizes, np.int64)))
            if task.nest.checks:
                args.append(Argument(Where.STATUS))
            launches.append(
                Launch(
                    name=kernel.name,
                    address=kernel.address,
                    args=tuple(args),
                    extent=task.extent,
                    grain=task.grain,
                    scratch_bytes=kernel.scratch_bytes + task.open_scratch_bytes,
                    dependencies=after[len(launches)],
                    once=step.runs_once(number),
                )
            )
    sizes = {s.number: s.size_bytes for s in lowered.slots if s.kind == "output"}
    outputs = [Output(sizes[n], plan.donors.get(n, -1)) for n in range(len(sizes))]
    return Assembly(
        launches,
        outputs,
        plan.arena_bytes,
        buffers,
        len(lowered.inputs),
        [(slot.kind, slot.number) for slot in lowered.outputs],
        kernels,
        calls,
        any(step.has_effect for step in lowered.steps),
        lowered.kept_bytes,
        lowered.frozen,
        mode,
    )


def _call_launch(
    step: Step, call: Call | Bound, after: tuple[int, ...], first: tuple[Argument, ...] = ()
) -> Launch:
    """The launch of a library call: it may fail."""
    assert step.call is not None
    args = (*first, *map(_argument, step.slots.values()), Argument(Where.STATUS))
    rows = rows_of(step.call)
    name = step.call.op.name
    once = step.runs_once(0)
    return Launch(name, call.address, args, rows.extent, rows.grain, 0, after, once=once)


def _control_launch(step: Step, after: tuple[int, ...]) -> Launch:
    """The launch of a loop or branch, which runs the programs of its bodies."""
    assert step.control is not None
    native = step.control.native
    args = [_argument(slot) for slot in step.slots.values()]
    if native.checks:
        args.append(Argument(Where.STATUS))
    name = step.control.node.op.name
    once = step.runs_once(0)
    return Launch(name, 0, tuple(args), dependencies=after, control=native, once=once)


def _argument(slot: Slot) -> Argument:
    value = slot.offset if slot.kind in ("arena", "kept") else slot.number
    return Argument(_WHERE[slot.kind], value)
