"""Where sums start: at zero, or where bytes are flipped, at what that adds to them, negated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lamina.backend.nest.nodes import Alloc, Expr, Stmt
from lamina.backend.schedule.policies.contract_nest import Work, over
from lamina.backend.schedule.policies.contract_words import Words

Column = Callable[[Expr, Expr, Expr], Expr]


@dataclass(frozen=True)
class Starts:
    """A number for each column of a task, in scratch, found anew for each block of the sum.

    Attributes:
        nr: columns of a register tile.
        room: columns of a task, a multiple of that.
    """

    work: Work
    nr: int
    room: int

    @property
    def flipped(self) -> Words | None:
        """Who knows what flipping adds, where bytes are flipped."""
        found = self.work.words
        return found if found is not None and found.flips else None

    def alloc(self) -> Alloc:
        return Alloc("start", self.work.dtype, self.room)

    def load(self, column: Expr) -> Expr:
        """Where the sums in a column of the task start."""
        return self.work.s.load("start", column, self.work.dtype)

    def fill(self, columns: Expr, steps: Expr, word: Column) -> list[Stmt]:
        """Finds them for so many columns and steps of the sum.

        Args:
            word: reads the column operand; takes the number of a tile, a column of it, a step.
        """
        work, s, flipped = self.work, self.work.s, self.flipped
        if flipped is None:
            return []

        def tile(j: Expr) -> list[Stmt]:
            def add(k: Expr, column: Expr) -> list[Stmt]:
                total = s.load("vain", column, work.dtype)
                return [s.store("vain", column, flipped.added(word(j, column, k), total))]

            def put(column: Expr) -> list[Stmt]:
                total = s.load("vain", column, work.dtype)
                return [s.store("start", s.add(s.multiply(j, self.nr), column), s.negative(total))]

            return [
                Alloc("vain", work.dtype, self.nr, "register"),
                over(s, "k", steps, lambda k: self._vectors(lambda column: add(k, column))),
                *self._vectors(put),
            ]

        return [over(s, "j", s.floor_divide(s.add(columns, self.nr - 1), self.nr), tile)]

    def _vectors(self, make: Callable[[Expr], list[Stmt]]) -> list[Stmt]:
        """`make(column)` for the columns of a tile, each vector written out."""
        s, lanes = self.work.s, self.work.lanes

        def vector(v: Expr) -> list[Stmt]:
            first = s.multiply(v, lanes)
            return [over(s, "l", lanes, lambda lane: make(s.add(first, lane)), "vector")]

        return [over(s, "v", self.nr // lanes, vector, "unroll")]
