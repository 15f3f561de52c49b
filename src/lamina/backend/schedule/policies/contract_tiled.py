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
from dataclasses import dataclass

from lamina.backend.nest.nodes import Alloc, Expr, Nest, Stmt
from lamina.backend.schedule.policies.contract_axes import Access, Letters, access
from lamina.backend.schedule.policies.contract_nest import (
    Work,
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
from lamina.backend.schedule.policies.contract_tiles import (
    COPY_CYCLES,
    GATHER_CYCLES,
    MOST_ROWS,
    PASSING,
    RUN_CYCLES,
    SHARED_CYCLES,
    TRANSPOSE_CYCLES,
    WAYS,
    Grid,
    Staging,
    Tiles,
    fit_grid,
    fit_tiles,
    own_columns,
    tasks_wanted,
)
from lamina.backend.schedule.schedule import Schedule, Task

CONFLICT_BYTES = 1024  # rows that lie a multiple of this apart crowd few sets of a cache
SHORT_RUN = 4  # steps of k that are worth a loop of their own
LONG_SUM = 64  # a sum is long when it has so many terms, times vectors of results
STAGE_SHARE = 0.1  # staging pays while it takes less than this part of the multiply-adds
NEAR = 4  # sizes of the first cache: columns beyond that are better read in the order they lie
FULL_LINES = 4  # cache lines that a row of a register tile should take where it is read in place


@dataclass(frozen=True)
class Reads:
    """How the row operand is read along m and k, and the column operand along n and k.

    Where a flat index is irregular, the letters from its `cut` on are regular still.
    """

    row_m: Access
    row_k: Access
    column_n: Access
    column_k: Access
    row_cut: int
    column_cut: int


def probe(work: Work) -> Reads:
    """Finds out how the operands are read."""
    axes = work.axes
    work = Work(work.body, axes, work.target)
    s, reader = work.s, work.reader

    def along(which: str, letters: Letters, cut: int = 0) -> Access:
        """How an operand is read along letters[cut:] where all else stands still."""
        still = [c for c in axes.size_of if c not in letters[cut:]]
        at = {c: s.loop(c, axes.size_of[c]) for c in still}
        var = s.loop("p", axes.extent(letters[cut:]))
        at |= axes.split(s, letters[cut:], var)
        together = axes.together if letters == axes.k else 1
        return access(s, getattr(reader, which)(at, {}, {}), var, together)

    def cut_of(which: str, letters: Letters) -> int:
        regular = (i for i in range(len(letters)) if along(which, letters, i).step is not None)
        return next(regular, max(len(letters) - 1, 0))

    return Reads(
        along("row", axes.m), along("row", axes.k),
        along("column", axes.n), along("column", axes.k),
        cut_of("row", axes.k), cut_of("column", axes.n),
    )  # fmt: skip


def stage_cost(along: Access, across: Access, run: int) -> float:
    """Cycles for an element, where so many lie together along the vectors."""
    if along.unit or (along.step is None and not across.unit):
        return COPY_CYCLES + RUN_CYCLES / max(run, 1)
    return TRANSPOSE_CYCLES if across.unit else GATHER_CYCLES


@dataclass(frozen=True)
class Plan:
    """The numbers of a tiled schedule, for those who do not take the model's.

    Attributes:
        stage_rows, stage_columns: whether blocks of the operands are copied to scratch. Operands
            that cannot be read in place are staged regardless.
    """

    tiles: Tiles
    grid: Grid
    stage_rows: bool
    stage_columns: bool


class Tiled:
    """One contraction in the tiled form.

    Args:
        plan: what to do; by default what the model thinks best.
    """

    panel: Expr  # of the packed columns, at the loops

    def __init__(self, work: Work, plan: Plan | None = None):
        self.work = work
        self.batch, self.m, self.n, self.k = work.axes.sizes
        self.element_bytes = work.target.vector_bytes // work.lanes
        self.reads = probe(work)
        self.tiles = plan.tiles if plan else self._fit_tiles()
        self.vectors = self.tiles.nr // work.lanes
        self.stage_columns = plan.stage_columns if plan else self._stages_columns()
        self.stage_columns |= self._must_stage_columns
        self.shared = False
        if plan:
            self.grid = plan.grid
        else:
            self._fit_grid()
        self.mc = min(self.tiles.mc, self.grid.task_m)
        self.kc = self.tiles.kc
        self.chunks = 1 if plan else self._fit_chunks()
        self.kc = min(self.kc, math.ceil(self.k / self.chunks))
        if self._row_run and self.kc < self.k:
            self.kc = math.ceil(self.kc / self._row_run) * self._row_run
        self.chunk_k = math.ceil(math.ceil(self.k / self.chunks) / self.kc) * self.kc
        self.chunks = math.ceil(self.k / self.chunk_k)
        self.blocks = math.ceil(min(self.k, self.chunk_k) / self.kc)
        self.transposed = self._writes_rows()
        self.stage_rows = plan.stage_rows if plan else self._stages_rows()
        self.stage_rows |= self._must_stage_rows

    # ------------------------------------------------------------ decisions

    @property
    def cycles(self) -> float:
        """Of the multiply-adds, on one core."""
        work = self.work
        per_cycle = work.lanes * work.target.fma_units
        return self.batch * self.m * self.n * self.k / per_cycle

    @property
    def cost(self) -> float:
        """Cycles on one core, staging and writing included: what roles are compared by."""
        grid = self.grid
        run = self.m if self._rows_along_m else self._row_run or self.k
        rows = self.batch * self.m * self.k * stage_cost(self._row_along, self._row_across, run)
        columns = self.batch * self.k * self.n * self._column_cost
        padded = grid.rows * grid.task_m * grid.columns * grid.task_n / (self.m * self.n)
        written = self.batch * self.m * self.n * (GATHER_CYCLES if self.transposed else 0.3)
        if not self.stage_columns:
            tiles = grid.rows * math.ceil(grid.task_m / self.tiles.mr)
            columns *= 0 if self.reads.column_n.plain else tiles
        elif self.shared:
            columns += self.batch * self.k * self.n * SHARED_CYCLES
        else:
            columns *= grid.rows
        staged = rows * grid.columns * self.stage_rows + columns
        return self.cycles * padded + staged + written

    @property
    def _column_cost(self) -> float:
        """Cycles to stage an element of the column operand."""
        axes, reads = self.work.axes, self.reads
        run = axes.extent(axes.n[reads.column_cut :])
        return stage_cost(reads.column_n, reads.column_k, run)

    @property
    def _row_run(self) -> int:
        """How far the row operand is regular along k; 0 where it is all the way."""
        axes, cut = self.work.axes, self.reads.row_cut
        return axes.extent(axes.k[cut:]) if cut else 0

    def _fit_tiles(self) -> Tiles:
        work, reads = self.work, self.reads
        crowded = reads.row_k.unit and self._crowded(reads.row_m.step) and not self._pays(self.n)
        most_rows = WAYS if crowded else MOST_ROWS
        return fit_tiles(self.m, self.n, self.k, _sized(work.dtype), work.target, most_rows)

    def _fit_grid(self) -> None:
        """Chooses the tasks, and whether they share the columns that are staged."""
        must = self._rows_crowded or not self.reads.row_k.plain
        rows = self.batch * self.m * self.k * COPY_CYCLES * must
        elements = self.batch * self.k * self.n * self.stage_columns
        cores, sizes = self.work.target.cores, self.work.axes.sizes

        def fit(tiles: Tiles, each: float, shared: bool) -> tuple[float, Grid]:
            return fit_grid(
                sizes, tiles, self.cycles, Staging(rows, elements * each, shared), cores
            )

        tiles = self.tiles
        if self.stage_columns:
            tiles = own_columns(tiles, _sized(self.work.dtype), self.work.target)
        cost, self.grid = fit(tiles, self._column_cost, False)
        if not self.stage_columns:
            return
        shared_cost, grid = fit(self.tiles, self._column_cost + SHARED_CYCLES, True)
        self.shared = shared_cost < cost
        if self.shared:
            self.grid = grid
        else:
            self.tiles = tiles

    def _fit_chunks(self) -> int:
        """Parts of a long sum, where the results alone do not keep all cores busy."""
        tasks = self.batch * self.grid.rows * self.grid.columns
        wanted = tasks_wanted(self.cycles, self.work.target.cores)
        if 2 * tasks >= wanted or self.m * self.n * LONG_SUM > self.k * self.work.lanes:
            return 1
        return math.ceil(wanted / tasks)

    def _writes_rows(self) -> bool:
        """Whether the result lies along m in memory, so that tiles are turned when written."""
        axes = self.work.axes
        _, _, out = axes.letters
        shape = [c for c in out if axes.size_of[c] > 1]
        return bool(shape) and shape[-1] in axes.m and self.n > 1

    @property
    def _rows_along_m(self) -> bool:
        """Whether a staged row operand keeps m as its fast direction."""
        return self.reads.row_m.unit and not self.reads.row_k.unit

    @property
    def _row_along(self) -> Access:
        return self.reads.row_m if self._rows_along_m else self.reads.row_k

    @property
    def _row_across(self) -> Access:
        return self.reads.row_k if self._rows_along_m else self.reads.row_m

    def _crowded(self, step: int | None) -> bool:
        return step is not None and step * self.element_bytes % CONFLICT_BYTES == 0

    @property
    def _must_stage_rows(self) -> bool:
        """Whether the row operand has to be computed or found first, element by element."""
        run = self._row_run
        pieces = not run or (run >= SHORT_RUN and self.kc % run == 0)
        return not self.reads.row_k.plain or self._converts or not pieces

    @property
    def _rows_crowded(self) -> bool:
        """Whether rows read in place push each other out of the first cache."""
        reads = self.reads
        if self._row_run:
            return False
        if self._rows_along_m:
            return self._crowded(reads.row_k.step)
        apart = self.tiles.mr + PASSING <= self.work.target.caches.l1d_ways
        return not apart and self._crowded(reads.row_m.step)

    def _stages_rows(self) -> bool:
        return self._rows_crowded and self._pays(self.grid.task_n)

    def _pays(self, uses: int) -> bool:
        """Whether an element that is used so often is better copied first."""
        per_cycle = self.work.lanes * self.work.target.fma_units
        return COPY_CYCLES * per_cycle < STAGE_SHARE * uses

    @property
    def _must_stage_columns(self) -> bool:
        """Whether vectors of the column operand cannot be loaded as they are."""
        return self.reads.column_k.step is None or not self.reads.column_n.unit

    def _stages_columns(self) -> bool:
        reads = self.reads
        if self.work.bytes is not None:
            return True
        if not reads.column_n.plain or self._converts:
            return self.m > self.tiles.mr
        line_bytes = FULL_LINES * self.work.target.caches.line_bytes
        thin = self.tiles.nr * self.element_bytes < line_bytes
        large = self.k * self.n * self.element_bytes > NEAR * self.work.target.caches.l1d_bytes
        return self._pays(self.m) and (thin or large or self._crowded(reads.column_k.step))

    @property
    def _converts(self) -> bool:
        return str(self.work.axes.value.dtype) != self.work.dtype

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
        form = "contract" if work.bytes is None else "contract_bytes"
        nest = Nest(name_of(form, work.axes, work.body), work.parameters(), body, work.checks)
        per_task = self.cycles / max(count, 1)
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
            stage = Stage(work, "columns", part_k, part_n, reads.column_n, reads.column_k)
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
            if self._rows_along_m:
                stage = Stage(work, "rows", part_k, part_m, self._row_along, self._row_across)
                found += stage.fill(lambda k, m: work.reader.row(self.at_batch, m, k))
            else:
                stage = Stage(work, "rows", part_m, part_k, self._row_along, self._row_across)
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
        found += self._sum(step)
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

    def _sum(self, step: Callable[[Expr, dict[str, Expr]], list[Stmt]]) -> list[Stmt]:
        """The loop over the block of k: in two where the row operand is read in pieces."""
        s, axes, run = self.work.s, self.work.axes, self._row_run
        if self.rows is not None or not run:

            def whole(k: Expr) -> list[Stmt]:
                return step(k, axes.split(s, axes.k, s.add(self.k0, k)))

            return [over(s, "k", self.k_count, whole)]

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
            return self.rows.load(k, i) if self._rows_along_m else self.rows.load(i, k)
        m = axes.split(s, axes.m, s.add(s.add(self.m0, self.i0), i))
        return work.reader.row(self.at_batch, m, summed)

    def _column(self, k: Expr, j1: Expr, inside: Expr, summed: dict[str, Expr]) -> Expr:
        """The column operand at a column of the tile at column j1 of the task; zero beyond the
        last."""
        work, s, axes = self.work, self.work.s, self.work.axes
        if self.shared:
            return s.load(SHARED, self.panels.offset(self.panel, summed, inside), work.dtype)
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


def _sized(dtype: str) -> str:
    return "u8" if dtype == "bool" else dtype
