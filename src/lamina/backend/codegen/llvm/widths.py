"""How many lanes a vector loop has, and how many copies of its body are written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from lamina.backend.nest.nodes import (
    Accumulate,
    Accumulator,
    Alloc,
    Apply,
    Expr,
    Fault,
    For,
    If,
    Let,
    Load,
    Stmt,
    Store,
)

from .lanes import HALVES, bits_of

_CHEAP = {
    "add", "subtract", "multiply", "multiply_add", "dot4", "dot2", "halves", "negative", "abs",
    "maximum", "minimum",
    "equal", "not_equal", "less", "less_equal", "and", "or", "xor", "not", "and_", "or_", "not_",
    "select", "cast", "bitcast",
}  # fmt: skip
_TRANSCENDENTAL_COST = 12


class Machine(Protocol):
    """What code generation asks of a target."""

    @property
    def key(self) -> str: ...

    def has(self, feature: str) -> bool: ...

    def lanes(self, dtype: str) -> int: ...


def bits(dtype: str) -> int:
    """Bits of an element as vector code computes with it: halves compute in 32."""
    if dtype == "bool":
        return 8
    return max(bits_of(dtype), 32 if dtype in HALVES else 8)


@dataclass
class Body:
    """What a loop body touches."""

    accesses: list[int] = field(default_factory=list)  # bits of loads, stores, accumulators
    computes: set[int] = field(default_factory=set)  # bits of arithmetic outside offsets
    operations: int = 0
    loops: int = 0
    writes: set[str] = field(default_factory=set)
    declares: set[str] = field(default_factory=set)

    @property
    def accumulates(self) -> bool:
        return self.loops == 0 and any(w.startswith("%") for w in self.writes - self.declares)


def survey(statements: tuple[Stmt, ...]) -> Body:
    """Collects what `statements` touch; accumulators are written `%name`."""
    body = Body()
    seen: set[int] = set()
    dtypes: dict[str, str] = {}
    _survey(statements, body, seen, dtypes)
    return body


def _survey(
    statements: tuple[Stmt, ...], body: Body, seen: set[int], dtypes: dict[str, str]
) -> None:
    for s in statements:
        for e in values_of(s):
            _survey_value(e, body, seen)
        match s:
            case For(body=inner):
                body.loops += s.kind != "unroll"
                _survey(inner, body, seen, dtypes)
            case If(body=inner):
                _survey(inner, body, seen, dtypes)
            case Store():
                body.writes.add(s.buffer)
                body.accesses.append(bits(s.value.dtype))
            case Accumulator():
                body.declares.add("%" + s.name)
            case Accumulate():
                body.writes.add("%" + s.name)
                body.accesses.append(bits(s.value.dtype))
            case Alloc():
                body.writes.add(s.name)


def values_of(s: Stmt) -> Iterator[Expr]:
    """The expressions of one statement that are not offsets."""
    match s:
        case Let():
            yield s.value
        case Store() | Accumulate():
            yield s.value
            if s.mask is not None:
                yield s.mask
        case Accumulator():
            yield s.init
        case Fault():
            yield s.condition


def _survey_value(e: Expr, body: Body, seen: set[int]) -> None:
    if id(e) in seen:
        return
    seen.add(id(e))
    if isinstance(e, Load):
        body.accesses.append(bits(e.dtype))
    elif isinstance(e, Apply):
        body.operations += 1 if e.op in _CHEAP else _TRANSCENDENTAL_COST
        if e.dtype not in ("bool", "i64"):
            body.computes.add(bits(e.dtype))
        for a in e.args:
            _survey_value(a, body, seen)


def lanes_of(body: Body, target: Machine) -> int:
    """Lanes for a vector loop: the widest common element decides; 64-bit minorities take two
    registers a value."""
    wide = sum(b == 64 for b in body.accesses)
    narrow = [b for b in body.accesses if b < 64]
    if wide > len(narrow) or (not narrow and (wide or 64 in body.computes)):
        return max(target.lanes("f64"), 1)
    size = max([*narrow, *(b for b in body.computes if b < 64)], default=32)
    return max(target.lanes({8: "u8", 16: "u16", 32: "f32"}[size]), 1)


def copies_of(asked: int, body: Body, vectors: int | None) -> int:
    """Unrolled copies of a vector body; small ones hide latency and loop overhead."""
    if asked > 1:
        copies = asked
    elif body.loops or body.operations > 40:
        copies = 1
    elif body.accumulates or body.operations <= 8:
        copies = 4
    else:
        copies = 2
    while vectors is not None and copies > 1 and copies > vectors:
        copies //= 2
    return copies
