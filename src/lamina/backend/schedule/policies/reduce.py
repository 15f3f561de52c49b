"""Reductions over axes that are not the trailing ones: columns of a matrix, channels of images.

Where the last axis is kept, lanes are neighbouring results and the loops over the reduced axes run
inside (whole cache lines are read, no lane is ever combined with another). Where the last axis is
reduced, lanes are partial sums of one result.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from lamina.backend.nest.build import Builder
from lamina.backend.nest.nodes import (
    Accumulate,
    Accumulator,
    Alloc,
    Expr,
    For,
    Stmt,
    Store,
    Var,
    const,
    var,
)
from lamina.backend.schedule.candidates import Decided, Given, Way
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
from lamina.backend.schedule.policy import Policy
from lamina.backend.schedule.pull import Index, Pull
from lamina.backend.schedule.schedule import Schedule, Task
from lamina.backend.targets import Target
from lamina.graph.ir import Graph
from lamina.graph.ops import Reduction
from lamina.graph.passes.fuse import pullable

LONG_ROW_BYTES = 2048  # from here on, rows are read in long runs rather than a few lines each
ROWS_AT_ONCE = 4  # a power of two
READS = ("rows", "columns")  # how the space may be read where lanes are kept
VECTORS = ("1", "2", "4", "8")  # that may be given for
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
    return Schedule((_Reduce(collapse(body), target, {}).task(),))


def several(body: Graph, target: Target) -> Sequence[Way]:
    """The model's way; where lanes are kept, with long rows or columns of other widths."""

    def decide(given: Given) -> Decided:
        return Decided(lambda: Schedule((_Reduce(collapse(body), target, given).task(),)))

    model = _Reduce(collapse(body), target, {})
    settings = {} if model.lanes_are_reduced else {"read": READS, "vectors": VECTORS}
    return (Way("reduce", decide, settings),)


