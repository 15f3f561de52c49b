"""Expressions of a nest as lanes, in the place where code is being written.

`Expressions` knows what the names mean there, which values are already computed, and under which
vector loop and mask the code runs. Offsets are kept as affine forms, so that a load knows whether
its lanes lie side by side.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from lamina.backend.nest.affine import Affine
from lamina.backend.nest.nodes import Apply, Const, Expr, Load, Var
from lamina.base.errors import VerifyError

from .accumulators import Accumulators
from .integers import fold, narrow_divide
from .lanes import Lane, Lanes
from .memory import Buffer, Memory, Offset, VectorVariable


@dataclass
class LetValue:
    """A `Let` of an index expression: its value, and its expression for affine analysis."""

    value: Lane
    expr: Expr


@dataclass(frozen=True)
class Frame:
    """Under which vector loop and which mask code is being written."""

    width: int = 1
    mask: Lane | None = None  # lanes of a tail that exist
    copy: tuple[int, ...] = ()  # of each enclosing loop, for partial accumulators
    streaming: bool = False  # the stores that ask for it are known to be aligned


Binding = int | Lane | VectorVariable | LetValue


@dataclass(frozen=True, eq=False, slots=True)
class Shifted(Expr):
    """A loop variable plus a constant, in an unrolled copy."""

    base: Lane
    shift: int

    def __init__(self, base: Lane, shift: int) -> None:
        object.__setattr__(self, "dtype", "i64")
        object.__setattr__(self, "base", base)
        object.__setattr__(self, "shift", shift)


def names(e: Expr) -> set[str]:
    """The names an index expression reads; a load counts as an unknown name."""
    match e:
        case Var():
            return {e.name}
        case Apply():
            return set().union(*(names(a) for a in e.args))
        case Load():
            return {"?"}
    return set()


class Expressions:
    """Values and offsets, where code is being written."""

    def __init__(self, lanes: Lanes, memory: Memory, accumulators: Accumulators) -> None:
        self.s, self.memory, self.accumulators = lanes, memory, accumulators
        self.env: dict[str, Binding] = {}
        self.buffers: dict[str, Buffer] = {}
        self.frame = Frame()
        self.known: dict[int, Lane] = {}  # of nodes computed in this body or one around it
        self.ranges: dict[str, tuple[int, int]] = {}  # of the indices
        self.affine = Affine(self.ranges)
        self._reads: dict[int, frozenset[str]] = {}

    def bound(self, name: str, low: int, high: int) -> None:
        """Says that the index `name` lies in low..high, both inclusive, until said otherwise."""
        if self.ranges.get(name, (low, high)) != (low, high):
            self.ranges = dict(self.ranges)
            self.affine = Affine(self.ranges)
        self.ranges[name] = low, high

    @contextmanager
    def scoped(self, **frame: Any) -> Iterator[None]:
        """A body: names and computed values of it end with it; `frame` changes the frame."""
        before = self.env, self.known, self.frame, self.buffers
        self.env, self.known, self.buffers = dict(self.env), dict(self.known), dict(self.buffers)
        if frame:
            self.frame = replace(self.frame, **frame)
        yield
        self.env, self.known, self.frame, self.buffers = before

    def masked(self, mask: Lane | None) -> Lane | None:
        """`mask` and the lanes that exist."""
        tail = self.frame.mask
        if tail is None or mask is None:
            return mask or tail
        return self.s.and_(mask, tail)

    def reads(self, e: Expr) -> frozenset[str]:
        """Buffer groups and accumulators (`%name`) whose change makes the value of `e` stale."""
        found = self._reads.get(id(e))
        if found is None:
            match e:
                case Load():
                    inner = self.reads(e.offset) | (self.reads(e.mask) if e.mask else frozenset())
                    found = inner | {self.buffers[e.buffer].group}
                case Apply():
                    found = frozenset().union(*(self.reads(a) for a in e.args))
                case Var() if e.name not in self.env:
                    found = frozenset({"%" + e.name})
                case _:
                    found = frozenset()
            self._reads[id(e)] = found
        return found

    def value(self, e: Expr) -> Lane:
        """The value of an expression: one lane when it is the same in all of them."""
        if isinstance(e, Const):
            return self.s.constant(e.value, e.dtype)
        if isinstance(e, Var):
            return self._variable(e)
        if id(e) not in self.known:
            for node in self._unknown(e):
                made = self._load(node) if isinstance(node, Load) else self._apply(node)
                self.known[id(node)] = made
        return self.known[id(e)]

    def _unknown(self, e: Expr) -> list[Expr]:
        """`e` and what it is computed from, operands first, as far as it has no value here yet.

        Without recursion: a fused chain is as deep as it is long.
        """
        order: list[Expr] = []
        seen: set[int] = set()
        stack: list[tuple[Expr, bool]] = [(e, False)]
        while stack:
            node, leaving = stack.pop()
            if leaving:
                order.append(node)
            elif id(node) not in seen and id(node) not in self.known:
                seen.add(id(node))
                if isinstance(node, Const | Var):
                    continue
                stack.append((node, True))
                if isinstance(node, Apply):
                    stack.extend((a, False) for a in reversed(node.args))
        return order

    def _variable(self, e: Var) -> Lane:
        bound = self.env.get(e.name)
        match bound:
            case Lane():
                return bound
            case LetValue():
                return bound.value
            case VectorVariable():
                return self._lane_numbers(bound)
            case None:
                return self.accumulators.read(e.name)
        return self.s.constant(bound, "i64")

    def _lane_numbers(self, v: VectorVariable) -> Lane:
        text = ", ".join(f"i64 {v.shift + i * v.step}" for i in range(v.width))
        numbers = Lane(f"<{text}>", "i64", v.width)
        if v.base is None:
            return numbers
        return self.s.add(self.s.broadcast(v.base, v.width), numbers)

    def _load(self, e: Load) -> Lane:
        offset = self.offset(e.offset)
        mask = None if e.mask is None else self.value(e.mask)
        if not offset.is_uniform:
            mask = self.masked(mask)
        return self.memory.load(self.buffers[e.buffer], offset, self.frame.width, mask)

    def _apply(self, e: Expr) -> Lane:
        if not isinstance(e, Apply):
            raise VerifyError(f"unknown expression {type(e).__name__}")
        args = [self.value(a) for a in e.args]
        op = e.op.rstrip("_")
        folded = fold(self.s, op, args, e.dtype)
        if folded is None and op in ("floor_divide", "remainder") and e.dtype == "i64":
            folded = narrow_divide(self.s, op, args, self.affine.range_of(e.args[0]))
        return folded if folded is not None else self.s.apply(op, args, e.dtype)

    def offset(self, e: Expr) -> Offset:
        """An index expression as constant + factors * scalars + stride * lane number."""
        result = Offset()
        self._add_to(result, e, 1)
        return result

    def _add_to(self, result: Offset, e: Expr, factor: int) -> None:
        match e:
            case Const():
                result.constant += int(e.value) * factor
            case Shifted():
                result.add_term(e.base, factor)
                result.constant += e.shift * factor
            case Var():
                self._add_variable(result, e, factor)
            case Apply(op="add", args=(a, b)):
                self._add_to(result, a, factor)
                self._add_to(result, b, factor)
            case Apply(op="subtract", args=(a, b)):
                self._add_to(result, a, factor)
                self._add_to(result, b, -factor)
            case Apply(op="negative", args=(a,)):
                self._add_to(result, a, -factor)
            case Apply(op="multiply", args=(a, b)):
                self._add_product(result, e, a, b, factor)
            case _:
                self._add_opaque(result, self.value(e), factor)

    def _add_variable(self, result: Offset, e: Var, factor: int) -> None:
        bound = self.env.get(e.name)
        match bound:
            case int():
                result.constant += bound * factor
            case VectorVariable():
                result.constant += bound.shift * factor
                result.stride += bound.step * factor
                if bound.base is not None:
                    result.add_term(bound.base, factor)
            case LetValue():
                self._add_to(result, bound.expr, factor)
            case _:
                self._add_opaque(result, self.value(e), factor)

    def _add_product(self, result: Offset, e: Expr, a: Expr, b: Expr, factor: int) -> None:
        for x, y in ((a, b), (b, a)):
            scale = self.offset(y)
            if scale.is_uniform and not scale.scalars:
                self._add_to(result, x, factor * scale.constant)
                return
        self._add_opaque(result, self.value(e), factor)

    def _add_opaque(self, result: Offset, value: Lane, factor: int) -> None:
        if value.is_literal and value.width == 1:
            result.constant += int(value.name) * factor
        else:
            result.add_term(value, factor)
