"""Reductions over axes that are not the trailing ones: columns of a matrix, channels of images.

Where the last axis is kept, lanes are neighbouring results and the loops over the reduced axes run
inside (whole cache lines are read, no lane is ever combined with another). Where the last axis is
reduced, lanes are partial sums of one result.
"""

from __future__ import annotations

import math

from lamina.backend.nest.build import Builder
from lamina.backend.nest.nodes import (
    Accumulate,
    Accumulator,
    For,
    Stmt,
    Var,
    const,
    var,
)
from lamina.backend.schedule.collapse import collapse
from lamina.backend.schedule.loops import (
    accumulator_dtype,
    at_loops,
    bind_inputs,
    faults,
    grain_for,
    kernel,
    stores,
    work_of,
)
from lamina.backend.schedule.pull import Index, Pull
from lamina.backend.schedule.schedule import Policy, Schedule, Task
from lamina.backend.targets import Target
from lamina.graph.ir import Graph
from lamina.graph.ops import Reduction
from lamina.graph.passes.fuse import pullable

COLUMN_VECTORS = 4  # vectors of neighbouring results that one parallel iteration computes


def accepts(body: Graph) -> bool:
    """Reductions of one space over the same axes; everything else is pulled."""
    reductions = [v for v in body.nodes if isinstance(v.op, Reduction)]
    others = [v for v in body.nodes if not isinstance(v.op, Reduction)]
    if not reductions or not all(pullable(v) for v in others):
        return False
    return len({(v.operands[0].type.shape, tuple(v.op.axes)) for v in reductions}) == 1


def schedule(body: Graph, target: Target) -> Schedule:
    """Lanes along the last axis, whether that is kept or reduced."""
    return Schedule((_Reduce(collapse(body), target).task(),))


class _Reduce:
    def __init__(self, body: Graph, target: Target):
        self.body = body
        self.target = target
        self.reductions = [v for v in body.nodes if isinstance(v.op, Reduction)]
        first = self.reductions[0]
        self.space = first.operands[0].type.shape
        rank = len(self.space)
        self.reduced = [a % rank for a in first.op.axes]
        self.kept = [i for i in range(rank) if i not in self.reduced]
        self.s = Builder()
        self.pull = Pull(self.s)
        bind_inputs(self.pull, body)

    def task(self) -> Task:
        if len(self.space) - 1 in self.reduced or not self.kept:
            return self._lanes_reduced()
        return self._lanes_kept()

    def _index(self, kept: Index, reduced: Index) -> Index:
        """The index in the space, from the indices along kept and reduced axes."""
        parts = dict(zip(self.kept, kept, strict=True)) | dict(
            zip(self.reduced, reduced, strict=True)
        )
        return tuple(parts[i] for i in range(len(self.space)))

    def _accumulators(self) -> list[Stmt]:
        found: list[Stmt] = []
        for r in self.reductions:
            dtype = accumulator_dtype(r)
            init = self.s.constant(r.op.identity(r.dtype), dtype)
            found.append(Accumulator(f"acc{r.id}", dtype, r.op.combiner, init))
        return found

    def _sweep(self, kept: Index, last_kind: str) -> list[Stmt]:
        """Loops over the reduced axes that feed the accumulators."""
        s = self.s
        self.pull.forget()
        shape = [self.space[i] for i in self.reduced]
        variables = [s.loop("r", n) for n in shape]
        index = self._index(kept, tuple(variables))
        body: list[Stmt] = []
        for r in self.reductions:
            value = s.cast(self.pull.element(r.operands[0], index), accumulator_dtype(r))
            body.append(Accumulate(f"acc{r.id}", value))
        loops: list[Stmt] = [*faults(s), *body]
        for k in range(len(shape) - 1, -1, -1):
            kind = last_kind if k == len(shape) - 1 else "serial"
            loops = [For(variables[k].name, const(0), const(shape[k]), tuple(loops), kind)]
        return loops

    def _results(self, kept: Index) -> list[Stmt]:
        """Name the results, then store the outputs that follow from them."""
        s = self.s
        self.pull.forget()
        lets: list[Stmt] = []
        for r in self.reductions:
            accumulated = var(f"acc{r.id}", accumulator_dtype(r))
            let, value = s.let("r", s.cast(accumulated, str(r.dtype)))
            lets.append(let)
            self.pull.bind(r, at_loops(value))
        return [*lets, *stores(s, self.pull, list(enumerate(self.body.outputs)), kept)]

    def _lanes_reduced(self) -> Task:
        s = self.s
        shape = [self.space[i] for i in self.kept]
        rows = math.prod(shape)
        p = s.loop("p", rows)
        kept = s.delinearize(p, shape)
        body = [*self._accumulators(), *self._sweep(kept, "vector"), *self._results(kept)]
        outer = For(p.name, const(0), const(rows), tuple(body), "parallel")
        elements = math.prod(self.space[i] for i in self.reduced)
        nest = kernel("reduce", self.body, (outer,))
        return Task(nest, grain_for(elements, work_of(self.body)))

    def _lanes_kept(self) -> Task:
        s = self.s
        shape = [self.space[i] for i in self.kept]
        columns = shape[-1]
        block = min(columns, COLUMN_VECTORS * self.target.lanes(str(self.reductions[0].dtype)))
        blocks = math.ceil(columns / block)
        rows = math.prod(shape[:-1])
        p = s.loop("p", rows * blocks)
        row = s.floor_divide(p, const(blocks))
        start = s.multiply(s.remainder(p, const(blocks)), const(block))
        stop = s.add(start, const(block))
        if columns % block:
            stop = s.minimum(stop, const(columns))
        j: Var = s.loop("j", columns)
        kept = (*s.delinearize(row, shape[:-1]), j)
        body = [*self._accumulators(), *self._sweep(kept, "serial"), *self._results(kept)]
        lanes = For(j.name, start, stop, tuple(body), "vector", copies=COLUMN_VECTORS)
        outer = For(p.name, const(0), const(rows * blocks), (lanes,), "parallel")
        elements = block * math.prod(self.space[i] for i in self.reduced)
        nest = kernel("reduce", self.body, (outer,))
        return Task(nest, grain_for(elements, work_of(self.body)))


POLICY = Policy("reduce", accepts, schedule, rank=60)
