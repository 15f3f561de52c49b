"""Columns in panels: NR columns side by side, one row of them for each step of the sum.

Panels are made by the task that needs them, in scratch, or once for all tasks, in a temporary.
Columns past the last are zero.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from lamina.backend.nest.nodes import Expr, Nest, Param, Stmt
from lamina.backend.schedule.loops import grain_for
from lamina.backend.schedule.policies.contract_axes import Letters, access
from lamina.backend.schedule.policies.contract_cut import Block, Cut, cuts
from lamina.backend.schedule.policies.contract_nest import (
    At,
    Work,
    letter_loops,
    masked,
    over,
    parallel,
)
from lamina.backend.schedule.policies.contract_tiles import tasks_wanted
from lamina.backend.schedule.schedule import Task
from lamina.base.dtypes import dtype

SHARED = "tmp0"  # the temporary of panels that several tasks read
STRIP = 8  # columns that are turned together: rows read at one stride that a cache keeps apart


@dataclass(frozen=True)
class Panels:
    """A buffer of panels: [panel][k][NR].

    Attributes:
        k: the summed letters, in the order of the rows of a panel.
        rooms: how many indices of each of them a panel holds.
        n: the letters of the columns.
    """

    work: Work
    buffer: str
    k: Letters
    rooms: Mapping[str, int]
    n: Letters
    nr: int

    @property
    def depth(self) -> int:
        """Rows of a panel."""
        return math.prod(self.rooms[c] for c in self.k)

    @property
    def panels(self) -> int:
        """Of all columns."""
        return math.ceil(self.work.axes.extent(self.n) / self.nr)

    def offset(self, panel: Expr, k: At, column: Expr) -> Expr:
        """Where a column of a panel lies, at a step of the sum."""
        s = self.work.s
        step = s.linearize([k[c] for c in self.k], [self.rooms[c] for c in self.k])
        return s.add(s.multiply(s.add(s.multiply(panel, self.depth), step), self.nr), column)

    def _cut(self, panels: int) -> Cut:
        """Blocks of the sum, so that there are enough of them to share where panels are few."""
        wanted = tasks_wanted(panels * self.depth * self.nr, self.work.target.cores)
        extents = {c: self.rooms[c] for c in self.k}
        return next(cut for cut in cuts(self.k, extents, {}) if panels * cut.blocks >= wanted)

    def fill(
        self, batch: At, panel: Expr, place: Expr, part: Block, first: At | None = None
    ) -> list[Stmt]:
        """Packs a block of the sum of one panel of the operand as panel `place` of the buffer.

        Args:
            first: where the block begins in the buffer; at its beginning if not given.
        """
        work, s = self.work, self.work.s
        start, count = part.start, part.count
        columns = work.axes.extent(self.n)

        def put(k: At, column: Expr) -> list[Stmt]:
            work.pull.forget()
            flat = s.add(s.multiply(panel, self.nr), column)
            inside = s.less(flat, columns)
            with masked(s, inside):
                n = work.axes.split(s, self.n, flat)
                summed = {c: s.add(start[c], k[c]) for c in self.k}
                value = work.kept_column(batch, n, summed)
            value = s.select(inside, value, s.constant(0, work.kept_dtype))
            at = k if first is None else {c: s.add(first[c], k[c]) for c in self.k}
            return [*work.checked(), s.store(self.buffer, self.offset(place, at, column), value)]

        def row(k: At) -> list[Stmt]:
            return [over(s, "l", self.nr, lambda column: put(k, column), "vector")]

        if self.nr % STRIP or not self._turned(batch):
            return letter_loops(s, self.k, count, row)

        def strip(q: Expr) -> list[Stmt]:
            def part(k: At) -> list[Stmt]:
                def one(u: Expr) -> list[Stmt]:
                    return put(k, s.add(s.multiply(q, STRIP), u))

                return [over(s, "u", STRIP, one, "unroll")]

            return letter_loops(s, self.k, count, part)

        return [over(s, "q", self.nr // STRIP, strip)]

    def _turned(self, batch: At) -> bool:
        """Whether the operand lies along the sum rather than along its columns."""
        work = self.work
        s, axes = work.s, work.axes
        k = {c: s.loop("p", axes.size_of[c]) for c in self.k}
        flat = s.loop("p", axes.extent(self.n))
        summed: dict[str, Expr] = dict(k)
        element = work.reader.column(dict(batch), axes.split(s, self.n, flat), summed)
        s.faults.clear()
        work.pull.forget()
        last = next((k[c] for c in reversed(self.k) if axes.size_of[c] > 1), flat)
        along = access(s, element, last, axes.together)
        return along.unit and not access(s, element, flat).unit

    def shared(self, name: str, batch: Letters) -> tuple[Task, Param, int]:
        """The kernel that packs every panel of every batch entry; the buffer as another kernel
        reads it, and its size in bytes."""
        work, s = self.work, self.work.s
        entries = work.axes.extent(batch)
        k = self._cut(entries * self.panels)
        counts = (entries, self.panels, k.blocks)

        def one(t: Expr) -> list[Stmt]:
            b, j, block = s.delinearize(t, counts)
            part, place = k.block(s, block), s.add(s.multiply(b, self.panels), j)
            return self.fill(work.axes.split(s, batch, b), j, place, part, part.start)

        body = parallel(s, "t", math.prod(counts), one)
        size = entries * self.panels * self.depth * self.nr
        made = Param(self.buffer, work.kept_dtype, size, "out")
        nest = Nest(name, (*work.inputs_of(1), made), body, work.checks)
        task = Task(nest, grain_for(k.elements * self.nr, 1.0))
        return task, replace(made, role="in"), size * dtype(work.kept_dtype).size_bytes
