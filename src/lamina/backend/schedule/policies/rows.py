"""Row groups: reductions over the trailing axes with what feeds and follows them, a row at a time.

Softmax and layer normalisation are one kernel each: every phase of a row runs while the row is in
the nearest cache. A phase is one pass over the row; it ends where a reduction must be complete.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from lamina.backend.nest.build import Builder
from lamina.backend.nest.nodes import (
    Accumulate,
    Accumulator,
    Alloc,
    For,
    Prefetch,
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
    params,
    stores,
    work_of,
)
from lamina.backend.schedule.policy import Policy
from lamina.backend.schedule.pull import Index, Pull
from lamina.backend.schedule.schedule import Schedule, Task
from lamina.backend.targets import Target
from lamina.graph.ir import Graph, Value
from lamina.graph.ops import Reduction, splat_value
from lamina.graph.passes.fuse import pullable

SHORT_ROW = 9  # elements up to which rows are neighbouring lanes, as the windows of a pooling
ROWS_IN_CHUNK = 1024
STAGE_COST = 8  # flops from which a value used by two phases is kept in a row buffer


def accepts(body: Graph) -> bool:
    """Reductions of the trailing axes of one space; everything else is pulled."""
    reductions = [v for v in body.nodes if isinstance(v.op, Reduction)]
    others = [v for v in body.nodes if not isinstance(v.op, Reduction)]
    if not reductions or not all(pullable(v) for v in others):
        return False
    spaces = {(v.operands[0].type.shape, tuple(v.op.axes)) for v in reductions}
    return len(spaces) == 1 and all(
        tuple(v.op.axes) == tuple(range(-len(v.op.axes), 0)) for v in reductions
    )


def schedule(body: Graph, target: Target) -> Schedule:
    """One parallel loop over rows around the phases."""
    return Schedule((_Rows(collapse(body), target, {}).task(),))


def several(body: Graph, target: Target) -> Sequence[Way]:
    """The model's way, with costly values of a row kept or computed again, lanes along a row or
    across rows."""

    def decide(given: Given) -> Decided:
        return Decided(lambda: Schedule((_Rows(collapse(body), target, given).task(),)))

    model = _Rows(collapse(body), target, {})
    settings = {"kept": ("yes", "no")}
    if 0 < math.prod(model.inner) <= SHORT_ROW:
        settings["lanes"] = ("along", "across")
    return (Way("rows", decide, settings),)


class _Rows:
    def __init__(self, body: Graph, target: Target, given: Given):
        self.body = body
        self.target = target
        self.keep_cost = {"yes": 1, "no": math.inf}.get(given.get("kept", ""), STAGE_COST)
        self.reductions = [v for v in body.nodes if isinstance(v.op, Reduction)]
        first = self.reductions[0]
        self.space = first.operands[0].type.shape
        self.kept = first.type.shape
        self.inner = self.space[len(self.kept) :]
        self.s = Builder()
        self.pull = Pull(self.s)
        bind_inputs(self.pull, body)
        self.level = self._levels()
        self.across = self._is_short() if "lanes" not in given else given["lanes"] == "across"
        self.staged = {} if self.across else self._staged()
        self.fetched = () if self.across else self._fetched()

    def _is_short(self) -> bool:
        """Whether a row is so short, and so cheap, that lanes are better filled with rows."""
        cheap = all(v.op.cost < STAGE_COST for v in self.body.nodes if v.type.shape == self.space)
        many = math.prod(self.kept) >= self.target.lanes(str(self.reductions[0].dtype))
        return cheap and many and 0 < math.prod(self.inner) <= SHORT_ROW

    def _levels(self) -> dict[int, int]:
        """How many reductions in a row must be complete before a value can be computed."""
        level: dict[int, int] = {v.id: 0 for v in self.body.inputs}
        for v in self.body.nodes:
            below = max((level[o.id] for o in v.operands), default=0)
            level[v.id] = below + isinstance(v.op, Reduction)
        return level

    def _wanted(self, phase: int) -> list[Value]:
        """What the pass over the row of this phase computes at each element."""
        values = [r.operands[0] for r in self.reductions if self.level[r.operands[0].id] == phase]
        values += [v for v in self._row_outputs() if self.level[v.id] == phase]
        return values

    def _row_outputs(self) -> list[Value]:
        return [v for v in self.body.outputs if v.type.shape == self.space and self.inner]

    def _staged(self) -> dict[int, list[Value]]:
        """Expensive values that two phases need, by the phase that computes them first."""
        needed: dict[int, set[int]] = {}
        value_of: dict[int, Value] = {}
        for phase in range(self._last_phase() + 1):
            stack = list(self._wanted(phase))
            seen: set[int] = set()
            while stack:
                v = stack.pop()
                if v.id in seen or v.op is None or isinstance(v.op, Reduction):
                    continue
                seen.add(v.id)
                value_of[v.id] = v
                needed.setdefault(v.id, set()).add(phase)
                if v.type.shape == self.space:
                    stack.extend(v.operands)
        costly = [
            v
            for v in value_of.values()
            if len(needed[v.id]) > 1
            and v.type.shape == self.space
            and v.op is not None
            and v.op.cost >= self.keep_cost
            and splat_value(v) is None
        ]
        found: dict[int, list[Value]] = {}
        if math.prod(self.inner) * 4 * max(1, len(costly)) <= self.target.caches.l2_bytes // 2:
            for v in costly:
                found.setdefault(min(needed[v.id]), []).append(v)
        return found

    def _fetched(self) -> tuple[int, ...]:
        """The inputs whose next row is asked for while this one is computed with.

        They are read first in a row, when the processor has nothing else to do. Where the rows of
        two iterations crowd the nearest cache, the order of memory is enough for it to fetch ahead.
        """
        found = tuple(i for i, v in enumerate(self.body.inputs) if v.type.shape == self.space)
        given = len(found) + len(self._row_outputs())
        held = given + len(found) + sum(map(len, self.staged.values()))
        row_bytes = math.prod(self.inner) * self.reductions[0].dtype.size_bytes
        caches = self.target.caches
        near = held * row_bytes <= caches.l1d_bytes
        far = given * math.prod(self.kept) * row_bytes > caches.l2_bytes
        return found if near and far else ()

    def _last_phase(self) -> int:
        return (
            max((self.level[v.id] for v in self._row_outputs()), default=-1) if self.inner else -1
        )

    def task(self) -> Task:
        """The launch of the group's one kernel."""
        p, row = self._row_index()
        statements: list[Stmt] = []
        for staged in self.staged.values():
            for v in staged:
                statements.append(Alloc(f"row{v.id}", str(v.dtype), math.prod(self.inner)))
        phases = max(self._last_phase(), *(self.level[r.id] - 1 for r in self.reductions))
        for phase in range(phases + 1):
            statements += self._phase(phase, row)
        statements += self._row_results(row)
        outer, elements = self._row_loop(p, row, statements)
        last = self._last_phase()
        written_last = [v.id for v in self.body.outputs if self.level[v.id] >= max(last, phases)]
        named = params(self.body, lambda v: v.id in written_last or v.type.shape == self.kept)
        nest = kernel("rows", self.body, (outer,), named)
        return Task(nest, grain_for(elements, work_of(self.body)))

    def _row_index(self) -> tuple[Var, Index]:
        """The variable of the parallel loop, and the index of a row that follows from it.

        Where rows are lanes, these run along the last axis if it fills a vector by half or more.
        """
        s, rows = self.s, math.prod(self.kept)
        last = self.kept[-1] if self.kept else 1
        if not self.across or 2 * last < self.target.lanes(str(self.reductions[0].dtype)):
            p = s.loop("p", rows)
            return p, s.delinearize(p, self.kept)
        p = s.loop("p", rows // last)
        return p, (*s.delinearize(p, self.kept[:-1]), s.loop("q", last))

    def _row_loop(self, p: Var, row: Index, statements: list[Stmt]) -> tuple[For, int]:
        """The parallel loop, and the elements of the space in one iteration of it."""
        s, inner, rows = self.s, math.prod(self.inner), math.prod(self.kept)
        if not self.across:
            return For(p.name, const(0), const(rows), tuple(statements), "parallel"), inner
        q = row[-1] if row else p
        if isinstance(q, Var) and q is not p:
            last = self.kept[-1]
            lanes = For(q.name, const(0), const(last), tuple(statements), "vector")
            outer = For(p.name, const(0), const(rows // last), (lanes,), "parallel")
            return outer, last * inner
        chunk = min(rows, ROWS_IN_CHUNK)
        chunks = math.ceil(rows / chunk)
        c = s.loop("c", chunks)
        start = s.multiply(c, const(chunk))
        stop = s.minimum(s.add(start, const(chunk)), const(rows))
        lanes = For(p.name, start, stop, tuple(statements), "vector")
        return For(c.name, const(0), const(chunks), (lanes,), "parallel"), chunk * inner

    def _phase(self, phase: int, row: Index) -> list[Stmt]:
        """The accumulators, the pass over the row, and the names of what is complete after it."""
        s, pull = self.s, self.pull
        reductions = [r for r in self.reductions if self.level[r.id] - 1 == phase]
        before: list[Stmt] = []
        for r in reductions:
            accumulate = accumulator_dtype(r)
            init = s.constant(r.op.identity(r.dtype), accumulate)
            before.append(Accumulator(f"acc{r.id}", accumulate, r.op.combiner, init))
        if self.across:
            for inner in itertools.product(*map(range, self.inner)):
                before += self._at(phase, reductions, row, tuple(s.constant(i) for i in inner))
            return [*before, *self._complete(reductions, row)]
        pull.forget()
        variables = [s.loop("jkl"[i % 3], n) for i, n in enumerate(self.inner)]
        loops = self._at(phase, reductions, row, tuple(variables))
        for k in range(len(variables) - 1, -1, -1):
            kind = "vector" if k == len(variables) - 1 else "serial"
            loops = [For(variables[k].name, const(0), const(self.inner[k]), tuple(loops), kind)]
        for v in self.staged.get(phase, ()):
            self._bind_row_buffer(v)
        return [*before, *loops, *self._complete(reductions, row)]

    def _at(self, phase: int, reductions: list[Value], row: Index, inner: Index) -> list[Stmt]:
        """What a phase does at one element of the row."""
        s, pull = self.s, self.pull
        index = (*row, *inner)
        body: list[Stmt] = []
        for v in self.staged.get(phase, ()):
            offset = s.linearize(inner, self.inner)
            let, value = s.let("v", pull.element(v, index))
            body += [let, Store(f"row{v.id}", offset, value)]
            pull.bind(v, at_loops(value))
        for r in reductions:
            value = pull.element(r.operands[0], index)
            accumulate = accumulator_dtype(r)
            body.append(Accumulate(f"acc{r.id}", s.cast(value, accumulate)))
        if phase == 1:
            following = s.add(s.linearize(index, self.space), math.prod(self.inner))
            body += [Prefetch(f"in{i}", following) for i in self.fetched]
        outs = [
            (i, v)
            for i, v in enumerate(self.body.outputs)
            if v.type.shape == self.space and self.inner and self.level[v.id] == phase
        ]
        return [*faults(s), *body, *stores(s, pull, outs, index)]

    def _bind_row_buffer(self, v: Value) -> None:
        s, rank, inner = self.s, len(self.kept), self.inner
        self.pull.bind(
            v, lambda index: s.load(f"row{v.id}", s.linearize(index[rank:], inner), str(v.dtype))
        )

    def _complete(self, reductions: list[Value], row: Index) -> list[Stmt]:
        """Name each result, and each value of the rows that has become computable."""
        s, pull = self.s, self.pull
        pull.forget()
        statements: list[Stmt] = []
        for r in reductions:
            accumulate = accumulator_dtype(r)
            let, value = s.let("r", s.cast(var(f"acc{r.id}", accumulate), str(r.dtype)))
            statements.append(let)
            pull.bind(r, at_loops(value))
        done = {self.level[r.id] for r in reductions}
        for v in self.body.nodes:
            of_rows = v.type.shape == self.kept and v.op.lane is not None
            if of_rows and v.op.cost > 1 and self.level[v.id] in done and self.inner:
                let, value = s.let("r", pull.element(v, row))
                statements.append(let)
                pull.bind(v, at_loops(value))
        return statements

    def _row_results(self, row: Index) -> list[Stmt]:
        outs = [
            (i, v)
            for i, v in enumerate(self.body.outputs)
            if v.type.shape == self.kept and (not self.inner or self.kept != self.space)
        ]
        return stores(self.s, self.pull, outs, row)


POLICY = Policy("rows", accepts, schedule, rank=50, several=several)
