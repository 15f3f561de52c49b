"""One `Case` or more for every primitive: how to build it, and operands that it takes.

`test_every_op` crosses them all; an op without a Case fails there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import control_cases as control
import numpy as np

from lamina.base.dtypes import bool_, complex128, dtype, float32, float64, int32, int64
from lamina.base.errors import LaminaError
from lamina.graph import ops
from lamina.graph.ir import Graph, TensorType, emit, placeholder, trace
from lamina.graph.ops.linalg import matrices


@dataclass(frozen=True)
class Operand:
    """An operand: its shape, dtype, and the range its elements are drawn from."""

    shape: tuple[int, ...] = ()
    dtype: str = "f64"
    low: float = -2.0
    high: float = 2.0

    @property
    def type(self) -> TensorType:
        return TensorType(dtype(self.dtype), self.shape)

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        kind = dtype(self.dtype)
        if kind.kind == "bool":
            return np.asarray(rng.integers(0, 2, self.shape).astype(bool))
        if kind.is_integer:
            low = max(self.low, 0) if kind.kind == "uint" else self.low
            return np.asarray(rng.integers(int(low), int(self.high), self.shape)).astype(kind.numpy)
        if kind.is_complex:
            parts = rng.uniform(self.low, self.high, (2, *self.shape))
            return np.asarray(parts[0] + 1j * parts[1]).astype(kind.numpy)
        return np.asarray(rng.uniform(self.low, self.high, self.shape)).astype(kind.numpy)


@dataclass(frozen=True)
class Case:
    """An op on operands. `rough`: exact corners are too likely for finite differences, or the
    derivative is declared."""

    op: str
    build: Callable[..., Any]
    operands: tuple[Operand, ...]
    rough: bool = False

    @property
    def graph(self) -> Graph:
        return trace(self.build, *(o.type for o in self.operands))

    def draw(self, seed: int = 0) -> list[np.ndarray]:
        rng = np.random.default_rng(seed)
        return [o.draw(rng) for o in self.operands]

    def __str__(self) -> str:
        return f"{self.op}-{'-'.join(str(o.type).replace(',', 'x') for o in self.operands)}"


SHAPES = ((), (1,), (0, 3), (3, 5), (2, 1, 7))


def elementwise(
    op: str, f: Callable[..., Any], count: int = 1, domain: Any = (-2, 2), dtype: str = "f64"
) -> list[Case]:
    """A case for each of the shapes; `domain` is one range, or one for each operand."""
    domains = domain if isinstance(domain[0], tuple) else [domain] * count
    return [Case(op, f, tuple(Operand(s, dtype, *d) for d in domains)) for s in SHAPES]


def f64(*shape: int) -> Operand:
    return Operand(shape)


def indices(shape: tuple[int, ...], size: int, kind: str = "i64") -> Operand:
    return Operand(shape, kind, 0, size)


POSITIVE = (0.2, 3.0)
UNIT = (-0.9, 0.9)

ARITHMETIC = [
    *elementwise("identity", ops.identity),
    *elementwise("stop_gradient", ops.stop_gradient),
    *(Case("attach", ops.attach, (Operand(s),) * 3, rough=True) for s in SHAPES),
    *elementwise("add", ops.add, 2),
    *elementwise("subtract", ops.subtract, 2),
    *elementwise("multiply", ops.multiply, 2),
    *elementwise("divide", ops.divide, 2, ((-2, 2), POSITIVE)),
    *elementwise("floor_divide", ops.floor_divide, 2, ((-5, 5), POSITIVE)),
    *elementwise("remainder", ops.remainder, 2, ((-5, 5), POSITIVE)),
    *elementwise("maximum", ops.maximum, 2),
    *elementwise("minimum", ops.minimum, 2),
    *elementwise("negative", ops.negative),
    *elementwise("abs", ops.abs),
    *elementwise("sign", ops.sign),
    *elementwise("floor", ops.floor),
    *elementwise("ceil", ops.ceil),
    *elementwise("round", ops.round),
    *elementwise("trunc", ops.trunc),
    *elementwise("power", ops.power, 2, (POSITIVE, (-2, 2))),
    *elementwise("hypot", ops.hypot, 2),
    *elementwise("sqrt", ops.sqrt, 1, POSITIVE),
    *elementwise("rsqrt", ops.rsqrt, 1, POSITIVE),
]
TRANSCENDENTAL = [
    *elementwise("exp", ops.exp),
    *elementwise("expm1", ops.expm1),
    *elementwise("log", ops.log, 1, POSITIVE),
    *elementwise("log1p", ops.log1p, 1, UNIT),
    *elementwise("sin", ops.sin),
    *elementwise("cos", ops.cos),
    *elementwise("tan", ops.tan, 1, UNIT),
    *elementwise("asin", ops.asin, 1, UNIT),
    *elementwise("acos", ops.acos, 1, UNIT),
    *elementwise("atan", ops.atan),
    *elementwise("atan2", ops.atan2, 2, (POSITIVE, (-2, 2))),
    *elementwise("sinh", ops.sinh),
    *elementwise("cosh", ops.cosh),
    *elementwise("tanh", ops.tanh),
    *elementwise("erf", ops.erf),
    *elementwise("erfc", ops.erfc),
    *elementwise("erfinv", ops.erfinv, 1, UNIT),
    *elementwise("erfcinv", ops.erfcinv, 1, (0.1, 1.9)),
    *elementwise("lgamma", ops.lgamma, 1, POSITIVE),
    *elementwise("digamma", ops.digamma, 1, POSITIVE),
    *elementwise("digamma", ops.digamma, 1, (-1.8, -1.2)),
]
COMPLEX = [
    *(Case("cast", lambda x: ops.cast(x, complex128), (Operand(s),)) for s in SHAPES),
    *elementwise("real", ops.real, dtype="c128"),
    *elementwise("imag", ops.imag, dtype="c128"),
    *elementwise("conjugate", ops.conj, dtype="c128"),
    *elementwise("make_complex", ops.make_complex, 2),
    *elementwise("interleave", ops.interleave, 2),
    Case("component", lambda x: ops.component(x, 0), (f64(3, 2),)),
    Case("component", lambda x: ops.component(x, 1), (f64(2, 0, 2),)),
    Case("component", lambda x: ops.component(x, 1), (f64(2),)),
]
INTEGERS = [
    Case(op, f, (Operand((3, 4), kind, -9, 9), Operand((3, 4), kind, 1, 5)))
    for op, f in {
        "add": ops.add, "subtract": ops.subtract, "multiply": ops.multiply, "power": ops.power,
        "floor_divide": ops.floor_divide, "remainder": ops.remainder, "less": ops.less,
        "and": ops.and_, "or": ops.or_, "xor": ops.xor, "equal": ops.equal,
        "shift_left": ops.shift_left, "shift_right": ops.shift_right, "maximum": ops.maximum,
    }.items()
    for kind in ("i8", "u8", "i32", "u64")
]  # fmt: skip
LOGIC = [
    *elementwise("equal", ops.equal, 2),
    *elementwise("not_equal", ops.not_equal, 2),
    *elementwise("less", ops.less, 2),
    *elementwise("less_equal", ops.less_equal, 2),
    *elementwise("equal", ops.equal, 2, (-2, 2), "i32"),
    *elementwise("and", ops.and_, 2, (0, 2), "bool"),
    *elementwise("or", ops.or_, 2, (0, 2), "bool"),
    *elementwise("xor", ops.xor, 2, (0, 2), "bool"),
    *elementwise("not", ops.not_, 1, (0, 2), "bool"),
    *elementwise("not", ops.not_, 1, (-9, 9), "i16"),
    *elementwise("shift_left", ops.shift_left, 2, (0, 7), "u32"),
    *elementwise("shift_right", ops.shift_right, 2, (0, 7), "i32"),
    *(Case("select", ops.select, (Operand(s, "bool"), Operand(s), Operand(s))) for s in SHAPES),
    *(Case("cast", lambda x: ops.cast(x, float32), (Operand(s),), rough=True) for s in SHAPES),
    Case("cast", lambda x: ops.cast(x, int32), (Operand((4, 3), high=9.0),)),
    Case("cast", lambda x: ops.cast(x, bool_), (Operand((4, 3), "i8"),)),
    Case("cast", lambda x: ops.cast(x, float64), (Operand((4, 3), "u16", 0, 9),)),
    *(Case("bitcast", lambda x: ops.bitcast(x, int64), (Operand(s),)) for s in SHAPES),
    Case("bitcast", lambda x: ops.bitcast(x, float32), (Operand((3,), "u32", 0, 9),)),
]
REDUCTIONS = [
    Case(op, lambda x, f=f, axes=axes: f(x, axes), (f64(*shape),),
         rough=op in ("max", "min") and 0 in shape)
    for op, f in {"sum": ops.sum, "product": ops.product, "max": ops.max, "min": ops.min}.items()
    for shape, axes in (
        ((5,), (-1,)), ((3, 4), (-2,)), ((2, 3, 5), (-3, -1)), ((1, 1), (-1,)), ((2, 0), (-1,)),
        ((0, 3), (-1,)), ((2, 7), (-2, -1)),
    )
] + [
    Case(op, lambda x, f=f, axis=axis: f(x, axis), (Operand(shape, kind, -5, 5),))
    for op, f in {"arg_max": ops.argmax, "arg_min": ops.argmin}.items()
    for shape, axis, kind in (
        ((5,), -1, "f64"), ((3, 4, 2), -2, "i32"), ((1, 1), -1, "f32"), ((0, 3), -1, "f64"),
    )
] + [
    Case("sum", lambda x: ops.sum(x, -1), (Operand((3, 4), "i8", -9, 9),)),
    Case("max", lambda x: ops.max(x, -1), (Operand((3, 0), "u8"),)),
    Case("expand", lambda x: ops.expand(x, (-1,), (4,)), (f64(),)),
    Case("expand", lambda x: ops.expand(x, (-3, -1), (2, 3)), (f64(4, 5),)),
    Case("expand", lambda x: ops.expand(x, (-2,), (0,)), (f64(3),)),
    Case("expand", lambda x: ops.expand(x, (-2,), (1,)), (f64(1),)),
]  # fmt: skip
SHAPING = [
    Case("permute", lambda x: ops.permute(x, (-1, -2)), (f64(3, 5),)),
    Case("permute", lambda x: ops.permute(x, (-2, -1, -3)), (f64(2, 3, 4, 5),)),
    Case("permute", lambda x: ops.permute(x, (-1, -2)), (f64(0, 2),)),
    Case("reshape", lambda x: ops.reshape(x, (), (1, 1)), (f64(),)),
    Case("reshape", lambda x: ops.reshape(x, (6, 4), (3, 8)), (f64(2, 6, 4),)),
    Case("reshape", lambda x: ops.reshape(x, (4, 5, 6), (4, 30)), (f64(4, 5, 6),)),
    Case("reshape", lambda x: ops.reshape(x, (2, 1, 6, 5), (3, 4, 1, 5, 1)), (f64(2, 1, 6, 5),)),
    Case("reshape", lambda x: ops.reshape(x, (0, 3), (5, 0)), (f64(0, 3),)),
    Case("slice", lambda x: ops.slice_(x, (1,), (4,)), (f64(3, 5),)),
    Case("slice", lambda x: ops.slice_(x, (0, 1), (7, 6), (3, 2)), (f64(2, 7, 6),)),
    Case("slice", lambda x: ops.slice_(x, (2,), (2,), (3,)), (f64(5),)),
    Case("slice", lambda x: ops.slice_(x, (0,), (1,)), (f64(1),)),
    Case("pad", lambda x: ops.pad(x, (1,), (2,)), (f64(3, 4),)),
    Case("pad", lambda x: ops.pad(x, (0, 2), (1, 0), (2, 1)), (f64(2, 3, 4),)),
    Case("pad", lambda x: ops.pad(x, (2,), (1,), (3,)), (f64(0),)),
    Case("pad", lambda x: ops.pad(x, (0,), (0,), (3,)), (f64(1),)),
    Case("pad", lambda x: ops.pad(x, (1,), (1,)), (Operand((2, 2), "bool"),)),
    Case("flip", lambda x: ops.flip(x, (-1,)), (f64(3, 4),)),
    Case("flip", lambda x: ops.flip(x, (-3, -1)), (f64(2, 3, 4),)),
    Case("flip", lambda x: ops.flip(x, (-1,)), (f64(0),)),
    Case("concatenate", lambda *xs: ops.concatenate(xs, -1), (f64(2, 3), f64(2, 1), f64(2, 4))),
    Case("concatenate", lambda *xs: ops.concatenate(xs, -2), (f64(0, 3), f64(2, 3))),
    Case("concatenate", lambda x: ops.concatenate([x, x], -2), (f64(2, 3, 2),)),
]  # fmt: skip
WINDOWS = [
    Case("window", lambda x: ops.window(x, (3,)), (f64(7),)),
    Case("window", lambda x: ops.window(x, (2, 3), (2, 1), (1, 2)), (f64(2, 5, 7),)),
    Case("window", lambda x: ops.window(x, (2,), (3,)), (f64(1, 8),)),
    Case("window", lambda x: ops.window(x, (1,)), (f64(1),)),
    Case("window", lambda x: ops.window(x, (2,)), (f64(0, 3),)),
] + [
    Case("fold", lambda x, p=(n, w, s, d): ops.fold(x, *p), (f64(*lead, *o, *w),))
    for lead, n, w, s, d in (
        ((), (7,), (3,), (1,), (1,)),
        ((2,), (5, 7), (2, 3), (2, 1), (1, 2)),
        ((), (8,), (2,), (2,), (1,)),
        ((3,), (9,), (2,), (4,), (2,)),
        ((), (11,), (3,), (2,), (2,)),
        ((), (10, 7), (2, 3), (3, 2), (1, 1)),
        ((0,), (4,), (2,), (1,), (1,)),
        ((), (1,), (1,), (1,), (1,)),
    )
    for o in [tuple((m - (v - 1) * e - 1) // t + 1 for m, v, t, e in zip(n, w, s, d))]
]
CONTRACTIONS = [
    Case("contract", lambda x, y, spec=spec: ops.contract(x, y, spec), (f64(*a), f64(*b)))
    for spec, a, b in (
        ("ik,kj->ij", (3, 4), (4, 5)),
        ("ik,jk->ij", (3, 4), (5, 4)),
        ("k,k->", (7,), (7,)),
        ("i,j->ij", (3,), (2,)),
        ("bik,bkj->bij", (2, 3, 4), (2, 4, 1)),
        ("bhtd,bhsd->bhts", (2, 1, 3, 4), (2, 1, 5, 4)),
        ("ik,kj->ij", (2, 3, 4), (2, 4, 5)),
        ("ikz,kjw->ji", (3, 4, 2), (4, 5, 3)),
        ("i,->i", (3,), ()),
        (",->", (), ()),
        ("ij,ij->ij", (2, 3), (2, 3)),
        ("ik,kj->ij", (3, 0), (0, 2)),
        ("ik,kj->ij", (0, 3), (3, 2)),
        ("nowchu,fchu->nfow", (1, 2, 3, 2, 2, 2), (4, 2, 2, 2)),
    )
] + [
    Case("contract", lambda x, y: ops.contract(x, y, "ik,kj->ij"),
         (Operand((2, 3), "i32", -5, 5), Operand((3, 2), "i32", -5, 5))),
]  # fmt: skip
INDEXING = [
    Case("iota", lambda: ops.iota(5, int64), ()),
    Case("iota", lambda: ops.iota(0, float32), ()),
    Case("constant", lambda: ops.constant(0.5, float64, (2, 3)), ()),
    Case("constant", lambda: ops.constant(True, bool_), ()),
    Case("constant", lambda: ops.constant(np.arange(6.0).reshape(2, 3), float64), ()),
    Case("constant", lambda: ops.constant(np.zeros((2, 0)), float32), ()),
    Case("gather", lambda x, i: ops.gather(x, i), (f64(7), indices((3,), 7))),
    Case("gather", lambda x, i: ops.gather(x, i, 1), (f64(7, 3), indices((2, 4), 7, "i32"))),
    Case("gather", lambda x, i: ops.gather(x, i, 2), (f64(7, 3, 2), indices((), 7, "u8"))),
    Case("gather", lambda x, i: ops.gather(x, i, 1, 1), (f64(2, 5, 3), indices((2, 4), 5))),
    Case("gather", lambda x, i: ops.gather(x, i, 1), (f64(0, 3), indices((0,), 1))),
    Case("gather", lambda x, i: ops.gather(x, i), (f64(1), indices((1,), 1))),
    Case("gather", lambda x, i, j: ops.gather(x, (i, j), 1, 1),
         (f64(2, 5, 3, 2), indices((2, 4), 5), indices((2, 4), 3, "i8"))),
    Case("gather", lambda x, i: ops.gather(x, i, 1, None, True), (f64(4, 3), indices((5,), 9))),
    Case("gather", lambda x, i: ops.gather(x, i, 0, None, True), (f64(0), indices((2,), 9))),
    *(Case(f.__name__, lambda x, u, *i, f=f, o=options: f(x, u, i, *o), (x, u, *i))
      for f in (ops.scatter_add, ops.scatter_set, ops.scatter_multiply,
                ops.scatter_min, ops.scatter_max)
      for options, x, u, *i in (
          ((), f64(5), f64(6), indices((6,), 5)),
          ((1,), f64(5, 2), f64(6, 2), indices((6,), 5)),
          ((1, 1), f64(2, 3, 3), f64(2, 4, 3), indices((2, 4), 3, "i32")),
          ((), f64(4), f64(0), indices((0,), 1)),
          ((1,), f64(3, 2), f64(2), indices((), 3)),
          ((0, 2), f64(3, 2), f64(2, 4), indices((2, 4), 3), indices((2, 4), 2, "u8")),
          ((1, 1, True), f64(3, 19), f64(6, 19), indices((6,), 7)),
          ((0, 1, True), f64(0), f64(3), indices((3,), 2)),
          ((0, 1, False, True), f64(7), f64(1), indices((1,), 7)),
      )),
    Case("scatter_add", lambda x, u, i: ops.scatter_add(x, u, i),
         (Operand((5,), "u8", 0, 9), Operand((6,), "u8", 0, 9), indices((6,), 5))),
    Case("scatter_set", lambda x, u, i: ops.scatter_set(x, u, i),
         (Operand((5,), "bool"), Operand((6,), "bool"), indices((6,), 5))),
    Case("scatter_min", lambda x, u, i: ops.scatter_min(x, u, i),
         (Operand((5,), "i16", -9, 9), Operand((6,), "i16", -9, 9), indices((6,), 5))),
    Case("random_bits", lambda k: ops.random_bits(k, (5,)), (Operand((2,), "u32", 0, 2**32),)),
    Case("random_bits", lambda k: ops.random_bits(k, ()), (Operand((2,), "u32", 0, 2**32),)),
    Case("random_bits", lambda k: ops.random_bits(k, (2, 3)), (Operand((3, 2), "u32", 0, 2**32),)),
    Case("random_bits", lambda k: ops.random_bits(k, (0, 3)), (Operand((2,), "u32", 0, 9),)),
]  # fmt: skip
DYNAMIC = [
    Case("dynamic_slice", lambda x, *i, a=axes, n=sizes: ops.dynamic_slice(x, a, n, i),
         (f64(*shape), *(Operand(lead, kind, -2, 9) for _ in axes)))
    for shape, axes, sizes, lead, kind in (
        ((7,), (-1,), (3,), (), "i64"),
        ((6, 3), (-2,), (1,), (), "i32"),
        ((5, 4, 3), (-3, -1), (2, 2), (), "i64"),
        ((2, 5, 4), (-1,), (3,), (2,), "i8"),
        ((4, 3), (-2, -1), (4, 0), (), "u8"),
        ((1,), (-1,), (1,), (), "u64"),
        ((0, 3), (-2,), (0,), (), "i64"),
        ((), (), (), (), "i64"),
    )
] + [
    Case("dynamic_update_slice", lambda x, y, *i, a=axes: ops.dynamic_update_slice(x, y, a, i),
         (f64(*shape), f64(*block), *(Operand(lead, kind, -2, 9) for _ in axes)))
    for shape, block, axes, lead, kind in (
        ((7,), (3,), (-1,), (), "i64"),
        ((6, 3), (1, 3), (-2,), (), "i32"),
        ((5, 4, 3), (2, 4, 2), (-3, -1), (), "i64"),
        ((2, 5, 4), (2, 5, 3), (-1,), (2,), "i8"),
        ((4, 3), (4, 0), (-1,), (), "u8"),
        ((1,), (1,), (-1,), (), "u64"),
        ((0, 3), (0, 3), (-2,), (), "i64"),
        ((), (), (), (), "i64"),
    )
]  # fmt: skip


def _body() -> Graph:
    """A fused body with two outputs."""
    x, y = (placeholder(TensorType(float64, (3, 2))) for _ in range(2))
    return Graph((x, y), (ops.exp(x) * y, ops.sum(x, -1)))


def _call_alone() -> Graph:
    """An exponential of complex numbers."""
    x = placeholder(TensorType(complex128, (3, 4)))
    return Graph((x,), (ops.exp(x),))


FUSIONS = [
    Case("on_pairs", lambda x: emit(ops.OnPairs(_call_alone()), x), (f64(3, 4, 2),)),
    Case("fusion", lambda x, y: ops.item(ops.fusion(_body(), x, y), 0), (f64(3, 2), f64(3, 2))),
]
CUMULATIVE = [
    Case(op, lambda *xs, f=f, axis=axis, r=r: f(*xs, axis, r), (f64(*shape),) * count)
    for op, f, count in (
        ("cumulative_sum", ops.cumulative_sum, 1),
        ("cumulative_product", ops.cumulative_product, 1),
        ("cumulative_max", ops.cumulative_max, 1),
        ("cumulative_min", ops.cumulative_min, 1),
        ("cumulative_log_sum_exp", ops.cumulative_logsumexp, 1),
        ("linear_recurrence", ops.linear_recurrence, 2),
    )
    for shape, axis in (((5,), -1), ((11, 3), -2), ((11, 6), -1), ((2, 3, 4), -2), ((3, 1), -2),
                        ((0,), -1), ((2, 0), -2), ((1,), -1))
    for r in (False, True)
] + [
    Case(op, lambda x, f=f: f(x, -1), (Operand((5, 7), kind, 0, 5),))
    for op, f in {"cumulative_sum": ops.cumulative_sum, "cumulative_max": ops.cumulative_max,
                  "cumulative_product": ops.cumulative_product}.items()
    for kind in ("i8", "u32", "i64")
]  # fmt: skip
SORTING = [
    Case("sort", lambda x, d=d: ops.sort(x, d), (f64(*shape),))
    for d in (False, True) for shape in ((5,), (1,), (0,), (2, 3, 4), (0, 3), (3, 0))
] + [
    Case("arg_sort", lambda x, d=d: ops.argsort(x, d), (Operand(shape, kind, 0, 4),))
    for d in (False, True) for kind in ("i8", "u32", "f64", "i64", "bool", "f16")
    for shape in ((9,), (2, 0), (3, 4))
] + [
    Case("top_k", lambda x, k=k, l=l: ops.top_k(x, k, l)[0], (f64(*shape),))
    for l in (False, True) for shape, k in (((5,), 2), ((2, 3), 3), ((4, 1), 1), ((0, 3), 2))
] + [
    Case("top_k", lambda x: ops.top_k(x, 2)[1], (Operand((3, 7), "u16", 0, 4),)),
    Case("item", lambda x: ops.top_k(x, 0)[0], (f64(3, 7),)),
    Case("search_sorted", lambda x, v: ops.search_sorted(ops.sort(x), v), (f64(5), f64(2, 3))),
    Case("search_sorted", lambda x, v: ops.search_sorted(ops.sort(x), v, True, 1),
         (Operand((2, 9), "i32", 0, 4), Operand((2, 3), "i32", 0, 4))),
    Case("search_sorted", lambda x, v: ops.search_sorted(x, v), (f64(0), f64())),
    Case("nonzero", lambda x: ops.nonzero(x, 4, -1)[0], (Operand((2, 6), "bool"),)),
    Case("nonzero", lambda x: ops.nonzero(x, 2)[1], (Operand((7,), "bool"),)),
    Case("nonzero", lambda x: ops.nonzero(x, 2)[0], (Operand((0,), "bool"),)),
]  # fmt: skip


def definite(x: Any) -> Any:
    """Hermitian, with eigenvalues near 1."""
    return matrices.hermitian_part(x) * 0.125 + matrices.identity_like(x)


def _tolerance(x: Any) -> Any:
    return ops.constant(1e-3, x.dtype, x.shape[:-2])


def _recombined(x: Any, full: bool) -> Any:
    """U S^2 Vh, which no sign changes."""
    u, s, vh = ops.items(ops.svd(x, full))
    u, vh = ops.part(u, -1, 0, s.shape[-1]), ops.part(vh, -2, 0, s.shape[-1])
    return matrices.matmul(matrices.scaled_columns(u, s * s), vh)


def _hermitian_power(x: Any) -> Any:
    w, v = ops.items(ops.eigh(definite(x)))
    return matrices.matmul(matrices.scaled_columns(v, w * w), matrices.transposed(v))


def _spectrum(x: Any) -> Any:
    """The sum of the squares of the eigenvalues, which no order changes."""
    w = ops.eigenvalues(x)
    return ops.sum(w * w, -1)


def _frame(x: Any) -> Any:
    """The sum of all v v^H, which neither order nor phases change."""
    _, v = ops.items(ops.eig(x))
    return matrices.matmul(v, matrices.adjoint(v))


SQUARES = (f64(3, 3), f64(2, 1, 2, 2), f64(1, 1), f64(0, 2, 2), f64(0, 0))
SHAPES_OF_MATRICES = tuple(
    Operand(s, low=-0.7, high=0.7) for s in ((3, 3), (4, 2), (2, 2, 4), (1, 1), (0, 3, 2))
)
LINALG = [
    Case(op, f, (x,))
    for op, f in {
        "cholesky": lambda x: ops.cholesky(definite(x)),
        "determinant": ops.determinant,
        "cofactors": ops.cofactors,
        "inverse": lambda x: ops.inverse(definite(x)),
        "sign_log_determinant": lambda x: ops.item(
            ops.sign_log_determinant(definite(x)), 1
        ),
        "eigh": _hermitian_power,
        "hermitian_eigenvalues": lambda x: ops.hermitian_eigenvalues(definite(x)),
        "matrix_exponential": ops.matrix_exponential,
    }.items()
    for x in SQUARES
] + [
    Case(op, f, (Operand(s, "c128"),))
    for op, f in {"eigenvalues": _spectrum, "eig": _frame}.items()
    for s in ((3, 3), (2, 2, 2), (1, 1))
] + [
    Case(op, f, (x,))
    for op, f in {
        "qr": lambda x: ops.item(ops.qr(x), 1),
        "svd": lambda x: _recombined(x, False),
        "singular_values": ops.singular_values,
        "lu": lambda x: ops.item(ops.lu(x), 2),
    }.items()
    for x in SHAPES_OF_MATRICES
] + [
    Case("qr", lambda x: ops.item(ops.qr(x, True), 1), (f64(4, 2),)),
    Case("svd", lambda x: _recombined(x, True), (Operand((2, 4), low=-0.7, high=0.7),)),
    Case("matrix_exponential", ops.matrix_exponential, (f64(2, 2), f64(2, 2), f64(2, 2))),
    *(Case("solve", lambda a, b: ops.solve(definite(a), b), o) for o in (
        (f64(3, 3), f64(3, 2)), (f64(2, 2, 2), f64(2, 2, 1)), (f64(0, 0), f64(0, 2)),
        (f64(1, 1), f64(1, 0)),
    )),
    *(Case("triangular_solve",
           lambda a, b, p=p: ops.triangular_solve(definite(a), b, *p), o)
      for p in ((True, False), (False, False), (True, True), (False, True))
      for o in ((f64(3, 3), f64(3, 2)), (f64(2, 2, 2), f64(2, 2, 1)), (f64(0, 0), f64(0, 1)))),
    *(Case("pseudo_inverse", lambda x: ops.pseudo_inverse(x, _tolerance(x)), (x,))
      for x in (f64(3, 2), f64(2, 4), f64(2, 3, 2), f64(0, 2))),
    *(Case("least_squares", lambda a, b: ops.least_squares(a, b, _tolerance(a)), o)
      for o in ((f64(3, 2), f64(3, 1)), (f64(2, 4), f64(2, 2)), (f64(2, 3, 2), f64(2, 3, 1)))),
]  # fmt: skip


FOURIER = [
    *(Case("fourier", lambda x, a=a, i=inverse, n=norm: ops.fourier(x, a, i, n),
           (Operand(s, "c128"),))
      for a, inverse, norm in (
          ((-1,), False, "backward"), ((-1,), True, "ortho"), ((-2, -1), False, "forward"))
      for s in ((2, 7), (1, 1), (2, 4, 3))),
    *(Case("real_fourier", lambda x, a=a: ops.real_fourier(x, a), (o,))
      for a in (-1, -2) for o in (f64(2, 7), f64(1, 1), f64(2, 4, 3))),
    *(Case("half_fourier", lambda x, n=n: ops.half_fourier(x, n, -1), (Operand(s, "c128"),))
      for n, s in ((1, (1,)), (2, (3, 2)), (7, (2, 4)), (8, (5,)))),
]  # fmt: skip
AFTER_TRANSFORMS = {"fusion", "on_pairs"}
"""Ops that only the last passes make: neither differentiated nor batched."""

CONTROL = [
    Case("scan", lambda *v, r=reverse, p=part: control.scan(*v, reverse=r, part=p),
         (f64(3), f64(3, 3), f64(length, 3)))
    for length, reverse, part in ((4, False, 0), (3, True, 0), (5, True, 1), (1, False, 1),
                                  (0, False, 0), (0, False, 1))
] + [
    Case("scan", control.powers, (f64(),)),
    Case("scan", control.cumulative, (f64(5),)),
    *(Case("recursion", lambda x, n, m=mutual: control.recursion(x, n, mutual=m),
           (f64(3), Operand((), "i64", n, n + 1)))
      for n, mutual in ((0, False), (1, True), (3, False), (3, True))),
    Case("while", control.collatz, (Operand((), "i64", 1, 30),)),
    *(Case("checkpoint", lambda x, y, k=keep: control.checkpoint(x, y, keep=k),
           (f64(2, 3), f64(3, 2)))
      for keep in ("nothing", "products", "names: e", "within: 1.0")),
    Case("budget", control.budget, (f64(3), f64(3))),
    Case("barrier", control.barrier, (f64(3), f64(3))),
    Case("name", lambda x: ops.named(x, "n"), (f64(3),)),
    *(Case("switch", control.switch, (Operand((), "i64", n, n + 1), f64(3), f64(3)))
      for n in (-1, 0, 1, 2, 5)),
]  # fmt: skip

_FIRST = ops.constant(0, int32)
COLLECTIVE = [  # of a member alone on its axis; tests/tensor/test_collectives.py has the rest
    Case(op, f, (o,))
    for op, f in {
        "all_sum": lambda x: ops.all_sum(x, _FIRST, 1),
        "all_gather": lambda x: ops.all_gather(x, _FIRST, 1, -1),
        "sum_scatter": lambda x: ops.sum_scatter(x, _FIRST, 1, -2),
    }.items()
    for o in (f64(1, 3), f64(2, 1, 4), f64(1, 0))
]  # fmt: skip

CASES = [
    *ARITHMETIC, *TRANSCENDENTAL, *COMPLEX, *INTEGERS, *LOGIC, *REDUCTIONS, *SHAPING, *WINDOWS,
    *CONTRACTIONS, *INDEXING, *DYNAMIC, *CUMULATIVE, *SORTING, *CONTROL, *FUSIONS,
    *LINALG, *FOURIER, *COLLECTIVE,
]  # fmt: skip


def in_complex(case: Case) -> Case | None:
    """The case on complex numbers; None where the op does not take them."""
    operands = tuple(replace(o, dtype="c128") if o.dtype == "f64" else o for o in case.operands)
    twin = replace(case, operands=operands)
    try:
        return twin if twin.graph and operands != case.operands else None
    except LaminaError:
        return None


def _tamer(case: Case) -> Case:
    """The case on smaller numbers, whose higher derivatives do not spoil differences."""
    return replace(case, operands=tuple(replace(o, low=-0.5, high=0.5) for o in case.operands))


CASES += [
    twin
    for c in (
        *ARITHMETIC, *TRANSCENDENTAL, *LOGIC, *REDUCTIONS, *SHAPING, *WINDOWS, *CONTRACTIONS,
        *INDEXING, *DYNAMIC, *COLLECTIVE, *(_tamer(c) for c in CONTROL if c.op == "scan"),
    )
    if all(o.shape not in SHAPES or o.shape == (3, 5) for o in c.operands)
    and (twin := in_complex(c))
]  # fmt: skip
