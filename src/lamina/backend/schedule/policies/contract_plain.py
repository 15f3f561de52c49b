"""The plain form: one loop for each axis of the result, vectors along the last, and the sum inside.

For products too small, too short in k, or too odd for tiles:

    parallel for t { vector j { acc <- row · column for all k; write } }
"""

from __future__ import annotations

import math

from lamina.backend.nest.nodes import Accumulate, Accumulator, Expr, For, Nest, Stmt, var
from lamina.backend.schedule.loops import grain_for
from lamina.backend.schedule.policies.contract_nest import Work, name_of, over, parallel
from lamina.backend.schedule.schedule import Schedule, Task


class Plain:
    """One contraction in the plain form."""

    def __init__(self, work: Work):
        self.work = work
        self.shape = work.axes.value.shape

    @property
    def estimate(self) -> float:
        """Cycles that pass: a load for each multiply-add."""
        work = self.work
        cycles = math.prod(work.axes.sizes) / work.lanes
        return cycles / min(work.target.cores, max(math.prod(self.shape[:-1]), 1))

    def schedule(self) -> Schedule:
        """The kernel: the axes of the result but the last are split over threads."""
        work, s = self.work, self.work.s
        *outer, inner = self.shape or (1,)
        rows = math.prod(outer)

        def row(t: Expr) -> list[Stmt]:
            index = s.delinearize(t, outer)
            return [over(s, "j", inner, lambda j: self._element((*index, j)), "vector")]

        body = parallel(s, "t", rows, row)
        nest = Nest(
            name_of("contract_plain", work.axes, work.body), work.parameters(), body, work.checks
        )
        return Schedule((Task(nest, grain_for(inner, 2.0 * work.axes.sizes[3] + 4.0)),))

    def _element(self, index: tuple[Expr, ...]) -> list[Stmt]:
        work, s, axes = self.work, self.work.s, self.work.axes
        at = dict(zip(axes.letters[2], index, strict=False))
        name = s.fresh("sum")

        def product(summed: dict[str, Expr]) -> list[Stmt]:
            work.pull.forget()
            row, column = work.reader.row(at, {}, summed), work.reader.column(at, {}, summed)
            value = s.and_(row, column) if work.dtype == "bool" else s.multiply(row, column)
            return [*work.checked(), Accumulate(name, value)]

        def sums(letters: tuple[str, ...], summed: dict[str, Expr]) -> list[Stmt]:
            if not letters:
                return product(summed)
            first, *rest = letters

            def one(k: Expr) -> list[Stmt]:
                return sums(tuple(rest), summed | {first: k})

            loop: For = over(s, "k", axes.size_of[first], one)
            return [loop]

        return [
            Accumulator(name, work.dtype, "add", work.zero()),
            *sums(axes.k, {}),
            *work.results(var(name, work.dtype), index if self.shape else ()),
        ]
