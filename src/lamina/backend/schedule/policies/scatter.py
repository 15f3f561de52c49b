"""Scatters: rows of updates put, one after the other, at the rows that indices name.

Threads own disjoint columns (or leading batch elements), so no two write the same element and the
order of the updates, hence the result, is the same with any number of threads.
"""

from __future__ import annotations

import math
from dataclasses import replace

from lamina.backend.nest.build import Builder
from lamina.backend.nest.nodes import Expr, For, If, Param, Stmt, Store, Var, const
from lamina.backend.schedule.loops import (
    CHUNK_WORK,
    accumulator_dtype,
    bind_inputs,
    faults,
    grain_for,
    kernel,
    params,
)
from lamina.backend.schedule.policies import map as flat_map
from lamina.backend.schedule.policies.scatter_rows import SortedScatter, pays
from lamina.backend.schedule.policy import Policy
from lamina.backend.schedule.pull import Index, Pull
from lamina.backend.schedule.schedule import Schedule, Task
from lamina.backend.targets import Target
from lamina.graph.ir import Graph
from lamina.graph.ops import Scatter
from lamina.graph.ops.index import inside_all, position
from lamina.graph.passes.fuse import pullable

BLOCK_VECTORS = 8  # vectors of a row that one parallel iteration owns


def accepts(body: Graph) -> bool:
    """One scatter, which is the output; its operands are pulled."""
    last = body.outputs[0]
    inner = [v for v in body.nodes if v is not last]
    pulled = all(pullable(v) for v in inner)
    return len(body.outputs) == 1 and isinstance(last.op, Scatter) and pulled


def schedule(body: Graph, target: Target) -> Schedule:
    """Start from x, then put the updates one after the other, in each block of columns; by rows
    of the output where these are long."""
    if pays(body, target):
        return SortedScatter(body, target).schedule()
    x = body.outputs[0].operands[0]
    nest = _Nest(body, target)
    if nest.blocks > 1 or nest.rows > 1 or x.type.size < CHUNK_WORK or nest.buffer != "out0":
        return nest.schedule(filled=False)
    first = flat_map.schedule(Graph(body.inputs, [x]), target)  # by all threads
    fill = [replace(t, nest=replace(t.nest, params=params(body))) for t in first.tasks]
    rest = nest.schedule(filled=True)
    return Schedule((*fill, *rest.tasks), rest.temporaries_bytes)


