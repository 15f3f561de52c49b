"""Scatters of long rows: the updates of each row of the output, found by sorting, put in one pass.

    count the updates of each place; add up where those of each place begin
    write the numbers of the updates, in their order, one place after the other
    parallel for each row of the output {
      start from x; put its updates, one after the other; store it
    }

So each row of the output is written once, by one thread, and the next updates are known, to be
fetched ahead. The sort is a counting sort (Knuth, "The Art of Computer Programming", volume 3, 5.2)
and keeps the order of the updates of a place.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from lamina.backend.nest.build import Builder
from lamina.backend.nest.nodes import (
    Alloc,
    Expr,
    For,
    Param,
    Prefetch,
    Stmt,
    Store,
    Var,
    const,
)
from lamina.backend.schedule.loops import (
    accumulator_dtype,
    bind_inputs,
    faults,
    grain_for,
    kernel,
    params,
    passes_caches,
)
from lamina.backend.schedule.pull import Pull
from lamina.backend.schedule.schedule import Schedule, Task
from lamina.backend.targets import Target
from lamina.graph.ir import Graph
from lamina.graph.ops import Scatter
from lamina.graph.ops.index import inside_all, position

LEAST_ROW_BYTES = 256  # of the output: sorting costs as much as some lines of memory
LEAST_UPDATES_BYTES = 1 << 17
LEAST_ROWS = 4  # of the output for each core, that all have some
AHEAD = 4  # updates that are asked for before their turn
NUMBER = "i32"  # dtype of the numbers of updates


def pays(body: Graph, target: Target) -> bool:
    """Whether rows are so long, and so many, that sorting the updates is worth it."""
    out = body.outputs[0]
    assert isinstance(out.op, Scatter)
    x, updates, *_ = out.operands
    width = math.prod(x.type.shape[x.type.rank - out.op.rest :])
    row_bytes = width * out.dtype.size_bytes
    if row_bytes < LEAST_ROW_BYTES or updates.type.size_bytes < LEAST_UPDATES_BYTES:
        return False
    return x.type.size // width >= LEAST_ROWS * target.cores


class SortedScatter:
    """The two kernels of one scatter.

    Attributes:
        count: updates of a leading batch element.
        places: rows of the output for each of these.
    """

    def __init__(self, body: Graph, target: Target):
        self.body = body
        self.streaming = passes_caches(body, target)
        self.out = body.outputs[0]
        assert isinstance(self.out.op, Scatter)
        self.op: Scatter = self.out.op
        self.x, self.updates, *self.indices = self.out.operands
        lead = self.op.lead(self.indices)
        shape, rank = self.x.type.shape, self.x.type.rank
        self.lead = shape[:lead]
        self.sizes = shape[lead : rank - self.op.rest]
        self.rest = shape[rank - self.op.rest :]
        self.named = self.indices[0].type.shape[lead:]
        self.batch, self.places = math.prod(self.lead), math.prod(self.sizes)
        self.count, self.width = math.prod(self.named), math.prod(self.rest)
        self.dtype = str(self.out.dtype)
        self.wide = accumulator_dtype(self.out) if self.op.sums else self.dtype
        self.starts_size = self.places + 3
        self.numbers_size = self.count + AHEAD

    def schedule(self) -> Schedule:
        sizes = [self.batch * n for n in (self.starts_size, self.numbers_size)]
        return Schedule((self._sort(*sizes), self._put(*sizes)), tuple(4 * n for n in sizes))

    def _begin(self) -> None:
        self.s = Builder()
        self.pull = Pull(self.s)
        bind_inputs(self.pull, self.body)

    # --- sorting -------------------------------------------------------------------------------

    def _sort(self, starts: int, numbers: int) -> Task:
        """`tmp0[p]` is where the updates of place p begin in `tmp1`, those of none at the end."""
        self._begin()
        s = self.s
        b = s.loop("b", self.batch)
        first = s.multiply(b, self.starts_size)
        rank = s.multiply(b, self.numbers_size)

        def clear(i: Var) -> list[Stmt]:
            return [Store("tmp0", s.add(first, i), s.constant(0, NUMBER))]

        def pad(i: Var) -> list[Stmt]:
            return [Store("tmp1", s.add(rank, s.add(i, self.count)), s.constant(0, NUMBER))]

        def add_up(i: Var) -> list[Stmt]:
            s.forget("sum")
            at = s.add(first, i)
            total = s.add(s.load("sum", const(0), NUMBER), self._start(at))
            let, total = s.let("t", total)
            return [let, Store("sum", const(0), total), Store("tmp0", at, total)]

        inside = (
            self._loop("i", self.starts_size, clear, "vector"),
            self._loop("i", AHEAD, pad),
            Alloc("place", NUMBER, self.count),
            self._loop("u", self.count, lambda u: self._place(b, u), "vector"),
            self._loop("u", self.count, lambda u: self._count(u, first)),
            Alloc("sum", NUMBER, 1, "register"),
            self._loop("i", self.starts_size, add_up),
            self._loop("u", self.count, lambda u: self._number(u, first, rank)),
        )
        outer = For(b.name, const(0), const(self.batch), inside, "parallel")
        nest = kernel("sort", self.body, (outer,), self._parameters(starts, numbers, "out"))
        return Task(nest, 1)

    def _loop(
        self, hint: str, extent: int, body: Callable[[Var], list[Stmt]], kind: str = "serial"
    ) -> For:
        self.pull.forget()
        v = self.s.loop(hint, extent)
        return For(v.name, const(0), const(extent), tuple(body(v)), kind)

    def _count(self, u: Var, first: Expr) -> list[Stmt]:
        at = self._counter(u, first, 2)
        return [Store("tmp0", at, self.s.add(self._start(at), self.s.constant(1, NUMBER)))]

    def _number(self, u: Var, first: Expr, rank: Expr) -> list[Stmt]:
        s = self.s
        at = self._counter(u, first, 1)
        let, start = s.let("n", self._start(at))
        number = s.add(rank, s.cast(start, "i64"))
        return [
            let,
            Store("tmp1", number, s.cast(u, NUMBER)),
            Store("tmp0", at, s.add(start, s.constant(1, NUMBER))),
        ]

    def _counter(self, u: Var, first: Expr, beyond: int) -> Expr:
        place = self.s.cast(self.s.load("place", u, NUMBER), "i64")
        return self.s.add(first, self.s.add(place, beyond))

    def _start(self, at: Expr) -> Expr:
        self.s.forget("tmp0")
        return self.s.load("tmp0", at, NUMBER)

    def _place(self, b: Var, u: Var) -> list[Stmt]:
        """Stores the row that update `u` goes to; one past the last where it is dropped."""
        s = self.s
        index = (*s.delinearize(b, self.lead), *s.delinearize(u, self.named))
        with self.pull.checking(self.out):
            found = [position(s, self.pull.element(i, index)) for i in self.indices]
            if not self.op.drop:
                inside = [s.check_index(p, n) for p, n in zip(found, self.sizes)]
                place = s.linearize(inside, self.sizes)
                return [*faults(s), Store("place", u, s.cast(place, NUMBER))]
        met, *others = inside_all(s, found, self.sizes)
        for condition in others:
            met = s.and_(met, condition)
        clamped = [s.minimum(s.maximum(p, 0), max(n - 1, 0)) for p, n in zip(found, self.sizes)]
        place = s.select(met, s.linearize(clamped, self.sizes), s.constant(self.places))
        return [*faults(s), Store("place", u, s.cast(place, NUMBER))]

    # --- putting -------------------------------------------------------------------------------

    def _put(self, starts: int, numbers: int) -> Task:
        self._begin()
        s = self.s
        p = s.loop("p", self.batch * self.places)
        b, place = s.floor_divide(p, const(self.places)), s.remainder(p, const(self.places))
        row = (*s.delinearize(b, self.lead), *s.delinearize(place, self.sizes))
        at = s.add(s.multiply(b, self.starts_size), place)
        lets = [s.let("n", s.cast(s.load("tmp0", s.add(at, i), NUMBER), "i64")) for i in (0, 1)]

        def begin(c: Var) -> list[Stmt]:
            value = self.pull.element(self.x, (*row, *s.delinearize(c, self.rest)))
            return [*faults(s), Store("row", c, s.cast(value, self.wide))]

        def store(c: Var) -> list[Stmt]:
            s.forget("row")
            offset = s.linearize((*row, *s.delinearize(c, self.rest)), self.out.type.shape)
            value = s.cast(s.load("row", c, self.wide), self.dtype)
            return [Store("out0", offset, value, streaming=self.streaming)]

        i = s.loop("i", self.count)
        updates = For(i.name, lets[0][1], lets[1][1], tuple(self._one(b, row, i)))
        inside = (
            Alloc("row", self.wide, self.width),
            self._loop("c", self.width, begin, "vector"),
            *[let for let, _ in lets],
            updates,
            self._loop("c", self.width, store, "vector"),
        )
        outer = For(p.name, const(0), const(self.batch * self.places), inside, "parallel")
        named = self._parameters(starts, numbers, "in")
        share = 2 + self.batch * self.count / max(1, self.batch * self.places)
        return Task(kernel("scatter", self.body, (outer,), named), grain_for(self.width, share))

    def _one(self, b: Expr, row: tuple[Expr, ...], i: Var) -> list[Stmt]:
        """Puts update number `i` of the sorted ones, and asks for a later one."""
        s = self.s
        rank = s.add(s.multiply(b, self.numbers_size), i)
        lets: list[Stmt] = []
        numbers: list[Expr] = []
        for n in (rank, s.add(rank, AHEAD)):
            let, number = s.let("u", s.cast(s.load("tmp1", n, NUMBER), "i64"))
            lets.append(let)
            numbers.append(number)
        lead = row[: len(self.lead)]

        def put(c: Var) -> list[Stmt]:
            columns = s.delinearize(c, self.rest)
            index, later = ((*lead, *s.delinearize(n, self.named), *columns) for n in numbers)
            value = s.cast(self.pull.element(self.updates, index), self.wide)
            if self.op.combiner is not None:
                s.forget("row")
                value = s.apply(self.op.combiner, (s.load("row", c, self.wide), value))
            found: list[Stmt] = [*faults(s), Store("row", c, value)]
            for k, v in enumerate(self.body.inputs):
                if v is self.updates:
                    found.append(Prefetch(f"in{k}", s.linearize(later, v.type.shape)))
            return found

        return [*lets, self._loop("c", self.width, put, "vector")]

    def _parameters(self, starts: int, numbers: int, role: str) -> tuple[Param, ...]:
        sorting = Param("tmp0", NUMBER, starts, role), Param("tmp1", NUMBER, numbers, role)
        return (*params(self.body), *sorting)
