"""Concatenations: a loop for each part, which stores it where it belongs.

In an elementwise group each element would have to ask which of the parts it lies in, and a result
of many parts would cost as many questions an element.
"""

from __future__ import annotations

import math

from lamina.backend.nest.build import Builder
from lamina.backend.nest.nodes import Expr, For, Stmt, Store, const
from lamina.backend.schedule.loops import (
    CHUNK_WORK,
    bind_inputs,
    faults,
    grain_for,
    kernel,
    work_of,
)
from lamina.backend.schedule.policy import Policy
from lamina.backend.schedule.pull import Index, Pull
from lamina.backend.schedule.schedule import Schedule, Task
from lamina.backend.targets import Target
from lamina.graph.ir import Graph, Value
from lamina.graph.ops import Concatenate
from lamina.graph.passes.fuse import pullable

MAX_CHUNKS = 64  # of a row; each of them goes through the loops of all parts


def accepts(body: Graph) -> bool:
    """One concatenation, which is the output; its operands are pulled."""
    out = body.outputs[0]
    alone = len(body.outputs) == 1 and isinstance(out.op, Concatenate)
    return alone and out.type.size > 0 and all(pullable(v) for v in body.nodes)


def schedule(body: Graph, target: Target) -> Schedule:
    """A row is what follows the axes before the joined one; long rows are cut into chunks."""
    return Schedule((_Join(body).task(),))


class _Join:
    def __init__(self, body: Graph):
        self.body = body
        out = body.outputs[0]
        assert isinstance(out.op, Concatenate)
        self.at = out.type.rank + out.op.axis
        self.rest = out.type.shape[self.at + 1 :]
        self.lead = out.type.shape[: self.at]
        self.row = out.type.shape[self.at] * math.prod(self.rest)
        self.s = Builder()
        self.pull = Pull(self.s)
        bind_inputs(self.pull, body)

    def task(self) -> Task:
        s, rows, work = self.s, math.prod(self.lead), work_of(self.body)
        chunks = min(MAX_CHUNKS, max(1, int(self.row * work / CHUNK_WORK)))
        length = math.ceil(self.row / chunks)
        p = s.loop("p", rows * chunks)
        row, first = s.floor_divide(p, chunks), s.multiply(s.remainder(p, chunks), length)
        loops: list[Stmt] = []
        begin = 0
        for part in self.body.outputs[0].operands:
            size = part.type.shape[self.at] * math.prod(self.rest)
            start = s.minimum(s.maximum(s.subtract(first, begin), 0), size)
            stop = s.minimum(s.maximum(s.subtract(s.add(first, length), begin), 0), size)
            loops.append(self._part(part, row, begin, start, stop))
            begin += size
        outer = For(p.name, const(0), const(rows * chunks), tuple(loops), "parallel")
        return Task(kernel("join", self.body, (outer,)), grain_for(length, work))

    def _part(self, part: Value, row: Expr, begin: int, start: Expr, stop: Expr) -> For:
        """The elements from `start` to `stop` of a row of one part, which lies from `begin` on."""
        s = self.s
        j = s.loop("j", part.type.size // max(1, math.prod(self.lead)))
        index: Index = (
            *s.delinearize(row, self.lead),
            *s.delinearize(j, (part.type.shape[self.at], *self.rest)),
        )
        self.pull.forget()
        value = self.pull.element(part, index)
        offset = s.add(s.multiply(row, self.row), s.add(j, begin))
        return For(j.name, start, stop, (*faults(s), Store("out0", offset, value)), "vector")


POLICY = Policy("join", accepts, schedule, rank=80)
