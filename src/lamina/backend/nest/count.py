"""What a nest does, counted without running it: loads, stores, multiply-adds, temporaries.

    for i in 0..8 { c[i] = multiply_add(a[i], b[0], c[i]) }    8 multiply-adds, 24 loads, 8 stores

Numbers are of elements, over all iterations; masks count as true. What is the same for all lanes of
a vector loop, or for all copies of an unrolled one, counts once for them. What is in registers
costs no load. A loop is counted once and multiplied where no bound inside depends on its variable.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields

from lamina.backend.nest.affine import operands
from lamina.backend.nest.dependence import statements
from lamina.backend.nest.fold import INTEGER
from lamina.backend.nest.nodes import (
    Accumulate,
    Accumulator,
    Alloc,
    Apply,
    Const,
    Expr,
    For,
    If,
    Let,
    Load,
    Nest,
    Stmt,
    Store,
    Var,
)
from lamina.backend.nest.printer import expressions
from lamina.base.dtypes import dtype

Known = Mapping[str, int]
CONVERSIONS = ("cast", "bitcast", "halves")
TERMS = {"dot4": 4, "dot2": 2}
DIVISIONS = ("divide", "sqrt", "rsqrt", "reciprocal", "floor_divide", "remainder")


@dataclass(frozen=True)
class Counts:
    """Elements of a kernel's work.

    Attributes:
        loads, stores: of parameters and scratch.
        load_bytes, store_bytes: what those move between registers and the first cache.
        multiply_adds: each term of `dot4` and `dot2` counts as one.
        operations: other lane operations of numbers, divisions apart.
        divisions: divisions and roots.
        scratch_bytes: of local buffers of one task.
        registers: elements of local buffers that are registers.
    """

    loads: int = 0
    stores: int = 0
    load_bytes: int = 0
    store_bytes: int = 0
    multiply_adds: int = 0
    operations: int = 0
    divisions: int = 0
    scratch_bytes: int = 0
    registers: int = 0

    @property
    def flops(self) -> int:
        """Multiply-adds twice, everything else once."""
        return 2 * self.multiply_adds + self.operations + self.divisions

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(a + b for a, b in zip(_numbers(self), _numbers(other), strict=True)))

    def times(self, n: int) -> Counts:
        """The work of so many iterations."""
        return Counts(*(n * a for a in _numbers(self)))


def _numbers(counts: Counts) -> list[int]:
    return [getattr(counts, field.name) for field in fields(Counts)]


def count(nest: Nest, sizes: Sequence[int] = ()) -> Counts:
    """The work of one launch.

    Args:
        sizes: values of the sizes that the nest leaves open.
    """
    known = dict(zip(nest.sizes, sizes, strict=True))
    counter = _Counter(nest)
    rooms = Counts(
        scratch_bytes=sum(n * w for n, w in counter.rooms("scratch", known)),
        registers=sum(n for n, _ in counter.rooms("register", known)),
    )
    return counter.body(nest.body, known) + rooms


@dataclass(frozen=True)
class _Written:
    """A loop that becomes lanes, or is written out.

    Attributes:
        names: what differs between its iterations; all else is computed once for them.
        steps: how many there are.
    """

    names: frozenset[str]
    steps: int


class _Counter:
    def __init__(self, nest: Nest):
        self.allocs = [s for s in statements(nest.body) if isinstance(s, Alloc)]
        self.registers = {s.name for s in self.allocs if s.space == "register"}
        self.around: tuple[_Written, ...] = ()
        self.own: dict[tuple[int, tuple[_Written, ...]], Counts] = {}  # of a statement
        self.deciding: dict[int, frozenset[str]] = {}  # names that bounds inside a loop depend on

    def rooms(self, space: str, known: Known) -> Iterator[tuple[int, int]]:
        """Elements of local buffers and the bytes of each."""
        for s in self.allocs:
            if s.space == space:
                size = known.get(s.size.name, 0) if isinstance(s.size, Var) else s.size
                yield size, dtype(s.dtype).size_bytes

    def body(self, stmts: tuple[Stmt, ...], known: Known) -> Counts:
        total = Counts()
        inside = dict(known)
        for s in stmts:
            match s:
                case For():
                    total = total + self.loop(s, inside)
                case If(condition, body):
                    if _value(condition, inside) is not False:
                        total = total + self.body(body, inside)
                case _:
                    total = total + self.expressions_of(s)
            if isinstance(s, Let) and s.value.dtype == "i64":
                found = _value(s.value, inside)
                if found is not None:
                    inside[s.name] = found
        return total

    def loop(self, s: For, known: Known) -> Counts:
        start, stop = _value(s.start, known), _value(s.stop, known)
        if start is None or stop is None:
            return self.body(s.body, known)  # who knows how often
        steps = range(start, stop, s.step)
        if not steps:
            return Counts()
        if s.kind in ("vector", "unroll"):
            return self.written(s, known, len(steps))
        if s.var not in self.decided_by(s):
            return self.body(s.body, known).times(len(steps))
        found: dict[tuple[int | None, ...], Counts] = {}
        total = Counts()
        for i in steps:
            inside = {**known, s.var: i}
            bounds = tuple(_value(e, inside) for e in _bounds(s.body))
            if None in bounds or bounds not in found:
                found[bounds] = self.body(s.body, inside)
            total = total + found[bounds]
        return total

    def written(self, s: For, known: Known, steps: int) -> Counts:
        """What differs between the iterations for each of them, the rest once."""
        outer = self.around
        if s.var in self.decided_by(s):
            around = [(*outer, _Written(frozenset(), 1))] * steps
            inside = [{**known, s.var: i} for i in range(steps)]
        else:
            around, inside = [(*outer, _Written(_differing(s), steps))], [dict(known)]
        total = Counts()
        for self.around, names in zip(around, inside, strict=True):
            total = total + self.body(s.body, names)
        self.around = outer
        return total

    def decided_by(self, s: For) -> frozenset[str]:
        """Names on which the bounds and conditions inside a loop depend, through `Let`s too."""
        found = self.deciding.get(id(s))
        if found is None:
            lets = {x.name: x.value for x in statements(s.body) if isinstance(x, Let)}
            names: set[str] = set()
            waiting = list(_bounds(s.body))
            while waiting:
                e = waiting.pop()
                if isinstance(e, Var) and e.name not in names:
                    names.add(e.name)
                    waiting += [lets[e.name]] if e.name in lets else []
                waiting += operands(e)
            found = self.deciding[id(s)] = frozenset(names)
        return found

    def expressions_of(self, s: Stmt) -> Counts:
        """What a statement computes and moves: each node once."""
        key = id(s), self.around
        found = self.own.get(key)
        if found is None:
            found = self.own[key] = self.counted(s)
        return found

    def counted(self, s: Stmt) -> Counts:
        found = Counts()
        for e in _distinct(_values_of(s)):
            own = self.node(e)
            if own != Counts():
                each = (w.steps for w in self.around if _depends(e, w.names))
                found = found + own.times(math.prod(each))
        every = math.prod(w.steps for w in self.around)
        if isinstance(s, Store) and s.buffer not in self.registers:
            stored = Counts(stores=1, store_bytes=dtype(s.value.dtype).size_bytes)
            found = found + stored.times(every)
        return found + Counts(operations=every) if isinstance(s, Accumulate) else found

    def node(self, e: Expr) -> Counts:
        if isinstance(e, Load) and e.buffer not in self.registers:
            return Counts(loads=1, load_bytes=dtype(e.dtype).size_bytes)
        if not isinstance(e, Apply) or e.dtype in ("i64", "bool") or e.op in CONVERSIONS:
            return Counts()
        if e.op == "multiply_add":
            return Counts(multiply_adds=1)
        if e.op in TERMS:
            return Counts(multiply_adds=TERMS[e.op])
        return Counts(divisions=1) if e.op in DIVISIONS else Counts(operations=1)


def _differing(loop: For) -> frozenset[str]:
    """Names that differ between the iterations of a loop."""
    names = {loop.var}
    for s in statements(loop.body):
        if isinstance(s, Accumulator):
            names.add(s.name)
        if isinstance(s, Let) and _depends(s.value, frozenset(names)):
            names.add(s.name)
    return frozenset(names)


def _depends(e: Expr, names: frozenset[str]) -> bool:
    waiting, seen = [e], set[int]()
    while waiting:
        e = waiting.pop()
        if id(e) in seen:
            continue
        seen.add(id(e))
        if isinstance(e, Var) and e.name in names:
            return True
        waiting += operands(e)
    return False


def _bounds(stmts: tuple[Stmt, ...]) -> list[Expr]:
    """What decides how often statements inside run."""
    found: list[Expr] = []
    for s in statements(stmts):
        if isinstance(s, For):
            found += [s.start, s.stop]
        elif isinstance(s, If):
            found.append(s.condition)
    return found


def _values_of(s: Stmt) -> list[Expr]:
    """The expressions of a statement but for offsets and masks, which are indices."""
    if isinstance(s, Store):
        return [s.value]
    if isinstance(s, Accumulate | Let):
        return [s.value]
    return list(expressions(s)) if not isinstance(s, For | If | Alloc) else []


def _distinct(roots: Sequence[Expr]) -> Iterator[Expr]:
    """Each node under some roots once; what an offset is computed of is left out."""
    seen: set[int] = set()
    waiting = list(roots)
    while waiting:
        e = waiting.pop()
        if id(e) in seen:
            continue
        seen.add(id(e))
        yield e
        if isinstance(e, Apply):
            waiting += e.args


def _value(e: Expr, known: Known) -> int | None:
    """An index expression where its names are known."""
    if isinstance(e, Const):
        return e.value if isinstance(e.value, bool) else int(e.value)
    if isinstance(e, Var):
        return known.get(e.name)
    if not isinstance(e, Apply) or e.op not in INTEGER:
        return None
    values = [_value(a, known) for a in e.args]
    if any(v is None for v in values) or (e.op in ("floor_divide", "remainder") and not values[1]):
        return None
    return INTEGER[e.op](*values)
