"""The wide form: a few rows times a matrix that lies along its columns; bound by its reading.

    parallel for t                              a chunk of the sum, and a range of columns
      for k0                                    a few rows of the matrix at a time
        vector j { y[i, j] += Σ_u row[i, k0 + u] · column[k0 + u, j] }
      vector j: write

The sums of a task stay in the first cache, as many columns as it holds, so that rows of the matrix
are read in long runs, each once; tasks share the rows.
"""

from __future__ import annotations

import math

from lamina.backend.nest.nodes import Alloc, Expr, Nest, Stmt
from lamina.backend.schedule.policies.contract_axes import Reader
from lamina.backend.schedule.policies.contract_nest import (
    Work,
    is_far,
    name_of,
    over,
    parallel,
)
from lamina.backend.schedule.policies.contract_split import with_finish
from lamina.backend.schedule.policies.contract_tiled_plan import probe
from lamina.backend.schedule.policies.contract_tiles import (
    TASK_CYCLES,
    elapsed,
    even_part,
    tasks_wanted,
)
from lamina.backend.schedule.policies.contract_words import Words
from lamina.backend.schedule.schedule import Schedule, Task

MOST_ROWS = 4  # of the left operand
FAR_ROWS = 12  # likewise, by a matrix that the second cache does not hold
DEPTH = 8  # rows of the matrix read together
LEAST_COLUMNS = 16  # vectors in a task
LEAST_DEPTH = 32  # k that is worth a chunk


def is_wide(work: Work) -> bool:
    """Whether there are a few rows, and columns that lie along n."""
    _, m, n, k = work.axes.sizes
    long = n >= LEAST_COLUMNS * work.lanes and is_far(k * n, work)
    if m > (FAR_ROWS if long else MOST_ROWS) or n < 2 * work.lanes:
        return False
    reads = probe(work)
    plain = m <= MOST_ROWS or reads.column_n.plain
    return plain and reads.column_n.unit and reads.column_k.step is not None


class Wide:
    """One contraction in the wide form."""

    def __init__(self, work: Work, parts: int | None = None):
        """The form with so many chunks of the sum, or the model's."""
        self.work = work
        self.batch, self.m, self.n, self.k = work.axes.sizes
        element_bytes = work.target.vector_bytes // work.lanes
        room = work.target.caches.l1d_bytes // 2 // (element_bytes * self.m)
        self.columns = even_part(self.n, max(room, LEAST_COLUMNS * work.lanes), work.lanes)
        self.parts = math.ceil(self.n / self.columns)
        self.cycles = self.batch * self.m * self.n * self.k / work.lanes
        tasks = tasks_wanted(self.cycles, work.target.cores)
        wanted = parts or math.ceil(tasks / (self.batch * self.parts))
        chunks = max(1, min(wanted, self.k // LEAST_DEPTH))
        self.depth = even_part(self.k, math.ceil(self.k / chunks), DEPTH)
        self.chunks = math.ceil(self.k / self.depth)

    @property
    def estimate(self) -> float:
        """Cycles that pass, the matrix being at hand."""
        tasks = self.chunks * self.batch * self.parts
        return elapsed(self.cycles, tasks, self.work.target.cores)

    def schedule(self) -> Schedule:
        """The kernel, and what adds its parts where the sum is cut."""
        task = self._task_of_all()
        return with_finish(task, self.work, self.work.chunks)

    def _task_of_all(self) -> Task:
        work, s = self.work, self.work.s
        work.chunks = self.chunks

        def one(t: Expr) -> list[Stmt]:
            c, b, j = s.delinearize(t, (self.chunks, self.batch, self.parts))
            work.chunk = c
            return self._task(c, b, s.multiply(j, self.columns))

        count = self.chunks * self.batch * self.parts
        body = parallel(s, "t", count, one)
        per_task = self.m * self.n * self.k * self.batch / work.lanes / count
        nest = Nest(
            name_of("contract_wide", work.axes, work.body), work.parameters(), body, work.checks
        )
        return Task(nest, max(1, math.ceil(TASK_CYCLES / 4 / max(per_task, 1.0))))

    def _task(self, c: Expr, b: Expr, n0: Expr) -> list[Stmt]:
        work, s = self.work, self.work.s
        self.at_batch = work.axes.split(s, work.axes.batch, b)
        self.n0 = n0
        self.count = s.minimum(s.subtract(self.n, n0), self.columns)
        first = s.multiply(c, self.depth)
        last = s.minimum(s.add(first, self.depth), self.k)
        end = s.minimum(last, work.whole_steps)
        deep = s.add(first, s.multiply(s.floor_divide(s.subtract(end, first), DEPTH), DEPTH))
        whole, ends = work.whole, work.reader
        rest = [over(s, "k0", end, lambda k0: self._rows(whole, k0, 1), start=deep)]
        if work.whole_steps < self.k:
            rest.append(over(s, "k0", last, lambda k0: self._rows(ends, k0, 1), start=end))
        return [
            Alloc("y", work.dtype, self.m * self.columns),
            *self._clear(),
            over(s, "k0", deep, lambda k0: self._rows(whole, k0, DEPTH), start=first, step=DEPTH),
            *rest,
            *self._write(),
        ]

    def _y(self, i: int, j: Expr) -> Expr:
        return self.work.s.add(i * self.columns, j)

    def _clear(self) -> list[Stmt]:
        s = self.work.s

        def one(j: Expr) -> list[Stmt]:
            return [s.store("y", self._y(i, j), self.work.zero()) for i in range(self.m)]

        return [over(s, "j", self.count, one, "vector")]

    def _rows(self, reader: Reader | Words, k0: Expr, depth: int) -> list[Stmt]:
        """Adds `depth` rows of the matrix to the sums."""
        work, s, axes = self.work, self.work.s, self.work.axes

        def one(j: Expr) -> list[Stmt]:
            work.pull.forget()
            n = axes.split(s, axes.n, s.add(self.n0, j))
            totals: list[Expr] = [s.load("y", self._y(i, j), work.dtype) for i in range(self.m)]
            for u in range(depth):
                summed = axes.split(s, axes.k, s.add(k0, u))
                column = reader.column(self.at_batch, n, summed)
                for i in range(self.m):
                    m = axes.split(s, axes.m, s.constant(i))
                    row = reader.row(self.at_batch, m, summed)
                    totals[i] = work.multiply_add(row, column, totals[i])
            writes = [s.store("y", self._y(i, j), total) for i, total in enumerate(totals)]
            return [*work.checked(), *writes]

        return [over(s, "j", self.count, one, "vector")]

    def _write(self) -> list[Stmt]:
        work, s, axes = self.work, self.work.s, self.work.axes
        found: list[Stmt] = []
        for i in range(self.m):
            m = axes.split(s, axes.m, s.constant(i))

            def one(j: Expr, i: int = i, m: dict[str, Expr] = m) -> list[Stmt]:
                n = axes.split(s, axes.n, s.add(self.n0, j))
                total = s.load("y", self._y(i, j), work.dtype)
                return work.results(total, work.reader.result(self.at_batch, m, n))

            found.append(over(s, "j", self.count, one, "vector"))
        return found
