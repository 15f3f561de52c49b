"""One candidate as a program of its own, on numbers that are made up, and how long it takes.

Trials are raced: each runs once, in turns, round after round, so that a disturbance meets all of
them alike. A trial that stays clearly behind is left out of further rounds.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from lamina.backend.codegen.llvm import compile_kernels
from lamina.backend.compile.assemble import assembled
from lamina.backend.compile.lower import Lowered, lower
from lamina.backend.compile.plan_memory import plan_memory
from lamina.backend.nest.printer import key
from lamina.backend.schedule.candidates import Candidate
from lamina.backend.targets import Target
from lamina.graph.ir import Graph, TensorType, Value, trace
from lamina.graph.ops.fusion import fusion
from lamina.graph.ops.item import items
from lamina.runtime import Buffer, KernelFault, OutOfMemory, Program

SAMPLE_S = 100e-6  # a kernel that takes less is run several times for one sample
BEHIND = 1.2  # times the fastest: such a trial is out
ROUNDS = 3  # before any is


@dataclass(eq=False)
class Trial:
    """A candidate, lowered.

    Attributes:
        text: equal for trials with equal kernels.
        samples_s: seconds of one run, a number a round.
    """

    candidate: Candidate
    lowered: Lowered
    text: str
    program: Program | None = None
    samples_s: list[float] = field(default_factory=list)

    @property
    def median_s(self) -> float:
        return float(np.median(self.samples_s)) if self.samples_s else math.inf

    def sample(self, inputs: Sequence[Buffer], repeats: int) -> float:
        """Seconds of one run, the mean of several."""
        assert self.program is not None
        start = time.perf_counter()
        for _ in range(repeats):
            self.program.run(inputs)
        return (time.perf_counter() - start) / repeats


def trial(body: Graph, candidate: Candidate, target: Target) -> Trial:
    """A candidate of a fused body, ready to be compiled."""

    def apply(*operands: Value) -> Value | tuple[Value, ...]:
        made = fusion(body, *operands)
        return items(made) if len(body.outputs) > 1 else made

    graph = trace(apply, *(v.type for v in body.inputs))
    lowered = lower(graph, target, pick=lambda _: (candidate.name, candidate.schedule()))
    text = "\n".join(f"{key(t.nest)} {t.grain}" for s in lowered.steps for t in s.tasks)
    return Trial(candidate, lowered, text)


def compile_trials(trials: Sequence[Trial], target: Target) -> None:
    """Makes trials run; their kernels are compiled side by side."""
    nests = [[t.nest for s in one.lowered.steps for t in s.tasks] for one in trials]
    compile_kernels([nest for each in nests for nest in each], target)
    for one, each in zip(trials, nests, strict=True):
        kernels = compile_kernels(each, target)  # from memory
        plan = plan_memory(one.lowered)
        one.program = assembled(one.lowered, plan, kernels, target).program()


def numbers_for(body: Graph) -> list[Buffer]:
    """Inputs of a body: normal numbers; zeros for integers, which may be indices."""
    rng = np.random.default_rng(0)
    return [_buffer(v.type, rng) for v in body.inputs]


def _buffer(type: TensorType, rng: np.random.Generator) -> Buffer:
    made = Buffer(max(type.size_bytes, 1))
    if type.size:
        values = np.frombuffer(memoryview(made), type.dtype.numpy, type.size)
        if type.dtype.is_float:
            values[...] = rng.standard_normal(type.size, np.float32).astype(type.dtype.numpy)
        else:
            values[...] = 0
    return made


def race(trials: Sequence[Trial], inputs: Sequence[Buffer], seconds: float, least: int = 3) -> None:
    """Runs trials in turns for so long, at least so many rounds; the first is never left out."""
    running = [t for t in trials if _warm(t, inputs)]
    if not running:
        return
    fastest = min(t.sample(inputs, 1) for t in running)
    repeats = max(1, math.ceil(SAMPLE_S / max(fastest, 1e-7)))
    end = time.perf_counter() + seconds
    rounds = 0
    while rounds < least or time.perf_counter() < end:
        for one in running:
            one.samples_s.append(one.sample(inputs, repeats))
        rounds += 1
        if rounds >= ROUNDS:
            limit = BEHIND * min(t.median_s for t in running)
            running = [t for t in running if t is trials[0] or min(t.samples_s) < limit]


def _warm(one: Trial, inputs: Sequence[Buffer]) -> bool:
    """Runs a trial once; whether it can be run with such inputs."""
    try:
        one.sample(inputs, 1)
    except (KernelFault, OutOfMemory):
        return False
    return True


def results(one: Trial, body: Graph, inputs: Sequence[Buffer]) -> list[np.ndarray]:
    """What a trial computes, in float64 (complex128 for complex numbers)."""
    assert one.program is not None
    found = []
    for made, v in zip(one.program.run(inputs), body.outputs, strict=True):
        array = np.frombuffer(memoryview(made), v.dtype.numpy, v.type.size)
        found.append(array.astype(np.complex128 if array.dtype.kind == "c" else np.float64))
    return found
