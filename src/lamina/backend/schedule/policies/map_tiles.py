"""Elementwise groups that read along another axis than they write: tiles turned in registers.

    y[i, j] = f(x[j, i])    ->    parallel for blocks of i and j {
                                    for tiles of i and j { unroll u { vector w {
                                      y[i + u, j + w] = f(x[j + w, i + u])
                                    } } }
                                  }

The elements x[j + w, i + u] of a tile lie side by side for all u: code generation loads them as
rows and turns the tile with shuffles. Tiles that follow each other read on in the same rows, which
the machine fetches ahead; stores need no such order. The last tile of an axis begins where it still
fits, and so computes some elements a second time, to the same values: unless an output has taken
the place of an input, which is ruled out then.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from lamina.backend.nest.affine import operands
from lamina.backend.nest.build import Builder
from lamina.backend.nest.nodes import Expr, For, Load, Param, Stmt, Store
from lamina.backend.schedule.loops import (
    bind_inputs,
    grain_for,
    kernel,
    params,
    stores,
    work_of,
)
from lamina.backend.schedule.policies.contract_nest import Make, over
from lamina.backend.schedule.pull import Pull
from lamina.backend.schedule.schedule import Task
from lamina.backend.targets import Target
from lamina.base.dtypes import dtype
from lamina.graph.ir import Graph

MOST_COLUMNS = 16  # of a tile: as many registers hold it
LEAST_COLUMNS = 4
LEAST_ELEMENTS = 1 << 14  # of a group: loops over fewer have many forms, for little work
LEAST_STRIDE = 8  # what lies closer together is read by whole loads without tiles
MOST_OPERATIONS = 16  # of an element: each is written once a column
ACROSS_LINES, ALONG_LINES = 16, 4  # cache lines of a block: along the input, along the output


@dataclass(frozen=True)
class Tile:
    """`columns` of the axis `across`, in which an input is read, by `rows` of the last axis."""

    across: int
    columns: int
    rows: int


def tiled(body: Graph, target: Target, streaming: bool) -> Task | None:
    """The group by tiles; None where no input lies across the output."""
    tile = _tile(body, target)
    return None if tile is None else _Tiling(body, target, tile, streaming).task()


def _tile(body: Graph, target: Target) -> Tile | None:
    shape = body.outputs[0].type.shape
    if len(shape) < 2 or any(v.op is not None and v.op.pieces is not None for v in body.outputs):
        return None
    if sum(v.op.lane is not None for v in body.nodes) > MOST_OPERATIONS:
        return None
    lanes = min(target.lanes(str(v.dtype)) for v in (*body.inputs, *body.outputs))
    rows = _power_up_to(min(lanes, shape[-1]))
    across = _across(body)
    if across is None:
        return None
    columns = _power_up_to(min(rows, MOST_COLUMNS, shape[across]))
    few = math.prod(shape) < LEAST_ELEMENTS
    return None if few or columns < LEAST_COLUMNS else Tile(across, columns, rows)


def _power_up_to(n: int) -> int:
    return 1 << n.bit_length() - 1 if n else 0


def _across(body: Graph) -> int | None:
    """The axis of the output along which an input lies that is spread along the last axis."""
    s, shape = Builder(), body.outputs[0].type.shape
    pull = Pull(s)
    bind_inputs(pull, body)
    loops = [s.loop(f"i{axis}", size) for axis, size in enumerate(shape)]
    values = [pull.element(v, tuple(loops)) for v in body.outputs]
    if s.faults:
        return None
    for load in _loads(values):
        steps = [s.coefficient(load.offset, i) for i in loops]
        last = steps[-1]
        if last is not None and last >= LEAST_STRIDE and 1 in steps and load.mask is None:
            return steps.index(1)
    return None


def _loads(values: list[Expr]) -> Iterator[Load]:
    seen: set[Expr] = set()
    waiting = list(values)
    while waiting:
        e = waiting.pop()
        if e in seen:
            continue
        seen.add(e)
        if isinstance(e, Load):
            yield e
        else:
            waiting.extend(operands(e))


class _Tiling:
    """The loops of one group."""

    def __init__(self, body: Graph, target: Target, tile: Tile, streaming: bool) -> None:
        self.body, self.tile, self.streaming = body, tile, streaming
        self.shape = body.outputs[0].type.shape
        self.s = Builder()
        self.pull = Pull(self.s)
        bind_inputs(self.pull, body)
        sizes_bytes = [dtype(v.dtype).size_bytes for v in (*body.inputs, *body.outputs)]
        self.line = target.caches.line_bytes // max(sizes_bytes)

    def task(self) -> Task:
        s, tile, shape = self.s, self.tile, self.shape
        sizes = tile.columns, tile.rows
        tiles = [math.ceil(n / m) for n, m in zip((shape[tile.across], shape[-1]), sizes)]
        block = [max(n * self.line // m, 1) for n, m in zip((ACROSS_LINES, ALONG_LINES), sizes)]
        others = [n for axis, n in enumerate(shape[:-1]) if axis != tile.across]
        extents = (*others, *(math.ceil(n / b) for n, b in zip(tiles, block)))
        p = s.loop("p", math.prod(extents))
        *rest, a, b = s.delinearize(p, extents)

        def part(hint: str, axis: int, number: Expr, make: Make) -> For:
            """The tiles of a block along one of its axes."""
            start = s.multiply(number, block[axis])
            stop = s.minimum(s.add(start, block[axis]), tiles[axis])
            return over(s, hint, stop, make, start=start)

        def along_input(r: Expr) -> list[Stmt]:
            return [part("q", 0, a, lambda q: [self._turned(rest, q, r)])]

        inner = part("r", 1, b, along_input)
        outer = For(p.name, s.constant(0), s.constant(math.prod(extents)), (inner,), "parallel")
        elements = math.prod(min(b * m, n * m) for b, m, n in zip(block, sizes, tiles))
        nest = kernel("map", self.body, (outer,), self._parameters())
        return Task(nest, grain_for(elements, work_of(self.body)))

    def _parameters(self) -> tuple[Param, ...]:
        """Where elements are computed a second time, no output may take the place of an input."""
        shape, tile = self.shape, self.tile
        once = shape[tile.across] % tile.columns == 0 and shape[-1] % tile.rows == 0
        found = params(self.body)
        return found if once else tuple(replace(p, may_alias="") for p in found)

    def _turned(self, rest: list[Expr], q: Expr, r: Expr) -> Stmt:
        """Tile q of the axis across and r of the last one."""
        s, tile, shape = self.s, self.tile, self.shape
        first = self._start(q, tile.columns, shape[tile.across])
        left = self._start(r, tile.rows, shape[-1])

        def row(u: Expr) -> list[Stmt]:
            def lane(w: Expr) -> list[Stmt]:
                self.pull.forget()
                index = list(rest)
                index.insert(tile.across, s.add(first, u))
                index.append(s.add(left, w))
                made = stores(s, self.pull, list(enumerate(self.body.outputs)), tuple(index))
                return [
                    replace(x, streaming=self.streaming) if isinstance(x, Store) else x
                    for x in made
                ]

            return [over(s, "w", tile.rows, lane, "vector")]

        return over(s, "u", tile.columns, row, "unroll")

    def _start(self, number: Expr, size: int, extent: int) -> Expr:
        """Where a tile begins: the last one further back, where it fits."""
        start = self.s.multiply(number, size)
        return start if extent % size == 0 else self.s.minimum(start, extent - size)