class _Nest:
    """The loops of one scatter.

    Attributes:
        rows: leading batch elements.
        blocks: blocks of columns in a row of the rest.
        buffer: where updates meet: the output, or, for halves that are summed, a wider temporary.
    """

    def __init__(self, body: Graph, target: Target):
        self.body = body
        self.out = body.outputs[0]
        assert isinstance(self.out.op, Scatter)
        self.op: Scatter = self.out.op
        self.x, self.updates, *self.indices = self.out.operands
        lead = self.op.lead(self.indices)
        rank = self.x.type.rank
        self.lead = self.x.type.shape[:lead]
        self.sizes = self.x.type.shape[lead : rank - self.op.rest]
        self.rest = self.x.type.shape[rank - self.op.rest :]
        self.width = math.prod(self.rest)
        self.dtype = str(self.out.dtype)
        wide = accumulator_dtype(self.out) if self.op.sums else self.dtype
        self.buffer = "out0" if wide == self.dtype else "tmp0"
        self.wide = wide
        self.block = min(max(self.width, 1), BLOCK_VECTORS * target.lanes(wide))
        self.blocks = math.ceil(self.width / self.block)
        self.rows = math.prod(self.lead)
        self.s = Builder()
        self.pull = Pull(self.s)
        bind_inputs(self.pull, body)

    def schedule(self, filled: bool) -> Schedule:
        """The tasks, with x written into the buffer first unless it is there."""
        s, extent = self.s, self.rows * self.blocks
        p = s.loop("p", extent)
        row = s.floor_divide(p, const(self.blocks))
        start = s.multiply(s.remainder(p, const(self.blocks)), const(self.block))
        stop = s.minimum(s.add(start, const(self.block)), const(self.width))
        lead = s.delinearize(row, self.lead)
        statements = [] if filled else [self._copy("n", lead, start, stop, fill=True)]
        statements += self._put(lead, start, stop)
        if self.buffer != "out0":
            statements.append(self._copy("m", lead, start, stop, fill=False))
        outer = For(p.name, const(0), const(extent), tuple(statements), "parallel")
        count = math.prod(self.updates.type.shape[len(self.lead) :])
        grain = grain_for(max(1, count // max(1, self.blocks)), 2)
        if self.buffer == "out0":
            return Schedule((Task(kernel("scatter", self.body, (outer,)), grain),))
        temporary = Param("tmp0", self.wide, self.out.type.size, "out")
        named = (*params(self.body), temporary)
        nest = kernel("scatter", self.body, (outer,), named)
        return Schedule((Task(nest, grain),), (4 * self.out.type.size,))

    def _copy(self, hint: str, lead: Index, start: Expr, stop: Expr, fill: bool) -> For:
        """x into the buffer, or the buffer into the output: one block of columns, every row."""
        s = self.s
        places = math.prod(self.sizes)
        whole = self.blocks == 1
        j = s.loop(f"{hint}j", places * self.width if whole else self.width)
        n = s.loop(hint, 1 if whole else places)
        inner = (*self.sizes, *self.rest) if whole else self.rest
        index = (*lead, *(() if whole else s.delinearize(n, self.sizes)), *s.delinearize(j, inner))
        offset = s.linearize(index, self.out.type.shape)
        if fill:
            value = s.cast(self.pull.element(self.x, index), self.wide)
            store = Store(self.buffer, offset, value)
        else:
            value = s.cast(s.load(self.buffer, offset, self.wide), self.dtype)
            store = Store("out0", offset, value)
        inside = [*faults(s), store]
        if whole:
            return For(j.name, const(0), const(places * self.width), tuple(inside), "vector")
        columns = For(j.name, start, stop, tuple(inside), "vector")
        return For(n.name, const(0), const(places), (columns,))

    def _put(self, lead: Index, start: Expr, stop: Expr) -> list[Stmt]:
        s = self.s
        shape = self.indices[0].type.shape[len(self.lead) :]
        variables = [s.loop("i", m) for m in shape]
        places, conditions = self._places((*lead, *variables))
        checks = faults(s)
        c = s.loop("c", self.width)
        columns = s.delinearize(c, self.rest)
        offset = s.linearize((*lead, *places, *columns), self.out.type.shape)
        index = (*lead, *variables, *columns)
        value = s.cast(self.pull.element(self.updates, index), self.wide)
        if self.op.combiner is not None:
            value = s.apply(self.op.combiner, (s.load(self.buffer, offset, self.wide), value))
        store = Store(self.buffer, offset, value)
        put: Stmt = For(c.name, start, stop, (*faults(s), store), "vector")
        for condition in conditions:
            put = If(condition, (put,))
        return self._over(variables, shape, [*checks, put])

    def _over(
        self, variables: list[Var], shape: tuple[int, ...], statements: list[Stmt]
    ) -> list[Stmt]:
        for v, m in reversed(list(zip(variables, shape, strict=True))):
            statements = [For(v.name, const(0), const(m), tuple(statements))]
        return statements

    def _places(self, index: Index) -> tuple[list[Expr], list[Expr]]:
        """Where the update at `index` goes, and, where it may be dropped, on what condition."""
        s = self.s
        with self.pull.checking(self.out):
            places = [position(s, self.pull.element(i, index)) for i in self.indices]
            if not self.op.drop:
                return [s.check_index(p, n) for p, n in zip(places, self.sizes)], []
        met, *others = inside_all(s, places, self.sizes)
        for condition in others:
            met = s.and_(met, condition)
        clamped = [s.minimum(s.maximum(p, 0), max(n - 1, 0)) for p, n in zip(places, self.sizes)]
        return clamped, [met]


POLICY = Policy("scatter", accepts, schedule, rank=40)
