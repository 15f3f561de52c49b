"""Runs a nest one scalar at a time, every access checked: the oracle of schedules and codegen."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from lamina.backend.nest.nodes import (
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
from lamina.base.dtypes import dtype as find_dtype
from lamina.base.errors import BoundsError, UsageError
from lamina.graph.ops import Digamma, Erf, Erfc, Erfcinv, Erfinv, Lgamma
from lamina.graph.ops.arithmetic import floor_quotient

Order = Callable[[Sequence[int]], Sequence[int]]


class FaultReport(NamedTuple):
    """What a Fault statement has found."""

    code: int
    value: int
    limit: int


def interpret(
    nest: Nest,
    buffers: Mapping[str, np.ndarray],
    order: Order = lambda iterations: iterations,
    sizes: Sequence[int] = (),
) -> list[FaultReport]:
    """Runs the nest on the arrays, which it changes in place.

    Args:
        buffers: a flat array for each parameter; those with `may_alias` may share memory.
        order: rearranges the iterations of parallel and vector loops, which may come in any.
        sizes: values of the open sizes of the nest.

    Returns:
        Every fault found, in the order of the run; compiled code reports one of them.

    Raises:
        BoundsError: a load or store outside its buffer.
    """
    for p in nest.params:
        array = buffers.get(p.name)
        fits = array is not None and array.ndim == 1 and p.size in (None, array.size)
        if not fits or array.dtype != find_dtype(p.dtype).numpy:  # type: ignore[union-attr]
            size = "" if p.size is None else p.size
            raise UsageError(f"kernel {nest.name}: {p.name} takes a flat {p.dtype}[{size}] array")
    run = _Run(dict(buffers), order)
    run.values |= {name: np.int64(n) for name, n in zip(nest.sizes, sizes, strict=True)}
    with np.errstate(all="ignore"):
        run.body(nest.body)
    return run.faults


class _Run:
    def __init__(self, buffers: dict[str, np.ndarray], order: Order):
        self.buffers = buffers
        self.order = order
        self.values: dict[str, Any] = {}
        self.combiners: dict[str, str] = {}
        self.known: dict[
            Expr, Any
        ] = {}  # each node is computed once in the body that first uses it
        self.faults: list[FaultReport] = []

    def body(self, stmts: Sequence[Stmt]) -> None:
        outer = self.known, dict(self.values), dict(self.buffers), dict(self.combiners)
        self.known = dict(self.known)
        for stmt in stmts:
            self.stmt(stmt)
        values = self.values
        self.known, self.values, self.buffers, self.combiners = outer
        for name in self.combiners:
            self.values[name] = values[name]

    def stmt(self, stmt: Stmt) -> None:
        match stmt:
            case For():
                self.loop(stmt)
            case If(condition, body):
                if self.value(condition):
                    self.body(body)
            case Let(name, value):
                self.values[name] = self.value(value)
            case Store(buffer, offset, value, mask):
                at, new = self.value(offset), self.value(value)
                if mask is None or self.value(mask):
                    self.buffers[buffer][self.inside(buffer, at)] = new
            case Prefetch():
                pass
            case Accumulator(name, _, op, init):
                self.values[name] = self.value(init)
                self.combiners[name] = op
            case Accumulate(name, value, mask):
                new = self.value(value)
                if mask is None or self.value(mask):
                    combine = LANES[self.combiners[name]]
                    self.values[name] = new.dtype.type(combine(self.values[name], new))
            case Alloc(name, dtype, size, space):
                room = int(self.value(size)) if isinstance(size, Var) else size
                self.buffers[name] = _contents(dtype, room, space)
            case Fault(condition, code, value, limit):
                if self.value(condition):
                    found = FaultReport(code, int(self.value(value)), int(self.value(limit)))
                    self.faults.append(found)
            case _:
                raise TypeError(f"no statement: {stmt!r}")

    def loop(self, stmt: For) -> None:
        iterations: Sequence[int] = range(
            int(self.value(stmt.start)), int(self.value(stmt.stop)), stmt.step
        )
        if stmt.kind in ("parallel", "vector"):
            iterations = self.order(iterations)
        before = self.values.get(stmt.var)
        for i in iterations:
            self.values[stmt.var] = np.int64(i)
            self.body(stmt.body)
        self.values[stmt.var] = before

    def inside(self, buffer: str, at: Any) -> int:
        size = len(self.buffers[buffer])
        if not 0 <= at < size:
            raise BoundsError(f"{buffer}[{at}] is outside a buffer of {size}")
        return int(at)

    def value(self, e: Expr) -> Any:
        """The value of an expression now. What a variable holds may change; a node is kept."""
        if isinstance(e, Var):
            return self.values[e.name]
        if isinstance(e, Const):
            return find_dtype(e.dtype).numpy.type(e.value)
        if e not in self.known:
            self.known[e] = self.compute(e)
        return self.known[e]

    def compute(self, e: Expr) -> Any:
        kind = find_dtype(e.dtype).numpy
        if isinstance(e, Load):
            if e.mask is not None and not self.value(e.mask):
                return kind.type(0)
            return self.buffers[e.buffer][self.inside(e.buffer, self.value(e.offset))]
        assert isinstance(e, Apply)
        args = [self.value(a) for a in e.args]
        if e.op == "cast":
            return _cast(args[0], kind)
        if e.op == "bitcast":
            return args[0].view(kind)
        if e.op == "multiply_add" and e.dtype in ("f16", "bf16", "f32"):
            return kind.type(_fused(*args))
        return kind.type(LANES[e.op](*args))


def _contents(dtype: str, size: int, space: str) -> np.ndarray:
    """Registers start at zero; scratch memory at something that shows when it is used."""
    kind = find_dtype(dtype)
    start = np.zeros(size, kind.numpy)
    if space == "scratch":
        start[:] = math.nan if kind.is_float else 77
    return start


def _cast(x: Any, kind: np.dtype) -> Any:
    """Integers wrap; a float to an integer truncates and saturates, and NaN becomes 0."""
    floating = not np.issubdtype(x.dtype, np.integer) and x.dtype != np.bool_
    if not floating or not np.issubdtype(kind, np.integer):
        return np.asarray(x).astype(kind)[()]
    value, limits = float(x), np.iinfo(kind)
    if math.isnan(value):
        return kind.type(0)
    if value <= limits.min or value >= limits.max:
        return kind.type(limits.min if value < 0 else limits.max)
    return kind.type(int(value))


def _fused(x: Any, y: Any, z: Any) -> float:
    """x*y + z in float64, where the product of two narrower floats is exact."""
    return float(x) * float(y) + float(z)


def _power(x: Any, y: Any) -> Any:
    if np.issubdtype(x.dtype, np.integer) and y < 0:
        return 0 if abs(int(x)) != 1 else int(x) ** (int(y) % 2)
    return np.power(x, y)


def _dot4(x: Any, y: Any, c: Any) -> Any:
    first, second = np.array([x]).view(np.uint8), np.array([y]).view(np.int8)
    return c + first.astype(np.int32) @ second.astype(np.int32)


def _dot2(x: Any, y: Any, c: Any) -> Any:
    first, second = (np.array([v]).view(np.int16).astype(np.int32) for v in (x, y))
    with np.errstate(over="ignore"):
        return c + (first * second).sum(dtype=np.int32)


def _halves(x: Any) -> Any:
    kind = np.int8 if x.dtype == np.int16 else np.uint8
    return np.array([x]).view(kind).astype(np.int16).view(np.int32)[0]


def _shift(shift: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda x, y: shift(x, x.dtype.type(y))


def _divide(x: Any, y: Any) -> Any:
    if np.issubdtype(x.dtype, np.integer):
        return 0 if y == 0 else int(x) // int(y) + (int(x) % int(y) != 0 and (x < 0) != (y < 0))
    return np.divide(x, y)


LANES: dict[str, Callable[..., Any]] = {
    "add": np.add, "subtract": np.subtract, "multiply": np.multiply, "divide": _divide,
    "floor_divide": floor_quotient, "remainder": np.remainder, "power": _power,
    "maximum": np.maximum, "minimum": np.minimum, "atan2": np.arctan2,
    "multiply_add": lambda x, y, z: x * y + z, "dot4": _dot4, "dot2": _dot2,
    "halves": _halves,
    "negative": lambda x: -x, "abs": np.abs, "sign": np.sign, "floor": np.floor, "ceil": np.ceil,
    "round": np.rint, "trunc": np.trunc, "sqrt": np.sqrt, "rsqrt": lambda x: 1 / np.sqrt(x),
    "reciprocal": lambda x: 1 / x, "exp": np.exp, "expm1": np.expm1, "log": np.log,
    "log1p": np.log1p, "sin": np.sin, "cos": np.cos, "tan": np.tan, "asin": np.arcsin,
    "acos": np.arccos, "atan": np.arctan, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh,
    "erf": Erf.formula, "erfc": Erfc.formula, "erfinv": Erfinv.formula,
    "erfcinv": Erfcinv.formula, "lgamma": Lgamma.formula, "digamma": Digamma.formula,
    "equal": np.equal, "not_equal": np.not_equal, "less": np.less,
    "less_equal": np.less_equal, "and": lambda x, y: x & y, "or": lambda x, y: x | y,
    "xor": lambda x, y: x ^ y, "not": lambda x: ~x,
    "shift_left": _shift(np.left_shift), "shift_right": _shift(np.right_shift),
    "select": lambda condition, x, y: x if condition else y,
}  # fmt: skip
"""The meaning of each lane operation on NumPy scalars."""
