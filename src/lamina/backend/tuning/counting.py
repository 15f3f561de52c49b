"""Counters of a kernel: work of its nest, and instructions of its machine code."""

from __future__ import annotations

from dataclasses import dataclass, fields

from lamina.backend.codegen.llvm import count_instructions
from lamina.backend.compile.build import Compiled
from lamina.backend.nest.count import Counts, count
from lamina.backend.nest.units import unit_of
from lamina.backend.schedule.candidates import find
from lamina.backend.schedule.policies import ways
from lamina.backend.schedule.schedule import Task
from lamina.backend.targets import Target
from lamina.backend.tuning.kernels import Kernel, kernels_of
from lamina.base.dtypes import dtype


@dataclass(frozen=True)
class KernelCounters:
    """One kernel of a program.

    Attributes:
        name: of its nest.
        unit: what it computes on: "scalar", "vector" or "matrix".
        values: by counter: elements over a whole launch, bytes, and instructions in its code.
    """

    name: str
    unit: str
    values: dict[str, float]


def count_program(program: Compiled, candidate: str = "") -> tuple[list[KernelCounters], int]:
    """The counters of each distinct kernel of a program, and how many have the candidate.

    Args:
        candidate: how to schedule kernels that have one of that name.
    """
    found: list[KernelCounters] = []
    fitting = 0
    for kernel in kernels_of(program):
        free = candidate and not kernel.still
        other = find(ways(kernel.body, program.target), candidate) if free else None
        fitting += other is not None
        tasks = other.schedule().tasks if other else kernel.tasks
        found += [_counted(task, kernel, program.target) for task in tasks]
    return found, fitting


def _counted(task: Task, kernel: Kernel, target: Target) -> KernelCounters:
    nest, counts = task.nest, count(task.nest, task.sizes)
    values: dict[str, float] = {
        field.name.replace("_", " ").replace("multiply adds", "multiply-adds"): getattr(
            counts, field.name
        )
        for field in fields(Counts)
    }
    least_bytes = sum((p.size or 0) * dtype(p.dtype).size_bytes for p in nest.params)
    values["parameter bytes"] = least_bytes
    values["flops"] = counts.flops
    values["tasks"] = task.extent
    machine = count_instructions(nest, target)
    values |= {f"code: {kind}": number for kind, number in machine.items()}
    scaled = {n: v if n.startswith("code: ") else v * kernel.count for n, v in values.items()}
    return KernelCounters(nest.name, unit_of(nest), scaled)
