"""The dot form: vectors along the sum, for operands that both lie along k and few results.

    parallel for t                              a chunk of the sum, a block of rows and columns
      for i1, j1                                a tile of MR x NR dot products
        for k { unroll i, j { vector l: acc[i, j, l] += row[i, k + l] · column[j, k + l] } }
        add the lanes of each acc[i, j]; write

An operand that is more than a load, like the windows of a picture, is copied to scratch first,
piece by piece of the sum; then all tiles see to one piece before the next.

Products of a vector and a matrix, of a few rows and a transposed matrix, and weight gradients of
convolutions, whose sum is long. Where the results alone give too few tasks, the sum is cut into
chunks (`contract_split`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from lamina.backend.nest.nodes import Accumulate, Accumulator, Alloc, Expr, Nest, Stmt, var
from lamina.backend.schedule.policies.contract_axes import Access, Reader, access
from lamina.backend.schedule.policies.contract_nest import (
    Work,
    far_cycles,
    letter_loops,
    masked,
    name_of,
    only_if,
    over,
    parallel,
)
from lamina.backend.schedule.policies.contract_split import with_finish
from lamina.backend.schedule.policies.contract_tiles import (
    NEAR_VECTORS,
    TASK_CYCLES,
    TASKS_PER_CORE,
    elapsed,
    even_part,
)
from lamina.backend.schedule.policies.contract_words import Words
from lamina.backend.schedule.schedule import Schedule, Task
from lamina.base.dtypes import dtype

REDUCE_CYCLES = 6.0  # to add the lanes of one vector of partial sums
STAGE_CYCLES = 0.7  # to copy an element that is not simply loaded
MOST_RESULTS = 2048  # for which sums of a vector each are kept
STAGES = ("rows", "columns")
PRODUCTS = 2  # registers for products that are not added yet, where that is another instruction
WIDEN_CYCLES = 0.5  # to widen a vector of bytes that is loaded
PROLOGUE_CYCLES = 4.0  # to compute a vector of an operand that is not simply loaded


class Dot:
    """One contraction in the dot form.

    Args:
        tile: rows and columns of dot products that are summed together; the model's by default.
        tasks: how many there should be, about; likewise.
    """

    def __init__(self, work: Work, tile: tuple[int, int] | None = None, tasks: int | None = None):
        self.work, self._tasks = work, tasks
        self.batch, self.m, self.n, self.k = work.axes.sizes
        self.plain = (True, True)
        self.outer, self.run = self._find_run()
        self.outer_size = work.axes.extent(self.outer)
        self.mr, self.nr = tile or self._fit_tile()
        self.staged = self._fit_stages()
        hidden = work.target.fma_units * work.target.fma_latency
        longest = max(self.run // work.lanes, 1)
        self.copies = max(1, min(math.ceil(hidden / (self.mr * self.nr)), longest))
        self.rows, self.columns, self.chunks = self._fit_grid()

    # ------------------------------------------------------------ decisions

    def _find_run(self) -> tuple[tuple[str, ...], int]:
        """The letters of k that are looped over, and how far both operands lie along the rest."""
        letters = self.work.axes.k
        if not letters:
            return (), 0
        for first in range(len(letters)):
            row, column = self._along(letters[first:], letters[:first])
            if row.unit and column.unit:
                self.plain = row.plain, column.plain
                return letters[:first], self.work.axes.extent(letters[first:])
        return (), 0

    def _along(self, run: tuple[str, ...], outer: tuple[str, ...]) -> tuple[Access, Access]:
        """How the terms of the operands are read along a run of the sum."""
        work, s = self.work, self.work.s
        axes = work.axes
        run = run if axes.together == 1 else axes.terms
        places = [
            axes.split(s, letters, s.loop("p", axes.extent(letters)))
            for letters in (axes.batch, axes.m, axes.n, outer)
        ]
        k = s.loop("k", axes.extent(run))
        summed = places[3] | axes.split(s, run, k)
        row = work.terms.row(places[0], places[1], summed)
        column = work.terms.column(places[0], places[2], summed)
        s.faults.clear()
        return access(s, row, k), access(s, column, k)

    @property
    def fits(self) -> bool:
        """Whether both operands lie along the sum, far enough for a vector."""
        return 2 * self.run >= self.work.lanes

    def _fit_tile(self) -> tuple[int, int]:
        return next(iter(self.tiles()), (1, 1))

    def tiles(self) -> list[tuple[int, int]]:
        """Rows and columns of tiles that fit in the registers, those of the fewest cycles first."""
        registers = self.work.target.vector_registers
        registers -= PRODUCTS if self.work.words is not None else 0
        found: list[tuple[float, int, int]] = []
        for mr in range(1, min(self.m, 8) + 1):
            for nr in range(1, min(self.n, 8) + 1):
                if mr * nr + min(mr, nr) + 1 > registers:
                    continue
                tiles = math.ceil(self.m / mr) * math.ceil(self.n / nr)
                sums = max(mr * nr, 4) + self.work.target.fma_units * self._widening(mr, nr)
                cost = tiles * (sums + 0.6 * (mr + nr) + 1.0)
                found.append((cost, mr, nr))
        return [(mr, nr) for _, mr, nr in sorted(found)]

    def _widening(self, mr: int, nr: int) -> float:
        """Cycles to widen the bytes of a vector of words, in a step of a tile."""
        words = self.work.words
        return (
            0.0 if words is None else WIDEN_CYCLES * (mr * words.widens[0] + nr * words.widens[1])
        )

    def _fit_stages(self) -> tuple[bool, bool]:
        """Whether the row operand and the column operand are copied first."""
        letters = self.work.axes.k
        short = not letters or self.work.axes.size_of[letters[-1]] < self.work.lanes
        if short or not self.outer or self.m * self.n > MOST_RESULTS:
            return False, False
        caches, lanes = self.work.target.caches, self.work.lanes
        room = caches.near_bytes // 4 // (self.work.target.vector_bytes)
        found = []
        counts = ((self.m, self.n, self.nr), (self.n, self.m, self.mr))
        for plain, (own, other, part) in zip(self.plain, counts, strict=True):
            again = other > part or len(self.outer) + 1 < len(letters)
            fits = own * math.ceil(self.run / lanes) <= room
            found.append(not plain and again and fits)
        return found[0], found[1]

    @property
    def cycles(self) -> float:
        """Of the sums, on one core, as if everything were in the second cache."""
        work, lanes = self.work, self.work.lanes
        filled = self.run / (math.ceil(self.run / lanes) * lanes) if self.run else 1.0
        tiles = self.batch * math.ceil(self.m / self.mr) * math.ceil(self.n / self.nr)
        loads = self.mr + self.nr
        per_step = max(self.mr * self.nr / work.target.fma_units, loads / 2, self._streamed)
        per_step += self._widening(self.mr, self.nr)
        copied = 0.0
        uses = ((self.mr, self.m), (self.nr, self.n))
        for plain, staged, (part, own) in zip(self.plain, self.staged, uses, strict=True):
            if staged:
                copied += self.batch * self.k * own * STAGE_CYCLES
            elif not plain:
                per_step += PROLOGUE_CYCLES * part
        return tiles * (self.k / lanes / filled) * per_step + copied

    @property
    def _streamed(self) -> float:
        """Cycles of a step in which a tile waits for the second cache.

        The rows of a tile stay in the first cache, where they and as many columns fit: then columns
        pass by, otherwise both do.
        """
        element_bytes = dtype(self.work.kept_dtype).size_bytes
        room = self.work.target.caches.l1d_bytes // 2
        if (self.m + self.n) * self.run * element_bytes <= room:
            return 0.0
        stay = (self.mr + self.nr) * self.run * element_bytes <= room
        vectors = (self.nr if stay else self.mr + self.nr) * element_bytes / self.work.element_bytes
        return vectors / NEAR_VECTORS

    @property
    def cost(self) -> float:
        """Cycles on one core: what forms are compared by."""
        results = self.batch * self.m * self.n * max(self.chunks, 1)
        return self.cycles + results * REDUCE_CYCLES + self._waiting

    @property
    def _waiting(self) -> float:
        """Cycles in which tiles wait for weights to come from memory, where those are frozen.

        The columns of a task pass by once for each row of tiles. Rows of several columns at a time
        come twice as fast as one stream does.
        """
        work, found = self.work, 0.0
        sizes = ((self.m, self.nr, 1), (self.n, self.mr, math.ceil(self.m / self.mr)))
        for which, (own, uses, passes) in enumerate(sizes):
            if work.is_still(which):
                far = far_cycles(self.batch * self.k * own, work) / 2
                busy = uses / work.lanes / work.target.fma_units
                found += passes * self.k * own * max(far - busy, 0.0)
        return self.batch * found

    @property
    def estimate(self) -> float:
        """Cycles that pass."""
        tasks = math.ceil(self.m / self.rows) * math.ceil(self.n / self.columns)
        tasks *= self.chunks * self.batch
        return elapsed(self.cost, tasks, self.work.target.cores)

    def _fit_grid(self) -> tuple[int, int, int]:
        """Rows and columns of a task, and chunks of the sum."""
        work = self.work
        cores = work.target.cores
        worth = max(int(self.k * self.m * self.n * self.batch / 8 / TASK_CYCLES), 1)
        most = self._tasks or TASKS_PER_CORE * cores
        needed = math.ceil(min(most, worth) / max(self.batch, 1))
        wanted = self._tasks or min(
            2 * cores, worth
        )  # chunks have to be added up: as few as will do
        columns = even_part(self.n, max(self.n // needed, 1), self.nr) if self.n else 1
        needed = math.ceil(needed / max(math.ceil(self.n / columns), 1))
        rows = even_part(self.m, max(self.m // needed, 1), self.mr) if self.m else 1
        results = self.batch * math.ceil(self.m / rows) * math.ceil(self.n / columns)
        staged = any(self.staged)
        if (not staged and results >= wanted) or (not staged and self.m * self.n * 64 > self.k):
            return rows, columns, 1
        rows, columns = even_part(self.m, self.m, self.mr), even_part(self.n, self.n, self.nr)
        element_bytes = work.target.vector_bytes // work.lanes
        block = work.target.caches.l2_bytes // 2 // (element_bytes * (self.m + self.n))
        fitting = 1 if staged else math.ceil(self.k / max(block, 1024))
        chunks = max(fitting, math.ceil(wanted / self.batch))
        return rows, columns, min(chunks, max(self._pieces, 1))

    @property
    def _pieces(self) -> int:
        """Into how many parts the sum can be cut."""
        return self.outer_size if self.outer else self.run // (4 * self.work.lanes)

    # ------------------------------------------------------------ the nest

    def schedule(self) -> Schedule:
        """The kernel, and what adds its parts where the sum is cut."""
        task = self._task_of_all()
        return with_finish(task, self.work, self.work.chunks)

    def _task_of_all(self) -> Task:
        work, s = self.work, self.work.s
        blocks = (math.ceil(self.m / self.rows), math.ceil(self.n / self.columns))
        work.chunks = self.chunks

        def one(t: Expr) -> list[Stmt]:
            c, b, i, j = s.delinearize(t, (self.chunks, self.batch, *blocks))
            work.chunk = c
            return self._task(c, b, s.multiply(i, self.rows), s.multiply(j, self.columns))

        count = self.chunks * self.batch * blocks[0] * blocks[1]
        body = parallel(s, "t", count, one)
        nest = Nest(
            name_of("contract_dot", work.axes, work.body), work.parameters(), body, work.checks
        )
        return Task(nest, max(1, math.ceil(TASK_CYCLES * count / max(self.cycles, 1.0))))

    def _task(self, c: Expr, b: Expr, m0: Expr, n0: Expr) -> list[Stmt]:
        s = self.work.s
        self.at_batch = self.work.axes.split(s, self.work.axes.batch, b)
        if any(self.staged):
            return self._by_pieces(c)
        m_stop = s.minimum(s.add(m0, self.rows), self.m)
        n_stop = s.minimum(s.add(n0, self.columns), self.n)

        def row(i1: Expr) -> list[Stmt]:
            def column(j1: Expr) -> list[Stmt]:
                return self._tile(c, i1, j1, m_stop, n_stop)

            return [over(s, "j1", n_stop, column, start=n0, step=self.nr)]

        return [over(s, "i1", m_stop, row, start=m0, step=self.mr)]

    # ------------------------------------------------------------ with operands copied first

    def _by_pieces(self, c: Expr) -> list[Stmt]:
        """All tiles, piece after piece of the sum; their sums are kept in between."""
        work, s = self.work, self.work.s
        size = self.copies * self.mr * self.nr * work.lanes
        across = math.ceil(self.n / self.nr)
        m_stop, n_stop = s.constant(self.m), s.constant(self.n)
        part = math.ceil(self.outer_size / self.chunks)
        first = s.multiply(c, part)
        last = s.minimum(s.add(first, part), self.outer_size)

        def kept(i1: Expr, j1: Expr, at: Expr) -> Expr:
            i, j = s.floor_divide(i1, self.mr), s.floor_divide(j1, self.nr)
            return s.add(s.multiply(s.add(s.multiply(i, across), j), size), at)

        def resume(i1: Expr, j1: Expr) -> list[Stmt]:
            def one(at: Expr) -> list[Stmt]:
                return [s.store("acc", at, s.load("kept", kept(i1, j1, at), work.dtype))]

            return self._vectors(one)

        def keep(i1: Expr, j1: Expr) -> list[Stmt]:
            def one(at: Expr) -> list[Stmt]:
                return [s.store("kept", kept(i1, j1, at), s.load("acc", at, work.dtype))]

            return self._vectors(one)

        def tiles(make: Callable[[Expr, Expr], list[Stmt]]) -> Stmt:
            def row(i1: Expr) -> list[Stmt]:
                def column(j1: Expr) -> list[Stmt]:
                    return [Alloc("acc", work.dtype, size, "register"), *make(i1, j1)]

                return [over(s, "j1", n_stop, column, step=self.nr)]

            return over(s, "i1", m_stop, row, step=self.mr)

        def piece(q: Expr) -> list[Stmt]:
            def sums(i1: Expr, j1: Expr) -> list[Stmt]:
                again = only_if(s.less(first, q), resume(i1, j1))
                whole = self._sums(q, s.constant(0), s.constant(self.run), i1, j1)
                return [*again, *whole, *keep(i1, j1)]

            return [*self._fill(0, q), *self._fill(1, q), tiles(sums)]

        count = math.ceil(self.m / self.mr) * across
        return [
            Alloc("kept", work.dtype, count * size),
            *(Alloc(STAGES[w], work.dtype, self._stage_size(w)) for w in (0, 1) if self.staged[w]),
            over(s, "q", last, piece, start=first),
            tiles(lambda i1, j1: [*resume(i1, j1), *self._write(i1, j1, m_stop, n_stop)]),
        ]

    @property
    def _pitch(self) -> int:
        """Elements from one row of a copied operand to the next: an odd number of vectors."""
        return (math.ceil(self.run / self.work.lanes) | 1) * self.work.lanes

    def _stage_size(self, which: int) -> int:
        return (self.m, self.n)[which] * self._pitch

    def _fill(self, which: int, q: Expr) -> list[Stmt]:
        """Copies a piece of an operand, letter by letter."""
        if not self.staged[which]:
            return []
        work, s, axes = self.work, self.work.s, self.work.axes
        own = (axes.m, axes.n)[which]
        run = axes.k[len(self.outer) :]
        outer = axes.split(s, self.outer, q)
        read = (work.reader.row, work.reader.column)[which]

        def put(at: Mapping[str, Expr]) -> list[Stmt]:
            def one(x: Expr) -> list[Stmt]:
                work.pull.forget()
                index = {**at, run[-1]: x}
                value = read(
                    self.at_batch, {c: at[c] for c in own}, outer | {c: index[c] for c in run}
                )
                row = s.linearize([at[c] for c in own], [axes.size_of[c] for c in own])
                place = s.linearize([index[c] for c in run], [axes.size_of[c] for c in run])
                place = s.add(s.multiply(row, self._pitch), place)
                return [*work.checked(), s.store(STAGES[which], place, value)]

            return [over(s, "x", axes.size_of[run[-1]], one, "vector")]

        letters = (*own, *run[:-1])
        count = {c: s.constant(axes.size_of[c]) for c in letters}
        return letter_loops(s, letters, count, put)

    def _vectors(self, make: Callable[[Expr], list[Stmt]]) -> list[Stmt]:
        """`make(place in the tile)` for every vector of it."""
        s, lanes = self.work.s, self.work.lanes

        def vector(v: Expr) -> list[Stmt]:
            return [over(s, "l", lanes, lambda l: make(s.add(s.multiply(v, lanes), l)), "vector")]

        return [over(s, "v", self.copies * self.mr * self.nr, vector, "unroll")]

    # ------------------------------------------------------------ a tile

    def _tile(self, c: Expr, i1: Expr, j1: Expr, m_stop: Expr, n_stop: Expr) -> list[Stmt]:
        work, s = self.work, self.work.s
        size = self.copies * self.mr * self.nr * work.lanes
        found: list[Stmt] = [Alloc("acc", work.dtype, size, "register")]
        if self.outer:
            part = math.ceil(self.outer_size / self.chunks)
            first = s.multiply(c, part)
            last = s.minimum(s.add(first, part), self.outer_size)

            def piece(q: Expr) -> list[Stmt]:
                return self._sums(q, s.constant(0), s.constant(self.run), i1, j1)

            found.append(over(s, "q", last, piece, start=first))
        else:
            part = math.ceil(self.run / self.chunks / work.lanes) * work.lanes
            first = s.multiply(c, part)
            last = s.minimum(s.add(first, part), self.run)
            found += self._sums(s.constant(0), first, last, i1, j1)
        return [*found, *self._write(i1, j1, m_stop, n_stop)]

    @property
    def _whole_run(self) -> int:
        """How many steps of the run are known to lack no term."""
        return self.run if self.outer else self.work.whole_steps

    def _sums(self, q: Expr, first: Expr, last: Expr, i1: Expr, j1: Expr) -> list[Stmt]:
        """The sums over first..last of the run: whole vectors, then what is left."""
        s, lanes = self.work.s, self.work.lanes
        step = lanes * self.copies
        length = s.subtract(s.minimum(last, self._whole_run), first)
        whole = s.add(first, s.multiply(s.floor_divide(length, step), step))

        def several(k: Expr) -> list[Stmt]:
            def copy(u: Expr) -> list[Stmt]:
                return self._step(q, s.add(k, s.multiply(u, lanes)), u, i1, j1, None)

            return [over(s, "u", self.copies, copy, "unroll")]

        def rest(k: Expr) -> list[Stmt]:
            return self._step(q, k, s.constant(0), i1, j1, last)

        found: list[Stmt] = [over(s, "k", whole, several, start=first, step=step)]
        exact = s.subtract(last, whole)
        if s.range_of(exact) != (0, 0):
            found.append(over(s, "k", last, rest, start=whole, step=lanes))
        return found

    def _step(self, q: Expr, k: Expr, u: Expr, i1: Expr, j1: Expr, last: Expr | None) -> list[Stmt]:
        """One vector of k in every dot product of the tile."""
        work, s = self.work, self.work.s
        outer = work.axes.split(s, self.outer, q)
        run = work.axes.k[len(self.outer) :]
        reader = work.whole if last is None else work.reader

        def one(i: Expr, j: Expr) -> Callable[[Expr], list[Stmt]]:
            def vector(lane: Expr) -> list[Stmt]:
                work.pull.forget()
                at = s.add(k, lane)
                summed = outer | work.axes.split(s, run, at)
                inside = s.constant(True, "bool") if last is None else s.less(at, last)
                with masked(s, inside):
                    row = self._operand(reader, 0, s.add(i1, i), at, summed)
                    column = self._operand(reader, 1, s.add(j1, j), at, summed)
                if last is not None:
                    row, column = (
                        e if plain or staged else s.select(inside, e, work.zero())
                        for e, plain, staged in zip((row, column), self.plain, self.staged)
                    )
                where = self._at(u, i, j, lane)
                total = work.multiply_add(row, column, s.load("acc", where, work.dtype))
                return [*work.checked(), s.store("acc", where, total)]

            return vector

        return self._tile_loops(lambda i, j: [over(s, "l", work.lanes, one(i, j), "vector")])

    def _operand(
        self, reader: Reader | Words, which: int, own: Expr, k: Expr, summed: dict[str, Expr]
    ) -> Expr:
        """The row (0) or column operand (1) at a row or column, at k of the run."""
        work, s = self.work, self.work.s
        if self.staged[which]:
            last = (self.m, self.n)[which] - 1
            at = s.add(s.multiply(s.minimum(own, last), self._pitch), k)
            return s.load(STAGES[which], at, work.dtype)
        if which == 0:
            return reader.row(self.at_batch, self._m(own), summed)
        return reader.column(self.at_batch, self._n(own), summed)

    def _tile_loops(self, make: Callable[[Expr, Expr], list[Stmt]]) -> list[Stmt]:
        s = self.work.s

        def row(i: Expr) -> list[Stmt]:
            return [over(s, "j", self.nr, lambda j: make(i, j), "unroll")]

        return [over(s, "i", self.mr, row, "unroll")]

    def _m(self, row: Expr) -> dict[str, Expr]:
        s, axes = self.work.s, self.work.axes
        return axes.split(s, axes.m, s.minimum(row, max(self.m - 1, 0)))

    def _n(self, column: Expr) -> dict[str, Expr]:
        s, axes = self.work.s, self.work.axes
        return axes.split(s, axes.n, s.minimum(column, max(self.n - 1, 0)))

    def _at(self, u: Expr, i: Expr, j: Expr, lane: Expr) -> Expr:
        s = self.work.s
        return s.linearize((u, i, j, lane), (self.copies, self.mr, self.nr, self.work.lanes))

    def _write(self, i1: Expr, j1: Expr, m_stop: Expr, n_stop: Expr) -> list[Stmt]:
        work, s = self.work, self.work.s

        def one(i: Expr, j: Expr) -> list[Stmt]:
            name = s.fresh("dot")

            def lane_of(u: Expr) -> list[Stmt]:
                def lane(at: Expr) -> list[Stmt]:
                    part = s.load("acc", self._at(u, i, j, at), work.dtype)
                    return [Accumulate(name, part)]

                return [over(s, "l", work.lanes, lane, "vector")]

            index = work.reader.result(self.at_batch, self._m(s.add(i1, i)), self._n(s.add(j1, j)))
            inside = s.and_(s.less(s.add(i1, i), m_stop), s.less(s.add(j1, j), n_stop))
            body = [
                Accumulator(name, work.dtype, "add", work.zero()),
                over(s, "u", self.copies, lane_of, "unroll"),
                *work.results(var(name, work.dtype), index),
            ]
            return only_if(inside, body)

        return self._tile_loops(one)
