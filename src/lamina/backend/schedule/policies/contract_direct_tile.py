"""The ways in which a register tile of the direct form lies over rows and columns.

    across   vectors along the columns of a panel, one element of the source for each row
    flat     vectors along the windows, which lie side by side in the source, from the first to the
             last of a block, one element of the panel for each column
    rows     vectors along the windows, those of one row of the source at a time

Across suits many columns, the others few: a convolution with as many output channels as a vector
has lanes fills its vectors with them, one with six fills them with pixels. Flat vectors run over
what lies between the rows of a picture too, and over neighbouring rows; rows may end in a vector
that is not full, but can be written as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from lamina.backend.nest.build import Builder
from lamina.backend.nest.nodes import Expr, Stmt
from lamina.backend.schedule.policies.contract_axes import Letters
from lamina.backend.schedule.policies.contract_direct_plan import Plan, Planner
from lamina.backend.schedule.policies.contract_nest import At, over

FLAT = "flat"  # the position among windows that lie side by side; no letter of a spec


@dataclass(frozen=True)
class Element:
    """A sum in a register tile.

    Attributes:
        acc: where it is in the tile.
        rows: the indices of its row in the block.
        column: its column in the panel.
    """

    acc: Expr
    rows: At
    column: Expr


One = Callable[[Element], list[Stmt]]


class Lay(Protocol):
    """What differs between the ways."""

    def loops(self, count: At, make: Callable[[At], list[Stmt]]) -> list[Stmt]:
        """Loops over the tiles of a block with so many rows of each letter."""
        ...

    def lanes(self, at: At, one: One) -> list[Stmt]:
        """`one` for every vector of the tile that begins at `at`."""
        ...

    def beyond(self, pitches: Sequence[int]) -> int:
        """How far tiles at the edges read past the block of the source, to no purpose."""
        ...

    def sums_size(self, panels: int) -> int:
        """Elements of the buffer that keeps the sums of a block and so many panels."""
        ...

    def sums_at(self, panels: int, panel: Expr, rows: At, column: Expr) -> Expr:
        """Where it keeps one."""
        ...

    def letters(self, rows: At) -> At:
        """The index of each letter of m."""
        ...

    def inside(self, rows: At, count: At) -> Expr:
        """Whether a row of a tile is one of the block."""
        ...

    def straight(self, letter: str) -> bool:
        """Whether the lanes of a vector are neighbours in a result that ends with a letter."""
        ...

    def ends_with(self, letter: str, group: Letters) -> bool:
        """Whether the sums of a letter's indices, each a run over `group`, are one run."""
        ...


