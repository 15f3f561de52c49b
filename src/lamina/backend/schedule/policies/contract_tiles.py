"""Tile sizes of a matrix product from the registers, caches and cores of a target.

The analytical model (Goto & van de Geijn 2008; Low et al. 2016), in elements:

    MR x NR   sums in registers; enough of them to hide the latency of a multiply-add, few enough to
              leave registers for a row of B and an element of A; little waste at the edges
    KC        so deep that a KC x NR sliver of B fills a part of the second cache
    MC        so many rows of A that MC x KC of them fill another part of it
    NC        so many columns that KC x NC fill a core's share of the last cache
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from lamina.backend.targets import Target

MOST_ROWS = 30  # of a register tile
WAYS = 8  # rows read at one stride that a first-level cache surely keeps apart
PASSING = 4  # lines of columns that pass through each set of the first cache while rows are read
SLIVER_SHARE = 4  # the sliver of B takes one part in so many of the second cache
BLOCK_SHARE = 2  # the block of A likewise
SLAB_SHARE = 2  # the columns of one task likewise, where each task stages its own
RUN_BYTES = 1024  # of a row of columns that a task copies from far away, at least
PASSING_SHARE = 2  # a sliver of columns that are read in place likewise, of the first cache
ACROSS_SHARE = 2  # and the lines of rows that are read across
LEAST_DEPTH = 32  # of such a sliver
LAST_SHARE = 4  # a staged block likewise, of a core's part of the last cache
TASK_CYCLES = 20_000  # work that is worth a thread of its own
TASKS_PER_CORE = 8
LAUNCH_CYCLES = 300  # of a task
BALANCE = 0.3  # of the work of one task: what cores of uneven speed are taken to lose
COPY_CYCLES = 0.3  # an element copied to a staged block along vectors
RUN_CYCLES = 10.0  # more for every run of elements that lie together
TRANSPOSE_CYCLES = 1.0  # and one by one
GATHER_CYCLES = 1.2  # or gathered
STEP_CYCLES = 0.5  # of a register tile for one step of the sum, besides multiply-adds and loads
TURN_CYCLES = 20.0  # a vector of results gathered from several rows of a tile
KEEP_CYCLES = 1.5  # a vector of sums stored or loaded
CLOSE_CYCLES = 0.03  # an element read again by another task
STREAM_CYCLES = 0.1  # an element read in order from the last cache or from memory
SHARED_CYCLES = 1.0  # an element of panels that one task writes and others read
PASSING_CYCLES = 30.0  # a run of columns read where they lie, far away: nothing fetches it ahead
NEAR_VECTORS = 0.6  # that the second cache gives in a cycle
FAR_CYCLES = 0.2  # an element that is copied to the second cache rather than the first


@dataclass(frozen=True)
class Tiles:
    """Tile sizes in elements: `mr` x `nr` in registers, blocks of `kc`, `mc` and `nc`."""

    mr: int
    nr: int
    kc: int
    mc: int
    nc: int


@dataclass(frozen=True)
class Grid:
    """How many tasks rows and columns are cut into, and the rows and columns of one task."""

    rows: int
    columns: int
    task_m: int
    task_n: int


def even_part(extent: int, most: int, multiple: int = 1) -> int:
    """The size of equal parts of `extent`, each a multiple and at most `most` (or one multiple)."""
    most = max(most // multiple, 1) * multiple
    parts = max(math.ceil(extent / most), 1)
    return math.ceil(math.ceil(extent / parts) / multiple) * multiple


def fit_tiles(
    m: int,
    n: int,
    k: int,
    dtype: str,
    target: Target,
    most_rows: int = MOST_ROWS,
    tile: tuple[int, int] | None = None,
    depth: int | None = None,
    far: float = 0.0,
) -> Tiles:
    """The tiles for sums of an m x k by k x n product in `dtype`.

    Args:
        dtype: of the sums.
        most_rows: fewer where more rows would crowd the first cache.
        tile: rows and columns of the register tile, where they are given.
        depth: of a block of the sum, at most, likewise.
        far: cycles that an element of the columns takes to come from memory; 0 if from a cache.
    """
    lanes = target.lanes(dtype)
    mr, nr = tile or next(tiles_by_cycles(m, n, dtype, target, most_rows, far))
    mr = min(mr, m)
    element_bytes = target.vector_bytes // lanes
    l2 = target.caches.near_bytes
    l3 = target.caches.l3_bytes // target.cores or l2
    kc = even_part(k, depth or max(l2 // SLIVER_SHARE // (nr * element_bytes), 64))
    mc = even_part(m, max(l2 // BLOCK_SHARE // (kc * element_bytes), mr), mr)
    nc = even_part(n, max(max(l3, l2) // LAST_SHARE // (kc * element_bytes), nr), nr)
    return Tiles(mr, nr, kc, mc, nc)


def tiles_by_cycles(
    m: int, n: int, dtype: str, target: Target, most_rows: int = MOST_ROWS, far: float = 0.0
) -> Iterator[tuple[int, int]]:
    """Rows and columns of register tiles, those of the fewest cycles first; `far` as above."""
    lanes = target.lanes(dtype)
    shapes = [t for t in _register_tiles(target) if t[0] <= most_rows]

    def cycles(shape: tuple[int, int]) -> float:
        return _cycles(m, n, *shape, lanes, target) + waits(m, n, shape, lanes, target, far)

    for rows, vectors in sorted(shapes, key=cycles):
        yield rows, vectors * lanes


def tile_cycles(m: int, n: int, tiles: Tiles, dtype: str, target: Target) -> float:
    """Cycles of one core for one step of the sum over all register tiles."""
    lanes = target.lanes(dtype)
    return _cycles(m, n, tiles.mr, tiles.nr // lanes, lanes, target)


def _register_tiles(target: Target) -> Iterator[tuple[int, int]]:
    """Rows and vectors that fit in the registers with a row of B and an element of A."""
    for vectors in range(1, 7):
        for rows in range(1, MOST_ROWS + 1):
            if rows * vectors + vectors + 1 < target.vector_registers:
                yield rows, vectors


def _cycles(m: int, n: int, mr: int, vectors: int, lanes: int, target: Target) -> float:
    """Cycles for one step of k over all tiles, in the limit of long k."""
    tiles = math.ceil(m / mr) * math.ceil(n / (vectors * lanes))
    sums = mr * vectors
    busy = max(sums, target.fma_units * target.fma_latency) / target.fma_units
    loads = 0.25 * (mr + vectors)
    conflicts = 0.3 * max(mr - WAYS, 0)
    return tiles * (busy + 0.1 * loads + conflicts * 0.1 + 0.5)


def waits(m: int, n: int, shape: tuple[int, int], lanes: int, target: Target, far: float) -> float:
    """Cycles for one step of k that tiles wait for columns, each `far` cycles away.

    The first tile of a panel brings it to the cache: what it multiplies meanwhile is not waiting.
    """
    mr, vectors = shape
    busy = min(mr, m) * vectors / target.fma_units
    panels = math.ceil(n / (vectors * lanes))
    return panels * max(far * vectors * lanes - busy, 0.0)


def across_depth(target: Target) -> int:
    """The depth of a block whose rows are read across.

    A tile takes a few elements of a line for each step of the sum. The tiles that take the others
    find the lines in the first cache only if it holds those of a whole block.
    """
    return target.caches.l1d_bytes // ACROSS_SHARE // target.caches.line_bytes


def own_columns(
    k: int, n: int, tiles: Tiles, dtype: str, target: Target, far: bool = False
) -> Tiles:
    """The tiles where each task stages its own columns, and the rows pass by them once.

    The columns of a task stay in the second cache, so a task has as many of them as fit there. Rows
    are not copied to blocks unless they must be; what they need of the cache is little. Columns
    from far away are copied in long runs, so in shorter blocks of the sum.
    """
    element_bytes = target.vector_bytes // target.lanes(dtype)
    l2 = target.caches.near_bytes
    if far:
        run_bytes = min(RUN_BYTES, n * element_bytes)
        tiles = replace(tiles, kc=even_part(k, min(tiles.kc, l2 // SLAB_SHARE // run_bytes)))
    row_bytes = tiles.kc * element_bytes
    nc = max(l2 // SLAB_SHARE // row_bytes // tiles.nr, 1) * tiles.nr
    mc = max(l2 // SLAB_SHARE // 2 // row_bytes // tiles.mr, 1) * tiles.mr
    return replace(tiles, mc=min(mc, tiles.mc), nc=nc)


def passing_columns(m: int, k: int, tiles: Tiles, dtype: str, target: Target) -> Tiles:
    """The tiles where columns are read in place and do not fit in the second cache.

    All rows pass by a sliver of them before the next, so it must stay in the first cache: short
    blocks of the sum, whose rows lie on few pages and are read on from sliver to sliver. The sums
    of a task, which are kept between blocks, stay in the second cache.
    """
    element_bytes = target.vector_bytes // target.lanes(dtype)
    sliver = target.caches.l1d_bytes // PASSING_SHARE // (tiles.nr * element_bytes)
    l2 = target.caches.near_bytes
    nc = max(l2 // SLIVER_SHARE // (m * element_bytes) // tiles.nr, 1) * tiles.nr
    return replace(tiles, kc=even_part(k, max(sliver, LEAST_DEPTH)), nc=min(nc, tiles.nc))


@dataclass(frozen=True)
class Staging:
    """Cycles to bring the operands near.

    Attributes:
        rows, columns: to copy the whole operand, once; 0 where it is read in place.
        shared: whether columns are copied once for all tasks, not by each for itself.
        passing: of each task, where its columns are read in place from far away.
    """

    rows: float
    columns: float
    shared: bool
    passing: float = 0.0

    def cycles(self, grid: Grid) -> float:
        """What all tasks of a grid take."""
        copied = self.rows * grid.columns + self.columns * (1 if self.shared else grid.rows)
        return copied + self.passing * grid.rows * grid.columns


def fit_grid(
    sizes: tuple[int, int, int, int],
    tiles: Tiles,
    cycles: float,
    staging: Staging,
    cores: int,
    tasks: int | None = None,
) -> tuple[float, Grid]:
    """Cuts rows and columns into tasks: even loads against reading and staging again.

    Args:
        sizes: batch, M, N, K.
        cycles: of the whole product on one core.
        staging: what copying costs.
        tasks: how many there should be, about; the model's where it is not given.

    Returns:
        the cycles that pass, and the grid.
    """
    batch, m, n, k = sizes
    wanted = tasks or tasks_wanted(cycles, cores)
    best: tuple[float, Grid] | None = None
    exact = tasks is not None
    for grid in _grids(m, n, tiles, max(math.ceil(wanted / batch), 1), exact):
        padded = grid.rows * grid.task_m * grid.columns * grid.task_n / (m * n)
        read = CLOSE_CYCLES * k * (grid.rows * n + grid.columns * m)
        work = cycles * padded + staging.cycles(grid) + read * batch
        cost = elapsed(work, batch * grid.rows * grid.columns, cores)
        if best is None or cost < best[0]:
            best = cost, grid
    assert best is not None
    return best


def tasks_wanted(cycles: float, cores: int) -> int:
    """How many tasks work of so many cycles should be cut into."""
    return 1 if cores == 1 else min(cores * TASKS_PER_CORE, max(int(cycles / TASK_CYCLES), 1))


def elapsed(work: float, tasks: int, cores: int) -> float:
    """Cycles until cores that take tasks one after the other have done so much work in so many."""
    spare = BALANCE * work / tasks if tasks > 1 else 0.0
    return work / tasks * math.ceil(tasks / cores) + spare + tasks * LAUNCH_CYCLES / cores


def _grids(m: int, n: int, tiles: Tiles, wanted: int, exact: bool = False) -> Iterator[Grid]:
    """Ways to cut, into at most so many tasks; into about so many where `exact`."""
    row_tiles, column_tiles = math.ceil(m / tiles.mr), math.ceil(n / tiles.nr)
    for rows in range(1, min(row_tiles, wanted) + 1):
        least = math.ceil(n / tiles.nc)
        most = max(min(column_tiles, wanted), least)
        first = min(max(least, wanted // rows), most) if exact else least
        for columns in range(first, most + 1):
            if rows * columns > max(wanted, least):
                break
            task_m = math.ceil(row_tiles / rows) * tiles.mr
            task_n = math.ceil(column_tiles / columns) * tiles.nr
            yield Grid(math.ceil(m / task_m), math.ceil(n / task_n), task_m, task_n)
