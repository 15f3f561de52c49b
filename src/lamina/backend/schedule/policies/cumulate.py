"""Running sums and their like: one pass over memory, the states of a chunk kept where they are.

Along the last axis a state follows from the one just found, so several rows go side by side, their
states in registers, and the processor has something to do while one of them waits. Along other axes
the states of a run of neighbouring columns lie in the nearest cache, and the lanes go along them.
"""

from __future__ import annotations

import math

from lamina.backend.nest.build import Builder
from lamina.backend.nest.nodes import Alloc, Expr, For, Stmt, Store, const
from lamina.backend.schedule.loops import (
    accumulator_dtype,
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
from lamina.graph.ir import Graph
from lamina.graph.ops import Cumulative
from lamina.graph.passes.fuse import pullable

ROWS_AT_ONCE = 4  # as many loads and stores as one set of a nearest cache holds lines for
COLUMN_VECTORS = 4  # of a chunk of columns, at the least
COLUMN_BYTES = 8192  # of the states of a chunk, at the most


def accepts(body: Graph) -> bool:
    """One cumulative op, which is the output; its operands are pulled."""
    out = body.outputs[0]
    inner = [v for v in body.nodes if v is not out]
    alone = len(body.outputs) == 1 and isinstance(out.op, Cumulative)
    return alone and all(pullable(v) for v in inner)


def schedule(body: Graph, target: Target) -> Schedule:
    """Rows where nothing follows the axis, else columns."""
    made = _Cumulate(body, target)
    return Schedule(made.rows() if made.width == 1 else made.columns())


class _Cumulate:
    def __init__(self, body: Graph, target: Target):
        self.body = body
        self.target = target
        self.out = body.outputs[0]
        assert isinstance(self.out.op, Cumulative)
        self.op = self.out.op
        shape = self.out.type.shape
        at = self.out.type.rank + self.op.axis
        self.lead, self.length, self.trail = shape[:at], shape[at], shape[at + 1 :]
        self.width = math.prod(self.trail)
        self.dtype = accumulator_dtype(self.out)

    def rows(self) -> tuple[Task, ...]:
        """Blocks of rows, then the rows that are left."""
        count = math.prod(self.lead)
        block = max(1, min(ROWS_AT_ONCE, count // self.target.cores))
        whole = count // block
        tasks = [self._rows(0, whole, block)]
        if count % block:
            tasks.append(self._rows(whole * block, count % block, 1))
        return tuple(tasks)

    def _rows(self, first: int, extent: int, block: int) -> Task:
        self._begin()
        s = self.s
        p = s.loop("p", extent)
        i = s.loop("i", self.length)
        place = self._place(i)
        body: list[Stmt] = []
        for k in range(block):
            row = s.add(s.multiply(p, block), first + k)
            index = (*s.delinearize(row, self.lead), place, *(const(0) for _ in self.trail))
            body += self._advance(index, const(k))
        start = [Store("state", const(k), self._start()) for k in range(block)]
        loop = For(i.name, const(0), const(self.length), tuple(body))
        states = Alloc("state", self.dtype, block, "register")
        return self._task((states, *start, loop), p.name, extent, block)

    def columns(self) -> tuple[Task, ...]:
        """Chunks of columns; each row of a chunk is read and written in one run."""
        self._begin()
        s = self.s
        chunk = self._chunk()
        chunks = math.ceil(self.width / chunk)
        extent = math.prod(self.lead) * chunks
        p = s.loop("p", extent)
        lead = s.delinearize(s.floor_divide(p, max(1, chunks)), self.lead)
        first = s.multiply(s.remainder(p, max(1, chunks)), chunk)
        last = s.add(first, chunk)
        if self.width % chunk:
            last = s.minimum(last, self.width)
        j = s.loop("j", self.width)
        clear = Store("state", s.subtract(j, first), self._start())
        cleared = For(j.name, first, last, (clear,), "vector")
        i = s.loop("i", self.length)
        j = s.loop("j", self.width)
        index = (*lead, self._place(i), *s.delinearize(j, self.trail))
        row = For(j.name, first, last, tuple(self._advance(index, s.subtract(j, first))), "vector")
        loop = For(i.name, const(0), const(self.length), (row,))
        states = Alloc("state", self.dtype, chunk)
        return (self._task((states, cleared, loop), p.name, extent, chunk),)

    def _chunk(self) -> int:
        """Columns of a chunk: whole vectors, enough chunks for all cores."""
        lanes = self.target.lanes(self.dtype)
        shares = math.ceil(2 * self.target.cores / max(1, math.prod(self.lead)))
        least = COLUMN_VECTORS * lanes
        most = COLUMN_BYTES // self.target.vector_bytes * lanes
        share = math.ceil(self.width / shares / lanes) * lanes
        return max(1, min(self.width, max(least, min(share, most))))

    def _begin(self) -> None:
        self.s = Builder()
        self.pull = Pull(self.s)
        bind_inputs(self.pull, self.body)

    def _place(self, i: Expr) -> Expr:
        """The index along the axis at step `i`."""
        return self.s.subtract(self.length - 1, i) if self.op.reverse else i

    def _start(self) -> Expr:
        return self.s.constant(self.op.start(self.out.dtype), self.dtype)

    def _advance(self, index: Index, at: Expr) -> list[Stmt]:
        """Make the state at `at` that of the element at `index`, and store it."""
        s = self.s
        self.pull.forget()
        xs = [s.cast(self.pull.element(o, index), self.dtype) for o in self.out.operands]
        s.forget("state")
        let, state = s.let("t", self.op.step(s, s.load("state", at, self.dtype), *xs))
        offset = s.linearize(index, self.out.type.shape)
        result = s.cast(state, str(self.out.dtype))
        return [*faults(s), let, Store("state", at, state), Store("out0", offset, result)]

    def _task(self, inner: tuple[Stmt, ...], p: str, extent: int, width: int) -> Task:
        outer = For(p, const(0), const(extent), inner, "parallel")
        nest = kernel("cumulate", self.body, (outer,))
        return Task(nest, grain_for(self.length * width, work_of(self.body)))


POLICY = Policy("cumulate", accepts, schedule, rank=45)
