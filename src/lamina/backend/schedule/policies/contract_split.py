"""Long sums cut into chunks: partial results in a temporary, and the task that adds them up."""

from __future__ import annotations

import math

from lamina.backend.nest.nodes import Accumulate, Accumulator, Expr, Nest, Param, Stmt, var
from lamina.backend.schedule.loops import grain_for
from lamina.backend.schedule.policies.contract_nest import PARTIAL, Work, over, parallel
from lamina.backend.schedule.schedule import Task

BLOCK = 1024  # results of one parallel iteration


def finish(work: Work, chunks: int) -> Task:
    """Adds the chunks of every result and applies the epilogue.

    Args:
        work: a fresh one for the body.
    """
    s, shape = work.s, work.axes.value.shape
    size = math.prod(shape)
    row = shape[-1] if shape else 1
    rows = math.prod(shape[:-1])
    together = max(BLOCK // max(row, 1), 1)

    def element(r: Expr, j: Expr) -> list[Stmt]:
        name = s.fresh("sum")

        def add(c: Expr) -> list[Stmt]:
            at = s.add(s.multiply(c, size), s.add(s.multiply(r, row), j))
            return [Accumulate(name, s.load(PARTIAL, at, work.dtype))]

        index = (*s.delinearize(r, shape[:-1]), j) if shape else ()
        return [
            Accumulator(name, work.dtype, "add", work.zero()),
            over(s, "c", chunks, add),
            *work.results(var(name, work.dtype), index),
        ]

    def block(t: Expr) -> list[Stmt]:
        first = s.multiply(t, together)
        last = s.minimum(s.add(first, together), rows)

        def one(r: Expr) -> list[Stmt]:
            return [over(s, "j", row, lambda j: element(r, j), "vector")]

        return [over(s, "r", last, one, start=first)]

    body = parallel(s, "t", math.ceil(rows / together), block)
    partial = Param(PARTIAL, work.dtype, chunks * size)
    nest = Nest("contract_finish", (*work.parameters(), partial), body, work.checks)
    return Task(nest, grain_for(together * row, float(chunks)))
