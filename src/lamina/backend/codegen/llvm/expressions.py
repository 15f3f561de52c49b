"""Expressions of a nest as lanes, in the place where code is being written.

`Expressions` knows what the names mean there, which values are already computed, and under which
vector loop and mask the code runs. Index expressions stay `Offset`s until they are wanted as lanes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from lamina.backend.nest.affine import Affine
from lamina.backend.nest.nodes import Apply, Const, Expr, Load, Stmt, Var
from lamina.backend.nest.printer import expressions
from lamina.base.errors import VerifyError

from .accumulators import Accumulators
from .indices import NEAR, Indices, within
from .integers import known_lanes
from .lanes import Lane, Lanes
from .memory import Buffer, Memory
from .offsets import UNBOUNDED, Offset, of_scalar, of_vector, times

_LEAVES = (Const, Var)
_SUMS = {"add": 1, "subtract": -1}
_EXTREMA = ("minimum", "maximum")
_DIVISIONS = ("floor_divide", "remainder")
_INDEX_OPS = frozenset({*_SUMS, *_EXTREMA, *_DIVISIONS, "multiply", "negative", "select", "cast"})
_COMPARISONS = frozenset({"equal", "not_equal", "less", "less_equal"})
_NARROW = {"bool", "i8", "i16", "i32", "u8", "u16"}  # as i32 the same number


@dataclass(frozen=True)
class Frame:
    """Under which vector loop and which mask code is being written."""

    width: int = 1
    mask: Lane | None = None  # lanes of a tail that exist
    copy: tuple[int, ...] = ()  # of each enclosing loop, for partial accumulators
    streaming: bool = False  # the stores that ask for it are known to be aligned
    unrolled: tuple[str, int, int] | None = None  # of a tile around: its variable, start and stop


Binding = Lane | Offset


class Expressions:
    """Values and offsets, where code is being written."""

    def __init__(
        self, lanes: Lanes, indices: Indices, memory: Memory, accumulators: Accumulators
    ) -> None:
        self.s, self.indices, self.memory = lanes, indices, memory
        self.accumulators = accumulators
        self.env: dict[str, Binding] = {}
        self.buffers: dict[str, Buffer] = {}
        self.frame = Frame()
        self.known: dict[int, Lane] = {}  # of nodes computed in this body or one around it
        self.offsets: dict[int, Offset] = {}  # of index nodes, likewise
        self.ranges: dict[str, tuple[int, int]] = {}  # of the indices
        self.affine = Affine(self.ranges)
        self.body: tuple[Stmt, ...] = ()
        self._neighbours: dict[int, dict[Any, list[int]]] = {}  # of bodies

    def bound(self, name: str, low: int, high: int) -> None:
        """Says that the index `name` lies in low..high, both inclusive, until said otherwise."""
        if self.ranges.get(name, (low, high)) != (low, high):
            self.ranges = dict(self.ranges)
            self.affine = Affine(self.ranges)
        self.ranges[name] = low, high

    @contextmanager
    def scoped(self, **frame: Any) -> Iterator[None]:
        """A body: names and computed values of it end with it; `frame` changes the frame."""
        before = self.env, self.known, self.offsets, self.frame, self.buffers
        self.env, self.known, self.buffers = dict(self.env), dict(self.known), dict(self.buffers)
        self.offsets = dict(self.offsets)
        if frame:
            self.frame = replace(self.frame, **frame)
        yield
        self.env, self.known, self.offsets, self.frame, self.buffers = before

    def masked(self, mask: Lane | None) -> Lane | None:
        """`mask` and the lanes that exist."""
        tail = self.frame.mask
        if tail is None or mask is None:
            return mask or tail
        left, right = known_lanes(mask), known_lanes(tail)
        if left is None or right is None:
            return self.s.and_(mask, tail)
        width = max(len(left), len(right))
        pairs = zip(left * (width // len(left)), right * (width // len(right)))
        return self.s.mask([a and b for a, b in pairs])

    # --- values --------------------------------------------------------------------------------

    def value(self, e: Expr) -> Lane:
        """The value of an expression: one lane when it is the same in all of them."""
        if isinstance(e, Const):
            return self.s.constant(e.value, e.dtype)
        if isinstance(e, Var):
            bound = self.env.get(e.name)
            if bound is None:
                return self.accumulators.read(e.name)
            return self.indices.wide(bound) if isinstance(bound, Offset) else bound
        self._settle(e)
        found = self.known.get(id(e))
        if found is None:
            found = self.known[id(e)] = self.indices.wide(self.offsets[id(e)])
        return found

    def offset(self, e: Expr) -> Offset:
        """The value of an index expression, before it is lanes."""
        if isinstance(e, Const):
            return Offset(int(e.value))
        if isinstance(e, Var):
            bound = self.env.get(e.name)
            return bound if isinstance(bound, Offset) else _opaque(self.value(e))
        self._settle(e)
        found = self.offsets.get(id(e))
        if found is None:
            found = self.offsets[id(e)] = _opaque(self.known[id(e)])
        return found

    def _settle(self, e: Expr) -> None:
        """Computes `e` and what it is computed from, operands first, as far as it is not yet.

        Without recursion: a fused chain is as deep as it is long.
        """
        known, offsets = self.known, self.offsets
        if id(e) in known or id(e) in offsets:
            return
        stack: list[tuple[Expr, bool]] = [(e, False)]
        while stack:
            node, leaving = stack.pop()
            if isinstance(node, _LEAVES) or id(node) in known or id(node) in offsets:
                continue
            if isinstance(node, Load):
                known[id(node)] = self._load(node)
            elif not isinstance(node, Apply):
                raise VerifyError(f"unknown expression {type(node).__name__}")
            elif leaving:
                self._apply(node)
            else:
                stack.append((node, True))
                stack.extend((a, False) for a in reversed(node.args))

    def _apply(self, e: Apply) -> None:
        op = e.op.rstrip("_")
        if e.dtype == "i64" and op in _INDEX_OPS:
            self.offsets[id(e)] = self._index(op, e)
            return
        first = e.args[0]
        if first.dtype == "i64" and op in _COMPARISONS:
            a, b = e.args
            ranges = self.affine.range_of(a), self.affine.range_of(b)
            result = self.indices.compare(op, self.offset(a), self.offset(b), ranges)
        elif first.dtype == "i64" and op == "cast":
            result = self.s.apply(op, [self._smallest(first)], e.dtype)
        elif op == "select" and (known := known_lanes(self.value(first))) and len(set(known)) == 1:
            result = self.value(e.args[1] if known[0] else e.args[2])
        else:
            result = self.s.apply(op, [self.value(a) for a in e.args], e.dtype)
        self.known[id(e)] = result

    def _smallest(self, e: Expr) -> Lane:
        """An index as i64, or as i32 lanes where these hold it."""
        x = self.offset(e)
        if x.is_uniform or not within(self.affine.range_of(e), NEAR):
            return self.value(e)
        return self.indices.small(x)

    def _index(self, op: str, e: Apply) -> Offset:
        if op == "cast":
            return self._index_cast(e.args[0])
        if op == "select":
            return self._index_select(e)
        a = self.offset(e.args[0])
        if op == "negative":
            return times(a, -1)
        b = self.offset(e.args[1])
        if op in _SUMS:
            return self.indices.add(a, b, _SUMS[op])
        if op == "multiply":
            return self.indices.multiply(a, b, self.affine.range_of(e))
        if op in _DIVISIONS:
            bounds, divisors = map(self.affine.range_of, e.args)
            return self.indices.divide(op, a, b, bounds, divisors)
        ranges = self.affine.range_of(e.args[0]), self.affine.range_of(e.args[1])
        return self.indices.extremum(op, a, b, ranges)

    def _index_cast(self, source: Expr) -> Offset:
        value = self.value(source)
        if value.width == 1 or source.dtype not in _NARROW:
            return _opaque(self.s.cast(value, "i64"))
        return of_vector(self.s.cast(value, "i32"), 1 << 31)

    def _index_select(self, e: Apply) -> Offset:
        condition = self.value(e.args[0])
        known = known_lanes(condition)
        if known and len(set(known)) == 1:
            return self.offset(e.args[1] if known[0] else e.args[2])
        low, high = self.affine.range_of(e)
        if condition.width > 1 and within((low, high), NEAR):
            small = [self.indices.small(self.offset(a)) for a in e.args[1:]]
            return of_vector(self.s.select(condition, *small), max(abs(low), abs(high)))
        return _opaque(self.s.select(condition, *(self.value(a) for a in e.args[1:])))

    # --- loads ---------------------------------------------------------------------------------

    def _load(self, e: Load) -> Lane:
        offset = self.offset(e.offset)
        mask = None if e.mask is None else self.value(e.mask)
        if not offset.is_uniform:
            mask = self.masked(mask)
        buffer, width = self.buffers[e.buffer], self.frame.width
        near = (0, 0)
        if e.mask is None and not offset.is_uniform:
            if mask is None and (columns := self._columns(e)):
                value = self.memory.load_column(buffer, offset, width, columns)
                if value is not None:
                    return value
            if offset.lanes:
                near = self._neighbourhood(e, width)
        return self.memory.load(buffer, offset, width, mask, near, e.mask is not None)

    def _columns(self, e: Load) -> tuple[int, int] | None:
        """Which column `e` is of those that the tile around reads, and how many these are."""
        if self.frame.unrolled is None:
            return None
        name, start, stop = self.frame.unrolled
        shift = self.env[name]
        if self.affine.coefficient(e.offset, name) != 1 or not isinstance(shift, Offset):
            return None
        return shift.constant - start, stop - start

    def _neighbourhood(self, e: Load, farthest: int) -> tuple[int, int]:
        """How far before and after `e` the same body reads for certain, in every lane of `e`."""
        found = self._neighbours.get(id(self.body))
        if found is None:
            found = self._neighbours[id(self.body)] = self._unmasked_loads()
        key, constant = self._place(e)
        shifts = [c - constant for c in found.get(key, ()) if abs(c - constant) <= farthest]
        return min(shifts, default=0), max(shifts, default=0)

    def _unmasked_loads(self) -> dict[Any, list[int]]:
        """Of the statements of this body: offsets of a kind, by their constants."""
        found: dict[Any, list[int]] = {}
        seen: set[int] = set()
        stack = [e for s in self.body for e in expressions(s)]
        while stack:
            e = stack.pop()
            if id(e) in seen:
                continue
            seen.add(id(e))
            if isinstance(e, Apply):
                stack.extend(e.args)
            elif isinstance(e, Load) and e.mask is None:
                key, constant = self._place(e)
                found.setdefault(key, []).append(constant)
        return found

    def _place(self, e: Load) -> tuple[Any, int]:
        form = self.affine.form(e.offset)
        return (e.buffer, frozenset(form.terms.items())), form.constant


def _opaque(value: Lane) -> Offset:
    return of_scalar(value) if value.width == 1 else of_vector(value, UNBOUNDED)
