"""The tiled form: register tiles of the result, vectors along columns (Goto & van de Geijn 2008).

pack the columns                            where they are packed, and several tasks read them
parallel for t                              a block of rows and columns of one batch entry
  for k0                                    a block of the sum
    stage the columns' block, stage rows    only where reading in place would be slower
    for j1, i1                              a register tile: MR rows, NR columns
      for k { unroll i, v { vector l: acc[i, v, l] += row[i, k] · column[k, v, l] } }
      write                                 with the epilogue at the last block of the sum
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from lamina.backend.nest.nodes import Alloc, Expr, Nest, Prefetch, Stmt
from lamina.backend.schedule.policies.contract_nest import (
    Work,
    far_cycles,
    is_far,
    masked,
    name_of,
    only_if,
    over,
    parallel,
)
from lamina.backend.schedule.policies.contract_panels import SHARED, Panels
from lamina.backend.schedule.policies.contract_split import with_finish
from lamina.backend.schedule.policies.contract_stage import Part, Stage
from lamina.backend.schedule.policies.contract_starts import Starts
from lamina.backend.schedule.policies.contract_tiled_plan import TiledPlan, Wish
from lamina.backend.schedule.schedule import Schedule, Task
from lamina.base.dtypes import dtype

RUN = 16  # steps of the sum between two times that a tile asks for a part of the next panel


class Tiled:
    """One contraction in the tiled form.

    Args:
        wish: what is given of its numbers; by default all are what the model thinks best.
    """

    panel: Expr  # of the packed columns, at the loops

    def __init__(self, work: Work, wish: Wish | None = None):
        plan = self.plan = TiledPlan(work, wish or Wish())
        self.work = work
        self.batch, self.m, self.n, self.k = work.axes.sizes
        self.reads, self.tiles, self.grid = plan.reads, plan.tiles, plan.grid
        self.vectors = plan.tiles.nr // work.lanes
        self.stage_rows, self.stage_columns = plan.stage_rows, plan.stage_columns
        self.shared, self.prepared, self.transposed = plan.shared, plan.prepared, plan.transposed
        self.mc, self.kc = plan.mc, plan.kc
        self.chunks, self.chunk_k, self.blocks = plan.chunks, plan.chunk_k, plan.blocks

    @property
    def cost(self) -> float:
        """Cycles on one core, staging and writing included: what roles are compared by."""
        return self.plan.cost

    @property
    def estimate(self) -> float:
        """Cycles that pass."""
        return self.plan.estimate

    # ------------------------------------------------------------ the nest

    def schedule(self) -> Schedule:
        """The kernel, and what adds its parts where the sum is cut."""
        if not self.shared:
            return with_finish(self._task_of_all(), self.work, self.work.chunks)
        axes, target = self.work.axes, self.work.target
        packing = self._panels(Work(self.work.body, axes, target))
        pack, buffer, size_bytes = packing.shared(name_of("contract_pack", axes), axes.batch)
        self.work.shared = (buffer,)
        product = with_finish(self._task_of_all(), self.work, self.work.chunks)
        return Schedule((pack, *product.tasks), (size_bytes, *product.temporaries_bytes))

    def _panels(self, work: Work) -> Panels:
        axes = work.axes
        return Panels(work, SHARED, axes.k, axes.size_of, axes.n, self.tiles.nr)

    def _task_of_all(self) -> Task:
        work, s, grid = self.work, self.work.s, self.grid

        def one(t: Expr) -> list[Stmt]:
            c, b, i, j = s.delinearize(t, (self.chunks, self.batch, grid.rows, grid.columns))
            work.chunk = c
            return self._task(c, b, s.multiply(i, grid.task_m), s.multiply(j, grid.task_n))

        count = self.chunks * self.batch * grid.rows * grid.columns
        work.chunks = self.chunks
        body = parallel(s, "t", count, one)
        form = "contract" if work.words is None else "contract_words"
        nest = Nest(name_of(form, work.axes, work.body), work.parameters(), body, work.checks)
        per_task = self.plan.cycles / max(count, 1)
        return Task(nest, max(1, math.ceil(10_000 / max(per_task, 1.0))))

    def _task(self, c: Expr, b: Expr, m0: Expr, n0: Expr) -> list[Stmt]:
        s, grid = self.work.s, self.grid
        self.at_batch = self.work.axes.split(s, self.work.axes.batch, b)
        self.panels = self._panels(self.work)
        self.panel0 = s.add(s.multiply(b, self.panels.panels), s.floor_divide(n0, self.tiles.nr))
        self.m0, self.n0 = m0, n0
        self.m_count = s.minimum(s.subtract(self.m, m0), grid.task_m)
        self.n_count = s.minimum(s.subtract(self.n, n0), grid.task_n)
        allocs: list[Stmt] = []
        if self._keeps_tile:
            allocs.append(Alloc("c", self.work.dtype, grid.task_m * self._c_pitch))
        self.k_first = s.multiply(c, self.chunk_k)
        self.k_last = s.minimum(s.add(self.k_first, self.chunk_k), self.k)
        if self.blocks == 1:
            body = self._k_block(self.k_first, allocs)
        else:
            first, last = self.k_first, self.k_last

            def block(k0: Expr) -> list[Stmt]:
                return self._k_block(k0, allocs)

            body = [over(s, "k0", last, block, start=first, step=self.kc)]
        turned = self._write_turned() if self.transposed else []
        return [*allocs, *body, *turned]

    @property
    def _keeps_tile(self) -> bool:
        """Whether the sums of a task lie in scratch between blocks, or before they are turned."""
        return self.blocks > 1 or self.transposed

    @property
    def _c_pitch(self) -> int:
        return (self.grid.task_n // self.work.lanes | 1) * self.work.lanes

    def _k_block(self, k0: Expr, allocs: list[Stmt]) -> list[Stmt]:
        work, s, axes = self.work, self.work.s, self.work.axes
        self.k0 = k0
        self.k_count = s.minimum(s.subtract(self.k_last, k0), self.kc)
        found: list[Stmt] = []
        part_k = Part(axes.k, k0, self.k_count, self.kc, self.reads.row_cut)
        self.columns: Stage | None = None
        if self.stage_columns and not self.shared:
            reads = self.reads
            part_n = Part(axes.n, self.n0, self.n_count, self.grid.task_n, reads.column_cut)
            far = is_far(self.batch * self.k * self.n, work)
            stage = Stage(work, "columns", part_k, part_n, reads.column_n, reads.column_k, far)
            allocs.append(stage.alloc())
            found += stage.fill(lambda k, n: work.reader.column(self.at_batch, n, k))
            self.columns = stage
        found += self._fill_starts(allocs)
        if self.mc >= min(self.m, self.grid.task_m):
            return found + self._row_block(s.constant(0), part_k, allocs)

        def block(i0: Expr) -> list[Stmt]:
            return self._row_block(i0, part_k, allocs)

        return [*found, over(s, "i0", self.m_count, block, step=self.mc)]

    def _fill_starts(self, allocs: list[Stmt]) -> list[Stmt]:
        """Finds where the sums over the block of k start."""
        work, s = self.work, self.work.s
        room = math.ceil(self.grid.task_n / self.tiles.nr) * self.tiles.nr
        self.starts = Starts(work, self.tiles.nr, room)
        if self.starts.flipped is None:
            return []
        allocs.append(self.starts.alloc())

        def word(j: Expr, column: Expr, k: Expr) -> Expr:
            self.panel = s.add(self.panel0, j)
            summed = work.axes.split(s, work.axes.k, s.add(self.k0, k))
            return self._column(k, s.multiply(j, self.tiles.nr), column, summed)

        return self.starts.fill(self.n_count, self.k_count, word)

    def _row_block(self, i0: Expr, part_k: Part, allocs: list[Stmt]) -> list[Stmt]:
        work, s, axes = self.work, self.work.s, self.work.axes
        self.i0 = i0
        count = s.minimum(s.subtract(self.m_count, i0), self.mc)
        found: list[Stmt] = []
        self.rows: Stage | None = None
        if self.stage_rows:
            part_m = Part(axes.m, s.add(self.m0, i0), count, self.mc)
            if self.plan.rows_along_m:
                far = is_far(self.batch * self.m * self.k, work)
                along, across = self.plan.row_along, self.plan.row_across
                stage = Stage(work, "rows", part_k, part_m, along, across, far)
                found += stage.fill(lambda k, m: work.reader.row(self.at_batch, m, k))
            else:
                stage = Stage(
                    work, "rows", part_m, part_k, self.plan.row_along, self.plan.row_across
                )
                found += stage.fill(lambda m, k: work.reader.row(self.at_batch, m, k))
            allocs.append(stage.alloc())
            self.rows = stage
        mr, nr = self.tiles.mr, self.tiles.nr

        def column(j: Expr) -> list[Stmt]:
            self.panel, j1 = s.add(self.panel0, j), s.multiply(j, nr)
            return [over(s, "i1", count, lambda i1: self._tile(i1, j1, count), step=mr)]

        panels = s.floor_divide(s.add(self.n_count, nr - 1), nr)
        found.append(over(s, "j", panels, column))
        return found

    # ------------------------------------------------------------ the register tile

    def _tile(self, i1: Expr, j1: Expr, count: Expr) -> list[Stmt]:
        """Sums of MR x NR over the block of k, and what becomes of them."""
        work, s = self.work, self.work.s
        mr, nr = self.tiles.mr, self.tiles.nr
        last_row = s.subtract(count, 1)

        def step(k: Expr, summed: dict[str, Expr]) -> list[Stmt]:
            work.pull.forget()

            def one(i: Expr, v: Expr, lane: Expr) -> list[Stmt]:
                row = self._row(s.minimum(s.add(i1, i), last_row), k, summed)
                column = self._column(k, j1, s.add(s.multiply(v, work.lanes), lane), summed)
                at = self._at(i, v, lane)
                total = s.load("acc", at, work.dtype)
                added = work.multiply_add(row, column, total)
                return [*work.checked(), s.store("acc", at, added)]

            return self._lanes(one)

        found: list[Stmt] = [Alloc("acc", work.dtype, mr * nr, "register")]
        if self.blocks > 1:
            again = s.less(self.k_first, self.k0)
            found += only_if(
                again, self._lanes(lambda i, v, lane: self._resume(i1, j1, i, v, lane))
            )
        if self.starts.flipped is not None:
            found += self._lanes(lambda i, v, lane: self._begin(j1, i, v, lane))
        found += self._sum(i1, step)
        if self.transposed:
            return [*found, *self._keep(i1, j1)]
        if self.blocks == 1:
            return [*found, *self._write(i1, j1, count)]
        ends = s.less_equal(self.k_last, s.add(self.k0, self.kc))
        return [
            *found,
            *only_if(s.not_(ends), self._keep(i1, j1)),
            *only_if(ends, self._write(i1, j1, count)),
        ]

    def _fetching(self, i1: Expr, step: Callable[[Expr], list[Stmt]]) -> list[Stmt]:
        """The loop over the block of k that asks for the next panel meanwhile, a part in each tile.

        Where panels come from memory, the first tile of each would wait for it. Nothing where there
        is one tile: what it reads comes in order.
        """
        work, s, axes = self.work, self.work.s, self.work.axes
        tiles = math.ceil(self.mc / self.tiles.mr)
        if not self.shared or tiles == 1 or not far_cycles(self.batch * self.k * self.n, work):
            return []
        line = work.target.caches.line_bytes // dtype(work.kept_dtype).size_bytes
        each = math.ceil(RUN * self.tiles.nr / line / tiles)
        own = s.multiply(s.floor_divide(i1, self.tiles.mr), each)

        def run(q: Expr) -> list[Stmt]:
            first = s.multiply(q, RUN)
            begin = axes.split(s, axes.k, s.add(self.k0, first))
            places = [s.multiply(s.add(own, u), line) for u in range(each)]
            following = s.add(self.panel, 1)
            return [
                *(Prefetch(SHARED, self.panels.offset(following, begin, p)) for p in places),
                over(s, "k", s.minimum(s.add(first, RUN), self.k_count), step, start=first),
            ]

        return [over(s, "q", s.floor_divide(s.add(self.k_count, RUN - 1), RUN), run)]

    def _sum(self, i1: Expr, step: Callable[[Expr, dict[str, Expr]], list[Stmt]]) -> list[Stmt]:
        """The loop over the block of k: in two where the row operand is read in pieces."""
        s, axes, run = self.work.s, self.work.axes, self.plan.row_run
        if self.rows is not None or not run:

            def whole(k: Expr) -> list[Stmt]:
                return step(k, axes.split(s, axes.k, s.add(self.k0, k)))

            return self._fetching(i1, whole) or [over(s, "k", self.k_count, whole)]

        def piece(q: Expr) -> list[Stmt]:
            def one(w: Expr) -> list[Stmt]:
                k = s.subtract(s.add(s.multiply(q, run), w), self.k0)
                return step(k, axes.runs(s, axes.k, self.reads.row_cut, q, w))

            return [over(s, "w", run, one)]

        first = s.floor_divide(self.k0, run)
        last = s.floor_divide(s.add(self.k0, self.k_count), run)
        return [over(s, "q", last, piece, start=first)]

    def _lanes(self, one: Callable[[Expr, Expr, Expr], list[Stmt]]) -> list[Stmt]:
        """`one(i, v, lane)` for every vector of the register tile."""
        s = self.work.s

        def row(i: Expr) -> list[Stmt]:
            return [over(s, "v", self.vectors, lambda v: vector(i, v), "unroll")]

        def vector(i: Expr, v: Expr) -> list[Stmt]:
            lanes = self.work.lanes
            return [over(s, "l", lanes, lambda lane: one(i, v, lane), "vector")]

        return [over(s, "i", self.tiles.mr, row, "unroll")]

    def _at(self, i: Expr, v: Expr, lane: Expr) -> Expr:
        s = self.work.s
        return s.add(s.add(s.multiply(i, self.tiles.nr), s.multiply(v, self.work.lanes)), lane)

    def _row(self, i: Expr, k: Expr, summed: dict[str, Expr]) -> Expr:
        """The row operand at row i of the row block and k of the block of the sum."""
        work, s, axes = self.work, self.work.s, self.work.axes
        if self.rows is not None:
            return self.rows.load(k, i) if self.plan.rows_along_m else self.rows.load(i, k)
        m = axes.split(s, axes.m, s.add(s.add(self.m0, self.i0), i))
        return work.reader.row(self.at_batch, m, summed)

    def _column(self, k: Expr, j1: Expr, inside: Expr, summed: dict[str, Expr]) -> Expr:
        """The column operand at a column of the tile at column j1 of the task; zero beyond the
        last."""
        work, s, axes = self.work, self.work.s, self.work.axes
        if self.shared:
            return work.load_kept(SHARED, self.panels.offset(self.panel, summed, inside))
        j = s.add(j1, inside)
        if self.columns is not None:
            return self.columns.load(k, j)
        n = s.add(self.n0, j)
        with masked(s, s.less(j, self.n_count)):
            return work.reader.column(self.at_batch, axes.split(s, axes.n, n), summed)

    # ------------------------------------------------------------ writing

    def _c_at(self, i: Expr, j: Expr) -> Expr:
        s = self.work.s
        return s.add(s.multiply(i, self._c_pitch), j)

    def _resume(self, i1: Expr, j1: Expr, i: Expr, v: Expr, lane: Expr) -> list[Stmt]:
        s, at = self.work.s, self._at(i, v, lane)
        row = s.add(s.add(self.i0, i1), i)
        column = s.add(j1, s.add(s.multiply(v, self.work.lanes), lane))
        kept = s.load("c", self._c_at(row, column), self.work.dtype)
        return [s.store("acc", at, kept)]

    def _begin(self, j1: Expr, i: Expr, v: Expr, lane: Expr) -> list[Stmt]:
        """Adds to a sum the number at which it starts."""
        work, s, at = self.work, self.work.s, self._at(i, v, lane)
        start = self.starts.load(s.add(j1, s.add(s.multiply(v, work.lanes), lane)))
        return [s.store("acc", at, s.add(s.load("acc", at, work.dtype), start))]

    def _keep(self, i1: Expr, j1: Expr) -> list[Stmt]:
        s = self.work.s

        def one(i: Expr, v: Expr, lane: Expr) -> list[Stmt]:
            row = s.add(s.add(self.i0, i1), i)
            column = s.add(j1, s.add(s.multiply(v, self.work.lanes), lane))
            total = s.load("acc", self._at(i, v, lane), self.work.dtype)
            return [s.store("c", self._c_at(row, column), total)]

        return self._lanes(one)

    def _write(self, i1: Expr, j1: Expr, count: Expr) -> list[Stmt]:
        """The outputs of one register tile, inside the matrix."""
        work, s, axes = self.work, self.work.s, self.work.axes

        def row(i: Expr) -> list[Stmt]:
            at_row = s.add(i1, i)
            m = axes.split(s, axes.m, s.add(s.add(self.m0, self.i0), at_row))

            def vector(v: Expr) -> list[Stmt]:
                def one(lane: Expr) -> list[Stmt]:
                    j = s.add(j1, s.add(s.multiply(v, work.lanes), lane))
                    n = axes.split(s, axes.n, s.add(self.n0, j))
                    total = s.load("acc", self._at(i, v, lane), work.dtype)
                    with masked(s, s.less(j, self.n_count)):
                        return work.results(total, work.reader.result(self.at_batch, m, n))

                return [over(s, "l", work.lanes, one, "vector")]

            inside = s.less(at_row, count)
            return only_if(inside, [over(s, "v", self.vectors, vector, "unroll")])

        return [over(s, "i", self.tiles.mr, row, "unroll")]

    def _write_turned(self) -> list[Stmt]:
        """The outputs of a task in vectors along m."""
        work, s, axes = self.work, self.work.s, self.work.axes

        def column(j: Expr) -> list[Stmt]:
            n = axes.split(s, axes.n, s.add(self.n0, j))

            def one(i: Expr) -> Sequence[Stmt]:
                total = s.load("c", self._c_at(i, j), work.dtype)
                m = axes.split(s, axes.m, s.add(self.m0, i))
                return work.results(total, work.reader.result(self.at_batch, m, n))

            return [over(s, "i", self.m_count, one, "vector")]

        return [over(s, "j", self.n_count, column)]
