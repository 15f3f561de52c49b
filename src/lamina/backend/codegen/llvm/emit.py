"""Nest -> LLVM IR text.

    define void @name(ptr %args, i64 %begin, i64 %end, ptr %scratch)

`args` is an array of buffer pointers in parameter order, then, if the nest leaves sizes open, a
pointer to them (int64 each), then, if it checks anything, a pointer to the status (int64[4]: code,
value, limit). The outermost parallel loop runs from begin to end.

`Writer` places instructions, `Expressions` gives values and offsets, `Memory` accesses buffers,
`Lanes` computes, `Accumulators` keeps partial sums; this file walks the statements.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from lamina.backend.nest.dependence import memory_of
from lamina.backend.nest.nodes import (
    LEAST_SIZE,
    MOST_SIZE,
    SCRATCH_ALIGN,
    Accumulate,
    Accumulator,
    Alloc,
    Apply,
    Const,
    Expr,
    Fault,
    For,
    If,
    Let,
    Load,
    Nest,
    Prefetch,
    Stmt,
    Store,
    Var,
)
from lamina.base.errors import VerifyError

from .accumulators import Accumulators
from .expressions import Expressions
from .indices import Indices
from .lanes import Lane, Lanes, bits_of
from .memory import Buffer, Memory, zeroed
from .offsets import Offset, of_scalar, plus
from .widths import Body, Machine, copies_of, lanes_of, survey
from .writer import Writer

_MANY = 16  # vectors in a loop, from which preparing something for all of them pays
_STRAIGHT = 8  # vector loops of at most so many vectors are written out


@dataclass(frozen=True)
class KernelText:
    """LLVM IR of one kernel: `text` is a whole module that defines `symbol`.

    `scratch_bytes` counts the buffers of constant size.
    """

    symbol: str
    text: str
    scratch_bytes: int


def emit(nest: Nest, target: Machine, symbol: str = "") -> KernelText:
    """The LLVM IR of a nest for a target.

    Args:
        nest: a verified nest.
        target: answers `has(feature)` and `lanes(dtype)`.
        symbol: the function's name; the nest's when empty.
    """
    return KernelEmitter(nest, target).run(symbol or nest.name)


class KernelEmitter:
    """Walks one nest."""

    def __init__(self, nest: Nest, target: Machine) -> None:
        self.nest, self.target = nest, target
        self.w = Writer()
        self.s = Lanes(self.w.pure, self.w.declare, target)
        self.indices = Indices(self.w, self.s)
        self.memory = Memory(self.w, self.s, self.indices, target)
        self.accumulators = Accumulators(self.w, self.s)
        self.x = Expressions(self.s, self.indices, self.memory, self.accumulators)
        self.scratch_bytes = 0
        self.open_scratch: Lane | None = None  # bytes of the buffers of open size
        self.fenced = False  # streaming stores have to be visible to other threads at the end
        self._groups: list[str] = []
        self._surveys: dict[int, Body] = {}

    # --- the function --------------------------------------------------------------------------

    def run(self, symbol: str) -> KernelText:
        self._bind_parameters()
        body = self.nest.body
        parallel = [s for s in body if isinstance(s, For) and s.kind == "parallel"]
        if parallel:
            if len(body) != 1:
                raise VerifyError(
                    "a parallel loop is not alone in its kernel",
                    [f"kernel {self.nest.name} has {len(body)} outer statements"],
                )
            self._parallel(parallel[0])
        else:
            self.body(body)
        lines = self.w.scopes[0].lines
        text = [
            f"define void @{symbol}(ptr %args, i64 %begin, i64 %end, ptr %scratch) nounwind {{",
            "entry:",
            *self.w.allocas,
            "  %empty = icmp sge i64 %begin, %end",
            "  br i1 %empty, label %done, label %run",
            "run:",
            *lines,
            *(["  fence seq_cst"] if self.fenced else []),
            "  br label %done",
            "done:",
            "  ret void",
            "}",
            *self.w.declarations,
            *self._metadata(),
        ]
        return KernelText(symbol, "\n".join(text) + "\n", self.scratch_bytes)

    def _bind_parameters(self) -> None:
        written = survey(self.nest.body).writes
        groups = memory_of(self.nest)
        written_groups = {groups[n] for n in written if n in groups}
        for index, p in enumerate(self.nest.params):
            group = groups[p.name]
            constant = group not in written_groups
            self._bind_buffer(p.name, p.dtype, self._pointer(index), group, constant)
        following = len(self.nest.params)
        if self.nest.sizes:
            self._bind_sizes(self._pointer(following))
            following += 1
        if self.nest.checks:
            self.status = self._pointer(following)

    def _pointer(self, index: int) -> str:
        slot = self.w.pure(f"getelementptr ptr, ptr %args, i64 {index}")
        return self.w.pure(f"load ptr, ptr {slot}, align 8")

    def _bind_sizes(self, table: str) -> None:
        for number, name in enumerate(self.nest.sizes):
            slot = self.w.pure(f"getelementptr i64, ptr {table}, i64 {number}")
            size = Lane(self.w.pure(f"load i64, ptr {slot}, align 8"), "i64")
            self.x.env[name] = of_scalar(size)
            self.x.bound(name, LEAST_SIZE, MOST_SIZE)

    def _bind_buffer(
        self, name: str, dtype: str, pointer: str, group: str,
        constant: bool = False, space: str = "param",
    ) -> None:  # fmt: skip
        if group not in self._groups:
            self._groups.append(group)
        number = self._groups.index(group)
        tag = f", !alias.scope !{101 + 3 * number}, !noalias !{102 + 3 * number}"
        if space == "register":
            tag = ""
        self.x.buffers[name] = Buffer(name, dtype, pointer, group, constant, space, tag)

    def _metadata(self) -> list[str]:
        lines = ["!0 = distinct !{!0}"]
        scopes = [f"!{100 + 3 * i}" for i in range(len(self._groups))]
        for i, scope in enumerate(scopes):
            others = ", ".join(s for s in scopes if s != scope)
            lines.append(f"{scope} = distinct !{{{scope}, !0}}")
            lines += [f"!{101 + 3 * i} = !{{{scope}}}", f"!{102 + 3 * i} = !{{{others}}}"]
        return [*lines, "!99 = !{i32 1}"]  # of !nontemporal

    def _parallel(self, loop: For) -> None:
        if loop.step != 1:
            raise VerifyError("a parallel loop has a step", [f"step {loop.step} of {loop.var}"])
        begin, end = Lane("%begin", "i64"), Lane("%end", "i64")
        writes = self._survey(loop, loop.body).writes
        self._bound(loop)
        with self.w.loop(begin, end, 1, writes) as variable, self.x.scoped():
            self.x.env[loop.var] = of_scalar(variable)
            self.body(loop.body)

    # --- statements ----------------------------------------------------------------------------

    def body(self, statements: tuple[Stmt, ...]) -> None:
        around, self.x.body = self.x.body, statements
        at = 0
        while at < len(statements):
            at += self._stored_pair(statements[at : at + 2]) or self._one(statements[at])
        self.x.body = around

    def _one(self, s: Stmt) -> int:
        self.statement(s)
        return 1

    def _stored_pair(self, pair: tuple[Stmt, ...]) -> int:
        """Stores of neighbours at every second place, as whole stores; how many it did."""
        match pair:
            case (Store(mask=None) as first, Store(mask=None) as second):
                if first.buffer != second.buffer or self.x.frame.width == 1:
                    return 0
            case _:
                return 0
        a, b = self.x.offset(first.offset), self.x.offset(second.offset)
        gap = plus(b, a, -1)
        if a.stride != 2 or not gap.is_constant or gap.constant != 1:
            return 0
        width = self.x.frame.width
        values = [self.s.broadcast(self.x.value(s.value), width) for s in (first, second)]
        buffer = self.x.buffers[first.buffer]
        self.memory.store_pairs(buffer, a, values, self.x.masked(None), self._streaming(first))
        return 2

    def _streaming(self, s: Store) -> int:
        """The alignment in bytes at which a store may bypass the caches; 0 where it must not."""
        return self.target.lanes("u8") if s.streaming and self.x.frame.streaming else 0

    def statement(self, s: Stmt) -> None:
        match s:
            case For(kind="unroll"):
                self._unroll(s)
            case For(kind="vector"):
                self._vector(s)
            case For():
                self._serial(s)
            case Let():
                if s.value.dtype == "i64":
                    self.x.env[s.name] = self.x.offset(s.value)
                    self.x.bound(s.name, *self.x.affine.range_of(s.value))
                else:
                    self.x.env[s.name] = self.x.value(s.value)
            case Store():
                self._store(s)
            case Prefetch():
                self.memory.prefetch(self.x.buffers[s.buffer], self.x.offset(s.offset))
            case Accumulator():
                init = self.x.value(s.init)
                self.accumulators.declare(s.name, s.dtype, s.op, init, self.x.frame)
            case Accumulate():
                self._accumulate(s)
            case Alloc():
                self._alloc(s)
            case If():
                condition = self.x.value(s.condition)
                if condition.width > 1:
                    raise VerifyError("the condition of an If differs between lanes")
                with self.w.when(condition, self._survey(s, s.body).writes), self.x.scoped():
                    self.body(s.body)
            case Fault():
                self._fault(s)
            case _:
                raise VerifyError(f"unknown statement {type(s).__name__}")

    def _survey(self, node: Stmt, statements: tuple[Stmt, ...]) -> Body:
        found = self._surveys.get(id(node))
        if found is None:
            found = survey(statements)
            for name in list(found.writes):
                if name in self.x.buffers:
                    found.writes.add(self.x.buffers[name].group)
            self._surveys[id(node)] = found
        return found

    def _store(self, s: Store) -> None:
        offset = self.x.offset(s.offset)
        value = self.x.value(s.value)
        mask = None if s.mask is None else self.x.value(s.mask)
        if value.width > 1 or not offset.is_uniform or (mask is not None and mask.width > 1):
            mask = self.x.masked(mask)
        buffer = self.x.buffers[s.buffer]
        self.memory.store(buffer, offset, value, self.x.frame.width, mask, self._streaming(s))

    def _accumulate(self, s: Accumulate) -> None:
        value = self.x.value(s.value)
        mask = None if s.mask is None else self.x.value(s.mask)
        if not self.accumulators.is_per_lane(s.name):
            mask = self.x.masked(mask)
        self.accumulators.accumulate(s.name, value, mask, self.x.frame)

    def _alloc(self, s: Alloc) -> None:
        if s.space == "register":
            assert isinstance(s.size, int)
            pointer = self.w.stack(zeroed(s.dtype, s.size))
            size_bytes = s.size * max(_memory_bytes(s.dtype), 1)
            self.w.declare("declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)")
            self.w.do(
                f"call void @llvm.memset.p0.i64(ptr align 64 {pointer}, i8 0, "
                f"i64 {size_bytes}, i1 false)"
            )
        else:
            pointer = self._scratch(s)
        self._bind_buffer(s.name, s.dtype, pointer, s.name, space=s.space)

    def _scratch(self, s: Alloc) -> str:
        """The next room in scratch memory."""
        start = self.s.constant(self.scratch_bytes, "i64")
        if self.open_scratch is not None:
            start = self.s.add(self.open_scratch, start)
        element_bytes = max(_memory_bytes(s.dtype), 1)
        if isinstance(s.size, Var):
            size_bytes = self._open_bytes(s.size, element_bytes)
            before = self.open_scratch
            self.open_scratch = size_bytes if before is None else self.s.add(before, size_bytes)
        else:
            self.scratch_bytes += -(-s.size * element_bytes // SCRATCH_ALIGN) * SCRATCH_ALIGN
        return self.w.pure(f"getelementptr i8, ptr %scratch, i64 {start.name}")

    def _open_bytes(self, size: Var, element_bytes: int) -> Lane:
        s = self.s
        size_bytes = s.multiply(self.x.value(size), s.constant(element_bytes, "i64"))
        rounded = s.add(size_bytes, s.constant(SCRATCH_ALIGN - 1, "i64"))
        return s.and_(rounded, s.constant(-SCRATCH_ALIGN, "i64"))

    def _fault(self, s: Fault) -> None:
        w, width = self.w, self.x.frame.width
        condition = self.x.value(s.condition)
        if condition.width > 1 or self.x.frame.mask is not None:
            condition = self.s.broadcast(condition, width)
            masked = self.x.masked(condition)
            assert masked is not None
            condition = masked
        value, limit = self.x.value(s.value), self.x.value(s.limit)
        if condition.width > 1:
            lanes = w.pure(f"bitcast {condition.typed} to i{width}")
            found = Lane(w.pure(f"icmp ne i{width} {lanes}, 0"), "bool")
            w.declare(f"declare i{width} @llvm.cttz.i{width}(i{width}, i1)")
        else:
            found = condition
        with w.when(found):
            if condition.width > 1:
                first = w.here(f"call i{width} @llvm.cttz.i{width}(i{width} {lanes}, i1 false)")
                value, limit = (self._lane(v, first, width) for v in (value, limit))
            pair = w.here(f"cmpxchg ptr {self.status}, i64 0, i64 {s.code} monotonic monotonic")
            won = Lane(w.here(f"extractvalue {{ i64, i1 }} {pair}, 1"), "bool")
            with w.when(won):
                for place, v in ((8, value), (16, limit)):
                    slot = w.pure(f"getelementptr i8, ptr {self.status}, i64 {place}")
                    w.do(f"store {v.typed}, ptr {slot}, align 8")

    def _lane(self, v: Lane, number: str, width: int) -> Lane:
        if v.width == 1:
            return v
        return Lane(self.w.here(f"extractelement {v.typed}, i{width} {number}"), v.dtype)

    # --- loops ---------------------------------------------------------------------------------

    @contextmanager
    def _loop(
        self, s: For, start: Lane, stop: Lane, step: int, iterations: int | None
    ) -> Iterator[Lane]:
        """A loop over start..stop; skipped when empty unless the number of iterations is known."""
        writes = self._survey(s, s.body).writes
        if iterations == 1:
            yield start
        elif iterations is not None:
            with self.w.loop(start, stop, step, writes) as variable:
                self.indices.steps(variable, start, step)
                yield variable
        else:
            with (
                self.w.when(self.s.less(start, stop), writes),
                self.w.loop(start, stop, step, writes) as variable,
            ):
                self.indices.steps(variable, start, step)
                yield variable

    def _bounds(self, s: For) -> tuple[Lane, Lane, int | None]:
        """Start, stop and, when known, the number of iterations."""
        self._bound(s)
        start, stop = self.x.value(s.start), self.x.value(s.stop)
        span = plus(self.x.offset(s.stop), self.x.offset(s.start), -1)
        if span.is_constant:
            return start, stop, max(-(-span.constant // s.step), 0)
        return start, stop, None

    def _bound(self, s: For) -> None:
        first, last = self.x.affine.range_of(s.start)[0], self.x.affine.range_of(s.stop)[1] - 1
        self.x.bound(s.var, first, max(first, last))

    def _unroll(self, s: For) -> None:
        start, _, count = self._bounds(s)
        if count is None or not start.is_literal:
            raise VerifyError("an unrolled loop has no constant bounds", [f"loop {s.var}"])
        first = int(start.name)
        if not self._is_tile(s):
            self._unrolled(s, first, count)
            return
        aligned = self._aligned_rows(s, first)
        if aligned is None:
            self._unrolled(s, first, count, unrolled=(s.var, first, first + count))
            return
        for condition, streaming in ((aligned, True), (self.s.not_(aligned), False)):
            with self.w.when(condition, self._survey(s, s.body).writes):
                frame = {"streaming": streaming, "unrolled": (s.var, first, first + count)}
                self._unrolled(s, first, count, **frame)

    def _unrolled(self, s: For, first: int, count: int, **frame: Any) -> None:
        for i in range(count):
            with self.x.scoped(**{"unrolled": None, **frame}):
                self.x.env[s.var] = Offset(first + i * s.step)
                self.body(s.body)

    def _is_tile(self, s: For) -> bool:
        """Whether an unrolled loop goes over the rows of a tile, each a vector loop of one size."""
        inner = s.body[0]
        if s.step != 1 or len(s.body) != 1 or not isinstance(inner, For) or inner.kind != "vector":
            return False
        whole = isinstance(inner.start, Const) and isinstance(inner.stop, Const)
        return whole and all(isinstance(t, Store | Let) for t in inner.body)

    def _aligned_rows(self, s: For, first: int) -> Lane | None:
        """Whether the streaming stores of a tile are aligned in all of its rows."""
        inner = s.body[0]
        assert isinstance(inner, For)
        found: Lane | None = None
        for row in (first, first + 1):  # the others lie as regularly
            with self.x.scoped():
                self.x.env[s.var] = Offset(row)
                aligned = self._aligned(inner, self.x.value(inner.start))
            if aligned is None:
                return None
            found = aligned if found is None else self.s.and_(found, aligned)
        return found

    def _serial(self, s: For) -> None:
        start, stop, count = self._bounds(s)
        if count == 0:
            return
        body = self._survey(s, s.body)
        copies = self._serial_copies(s, body, count)
        if copies == 1:
            with self._loop(s, start, stop, s.step, count) as variable, self.x.scoped():
                self._serial_copy(s, variable, 0, 0)
            return
        whole = self._whole(start, stop, count, s.step, copies)
        groups = None if count is None else count // copies
        with self._loop(s, start, whole, s.step * copies, groups) as variable:
            for c in range(copies):
                with self.x.scoped():
                    self._serial_copy(s, variable, c * s.step, c)
        left = None if count is None else count % copies
        if left != 0:
            with self._loop(s, whole, stop, s.step, left) as variable, self.x.scoped():
                self._serial_copy(s, variable, 0, 0)

    def _serial_copies(self, s: For, body: Body, count: int | None) -> int:
        copies = s.copies
        if copies == 1 and body.accumulates and body.operations <= 8:
            copies = 4
        return copies if count is None or count >= 2 * copies else 1

    def _serial_copy(self, s: For, variable: Lane, shift: int, copy: int) -> None:
        self.x.frame = replace(self.x.frame, copy=(*self.x.frame.copy, copy))
        self.x.env[s.var] = plus(of_scalar(variable), Offset(shift))
        self.body(s.body)

    def _whole(self, start: Lane, stop: Lane, count: int | None, step: int, group: int) -> Lane:
        """Where the last whole group of iterations ends."""
        if count is not None:
            taken = count // group * group * step
            if start.is_literal:
                return self.s.constant(int(start.name) + taken, "i64")
            end = self.s.add(start, self.s.constant(taken, "i64"))
            self.indices.steps(end, start, group * step)
            return end
        span = self.s.subtract(stop, start)
        if step != 1:
            rounded = self.s.add(span, self.s.constant(step - 1, "i64"))
            span = Lane(self.w.pure(f"sdiv i64 {rounded.name}, {step}"), "i64")
        span = self.s.maximum(span, self.s.constant(0, "i64"))
        if group & group - 1:
            rest = Lane(self.w.pure(f"urem i64 {span.name}, {group}"), "i64")
            taken_lane = self.s.subtract(span, rest)
        else:
            taken_lane = self.s.and_(span, self.s.constant(-group, "i64"))
        end = self.s.add(start, self.s.multiply(taken_lane, self.s.constant(step, "i64")))
        self.indices.steps(end, start, group * step)
        return end

    # --- vector loops --------------------------------------------------------------------------

    def _vector(self, s: For) -> None:
        if self.x.frame.width > 1:
            raise VerifyError("a vector loop inside a vector loop", [f"loop {s.var}"])
        start, stop, count = self._bounds(s)
        if count == 0:
            return
        body = self._survey(s, s.body)
        width = lanes_of(body, self.target)
        if width == 1:
            self._serial(s)
            return
        if count is not None and count < width:
            width = 1 << (count - 1).bit_length()
        copies = copies_of(s.copies, body, None if count is None else count // width)
        self.s.many = count is None or count >= _MANY * width
        if count is not None and -(-count // width) <= _STRAIGHT:
            for k in range(count // width):
                self._vector_copy(s, start, k * width, width, copy=k % copies)
            taken = start, count // width * width
        else:
            taken = self._vector_loops(s, start, stop, count, width, copies), 0
        self._vector_tail(s, *taken, stop, count, width)

    def _vector_loops(
        self, s: For, start: Lane, stop: Lane, count: int | None, width: int, copies: int
    ) -> Lane:
        """All whole vectors; returns where they end."""
        whole = self._whole(start, stop, count, s.step, width * copies)
        groups = None if count is None else count // (width * copies)
        aligned = self._aligned(s, start)
        if aligned is None:
            self._vector_groups(s, start, whole, width, copies, groups)
        else:
            writes = self._survey(s, s.body).writes
            with self.w.when(aligned, writes):
                self.x.frame = replace(self.x.frame, streaming=True)
                self._vector_groups(s, start, whole, width, copies, groups)
                self.x.frame = replace(self.x.frame, streaming=False)
            with self.w.when(self.s.not_(aligned), writes):
                self._vector_groups(s, start, whole, width, copies, groups)
        if copies == 1:
            return whole
        done = self._whole(start, stop, count, s.step, width)
        if count is None:
            self._vector_groups(s, whole, done, width, 1, None)
        else:
            for k in range(count // width % copies):
                self._vector_copy(s, whole, k * width, width, copy=k)
        return done

    def _vector_groups(
        self, s: For, start: Lane, stop: Lane, width: int, copies: int, groups: int | None
    ) -> None:
        with self._loop(s, start, stop, s.step * width * copies, groups) as variable:
            for c in range(copies):
                self._vector_copy(s, variable, c * width, width, copy=c)

    def _aligned(self, s: For, start: Lane) -> Lane | None:
        """Whether all streaming stores of a loop begin on whole vectors; None without any."""
        wanted = [t for t in s.body if isinstance(t, Store) and t.streaming and t.mask is None]
        if s.step != 1 or not wanted or not self.target.has("sse2"):
            return None
        bound = {*self.x.env, s.var}
        bits: Lane | None = None
        for store in wanted:
            if not _names(store.offset) <= bound:
                return None
            buffer = self.x.buffers[store.buffer]
            with self.x.scoped():
                self.x.env[s.var] = of_scalar(start)
                pointer = self.memory.address(buffer, self.x.offset(store.offset))
            number = Lane(self.w.pure(f"ptrtoint ptr {pointer} to i64"), "i64")
            bits = number if bits is None else self.s.or_(bits, number)
        assert bits is not None
        low = self.s.and_(bits, self.s.constant(self.target.lanes("u8") - 1, "i64"))
        self.fenced = True
        return self.s.equal(low, self.s.constant(0, "i64"))

    def _vector_copy(
        self, s: For, base: Lane, number: int, width: int, copy: int, mask: Lane | None = None
    ) -> None:
        """One body for the lanes that begin `number` iterations after `base`."""
        with self.x.scoped(width=width, mask=mask, copy=(*self.x.frame.copy, copy)):
            lanes = tuple(range(0, width * s.step, s.step)) if width > 1 else ()
            self.x.env[s.var] = plus(of_scalar(base), Offset(number * s.step, lanes=lanes))
            self.body(s.body)

    def _vector_tail(
        self, s: For, base: Lane, number: int, stop: Lane, count: int | None, width: int
    ) -> None:
        """The lanes that do not fill a vector, under a mask."""
        if count is not None:
            rest = count % width
            if rest:
                mask = self.s.mask([i < rest for i in range(width)])
                self._vector_copy(s, base, number, width, 0, mask)
            return
        if base.is_literal and number:
            base, number = self.s.constant(int(base.name) + number * s.step, "i64"), 0
        with self.w.when(self.s.less(base, stop), self._survey(s, s.body).writes):
            left = self.s.subtract(stop, base)
            if s.step != 1:
                rounded = self.s.add(left, self.s.constant(s.step - 1, "i64"))
                left = Lane(self.w.pure(f"sdiv i64 {rounded.name}, {s.step}"), "i64")
            small = self.s.cast(left, "i32")
            mask = self.s.less(self.s.numbers(range(width), "i32"), small)
            self._vector_copy(s, base, number, width, 0, mask)


def _names(e: Expr) -> set[str]:
    """The names an index expression reads; a load counts as an unknown name."""
    match e:
        case Var():
            return {e.name}
        case Apply():
            return set().union(*(_names(a) for a in e.args))
        case Load():
            return {"?"}
    return set()


def _memory_bytes(dtype: str) -> int:
    return max(bits_of(dtype) // 8, 1)
