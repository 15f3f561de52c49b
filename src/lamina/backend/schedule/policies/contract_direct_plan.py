"""The numbers of the direct form: register tile, blocks of rows and of the sum, tasks.

Every choice is the cheapest of a few, in estimated cycles. The estimate counts the multiply-adds
with what is left over at the edges, filling the block of the source, packing the columns, and
writing; the constants are those of `contract_tiles`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from lamina.backend.schedule.policies.contract_axes import Axes, Letters
from lamina.backend.schedule.policies.contract_cut import Cut, cuts, even_sizes
from lamina.backend.schedule.policies.contract_source import Dilation, Source
from lamina.backend.schedule.policies.contract_tiles import (
    COPY_CYCLES,
    FAR_CYCLES,
    GATHER_CYCLES,
    KEEP_CYCLES,
    MOST_ROWS,
    NEAR_VECTORS,
    RUN_CYCLES,
    SLIVER_SHARE,
    STEP_CYCLES,
    STREAM_CYCLES,
    TRANSPOSE_CYCLES,
    elapsed,
    tasks_wanted,
)
from lamina.backend.targets import Target

MOST_VECTORS = 4  # in a row of a register tile


@dataclass(frozen=True)
class Roles:
    """The letters of a product by role, each with its extent.

    Attributes:
        batch: letters of both operands and the result.
        m: letters of the result that only the operand of windows has.
        n: letters of the result that only the other operand has.
        k: summed letters, those that move the source least come last.
        flat: the letters of m along which windows lie side by side: a step in the last of them is a
            step in the source, one in the letter before is a row of it.
        last: the letter that the result ends with.
    """

    batch: Letters
    m: Letters
    n: Letters
    k: Letters
    flat: Letters
    last: str
    extents: Mapping[str, int]

    @staticmethod
    def of(axes: Axes, source: Source) -> Roles:
        rows, columns, out = axes.letters
        summed = [c for c in dict.fromkeys((*rows, *columns)) if c not in out]
        m = tuple(c for c in out if c not in columns)
        return Roles(
            tuple(c for c in out if c in rows and c in columns),
            m,
            tuple(c for c in out if c not in rows),
            tuple(sorted(summed, key=source.first_axis)),
            _flat_letters(m, source),
            next((c for c in reversed(out) if axes.size_of[c] > 1), ""),
            axes.size_of,
        )

    def size(self, letters: Letters) -> int:
        return math.prod(self.extents[c] for c in letters)


def _flat_letters(m: Letters, source: Source) -> Letters:
    found: Letters = ()
    for axis in reversed(source.axes[-2:]):
        rows = [c for c in axis.steps if c in m]
        if len(rows) != 1 or axis.steps[rows[0]] != 1:
            break
        found = (rows[0], *found)
    return found


@dataclass(frozen=True)
class Tile:
    """A register tile.

    Attributes:
        vectors: in a row of it.
        columns: of a panel.
        rows: of each letter of m, as far as there are several.
        way: "across", "flat" or "rows", see `contract_direct_tile`.
    """

    vectors: int
    columns: int
    rows: Mapping[str, int] = field(default_factory=dict)
    way: str = "across"

    @cached_property
    def row_count(self) -> int:
        return math.prod(self.rows.values())

    @cached_property
    def sums(self) -> int:
        """Vectors of sums."""
        columns = 1 if self.way == "across" else self.columns
        return self.row_count * self.vectors * columns

    @cached_property
    def loads(self) -> int:
        """Vectors loaded in one step: those of windows count twice, most cross a cache line."""
        if self.way == "across":
            return self.row_count + self.vectors
        return self.columns + 2 * self.row_count * self.vectors


@dataclass(frozen=True)
class Plan:
    """A direct schedule.

    Attributes:
        m, k: the blocks of rows and of the sum. A task has one block of rows.
        ranges: parts that the columns are cut into, whole panels each.
        chunks: parts that the blocks of the sum are cut into.
        shared: the columns are packed once, before all tasks.
        cycles: the estimate, on all cores.
        work: cycles of one core without waiting for others.
    """

    tile: Tile
    m: Cut
    k: Cut
    ranges: int
    chunks: int
    shared: bool
    cycles: float
    work: float


@dataclass(frozen=True)
class Planner:
    """Finds the plan of a product.

    Args:
        dtype: of the sums.
        prepared: the columns are frozen, so that they are packed for all calls.
    """

    roles: Roles
    source: Source
    dilations: tuple[Dilation, ...]
    dtype: str
    target: Target
    prepared: bool = False

    @cached_property
    def lanes(self) -> int:
        return self.target.lanes(self.dtype)

    @cached_property
    def columns(self) -> int:
        return self.roles.size(self.roles.n)

    @cached_property
    def turns(self) -> dict[str, int]:
        """How many indices of a letter of m take turns in the terms of their sums."""
        return {d.outer: d.step for d in self.dilations}

    # ------------------------------------------------------------ the register tile

    def tiles(self, way: str, m: Cut) -> Iterator[Tile]:
        """The tiles of one way for a block of rows."""
        registers = self.target.vector_registers
        if way == "across":
            found = self._tiles_across(m)
        else:
            found = self._tiles_along(way, m) if self.roles.flat else iter(())
        for tile in found:
            held = tile.vectors if way == "across" else tile.row_count * tile.vectors
            if tile.sums + held + 1 < registers:
                yield tile

    def _tiles_across(self, m: Cut) -> Iterator[Tile]:
        """The last letters whole, and a part of the one before them."""
        letters = [c for c in m.letters if m.rooms[c] > 1] or list(m.letters[-1:])
        vectors = range(1, min(math.ceil(self.columns / self.lanes), MOST_VECTORS) + 1)
        whole: dict[str, int] = {}
        for letter in reversed(letters):
            room = math.ceil(m.rooms[letter] / self.turns.get(letter, 1))
            below = math.prod(whole.values())
            if below > MOST_ROWS:
                return
            for v, part in itertools.product(vectors, even_sizes(room, MOST_ROWS // below)):
                yield Tile(v, v * self.lanes, whole | {letter: part})
            whole = whole | {letter: room}

    def _tiles_along(self, way: str, m: Cut) -> Iterator[Tile]:
        """Tiles along the windows."""
        *before, last = self.roles.flat
        columns = list(even_sizes(self.columns, MOST_ROWS))
        if way == "flat":
            for v, c in itertools.product(range(1, MOST_VECTORS + 1), columns):
                yield Tile(v, c, way=way)
            return
        wide = math.ceil(m.rooms[last] / self.lanes)
        for v, c in itertools.product(even_sizes(wide, MOST_VECTORS), columns):
            for rows in even_sizes(m.rooms[before[0]], MOST_VECTORS // v) if before else (1,):
                yield Tile(v, c, {before[0]: rows} if before else {}, way)

    def flat_vectors(self, m: Cut, k: Cut) -> int:
        """Vectors from the first window to the last of those that lie side by side."""
        pitch = self.source.rooms(m.rooms | k.rooms)[-1]
        *before, last = (m.rooms[c] for c in self.roles.flat)
        length = last + sum((room - 1) * pitch for room in before)
        return math.ceil(length / self.lanes)

    def tile_count(self, m: Cut, k: Cut, tile: Tile) -> int:
        """Register tiles of a block of rows and all columns."""
        count = math.ceil(self.columns / tile.columns)
        flat = self.roles.flat if tile.way == "flat" else ()
        if flat:
            count *= math.ceil(self.flat_vectors(m, k) / tile.vectors)
        for letter, room in m.rooms.items():
            if letter in flat:
                continue
            turns = min(self.turns.get(letter, 1), room) if tile.way == "across" else 1
            part = tile.rows.get(letter, 1)
            if tile.way == "rows" and letter == self.roles.flat[-1]:
                part = tile.vectors * self.lanes
            count *= turns * math.ceil(math.ceil(room / turns) / part)
        return count

    def tile_cycles(self, m: Cut, k: Cut, tile: Tile) -> float:
        """Cycles for the sums of a block of rows: its multiply-adds, and what goes with a tile."""
        units = self.target.fma_units
        busy = max(tile.sums, tile.loads, units * self.target.fma_latency)
        steps = self.roles.size(self.roles.k)
        if tile.way == "across":
            steps /= math.prod(self.turns.values())
        step = max(busy / units, self._streamed(k, tile))
        each = steps * (step + STEP_CYCLES) + tile.sums * KEEP_CYCLES
        return self.tile_count(m, k, tile) * each

    def _streamed(self, k: Cut, tile: Tile) -> float:
        """Cycles of a step that waits for the panel: tiles pass by it in the second cache, where
        the first does not hold it."""
        panel_bytes = k.elements * tile.columns * self._element_bytes
        stays = panel_bytes <= self.target.caches.l1d_bytes // 2
        return 0.0 if stays or tile.way != "across" else tile.vectors / NEAR_VECTORS

    # ------------------------------------------------------------ blocks and tasks

    def plan(self) -> Plan | None:
        """The cheapest plan; None where no block fits in the cache."""
        return min(self._plans(), key=lambda plan: plan.cycles, default=None)

    def plans(self) -> list[Plan]:
        """All plans, the cheapest first."""
        return sorted(self._plans(), key=lambda plan: plan.cycles)

    def _plans(self) -> Iterator[Plan]:
        for way in ("across", "flat", "rows"):
            for m, k, tile in self._blocks(way):
                for ranges, chunks in self._parts(tile, m, k):
                    yield self._estimate(tile, m, k, ranges, chunks)

    def _blocks(self, way: str) -> Iterator[tuple[Cut, Cut, Tile]]:
        roles = self.roles
        whole = Cut(roles.k, roles.extents, 0, roles.extents[roles.k[0]])
        tile: Tile | None = None
        for m in cuts(roles.m, roles.extents, self.turns):
            if tile is None or any(part > m.rooms[c] for c, part in tile.rows.items()):
                tiles = self.tiles(way, m)
                tile = min(tiles, key=lambda t: self.tile_cycles(m, whole, t), default=None)
            k = None if tile is None else self._fitting(m, tile)
            if tile is not None and k is not None:
                yield m, k, tile

    def _fitting(self, m: Cut, tile: Tile) -> Cut | None:
        """The largest block of the sum for which everything fits in a part of the second cache."""
        share = self._near_bytes // SLIVER_SHARE // self._element_bytes
        if m.elements * tile.columns > share:
            return None
        for k in cuts(self.roles.k, self.roles.extents, {}):
            room = math.prod(self.source.rooms(m.rooms | k.rooms))
            columns = tile.columns if k.blocks == 1 else self._padded_columns(tile)
            kept = self._row_room(m, k, tile) * columns
            if max(k.elements * tile.columns, room, kept) <= share:
                return k
        return None

    @property
    def _near_bytes(self) -> int:
        return self.target.caches.near_bytes

    @property
    def _element_bytes(self) -> int:
        return self.target.vector_bytes // self.lanes

    def _row_room(self, m: Cut, k: Cut, tile: Tile) -> int:
        """Rows for which a block keeps sums."""
        if tile.way != "flat":
            return m.elements
        others = math.prod(room for c, room in m.rooms.items() if c not in self.roles.flat)
        return others * self.flat_vectors(m, k) * self.lanes

    def _padded_columns(self, tile: Tile) -> int:
        return math.ceil(self.columns / tile.columns) * tile.columns

    def _parts(self, tile: Tile, m: Cut, k: Cut) -> Iterator[tuple[int, int]]:
        """Ranges of columns and chunks of the sum that may be worth while."""
        wanted = self._wanted
        panels = self._padded_columns(tile) // tile.columns
        tasks = self.roles.size(self.roles.batch) * m.blocks
        powers = [1 << i for i in range(wanted.bit_length())]
        for ranges, chunks in itertools.product(powers, powers):
            few = ranges * chunks == 1 or tasks * ranges * chunks < 2 * wanted
            if few and ranges <= panels and chunks <= k.blocks:
                yield math.ceil(panels / math.ceil(panels / ranges)), chunks

    @cached_property
    def _wanted(self) -> int:
        """How many tasks there should be."""
        cycles = math.prod(self.roles.extents.values()) / self.lanes / self.target.fma_units
        return tasks_wanted(cycles / math.prod(self.turns.values()), self.target.cores)

    def _estimate(self, tile: Tile, m: Cut, k: Cut, ranges: int, chunks: int) -> Plan:
        roles = self.roles
        batch = roles.size(roles.batch)
        blocks = batch * m.blocks
        rooms = self.source.rooms(m.rooms | k.rooms)
        room = math.prod(rooms)
        run = next((r for r in reversed(rooms) if r > 1), 1)
        columns = self._padded_columns(tile)
        straight = k.blocks == chunks and self._straight(tile)
        kept = 0 if straight else self._row_room(m, k, tile) * tile.columns
        far = FAR_CYCLES * (room + kept > self.target.caches.l1d_bytes // self._element_bytes)
        fill = blocks * k.blocks * ranges * room * (COPY_CYCLES + far + RUN_CYCLES / run)
        pack = 0.0 if self.prepared else batch * roles.size(roles.k) * columns * TRANSPOSE_CYCLES
        if batch * roles.size(roles.k) * columns * self._element_bytes > self._near_bytes // 2:
            pack += blocks * roles.size(roles.k) * columns * STREAM_CYCLES
        sums = blocks * self.tile_cycles(m, k, tile)
        spill = 2 * KEEP_CYCLES * kept / tile.columns * columns / self.lanes
        write = 0.0 if straight else self._write_cycles(tile, m) + far
        write *= m.elements * columns * chunks
        work = fill + pack + sums + blocks * (spill * (k.blocks - chunks) + write)
        cycles = elapsed(work, blocks * ranges * chunks, self.target.cores)
        shared = m.blocks > 1 or self.prepared
        return Plan(tile, m, k, ranges, chunks, shared, cycles, work)

    def _straight(self, tile: Tile) -> bool:
        """Whether vectors of sums are vectors of the result."""
        if tile.way == "across":
            return self.roles.last in self.roles.n
        if tile.way == "flat" and not self.seamless:
            return False
        return self.roles.last == self.roles.flat[-1]

    @property
    def seamless(self) -> bool:
        """Whether nothing lies between the windows of one row and the next."""
        return len(self.source.axes[-1].steps) == 1

    def _write_cycles(self, tile: Tile, m: Cut) -> float:
        """Cycles for a result that is written from the kept sums."""
        along = tile.way != "across"
        if along != (self.roles.last in self.roles.m):
            return GATHER_CYCLES
        return COPY_CYCLES + (RUN_CYCLES / m.rooms[self.roles.flat[-1]] if along else 0.0)
