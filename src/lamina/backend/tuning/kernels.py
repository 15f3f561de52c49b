"""The distinct kernels of a program: bodies that policies schedule."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lamina.backend.compile.build import Compiled
from lamina.backend.compile.lower import Step
from lamina.backend.schedule.schedule import Still, Task
from lamina.graph.ir import Graph


@dataclass(frozen=True)
class Kernel:
    """A fused body, however often a program launches it.

    Attributes:
        name: of the last of its nests.
        tasks: as it is scheduled in the program.
        count: how many steps of the program have it.
        still: operands that are frozen, by number; the model alone schedules such a kernel.
    """

    body: Graph
    name: str
    tasks: tuple[Task, ...]
    count: int
    still: Still = frozenset()


def kernels_of(program: Compiled) -> list[Kernel]:
    """The kernels of a program, those of its loops and branches included, in order."""
    found: dict[tuple[Graph, Still], list[Step]] = {}
    for step in _steps(program):
        found.setdefault((step.body, step.still), []).append(step)
    return [
        Kernel(body, same[0].tasks[-1].nest.name, same[0].tasks, len(same), still)
        for (body, still), same in found.items()
    ]


def _steps(program: Compiled) -> Iterator[Step]:
    lowered = program.record.lowered
    assert lowered is not None
    for step in lowered.steps:
        if step.tasks:
            yield step
        for part in step.control.parts if step.control is not None else ():
            if part is not program:
                yield from _steps(part)
