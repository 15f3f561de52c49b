"""Long sums cut into chunks: partial results in a temporary, and the task that adds them up."""

from __future__ import annotations

import math

from lamina.backend.nest.nodes import Accumulate, Accumulator, Expr, Nest, Param, Stmt, var
from lamina.backend.schedule.loops import grain_for
from lamina.backend.schedule.policies.contract_nest import Work, name_of, over, parallel
from lamina.backend.schedule.schedule import Schedule, Task

BLOCK = 1024  # results of one parallel iteration


def with_finish(task: Task, work: Work, chunks: int) -> Schedule:
    """The schedule of one task, and of another that adds the chunks where there are several."""
    if chunks == 1:
        return Schedule((task,))
    partial_bytes = chunks * work.axes.value.type.size * work.target.vector_bytes // work.lanes
    fresh = Work(work.body, work.axes, work.target)
    return Schedule((task, _finish(fresh, chunks, work.partial)), (partial_bytes,))


def _finish(work: Work, chunks: int, partial: str) -> Task:
    """Adds the chunks of every result, which lie in a temporary, and applies the epilogue.

    Where there is none, results are as good as a row, which a vector may fill across rows.
    """
    s, value = work.s, work.axes.value
    shape, size = value.shape, value.type.size
    outputs = work.body.outputs
    plain = not shape or (len(outputs) == 1 and outputs[0] is value)
    row = 1 if plain else shape[-1]
    rows = size // max(row, 1)
    together = max(BLOCK // max(row, 1), 1)

    def element(flat: Expr, index: tuple[Expr, ...]) -> list[Stmt]:
        name = s.fresh("sum")

        def add(c: Expr) -> list[Stmt]:
            return [Accumulate(name, s.load(partial, s.add(s.multiply(c, size), flat), work.dtype))]

        return [
            Accumulator(name, work.dtype, "add", work.zero()),
            over(s, "c", chunks, add),
            *work.results(var(name, work.dtype), index),
        ]

    def of_row(r: Expr) -> list[Stmt]:
        def one(j: Expr) -> list[Stmt]:
            return element(s.add(s.multiply(r, row), j), (*s.delinearize(r, shape[:-1]), j))

        return [over(s, "j", row, one, "vector")]

    def block(t: Expr) -> list[Stmt]:
        first = s.multiply(t, together)
        last = s.minimum(s.add(first, together), rows)
        if plain:
            one = lambda e: element(e, s.delinearize(e, shape))
            return [over(s, "e", last, one, "vector", start=first)]
        return [over(s, "r", last, of_row, start=first)]

    body = parallel(s, "t", math.ceil(rows / together), block)
    summed = Param(partial, work.dtype, chunks * size)
    name = name_of("contract_finish", work.axes, work.body)
    nest = Nest(name, (*work.parameters(), summed), body, work.checks)
    return Task(nest, grain_for(together * row, float(chunks)))