class _Reduce:
    def __init__(self, body: Graph, target: Target, given: Given):
        self.body = body
        self.target = target
        self.read = given.get("read", "")
        self.vectors = int(given.get("vectors", COLUMN_VECTORS))
        self.reductions = [v for v in body.nodes if isinstance(v.op, Reduction)]
        first = self.reductions[0]
        self.space = first.operands[0].type.shape
        rank = len(self.space)
        self.reduced = [a % rank for a in first.op.axes]
        self.kept = [i for i in range(rank) if i not in self.reduced]
        self.s = Builder()
        self.pull = Pull(self.s)
        bind_inputs(self.pull, body)

    @property
    def lanes_are_reduced(self) -> bool:
        """Whether lanes are partial sums of one result."""
        return len(self.space) - 1 in self.reduced or not self.kept

    def task(self) -> Task:
        if self.lanes_are_reduced:
            return self._lanes_reduced()
        if self.read:
            return self._long_rows() if self.read == "rows" else self._lanes_kept()
        row_bytes = self.space[-1] * self.reductions[0].dtype.size_bytes
        space_bytes = math.prod(self.space) * self.reductions[0].dtype.size_bytes
        if row_bytes >= LONG_ROW_BYTES and space_bytes > self.target.caches.l2_bytes:
            return self._long_rows()
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
        filled = self.target.lanes(str(self.reductions[0].dtype))
        block = max(1, min(columns, self.vectors * filled))
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
        lanes = For(j.name, start, stop, tuple(body), "vector", copies=self.vectors)
        outer = For(p.name, const(0), const(rows * blocks), (lanes,), "parallel")
        elements = block * math.prod(self.space[i] for i in self.reduced)
        nest = kernel("reduce", self.body, (outer,))
        return Task(nest, grain_for(elements, work_of(self.body)))

    def _long_rows(self) -> Task:
        """Accumulators of a stretch of columns in the nearest cache, so that memory is read in
        long runs, several rows at a time."""
        s = self.s
        shape = [self.space[i] for i in self.kept]
        columns = shape[-1]
        dtypes = [accumulator_dtype(r) for r in self.reductions]
        lanes = self.target.lanes(dtypes[0])
        room = self.target.caches.l1d_bytes // (4 * 8 * len(dtypes))
        share = math.ceil(columns / self.target.cores / lanes) * lanes
        block = min(columns, max(lanes, min(share, room // lanes * lanes)))
        blocks = math.ceil(columns / block)
        rows = math.prod(shape[:-1])
        p = s.loop("p", rows * blocks)
        lead = s.delinearize(s.floor_divide(p, const(blocks)), shape[:-1])
        start = s.multiply(s.remainder(p, const(blocks)), const(block))
        stop = s.minimum(s.add(start, const(block)), const(columns))

        def lanes_loop(body: Callable[[Var, Expr], list[Stmt]]) -> For:
            j = s.loop("j", columns)
            return For(j.name, start, stop, tuple(body(j, s.subtract(j, start))), "vector")

        def clear(j: Var, at: Expr) -> list[Stmt]:
            return [
                Store(f"acc{r.id}", at, s.constant(r.op.identity(r.dtype), dtype))
                for r, dtype in zip(self.reductions, dtypes, strict=True)
            ]

        def finish(j: Var, at: Expr) -> list[Stmt]:
            self.pull.forget()
            for r, dtype in zip(self.reductions, dtypes, strict=True):
                s.forget(f"acc{r.id}")
                total = s.cast(s.load(f"acc{r.id}", at, dtype), str(r.dtype))
                self.pull.bind(r, at_loops(total))
            return stores(s, self.pull, list(enumerate(self.body.outputs)), (*lead, j))

        body: list[Stmt] = [
            Alloc(f"acc{r.id}", dtype, block)
            for r, dtype in zip(self.reductions, dtypes, strict=True)
        ]
        body.append(lanes_loop(clear))
        body += self._add_rows(lead, lanes_loop)
        body.append(lanes_loop(finish))
        outer = For(p.name, const(0), const(rows * blocks), tuple(body), "parallel")
        elements = block * math.prod(self.space[i] for i in self.reduced)
        nest = kernel("reduce", self.body, (outer,))
        return Task(nest, grain_for(elements, work_of(self.body)))

    def _add_rows(self, lead: Index, lanes_loop: Callable[..., For]) -> list[Stmt]:
        """Loops over the reduced axes; the last one takes `ROWS_AT_ONCE` rows, then the rest."""
        s = self.s
        shape = [self.space[i] for i in self.reduced]
        outer = [s.loop("r", n) for n in shape[:-1]]
        whole = shape[-1] // ROWS_AT_ONCE * ROWS_AT_ONCE
        loops: list[Stmt] = []
        for first, last, step in ((0, whole, ROWS_AT_ONCE), (whole, shape[-1], 1)):
            if first == last:
                continue
            r = s.loop("r", shape[-1])

            def add(j: Var, at: Expr, r: Var = r, step: int = step) -> list[Stmt]:
                self.pull.forget()
                return self._add(lead, outer, r, step, j, at)

            body = (lanes_loop(add),)
            loops.append(For(r.name, const(first), const(last), body, step=step))
        for v, n in reversed(list(zip(outer, shape[:-1], strict=True))):
            loops = [For(v.name, const(0), const(n), tuple(loops))]
        return loops

    def _add(
        self, lead: Index, outer: list[Var], r: Var, step: int, j: Var, at: Expr
    ) -> list[Stmt]:
        """Combine `step` rows, from row `r` on, into the accumulators at column `j`."""
        s = self.s
        found: list[Stmt] = []
        for v in self.reductions:
            dtype = accumulator_dtype(v)
            combine = getattr(s, v.op.combiner)
            parts: list[Expr] = []
            for k in range(step):
                reduced = (*outer, s.add(r, const(k)) if k else r)
                index = self._index((*lead, j), reduced)
                parts.append(s.cast(self.pull.element(v.operands[0], index), dtype))
            while len(parts) > 1:
                parts = [combine(*parts[i : i + 2]) for i in range(0, len(parts), 2)]
            s.forget(f"acc{v.id}")
            total = combine(s.load(f"acc{v.id}", at, dtype), parts[0])
            found.append(Store(f"acc{v.id}", at, total))
        return [*faults(s), *found]


POLICY = Policy("reduce", accepts, schedule, rank=60, several=several)
