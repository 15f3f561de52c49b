"""Staging: copying a block of an operand to scratch memory, in the order the product reads it.

A staged block has its vectors along the direction in which the product reads vectors, rows padded
so that they do not fall on each other in the cache, edges filled with zeros, and whatever prologue
the operand has already applied.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from lamina.backend.nest.nodes import Alloc, Expr, Prefetch, Stmt
from lamina.backend.schedule.policies.contract_axes import Access, Letters, loads
from lamina.backend.schedule.policies.contract_nest import Make, Work, over

STRIP = 16  # elements of a row that are transposed at a time: a cache line of f32
AHEAD_BYTES = 4096  # of rows from far away, asked for before they are copied

Element = Callable[[dict[str, Expr], dict[str, Expr]], Expr]


@dataclass(frozen=True)
class Part:
    """A range of one flat index: `start`, the `count` that exists, the `room` in the block.

    Elements lie regularly in memory as far as the letters from `cut` on run.
    """

    letters: Letters
    start: Expr
    count: Expr
    room: int
    cut: int = 0


@dataclass(frozen=True)
class Stage:
    """A block of an operand in scratch: `outer` rows of `inner` elements.

    Attributes:
        along: how the operand is read along `inner`.
        across: how it is read along `outer`.
        far: whether the operand comes from far away. Processors fetch ahead within a run, not from
            one run to the next, which lies on another page.
    """

    work: Work
    name: str
    outer: Part
    inner: Part
    along: Access
    across: Access
    far: bool = False

    @property
    def pitch(self) -> int:
        """Elements from row to row: whole vectors, an odd number of them."""
        lanes = self.work.lanes
        return (math.ceil(self.inner.room / lanes) | 1) * lanes

    def alloc(self) -> Alloc:
        return Alloc(self.name, self.work.dtype, self.outer.room * self.pitch)

    def load(self, outer: Expr, inner: Expr) -> Expr:
        s = self.work.s
        return s.load(self.name, self._offset(outer, inner), self.work.dtype)

    def _offset(self, outer: Expr, inner: Expr) -> Expr:
        s = self.work.s
        return s.add(s.multiply(outer, self.pitch), inner)

    def fill(self, element: Element) -> list[Stmt]:
        """Copies the block: `element(outer letters, inner letters)` reads the operand."""
        transposes = self.across.unit and not self.along.unit
        copied = self._transposed(element) if transposes else self._copied(element)
        return [*copied, *self._padding()]

    def _put(self, element: Element, o: Expr, i: Expr, at: dict[str, Expr]) -> list[Stmt]:
        """One element: `o`, `i` in the block, `at` the letters of the inner index."""
        work, s = self.work, self.work.s
        outer = work.axes.split(s, self.outer.letters, s.add(self.outer.start, o))
        value = element(outer, at)
        return [*work.checked(), s.store(self.name, self._offset(o, i), value), *self._ask(value)]

    def _ask(self, value: Expr) -> list[Stmt]:
        """Asks for what a later row reads in this place."""
        step = self.across.step
        if not self.far or not self.along.unit or not step:
            return []
        s = self.work.s
        run_bytes = self.inner.room * self.work.element_bytes
        rows = math.ceil(AHEAD_BYTES / run_bytes)
        return [Prefetch(r.buffer, s.add(r.offset, rows * step)) for r in loads(value)]

    def _copied(self, element: Element) -> list[Stmt]:
        """Row after row, in vectors."""
        work, s = self.work, self.work.s
        letters = self.inner.letters

        def row(o: Expr) -> list[Stmt]:
            if self.inner.cut:
                return self._in_runs(element, o)

            def put(i: Expr) -> list[Stmt]:
                work.pull.forget()
                at = work.axes.split(s, letters, s.add(self.inner.start, i))
                return self._put(element, o, i, at)

            return self._whole_first("j", self.inner, put, "vector")

        return self._whole_first("r", self.outer, row)

    def _whole_first(
        self, hint: str, part: Part, make: Make, kind: str = "serial", start: Expr | int = 0
    ) -> list[Stmt]:
        """A loop over a part, the steps of a sum that lack no term in a loop of their own."""
        s, whole = self.work.s, self._whole(part)
        if whole is part.count:
            return [over(s, hint, whole, make, kind, start=start)]
        return [
            over(s, hint, whole, make, kind, start=start),
            over(s, hint, part.count, make, kind, start=whole),
        ]

    def _whole(self, part: Part) -> Expr:
        """How many indices of a part are known to be steps of the sum that lack no term."""
        s, axes = self.work.s, self.work.axes
        if axes.together == 1 or part.letters != axes.k or s.range_of(part.start) != (0, 0):
            return part.count
        whole, lacking = divmod(axes.extent(axes.terms), axes.together)
        return s.minimum(part.count, whole) if lacking else part.count

    def _in_runs(self, element: Element, o: Expr) -> list[Stmt]:
        """A row whose elements lie together only as far as the last letters run."""
        work, s = self.work, self.work.s
        letters, cut, start = self.inner.letters, self.inner.cut, self.inner.start
        run = work.axes.extent(letters[cut:])
        stop = s.add(start, self.inner.count)

        def piece(q: Expr) -> list[Stmt]:
            base = s.multiply(q, run)
            first = s.maximum(s.subtract(start, base), 0)
            last = s.minimum(s.subtract(stop, base), run)

            def put(w: Expr) -> list[Stmt]:
                work.pull.forget()
                at = work.axes.runs(s, letters, cut, q, w)
                return self._put(element, o, s.subtract(s.add(base, w), start), at)

            return [over(s, "w", last, put, "vector", start=first)]

        first_run = s.floor_divide(start, run)
        last_run = s.floor_divide(s.add(stop, run - 1), run)
        return [over(s, "q", last_run, piece, start=first_run)]

    def _transposed(self, element: Element) -> list[Stmt]:
        """Strips of a cache line of the operand, written across the rows of the block."""
        work, s = self.work, self.work.s
        whole = s.multiply(s.floor_divide(self._whole(self.outer), STRIP), STRIP)

        def put(o: Expr, i: Expr) -> list[Stmt]:
            work.pull.forget()
            at = work.axes.split(s, self.inner.letters, s.add(self.inner.start, i))
            return self._put(element, o, i, at)

        def strip(o: Expr) -> list[Stmt]:
            def column(i: Expr) -> list[Stmt]:
                return [over(s, "u", STRIP, lambda u: put(s.add(o, u), i), "unroll")]

            return [over(s, "j", self.inner.count, column)]

        def rest(i: Expr) -> list[Stmt]:
            return self._whole_first("r", self.outer, lambda o: put(o, i), start=whole)

        return [
            over(s, "r", whole, strip, step=STRIP),
            over(s, "j", self.inner.count, rest),
        ]

    def _padding(self) -> list[Stmt]:
        """Zeros behind the elements of each row."""
        s = self.work.s
        if s.range_of(self.inner.count)[0] >= self.inner.room:
            return []

        def row(o: Expr) -> list[Stmt]:
            def put(i: Expr) -> list[Stmt]:
                return [s.store(self.name, self._offset(o, i), self.work.zero())]

            return [over(s, "j", self.inner.room, put, "vector", start=self.inner.count)]

        return [over(s, "r", self.outer.count, row)]
