"""The direct form: windows are not written out, they are read where they lie (Georganas 2018).

    pack the columns into panels            once for all tasks, or by each for its part of the sum
    parallel for t                          a block of rows, a range of panels, a part of the sum
      for k0                                a block of the sum
        copy the block of the source        the padded image, say: with zeros and prologue in place
        for j1, i1                          a register tile: MR rows, NR columns
          for k { unroll i, v { vector l: acc[i, v, l] += source[i + k] · panel[k, v, l] } }
          keep the sums
      write                                 with the epilogue, along the result's last axis

For convolutions and their derivatives. The rows are those of the windows, read one element at a
time, which may lie anywhere; the columns are the channels of the other operand. Every letter has a
loop of its own, so that all offsets are sums. Between two elements of a source that is *dilated*
there are zeros: there, a tile takes every step-th row, and its sum every step-th term.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

from lamina.backend.nest.nodes import Alloc, Expr, Nest, Prefetch, Stmt
from lamina.backend.schedule.policies.contract_axes import Letters
from lamina.backend.schedule.policies.contract_cut import Block
from lamina.backend.schedule.policies.contract_direct_plan import Plan, Planner, Roles
from lamina.backend.schedule.policies.contract_direct_tile import (
    FLAT,
    WAYS,
    Across,
    At,
    Element,
    One,
)
from lamina.backend.schedule.policies.contract_nest import (
    Work,
    far_cycles,
    letter_loops,
    masked,
    name_of,
    only_if,
    over,
    parallel,
)
from lamina.backend.schedule.policies.contract_panels import SHARED, Panels
from lamina.backend.schedule.policies.contract_source import (
    Dilation,
    Source,
    find_source,
    pitches_of,
)
from lamina.backend.schedule.policies.contract_split import with_finish
from lamina.backend.schedule.schedule import Schedule, Task

WRITTEN_OUT = 128  # multiply-adds of vectors in a loop that is written out


class Direct:
    """One contraction in the direct form; `find` says whether it has it.

    Attributes:
        entry: which element of the batch the loops are at, flat; `at_batch` by its letters.
    """

    entry: Expr
    at_batch: At

    def __init__(self, work: Work, source: Source, planner: Planner, plan: Plan):
        self.work = work
        self.source = source
        self.planner = planner
        self.dilations = planner.dilations if plan.tile.way == "across" else ()
        self.roles = planner.roles
        self.plan = plan
        self.lay = WAYS[plan.tile.way](work.s, planner, plan)
        self.nr = plan.tile.columns
        self.columns = work.axes.extent(self.roles.n)
        self.panel_count = math.ceil(self.columns / self.nr)
        self.panels_per_task = math.ceil(self.panel_count / plan.ranges)
        self.blocks_per_chunk = math.ceil(plan.k.blocks / plan.chunks)
        self.chunks = math.ceil(plan.k.blocks / self.blocks_per_chunk)

    @staticmethod
    def find(work: Work, rank: int = 0) -> Direct | None:
        """The direct form, where the row operand consists of windows.

        Args:
            rank: which of its plans, counted from the cheapest.
        """
        source = find_source(work.axes, 0)
        if source is None:
            return None
        roles = Roles.of(work.axes, source)
        if roles.size(roles.n) < 2 or not roles.m or not roles.k:
            return None
        dilations = tuple(source.dilations(roles.m, roles.k))
        prepared = work.is_still(1)
        planner = Planner(roles, source, dilations, work.dtype, work.target, prepared)
        plan = planner.plan() if rank == 0 else planner.plans()[rank]
        return None if plan is None else Direct(work, source, planner, plan)

    @property
    def estimate(self) -> float:
        """Cycles that pass."""
        return self.plan.cycles

    @property
    def cost(self) -> float:
        """Cycles on one core: what forms are compared by."""
        return self.plan.work

    # ------------------------------------------------------------ tasks

    def schedule(self) -> Schedule:
        """Packing where it is shared, the product, and the sum of its parts where it is cut."""
        work, roles = self.work, self.roles
        if not self.plan.shared:
            return with_finish(self._task(), work, self.chunks)
        packing = self._panels(Work(work.body, work.axes, work.target), SHARED, roles.extents)
        name = name_of("contract_pack", work.axes)
        pack, buffer, size_bytes = packing.shared(name, roles.batch)
        work.shared = (buffer,)
        product = with_finish(self._task(), work, self.chunks)
        return Schedule((pack, *product.tasks), (size_bytes, *product.temporaries_bytes))

    def _panels(self, work: Work, buffer: str, rooms: Mapping[str, int]) -> Panels:
        return Panels(work, buffer, self.roles.k, rooms, self.roles.n, self.nr)

    def _task(self) -> Task:
        work, s, plan = self.work, self.work.s, self.plan
        ranges = math.ceil(self.panel_count / self.panels_per_task)
        counts = (self.chunks, work.axes.extent(self.roles.batch), plan.m.blocks, ranges)
        work.chunks = self.chunks

        def one(t: Expr) -> list[Stmt]:
            c, self.entry, i, j = s.delinearize(t, counts)
            work.chunk = c
            self.at_batch = work.axes.split(s, self.roles.batch, self.entry)
            return self._block(c, plan.m.block(s, i), s.multiply(j, self.panels_per_task))

        body = parallel(s, "t", math.prod(counts), one)
        name = name_of("contract_direct", work.axes, work.body)
        nest = Nest(name, work.parameters(), body, work.checks)
        per_task = plan.work / math.prod(counts)
        return Task(nest, max(1, math.ceil(10_000 / max(per_task, 1.0))))

    def _block(self, c: Expr, m: Block, panel0: Expr) -> list[Stmt]:
        """A block of rows: all blocks of the sum of a chunk, then the results."""
        work, s, plan = self.work, self.work.s, self.plan
        self.m, self.panel0 = m, panel0
        count = s.minimum(s.subtract(self.panel_count, panel0), self.panels_per_task)
        allocs: list[Stmt] = [
            Alloc("source", work.dtype, self._source_size),
        ]
        if not self._straight:
            allocs.append(Alloc("sums", work.dtype, self.lay.sums_size(self._panels_kept)))
        self.panels = self._panels(work, SHARED, self.roles.extents)
        if not plan.shared:
            self.panels = self._panels(work, "panels", plan.k.rooms)
            size = self.panels_per_task * self.panels.depth * self.nr
            allocs.append(Alloc("panels", work.dtype, size))
        self.first = s.multiply(c, self.blocks_per_chunk)

        def nothing(j: Expr) -> list[Stmt]:
            return []

        if self._one_sum:
            after = nothing if self._straight else self._write
            return [*allocs, *self._sum(self.first, count, after)]
        last = s.minimum(s.add(self.first, self.blocks_per_chunk), plan.k.blocks)
        return [
            *allocs,
            over(s, "k0", last, lambda k0: self._sum(k0, count, nothing), start=self.first),
            over(s, "j1", count, self._write),
        ]

    @property
    def _one_sum(self) -> bool:
        """Whether a task has one block of the sum, so that sums need not be kept for long."""
        return self.blocks_per_chunk == 1

    @property
    def _straight(self) -> bool:
        """Whether tiles are written as they are, without being kept."""
        out = [c for c in self.work.axes.letters[2] if self.roles.extents[c] > 1]
        return self._one_sum and bool(out) and self.lay.straight(out[-1])

    def _sum(self, k0: Expr, count: Expr, after: Callable[[Expr], list[Stmt]]) -> list[Stmt]:
        """One block of the sum in all tiles of the task; `after` each panel what it says."""
        s = self.work.s
        self.k0, self.k = k0, self.plan.k.block(s, k0)
        found: list[Stmt] = []
        if not self.plan.shared:

            def pack(j: Expr) -> list[Stmt]:
                panel = s.add(self.panel0, j)
                return self.panels.fill(self.at_batch, panel, j, self.k)

            found.append(over(s, "p", count, pack))
        found += self._fill()

        def panel(j: Expr) -> list[Stmt]:
            tiles = self.lay.loops(self.m.count, lambda at: self._tile(j, at))
            return [*tiles, *after(j)]

        return [*found, over(s, "j1", count, panel)]

    # ------------------------------------------------------------ the block of the source

    @cached_property
    def _source_rooms(self) -> tuple[int, ...]:
        return self.source.rooms(self.plan.m.rooms | self.plan.k.rooms)

    @cached_property
    def _pitches(self) -> tuple[int, ...]:
        return pitches_of(self._source_rooms)

    @cached_property
    def _source_size(self) -> int:
        """With room behind for what the tiles at the edges read in vain."""
        return math.prod(self._source_rooms) + self.lay.beyond(self._pitches)

    def _fill(self) -> list[Stmt]:
        """Copies the block of the source that the windows at hand look at."""
        work, s, source = self.work, self.work.s, self.source
        start = {**self.at_batch, **self.m.start, **self.k.start}
        count = {**self.m.count, **self.k.count}
        firsts: list[Expr] = []
        lengths: list[Expr] = []
        for axis in source.axes:
            first, length = s.constant(axis.base), s.constant(1)
            for c, step in axis.steps.items():
                first = s.add(first, s.multiply(start[c], step * axis.scale))
                if c in count:
                    length = s.add(length, s.multiply(s.subtract(count[c], 1), step))
            firsts.append(first)
            lengths.append(length)

        def put(index: Sequence[Expr]) -> list[Stmt]:
            work.pull.forget()
            scaled = zip(firsts, index, source.axes, strict=True)
            there = tuple(s.add(first, s.multiply(i, axis.scale)) for first, i, axis in scaled)
            at = s.linearize(index, self._source_rooms)
            value = s.cast(work.pull.element(source.value, there), work.dtype)
            return [*work.checked(), s.store("source", at, value)]

        return self._axis_loops(lengths, put)

    def _axis_loops(
        self, lengths: Sequence[Expr], put: Callable[[Sequence[Expr]], list[Stmt]]
    ) -> list[Stmt]:
        """Loops over the axes of the block, the last one that is not a single index in vectors.

        Axes of an input that are read whole run together with the one before them.
        """
        s, rooms = self.work.s, self._source_rooms
        runs: list[list[int]] = []
        for a in range(len(rooms)):
            if runs and self._read_whole(a):
                runs[-1].append(a)
            else:
                runs.append([a])
        long = [i for i, (a, *rest) in enumerate(runs) if rest or s.range_of(lengths[a]) != (1, 1)]

        def inside(number: int, index: dict[int, Expr]) -> list[Stmt]:
            if number == len(runs):
                return put([index[a] for a in range(len(rooms))])
            first, *rest = runs[number]
            length = s.multiply(lengths[first], math.prod(rooms[a] for a in rest))

            def one(i: Expr) -> list[Stmt]:
                parts = s.delinearize(i, [rooms[a] for a in runs[number]])
                return inside(number + 1, index | dict(zip(runs[number], parts, strict=True)))

            if number in long[-1:]:
                return [over(s, "x", length, one, "vector")]
            return [over(s, "y", length, one)] if number in long else one(s.constant(0))

        return inside(0, {})

    def _read_whole(self, first: int) -> bool:
        """Whether the source is an input, and its axes from this one on are in the block whole."""
        value, rooms = self.source.value, self._source_rooms
        alike = all(axis.scale == 1 for axis in self.source.axes[first:])
        return value.op is None and alike and rooms[first:] == value.shape[first:]

    # ------------------------------------------------------------ the register tile

    def _tile(self, j: Expr, at: At) -> list[Stmt]:
        """The sums of a register tile over the block of k."""
        work, s, lanes = self.work, self.work.s, self.lay.lanes
        size = self.plan.tile.sums * work.lanes
        found: list[Stmt] = [Alloc("acc", work.dtype, size, "register")]

        def resume(e: Element) -> list[Stmt]:
            kept = s.load("sums", self._sums_at(j, e.rows, e.column), work.dtype)
            return [s.store("acc", e.acc, kept)]

        def keep(e: Element) -> list[Stmt]:
            total = s.load("acc", e.acc, work.dtype)
            return [s.store("sums", self._sums_at(j, e.rows, e.column), total)]

        if not self._one_sum:
            found += only_if(s.less(self.first, self.k0), lanes(at, resume))
        fetch = self._fetches(j, at)
        found += self._terms(at, lambda k: lanes(at, self._step(j, k)), fetch)
        return [*found, *lanes(at, self._result(j) if self._straight else keep)]

    def _result(self, j: Expr) -> One:
        """Writes one vector of a tile, as far as it has rows and columns."""
        work, s, roles = self.work, self.work.s, self.roles
        first = s.multiply(s.add(self.panel0, j), self.nr)

        def one(e: Element) -> list[Stmt]:
            total = s.load("acc", e.acc, work.dtype)
            flat = s.add(first, e.column)
            own = self.lay.letters(e.rows)
            inside = s.and_(s.less(flat, self.columns), self.lay.inside(e.rows, self.m.count))
            with masked(s, inside):
                rows = {c: s.add(self.m.start[c], own[c]) for c in roles.m}
                n = work.axes.split(s, roles.n, flat)
                return work.results(total, work.reader.result(self.at_batch, rows, n))

        return one

    def _sums_at(self, j: Expr, rows: At, column: Expr) -> Expr:
        return self.lay.sums_at(self._panels_kept, j, rows, column)

    @property
    def _panels_kept(self) -> int:
        """Panels whose sums a task keeps at a time."""
        return 1 if self._one_sum else self.panels_per_task

    def _terms(
        self, at: At, make: Callable[[At], list[Stmt]], each_first: Callable[[At], list[Stmt]]
    ) -> list[Stmt]:
        """Loops over the block of the sum, past the terms that are zero for this tile.

        Args:
            make: what happens at each term.
            each_first: what happens before those of an index of the outermost loop.
        """
        s = self.work.s
        dilated = {d.inner: d for d in self.dilations}

        def inside(rest: Letters, k: dict[str, Expr]) -> list[Stmt]:
            if not rest:
                return make(k)
            c, count = rest[0], self.k.count[rest[0]]
            first, step = s.constant(0), 1
            if c in dilated:
                first, step = self._first_term(dilated[c], at), dilated[c].step
            elif s.range_of(count) == (1, 1):
                return inside(rest[1:], k | {c: first})

            def one(i: Expr) -> list[Stmt]:
                before = [] if k else each_first(k | {c: i})
                return [*before, *inside(rest[1:], k | {c: i})]

            least, most = s.range_of(count)
            written_out = least == most and most * self.plan.tile.sums <= WRITTEN_OUT
            if c not in dilated and not rest[1:] and written_out:
                return [over(s, c, most, one, "unroll")]
            return [over(s, c, count, one, start=first, step=step)]

        return inside(self.roles.k, {})

    def _first_term(self, d: Dilation, at: At) -> Expr:
        """The first index of the sum's letter at which the source may be other than zero."""
        s = self.work.s
        inverse = pow(d.stride, -1, d.step)
        row = s.add(self.m.start[d.outer], at[d.outer])
        past = s.add(row, s.multiply(self.k.start[d.inner], d.stride))
        extents = self.roles.extents
        most = extents[d.outer] + extents[d.inner] * d.stride
        first = s.subtract(d.first % d.step + d.step * most, past)
        return s.remainder(s.multiply(first, inverse), d.step)

    def _fetches(self, j: Expr, at: At) -> Callable[[At], list[Stmt]]:
        """Asks for the next panel while this one is multiplied by, a part in each tile.

        Where panels come from memory, the first tile of each would wait for it.
        """
        work, s, plan, lay = self.work, self.work.s, self.plan, self.lay
        elements = work.axes.extent((*self.roles.batch, *self.roles.k)) * self.columns
        if not (isinstance(lay, Across) and plan.shared and far_cycles(elements, work)):
            return lambda k: []
        counts = [math.ceil(plan.m.rooms[c] / lay.parts[c]) for c in self.roles.m]
        tiles = math.prod(counts)
        if tiles == 1 or self.dilations:
            return lambda k: []
        letters = self.roles.k
        lines = math.prod(plan.k.rooms[c] for c in letters[1:]) * plan.tile.vectors
        each = math.ceil(lines / tiles)
        numbers = [s.floor_divide(at[c], lay.parts[c]) for c in self.roles.m]
        number = s.linearize(numbers, counts)

        def fetch(k: At) -> list[Stmt]:
            begin = dict.fromkeys(letters, s.constant(0)) | dict(k)
            line = s.multiply(number, each)
            places = [s.multiply(s.add(line, u), work.lanes) for u in range(each)]
            return [Prefetch(SHARED, self._panel_at(s.add(j, 1), begin, p)) for p in places]

        return fetch

    def _step(self, j: Expr, k: At) -> One:
        """One step of the sum in one vector of the tile."""
        work, s = self.work, self.work.s

        def one(e: Element) -> list[Stmt]:
            local = {**k, **e.rows}
            at = local.get(FLAT, s.constant(0))
            for axis, pitch in zip(self.source.axes, self._pitches, strict=True):
                for c, step in axis.steps.items():
                    if c in local:
                        at = s.add(at, s.multiply(local[c], step * pitch))
            window = s.load("source", at, work.dtype)
            value = s.load(self.panels.buffer, self._panel_at(j, k, e.column), work.dtype)
            total = s.load("acc", e.acc, work.dtype)
            return [s.store("acc", e.acc, work.multiply_add(window, value, total))]

        return one

    def _panel_at(self, j: Expr, k: At, column: Expr) -> Expr:
        s = self.work.s
        if not self.plan.shared:
            return self.panels.offset(j, k, column)
        whole = {c: s.add(self.k.start[c], k[c]) for c in self.roles.k}
        entry = s.multiply(self.entry, self.panel_count)
        return self.panels.offset(s.add(entry, s.add(self.panel0, j)), whole, column)

    # ------------------------------------------------------------ results

    def _write(self, j: Expr) -> list[Stmt]:
        """The results of one panel: along whichever letter comes last in the result."""
        work, s, roles = self.work, self.work.s, self.roles
        first = s.multiply(s.add(self.panel0, j), self.nr)
        count = s.minimum(s.subtract(self.columns, first), self.nr)
        group = self._last_rows()

        def element(column: Expr, m: At) -> list[Stmt]:
            n = work.axes.split(s, roles.n, s.add(first, column))
            total = s.load("sums", self._sums_at(j, m, column), work.dtype)
            rows = {c: s.add(self.m.start[c], m[c]) for c in roles.m}
            return work.results(total, work.reader.result(self.at_batch, rows, n))

        def along_columns(m: At) -> list[Stmt]:
            return [over(s, "l", count, lambda column: element(column, m), "vector")]

        if not group:
            return letter_loops(s, roles.m, self.m.count, along_columns)

        def row_of(column: Expr, m: At) -> list[Stmt]:
            extents = [self.plan.m.rooms[c] for c in group]
            length = s.multiply(self.m.count[group[0]], math.prod(extents[1:]))

            def one(q: Expr) -> list[Stmt]:
                inner = dict(zip(group, s.delinearize(q, extents), strict=True))
                return element(column, {**m, **inner})

            return [over(s, "q", length, one, "vector")]

        others = tuple(c for c in roles.m if c not in group)

        def along_rows(column: Expr) -> list[Stmt]:
            return letter_loops(s, others, self.m.count, lambda m: row_of(column, m))

        return [over(s, "j", count, along_rows)]

    def _last_rows(self) -> Letters:
        """The letters of m that the result ends with, as far as the sums lie in their order."""
        group: Letters = ()
        for c in reversed([c for c in self.work.axes.letters[2] if self.roles.extents[c] > 1]):
            if c not in self.roles.m or not self.lay.ends_with(c, group):
                break
            group = (c, *group)
        return group