@dataclass(frozen=True)
class _Padded:
    """What the two ways share that keep sums for whole tiles of each letter."""

    s: Builder
    planner: Planner
    plan: Plan

    @cached_property
    def turns(self) -> Mapping[str, int]:
        """How many indices of a letter take turns in the terms of their sums."""
        return self.planner.turns if self.plan.tile.way == "across" else {}

    @cached_property
    def parts(self) -> dict[str, int]:
        """How many indices of each letter of m a tile has."""
        tile = self.plan.tile
        found = {c: tile.rows.get(c, 1) for c in self.planner.roles.m}
        if tile.way == "rows":
            found[self.planner.roles.flat[-1]] = tile.vectors * self.planner.lanes
        return found

    @cached_property
    def rooms(self) -> dict[str, int]:
        """Indices of each letter of m in the buffer of sums: whole tiles of them."""
        found = {}
        for c, part in self.parts.items():
            phase = self.turns.get(c, 1)
            steps = math.ceil(self.plan.m.rooms[c] / phase)
            found[c] = phase * math.ceil(steps / part) * part
        return found

    def beyond(self, pitches: Sequence[int]) -> int:
        return sum(
            step * (self.rooms[c] - self.plan.m.rooms[c]) * pitch
            for axis, pitch in zip(self.planner.source.axes, pitches, strict=True)
            for c, step in axis.steps.items()
            if c in self.rooms
        )

    def letters(self, rows: At) -> At:
        return rows

    def inside(self, rows: At, count: At) -> Expr:
        s = self.s
        found: Expr = s.constant(True, "bool")
        for c in self.planner.roles.m:
            found = s.and_(found, s.less(rows[c], count[c]))
        return found

    def row_at(self, rows: At) -> Expr:
        letters = self.planner.roles.m
        return self.s.linearize([rows[c] for c in letters], [self.rooms[c] for c in letters])

    def ends_with(self, letter: str, group: Letters) -> bool:
        plan, extents = self.plan, self.planner.roles.extents
        return all(self.rooms[c] == plan.m.rooms[c] == extents[c] for c in group)

    def loops(self, count: At, make: Callable[[At], list[Stmt]]) -> list[Stmt]:
        s = self.s

        def inside(rest: Letters, at: dict[str, Expr]) -> list[Stmt]:
            if not rest:
                return make(at)
            c, phase, part = rest[0], self.turns.get(rest[0], 1), self.parts[rest[0]]

            def turn(p: Expr) -> list[Stmt]:
                steps = s.floor_divide(s.add(s.subtract(count[c], p), phase - 1), phase)

                def one(i: Expr) -> list[Stmt]:
                    here = s.add(s.multiply(i, part * phase), p)
                    return inside(rest[1:], at | {c: here})

                if s.range_of(steps)[1] <= part:
                    return one(s.constant(0))
                return [over(s, c, s.floor_divide(s.add(steps, part - 1), part), one)]

            if phase == 1 or s.range_of(count[c]) == (1, 1):
                return turn(s.constant(0))
            return [over(s, "turn", s.minimum(count[c], phase), turn)]

        return inside(self.planner.roles.m, {})

    def rows_of(self, at: At, make: Callable[[Expr, At], list[Stmt]]) -> list[Stmt]:
        """`make(number, row)` for every row of the tile, written out."""
        s, tile = self.s, self.plan.tile

        def inside(rest: Letters, row: Expr, m: dict[str, Expr]) -> list[Stmt]:
            if not rest:
                return make(row, m)
            c, part = rest[0], tile.rows[rest[0]]

            def single(i: Expr) -> list[Stmt]:
                here = s.add(m[c], s.multiply(i, self.turns.get(c, 1)))
                return inside(rest[1:], s.add(s.multiply(row, part), i), m | {c: here})

            return [over(s, "i", part, single, "unroll")]

        letters = tuple(c for c in self.planner.roles.m if tile.rows.get(c, 1) > 1)
        return inside(letters, s.constant(0), dict(at))

    def vectors_of(self, make: Callable[[Expr], list[Stmt]]) -> list[Stmt]:
        """`make(position)` for every lane of the vectors of one row of the tile."""
        s, width = self.s, self.planner.lanes

        def vector(v: Expr) -> list[Stmt]:
            return [over(s, "l", width, lambda l: make(s.add(s.multiply(v, width), l)), "vector")]

        return [over(s, "v", self.plan.tile.vectors, vector, "unroll")]


