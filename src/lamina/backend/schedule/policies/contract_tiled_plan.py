"""The numbers of the tiled form: the model's, or those that are wished.

Register tile, blocks, tasks, and which operands are staged, from how the operands are read and from
the caches and cores of the target (`contract_tiles`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from lamina.backend.schedule.policies.contract_axes import Access, Letters, access
from lamina.backend.schedule.policies.contract_nest import Work, far_cycles, is_far
from lamina.backend.schedule.policies.contract_tiles import (
    COPY_CYCLES,
    GATHER_CYCLES,
    KEEP_CYCLES,
    MOST_ROWS,
    PASSING,
    PASSING_CYCLES,
    RUN_CYCLES,
    SHARED_CYCLES,
    STREAM_CYCLES,
    TRANSPOSE_CYCLES,
    TURN_CYCLES,
    WAYS,
    Grid,
    Staging,
    Tiles,
    across_depth,
    elapsed,
    fit_grid,
    fit_tiles,
    own_columns,
    passing_columns,
    tasks_wanted,
    tile_cycles,
    waits,
)

CONFLICT_BYTES = 1024  # rows that lie a multiple of this apart crowd few sets of a cache
SHORT_RUN = 4  # steps of k that are worth a loop of their own
LONG_SUM = 64  # a sum is long when it has so many terms, times vectors of results
STAGE_SHARE = 0.1  # staging pays while it takes less than this part of the multiply-adds
NEAR = 4  # sizes of the first cache: columns beyond that are better read in the order they lie,
NEAR_STAGE_SHARE = 0.02  # though little is gained where they come as fast from where they lie
CROSSED_CYCLES = 0.7  # more for an element of crowded rows that are copied across, from far
FETCHED_BYTES = 2048  # the longest step at which processors fetch ahead into the first cache
STRIPES = 1.5  # times as long takes memory that is read in short runs, far from each other
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
class Wish:
    """What is given of the numbers; None leaves them to the model.

    Attributes:
        tiles, grid: all tile sizes, and the tasks; where `grid` is given, tasks share nothing.
        tile: rows and columns of the register tile.
        kc, mc: a block of the sum, and of rows.
        tasks: how many there should be, about.
        chunks: parts of the sum.
        columns: "own" (each task stages its columns), "shared" (panels for all) or "place" (read
            where they lie). Operands that cannot be read in place are staged regardless.
        rows: whether blocks of the row operand are staged.
        prepare: whether columns that are frozen are packed for all calls.
    """

    tiles: Tiles | None = None
    grid: Grid | None = None
    tile: tuple[int, int] | None = None
    kc: int | None = None
    mc: int | None = None
    tasks: int | None = None
    chunks: int | None = None
    columns: str | None = None
    rows: bool | None = None
    prepare: bool = True


class TiledPlan:
    """The numbers of one contraction in the tiled form.

    Attributes:
        prepared: whether the columns are frozen, and packed for all calls.
    """

    def __init__(self, work: Work, wish: Wish):
        self.work, self.wish = work, wish
        self.batch, self.m, self.n, self.k = work.axes.sizes
        self.element_bytes = work.element_bytes
        self.reads = probe(work)
        free = wish.columns is None and wish.grid is None and wish.prepare
        self.prepared = free and work.is_still(1)
        self.tiles = wish.tiles or self._fit_tiles()
        if wish.columns is None:
            self.stage_columns = self._stages_columns()
        else:
            self.stage_columns = wish.columns != "place"
        self.stage_columns |= self.must_stage_columns
        self.passing = not self.stage_columns and self._columns_far and self.m > self.tiles.mr
        if self.passing and not wish.kc and not wish.tiles:
            dtype = sized(work.dtype)
            self.tiles = passing_columns(self.m, self.k, self.tiles, dtype, work.target)
        self.shared = False
        if wish.grid:
            self.grid = wish.grid
        else:
            self._fit_grid()
        mr = self.tiles.mr
        mc = max(wish.mc // mr, 1) * mr if wish.mc else self.tiles.mc
        self.mc = min(mc, self.grid.task_m)
        self.kc = self.tiles.kc
        self.chunks = self._fit_chunks() if wish.chunks is None else wish.chunks
        self.kc = min(self.kc, math.ceil(self.k / self.chunks))
        if self.row_run and self.kc < self.k:
            self.kc = math.ceil(self.kc / self.row_run) * self.row_run
        self.chunk_k = math.ceil(math.ceil(self.k / self.chunks) / self.kc) * self.kc
        self.chunks = math.ceil(self.k / self.chunk_k)
        self.blocks = math.ceil(min(self.k, self.chunk_k) / self.kc)
        self.transposed = self._writes_rows()
        self.stage_rows = self._stages_rows() if wish.rows is None else wish.rows
        self.stage_rows |= self.must_stage_rows

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
        run = self.m if self.rows_along_m else self.row_run or self.k
        rows = self.batch * self.m * self.k * stage_cost(self.row_along, self.row_across, run)
        columns = self.batch * self.k * self.n * self._column_cost
        padded = grid.rows * grid.task_m * grid.columns * grid.task_n / (self.m * self.n)
        turned = TURN_CYCLES / self.work.lanes if self.transposed else 0.3
        written = self.batch * self.m * self.n * turned
        if not self.stage_columns:
            tiles = grid.rows * math.ceil(grid.task_m / self.tiles.mr)
            columns *= 0 if self.reads.column_n.plain else tiles
        elif self.prepared:
            columns = 0.0
        elif self.shared:
            columns += self.batch * self.k * self.n * SHARED_CYCLES
        else:
            columns *= grid.rows
        staged = rows * grid.columns * self.stage_rows + columns
        return self.cycles * padded + staged + written + self._waiting + self._runs_of_rows

    @property
    def _waiting(self) -> float:
        """Cycles in which tiles wait for weights to come from memory, where those are frozen."""
        work, target = self.work, self.work.target
        vectors, found = self.tiles.nr // work.lanes, 0.0
        if work.is_still(1) and (self.prepared or not self.stage_columns):
            far = far_cycles(self.batch * self.k * self.n, work)
            far *= 1.0 if self.prepared else STRIPES
            shape = self.tiles.mr, vectors
            found += self.k * waits(self.m, self.n, shape, work.lanes, target, far)
        if work.is_still(0):
            far = far_cycles(self.batch * self.m * self.k, work)
            across = self.rows_along_m  # stripes of them, for one step of the sum after the other
            busy = 0.0 if self.stage_rows or across else vectors / target.fma_units
            found += self.m * self.k * max(far * (STRIPES if across else 1.0) - busy, 0.0)
        return self.batch * found

    @property
    def _runs_of_rows(self) -> float:
        """Cycles to find rows that are read across where they lie, far away: each line of each
        step of the sum, which then stays for the tiles that take its other elements."""
        in_place = self.rows_along_m and not self.stage_rows and not self.work.is_still(0)
        if not in_place or not is_far(self.m * self.k, self.work):
            return 0.0
        lines = math.ceil(self.m * self.element_bytes / self.work.target.caches.line_bytes)
        return self.batch * self.k * lines * self.grid.columns * RUN_CYCLES

    @property
    def estimate(self) -> float:
        """Cycles that pass, on all cores: what candidates are ordered by."""
        work, grid = self.work, self.grid
        sums = tile_cycles(self.m, self.n, self.tiles, sized(work.dtype), work.target)
        ideal = self.m * self.n / work.lanes / work.target.fma_units
        vectors = self.batch * self.m * self.n / work.lanes
        kept = self._kept(self.kc, self.chunk_k)
        kept += 2 * KEEP_CYCLES * vectors * self.chunks * (self.chunks > 1)
        tasks = self.chunks * self.batch * grid.rows * grid.columns
        lost = self.cycles * (sums / ideal - 1.0)
        return elapsed(self.cost + lost + kept, tasks, work.target.cores)

    def _kept(self, kc: int, depth: int | None = None) -> float:
        """Cycles to keep sums between the blocks of a sum so deep, on one core."""
        blocks = math.ceil(min(depth or self.k, self.k) / kc)
        vectors = self.batch * self.m * self.n / self.work.lanes
        return 2 * KEEP_CYCLES * vectors * (blocks - 1)

    @property
    def _column_cost(self) -> float:
        """Cycles to stage an element of the column operand."""
        axes, reads = self.work.axes, self.reads
        run = axes.extent(axes.n[reads.column_cut :])
        return stage_cost(reads.column_n, reads.column_k, run)

    @property
    def row_run(self) -> int:
        """How far the row operand is regular along k; 0 where it is all the way."""
        axes, cut = self.work.axes, self.reads.row_cut
        return axes.extent(axes.k[cut:]) if cut else 0

    def _fit_tiles(self) -> Tiles:
        work, reads = self.work, self.reads
        crowded = reads.row_k.unit and self._crowded(reads.row_m.step) and not self._pays(self.n)
        most_rows = WAYS if crowded else MOST_ROWS
        sizes, wish = (self.m, self.n, self.k), self.wish
        dtype = sized(work.dtype)
        near = not self.prepared or self.m > MOST_ROWS
        far = 0.0 if near else far_cycles(self.batch * self.k * self.n, work)
        depth = wish.kc or (across_depth(work.target) if self.rows_along_m else None)
        return fit_tiles(*sizes, dtype, work.target, most_rows, wish.tile, depth, far)

    def _fit_grid(self) -> None:
        """Chooses the tasks, and whether they share the columns that are staged."""
        must = self._rows_crowded or not self.reads.row_k.plain
        crossed = self._rows_crowded and self.rows_along_m and is_far(self.m * self.k, self.work)
        each = COPY_CYCLES + CROSSED_CYCLES * crossed
        rows = self.batch * self.m * self.k * each * must
        elements = self.batch * self.k * self.n * self.stage_columns
        passing = self.batch * self.k * PASSING_CYCLES * self.passing
        again = self.batch * self.k * self.n * STREAM_CYCLES * self.passing
        cores, sizes, wish = self.work.target.cores, self.work.axes.sizes, self.wish

        def fit(tiles: Tiles, each: float, shared: bool) -> tuple[float, Grid]:
            staging = Staging(rows, elements * each + again, shared, passing)
            return fit_grid(sizes, tiles, self.cycles, staging, cores, wish.tasks)

        if self.prepared:
            self.shared = True
            _, self.grid = fit(self.tiles, 0.0, True)
            return
        tiles = self.tiles
        if self.stage_columns:
            far = self._columns_far and not wish.kc
            dtype = sized(self.work.dtype)
            tiles = own_columns(self.k, self.n, tiles, dtype, self.work.target, far)
        cost, self.grid = fit(tiles, self._column_cost, False)
        if not self.stage_columns:
            return
        shared_cost, grid = fit(self.tiles, self._column_cost + SHARED_CYCLES, True)
        cost += self._kept(tiles.kc) / cores
        shared_cost += self._kept(self.tiles.kc) / cores
        self.shared = shared_cost < cost if wish.columns is None else wish.columns == "shared"
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
    def rows_along_m(self) -> bool:
        """Whether a staged row operand keeps m as its fast direction."""
        return self.reads.row_m.unit and not self.reads.row_k.unit

    @property
    def row_along(self) -> Access:
        return self.reads.row_m if self.rows_along_m else self.reads.row_k

    @property
    def row_across(self) -> Access:
        return self.reads.row_k if self.rows_along_m else self.reads.row_m

    def _crowded(self, step: int | None) -> bool:
        return step is not None and step * self.element_bytes % CONFLICT_BYTES == 0

    @property
    def must_stage_rows(self) -> bool:
        """Whether the row operand has to be computed or found first, element by element."""
        run = self.row_run
        pieces = not run or (run >= SHORT_RUN and self.kc % run == 0)
        return not self.reads.row_k.plain or self._converts or not pieces

    @property
    def _rows_crowded(self) -> bool:
        """Whether rows read in place push each other out of the first cache."""
        reads = self.reads
        if self.row_run:
            return False
        if self.rows_along_m:
            return self._crowded(reads.row_k.step)
        apart = self.tiles.mr + PASSING <= self.work.target.caches.l1d_ways
        return not apart and self._crowded(reads.row_m.step)

    def _stages_rows(self) -> bool:
        return self._rows_crowded and self._pays(self.grid.task_n)

    def _pays(self, uses: int, share: float = STAGE_SHARE) -> bool:
        """Whether copying an element that is used so often takes less than a share of the work."""
        per_cycle = self.work.lanes * self.work.target.fma_units
        return COPY_CYCLES * per_cycle < share * uses

    @property
    def must_stage_columns(self) -> bool:
        """Whether vectors of the column operand cannot be loaded as they are."""
        return self.reads.column_k.step is None or not self.reads.column_n.unit

    def _stages_columns(self) -> bool:
        reads = self.reads
        if self.work.words is not None or self.prepared:
            return True
        if not reads.column_n.plain or self._converts:
            return self.m > self.tiles.mr
        line_bytes = FULL_LINES * self.work.target.caches.line_bytes
        thin = self.tiles.nr * self.element_bytes < line_bytes
        if thin or self._columns_far:
            return self._pays(self.m) or (self._columns_lone and self.m > self.tiles.mr)
        share = NEAR_STAGE_SHARE if self._columns_fetched else STAGE_SHARE
        large = self.k * self.n * self.element_bytes > NEAR * self.work.target.caches.l1d_bytes
        return self._pays(self.m, share) and (large or self._crowded(reads.column_k.step))

    @property
    def _columns_fetched(self) -> bool:
        """Whether columns read in place come in whole lines that are fetched ahead."""
        step_bytes = (self.reads.column_k.step or 0) * self.element_bytes
        whole = step_bytes % self.work.target.vector_bytes == 0
        return whole and 0 < step_bytes <= FETCHED_BYTES

    @property
    def _columns_lone(self) -> bool:
        """Whether columns read in place come a line at a time, each from a page of its own: what
        a tile multiplies meanwhile is less than the time to find it."""
        row_bytes = self.tiles.nr * self.element_bytes
        return self._columns_far and row_bytes <= self.work.target.caches.line_bytes

    @property
    def _columns_far(self) -> bool:
        return is_far(self.k * self.n, self.work)

    @property
    def _converts(self) -> bool:
        return str(self.work.axes.value.dtype) != self.work.dtype


def sized(dtype: str) -> str:
    """A dtype with lanes, of the size of another."""
    return "u8" if dtype == "bool" else dtype
