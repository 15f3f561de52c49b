"""Accumulators: a scalar slot, and partial vectors for the loops that run as lanes or copies.

A partial is created when the first vector or unrolled copy combines into it, starts at the neutral
value in the scope that declares the accumulator, and survives all loops in between; partials are
merged where the accumulator is first read. All slots are stack memory that becomes registers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from .lanes import FLOATS, SIGNED, UNSIGNED, Lane, Lanes, bits_of, llvm_type
from .writer import Writer


class Where(Protocol):
    """The part of a frame that matters here."""

    @property
    def width(self) -> int: ...

    @property
    def copy(self) -> tuple[int, ...]: ...


@dataclass
class _State:
    dtype: str
    op: str
    depth: int  # of the declaring scope
    loops: int  # around the declaration
    width: int  # of the declaration: more than 1 inside a vector loop
    carried: bool = False  # read in a loop that goes on accumulating: no new partials
    slots: dict[tuple[int, tuple[int, ...]], str] = field(default_factory=dict)


class Accumulators:
    """The accumulators of one kernel."""

    def __init__(self, writer: Writer, lanes: Lanes) -> None:
        self.w, self.s = writer, lanes
        self._states: dict[str, _State] = {}

    def declare(self, name: str, dtype: str, op: str, init: Lane, where: Where) -> None:
        """Begins `name` at `init`, one value a lane of the enclosing vector loop."""
        state = _State(dtype, op, len(self.w.scopes) - 1, len(where.copy), where.width)
        self._states[name] = state
        self.w.changed("%" + name)
        slot = self.w.stack(llvm_type(dtype, where.width))
        state.slots[where.width, ()] = slot
        init = self.s.broadcast(init, where.width)
        self.w.do(f"store {init.typed}, ptr {slot}, align 64")

    def is_per_lane(self, name: str) -> bool:
        """Whether each lane has an accumulator of its own: those beyond a tail do not matter."""
        return self._states[name].width > 1

    def accumulate(self, name: str, value: Lane, mask: Lane | None, where: Where) -> None:
        """Combines `value` into the partial of this place, where the mask is true."""
        state = self._states[name]
        width = where.width
        slot = self._slot(state, width, where.copy[state.loops :])
        if slot is None:
            if mask is not None:
                nothing = self.s.constant(neutral(state.op, state.dtype), state.dtype)
                value, mask = self.s.select(mask, value, nothing), None
            value = self.s.broadcast(value, width)
            if width != state.width:
                value = self.s.reduce(state.op, value)
            width, slot = state.width, state.slots[state.width, ()]
        kind = llvm_type(state.dtype, width)
        old = Lane(self.w.here(f"load {kind}, ptr {slot}, align 64"), state.dtype, width)
        new = self.s.apply(state.op, [old, self.s.broadcast(value, width)], state.dtype)
        if mask is not None:
            new = self.s.select(self.s.broadcast(mask, width), new, old)
        self.w.do(f"store {new.typed}, ptr {slot}, align 64")
        self.w.changed("%" + name)

    def read(self, name: str) -> Lane:
        """The combination of all partials, at the outermost place where it is complete."""
        state = self._states[name]
        what = "%" + name
        depth = self.w.read_depth(what, state.depth, traps=False)
        state.carried |= depth > state.depth
        known = self.w.scopes[depth].reads.get((what, ""))
        if known is not None:
            return known
        result: Lane | None = None
        partials: list[Lane] = []
        for (width, _), slot in state.slots.items():
            text = f"load {llvm_type(state.dtype, width)}, ptr {slot}, align 64"
            value = Lane(self.w.at(depth, text), state.dtype, width)
            partials.append(value)
        for width in sorted({p.width for p in partials}, reverse=True):
            same = [p for p in partials if p.width == width]
            if width == state.width and result is not None:
                same.append(result)
                result = None
            total = self._tree(state, same)
            if width != state.width:
                total = self.s.reduce(state.op, total)
            result = (
                total if result is None else self.s.apply(state.op, [result, total], state.dtype)
            )
        assert result is not None
        self.w.scopes[depth].reads[what, ""] = result
        return result

    def _tree(self, state: _State, values: list[Lane]) -> Lane:
        while len(values) > 1:
            pairs = zip(values[::2], values[1::2], strict=False)
            left = [values[-1]] if len(values) % 2 else []
            values = [self.s.apply(state.op, list(p), state.dtype) for p in pairs] + left
        return values[0]

    def _slot(self, state: _State, width: int, copy: tuple[int, ...]) -> str | None:
        while copy and copy[-1] == 0:
            copy = copy[:-1]
        slot = state.slots.get((width, copy))
        if slot is None and not state.carried:
            kind = llvm_type(state.dtype, width)
            slot = state.slots[width, copy] = self.w.stack(kind)
            start = self.s.constant(neutral(state.op, state.dtype), state.dtype, width)
            lines = self.w.scopes[state.depth].lines
            lines.append(f"  store {start.typed}, ptr {slot}, align 64")
        return slot


def neutral(op: str, dtype: str) -> bool | int | float:
    """The value that changes nothing when combined by `op`."""
    if dtype == "bool":
        return op in ("multiply", "minimum", "and", "and_")
    if op == "add":
        return -0.0 if dtype in FLOATS else 0
    if op == "multiply":
        return 1
    if op in ("or", "or_"):
        return 0
    if op in ("and", "and_"):
        return -1
    lowest = op == "maximum"
    if dtype in FLOATS:
        return -float("inf") if lowest else float("inf")
    bits = bits_of(dtype)
    if dtype in UNSIGNED:
        return 0 if lowest else (1 << bits) - 1
    assert dtype in SIGNED
    return -(1 << bits - 1) if lowest else (1 << bits - 1) - 1