@dataclass(frozen=True)
class Across(_Padded):
    """Vectors along columns."""

    def _pitch(self, panels: int) -> int:
        """Elements from one row of sums to the next: an odd number of vectors."""
        lanes = self.planner.lanes
        return (panels * self.plan.tile.columns // lanes | 1) * lanes

    def sums_size(self, panels: int) -> int:
        return math.prod(self.rooms.values()) * self._pitch(panels)

    def sums_at(self, panels: int, panel: Expr, rows: At, column: Expr) -> Expr:
        s = self.s
        inside = s.add(s.multiply(panel, self.plan.tile.columns if panels > 1 else 0), column)
        return s.add(s.multiply(self.row_at(rows), self._pitch(panels)), inside)

    def straight(self, letter: str) -> bool:
        return letter in self.planner.roles.n

    def lanes(self, at: At, one: One) -> list[Stmt]:
        s, width = self.s, self.plan.tile.columns

        def row(number: Expr, m: At) -> list[Stmt]:
            def lane(column: Expr) -> list[Stmt]:
                return one(Element(s.add(s.multiply(number, width), column), m, column))

            return self.vectors_of(lane)

        return self.rows_of(at, row)


@dataclass(frozen=True)
class Rows(_Padded):
    """Vectors along the windows of a row."""

    def sums_size(self, panels: int) -> int:
        return panels * self.plan.tile.columns * math.prod(self.rooms.values())

    def sums_at(self, panels: int, panel: Expr, rows: At, column: Expr) -> Expr:
        s = self.s
        inside = s.add(s.multiply(panel, self.plan.tile.columns if panels > 1 else 0), column)
        return s.add(s.multiply(inside, math.prod(self.rooms.values())), self.row_at(rows))

    def straight(self, letter: str) -> bool:
        return letter == self.planner.roles.flat[-1]

    def lanes(self, at: At, one: One) -> list[Stmt]:
        s, tile = self.s, self.plan.tile
        last, width = self.planner.roles.flat[-1], tile.vectors * self.planner.lanes
        count = math.prod(tile.rows.values())

        def column(i: Expr) -> list[Stmt]:
            def row(number: Expr, m: At) -> list[Stmt]:
                first = s.multiply(s.add(s.multiply(i, count), number), width)

                def lane(x: Expr) -> list[Stmt]:
                    return one(Element(s.add(first, x), {**m, last: s.add(m[last], x)}, i))

                return self.vectors_of(lane)

            return self.rows_of(at, row)

        return [over(s, "c", tile.columns, column, "unroll")]


@dataclass(frozen=True)
class Flat:
    """Vectors along all windows of a block; `FLAT` stands for the letters that they run over."""

    s: Builder
    planner: Planner
    plan: Plan

    @cached_property
    def _others(self) -> Letters:
        return tuple(c for c in self.planner.roles.m if c not in self.planner.roles.flat)

    @cached_property
    def _length(self) -> int:
        """Elements of all vectors of a row of tiles."""
        step = self.plan.tile.vectors
        vectors = self.planner.flat_vectors(self.plan.m, self.plan.k)
        return math.ceil(vectors / step) * step * self.planner.lanes

    @cached_property
    def _pitch(self) -> int:
        """Elements from one row of windows to the next."""
        return self.planner.source.rooms(self.plan.m.rooms | self.plan.k.rooms)[-1]

    def beyond(self, pitches: Sequence[int]) -> int:
        return self.plan.tile.vectors * self.planner.lanes

    def sums_size(self, panels: int) -> int:
        others = math.prod(self.plan.m.rooms[c] for c in self._others)
        return panels * self.plan.tile.columns * others * self._length

    def sums_at(self, panels: int, panel: Expr, rows: At, column: Expr) -> Expr:
        s, rooms = self.s, self.plan.m.rooms
        place = s.multiply(panel, self.plan.tile.columns if panels > 1 else 0)
        shape = [*(rooms[c] for c in self._others), self._length]
        at = s.linearize([*(rows[c] for c in self._others), self._flat(rows)], shape)
        return s.add(s.multiply(s.add(place, column), math.prod(shape)), at)

    def _flat(self, rows: At) -> Expr:
        if FLAT in rows:
            return rows[FLAT]
        s = self.s
        flat = s.constant(0)
        for c in self.planner.roles.flat:
            flat = s.add(s.multiply(flat, self._pitch), rows[c])
        return flat

    def letters(self, rows: At) -> At:
        parts = self.s.delinearize(rows[FLAT], [1, self._pitch][-len(self.planner.roles.flat) :])
        return {**rows, **dict(zip(self.planner.roles.flat, parts, strict=True))}

    def inside(self, rows: At, count: At) -> Expr:
        s = self.s
        found = s.less(rows[FLAT], self._stop(count))
        for c in self._others:
            found = s.and_(found, s.less(rows[c], count[c]))
        return found

    def straight(self, letter: str) -> bool:
        flat = self.planner.roles.flat
        return letter == flat[-1] and self.planner.seamless

    def ends_with(self, letter: str, group: Letters) -> bool:
        if not group:
            return True
        return (letter, *group) == self.planner.roles.flat and self.planner.seamless

    def _stop(self, count: At) -> Expr:
        """Behind the last position of a block."""
        s = self.s
        last = s.constant(0)
        for c in self.planner.roles.flat:
            last = s.add(s.multiply(last, self._pitch), s.subtract(count[c], 1))
        return s.add(last, 1)

    def loops(self, count: At, make: Callable[[At], list[Stmt]]) -> list[Stmt]:
        s, step = self.s, self.plan.tile.vectors * self.planner.lanes
        stop = self._stop(count)

        def inside(rest: Letters, at: dict[str, Expr]) -> list[Stmt]:
            if not rest:
                tiles = s.floor_divide(s.add(stop, step - 1), step)
                return [over(s, "q", tiles, lambda q: make(at | {FLAT: s.multiply(q, step)}))]
            c = rest[0]
            if s.range_of(count[c]) == (1, 1):
                return inside(rest[1:], at | {c: s.constant(0)})
            return [over(s, c, count[c], lambda i: inside(rest[1:], at | {c: i}))]

        return inside(self._others, {})

    def lanes(self, at: At, one: One) -> list[Stmt]:
        s, tile, width = self.s, self.plan.tile, self.planner.lanes

        def column(i: Expr) -> list[Stmt]:
            def vector(v: Expr) -> list[Stmt]:
                def lane(l: Expr) -> list[Stmt]:
                    inside = s.add(s.multiply(v, width), l)
                    acc = s.add(s.multiply(i, tile.vectors * width), inside)
                    return one(Element(acc, {**at, FLAT: s.add(at[FLAT], inside)}, i))

                return [over(s, "l", width, lane, "vector")]

            return [over(s, "v", tile.vectors, vector, "unroll")]

        return [over(s, "i", tile.columns, column, "unroll")]


WAYS: dict[str, Callable[[Builder, Planner, Plan], Lay]] = {
    "across": Across,
    "flat": Flat,
    "rows": Rows,
}
