"""How ops loop: `view`, `lane` and `compose` mean the same as the reference.

The back end reads these; here a few lines of plain Python do, one element at a time.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from cases import CASES, Case

from lamina.base.dtypes import dtype
from lamina.graph import ops
from lamina.graph.ir import Graph, TensorType, trace
from lamina.graph.ir.evaluate import evaluate


@dataclass(frozen=True)
class Number:
    """One lane: a value and its dtype."""

    value: Any
    dtype: str


class Plain:
    """The lane arithmetic that views use, on Python numbers."""

    def __init__(self) -> None:
        self.inside = True

    def constant(self, value: Any, dtype: str) -> Number:
        return Number(value, dtype)

    def _wrapped(self, value: Any, like: Number) -> Number:
        if like.dtype == "u32":
            value &= 0xFFFFFFFF
        return Number(value, like.dtype)

    def _same(self, x: Number, y: Number) -> None:
        assert x.dtype == y.dtype, (x, y)

    def add(self, x: Number, y: Number) -> Number:
        self._same(x, y)
        return self._wrapped(x.value + y.value, x)

    def subtract(self, x: Number, y: Number) -> Number:
        self._same(x, y)
        return self._wrapped(x.value - y.value, x)

    def multiply(self, x: Number, y: Number) -> Number:
        self._same(x, y)
        return self._wrapped(x.value * y.value, x)

    def floor_divide(self, x: Number, y: Number) -> Number:
        self._same(x, y)
        return self._wrapped(x.value // y.value, x)

    def remainder(self, x: Number, y: Number) -> Number:
        self._same(x, y)
        return self._wrapped(x.value % y.value, x)

    def less(self, x: Number, y: Number) -> Number:
        self._same(x, y)
        return Number(x.value < y.value, "bool")

    def less_equal(self, x: Number, y: Number) -> Number:
        self._same(x, y)
        return Number(x.value <= y.value, "bool")

    def equal(self, x: Number, y: Number) -> Number:
        self._same(x, y)
        return Number(x.value == y.value, "bool")

    def and_(self, x: Number, y: Number) -> Number:
        return Number(x.value & y.value, x.dtype)

    def or_(self, x: Number, y: Number) -> Number:
        return Number(x.value | y.value, x.dtype)

    def xor(self, x: Number, y: Number) -> Number:
        return Number(x.value ^ y.value, x.dtype)

    def shift_left(self, x: Number, y: Number) -> Number:
        return self._wrapped(x.value << y.value, x)

    def shift_right(self, x: Number, y: Number) -> Number:
        return Number(x.value >> y.value, x.dtype)

    def minimum(self, x: Number, y: Number) -> Number:
        self._same(x, y)
        return min(x, y, key=lambda n: n.value)

    def maximum(self, x: Number, y: Number) -> Number:
        self._same(x, y)
        return max(x, y, key=lambda n: n.value)

    def select(self, condition: Number, x: Number, y: Number) -> Number:
        self._same(x, y)
        return x if condition.value else y

    def cast(self, x: Number, dtype: str) -> Number:
        return self._wrapped(x.value, Number(0, dtype))

    def when(self, condition: Number, thunk: Callable[[], Number], otherwise: Number) -> Number:
        return thunk() if condition.value else otherwise

    def sum(self, extent: int, term: Callable[[Number], Number]) -> Number:
        terms = [term(Number(k, "i64")) for k in range(extent)]
        return Number(math.fsum(t.value for t in terms), terms[0].dtype)

    def check_index(self, index: Number, size: int) -> Number:
        self.inside = self.inside and 0 <= index.value < size
        return Number(min(max(index.value, 0), size - 1), "i64")


class Reader:
    """An operand read at computed places; a place outside it is an error."""

    def __init__(self, array: np.ndarray, type: TensorType):
        self.array = array
        self.type = type

    def __call__(self, index: tuple[Number, ...]) -> Number:
        places = tuple(i.value for i in index)
        assert len(places) == self.array.ndim
        assert all(0 <= i < n for i, n in zip(places, self.array.shape)), (places, self.type)
        return Number(self.array[places].item(), self.type.dtype.name)


REAL = [c for c in CASES if not any(o.type.dtype.is_complex for o in c.operands)]
"""Lanes and views are asked of real numbers only."""
VIEWED = [c for c in REAL if c.graph.outputs[0].op.view is not None]


@pytest.mark.parametrize("case", VIEWED, ids=str)
def test_view_against_reference(case: Case) -> None:
    graph, arrays = case.graph, case.draw()
    out, s = graph.outputs[0], Plain()
    by_id = {v.id: Reader(a, v.type) for v, a in zip(graph.inputs, arrays)}
    readers = [by_id[o.id] for o in out.operands]
    (wanted,) = evaluate(graph, *arrays)
    for places in itertools.product(*(range(n) for n in out.shape)):
        got = out.op.view(s, tuple(Number(i, "i64") for i in places), *readers)
        assert got.dtype == out.dtype.name
        np.testing.assert_allclose(got.value, wanted[places], 1e-12)


def test_gather_reports_an_index_outside() -> None:
    graph = trace(ops.gather, TensorType(dtype("f64"), (3,)), TensorType(dtype("i64"), (1,)))
    for index, inside in ((2, True), (3, False), (-1, False)):
        s = Plain()
        readers = [
            Reader(a, v.type) for a, v in zip([np.arange(3.0), np.array([index])], graph.inputs)
        ]
        graph.outputs[0].op.view(s, (Number(0, "i64"),), *readers)
        assert s.inside == inside


class NumpyLanes:
    """The lane vocabulary in NumPy, spelled out by hand."""

    names = {
        "divide": np.divide, "power": np.power, "abs": np.abs, "round": np.rint,
        "rsqrt": lambda x: 1 / np.sqrt(x), "asin": np.arcsin, "acos": np.arccos,
        "atan": np.arctan, "atan2": np.arctan2, "erf": ops.Erf.formula,
        "erfc": ops.Erfc.formula, "erfinv": ops.Erfinv.formula, "erfcinv": ops.Erfcinv.formula,
        "lgamma": ops.Lgamma.formula, "digamma": ops.Digamma.formula,
        "and_": np.bitwise_and, "or_": np.bitwise_or, "xor": np.bitwise_xor, "not_": np.invert,
        "shift_left": np.left_shift, "shift_right": np.right_shift, "select": np.where,
        "constant": lambda value, d: np.asarray(value, d),
        "cast": lambda x, d: x.astype(dtype(d).numpy),
        "bitcast": lambda x, d: x.view(dtype(d).numpy),
    }  # fmt: skip
    same = (
        *("add", "subtract", "multiply", "floor_divide", "remainder", "negative", "sign", "floor"),
        *("ceil", "trunc", "sqrt", "exp", "expm1", "log", "log1p", "sin", "cos", "tan", "sinh"),
        *("cosh", "tanh", "maximum", "minimum", "equal", "not_equal", "less", "less_equal"),
    )

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return (
            self.names[name]
            if name in self.names
            else getattr(np, self.same[self.same.index(name)])
        )


LANED = [c for c in REAL if c.graph.outputs[0].op.lane is not None]


@pytest.mark.parametrize("case", LANED, ids=str)
def test_lane_against_reference(case: Case) -> None:
    graph, arrays = case.graph, case.draw()
    got = graph.outputs[0].op.lane(NumpyLanes(), *arrays)
    np.testing.assert_allclose(got, evaluate(graph, *arrays)[0], 1e-12)


COMPOSED = [c for c in CASES if c.graph.outputs[0].op.compose is not None]


@pytest.mark.parametrize("case", COMPOSED, ids=str)
def test_compose_against_reference(case: Case) -> None:
    graph, arrays = case.graph, case.draw()
    (out,) = graph.outputs
    composed = Graph(graph.inputs, (out.op.compose(*out.operands),))
    assert composed.outputs[0].type == graph.outputs[0].type
    np.testing.assert_array_equal(evaluate(composed, *arrays)[0], evaluate(graph, *arrays)[0])


@pytest.mark.parametrize("f", [ops.argmax, ops.argmin])
@pytest.mark.parametrize(
    "row",
    [
        [1, 3, 3, 0, 0],
        [1, np.nan, 5, np.nan],
        [np.inf, -np.inf, np.inf],
        [-np.inf] * 3,
        [-0.0, 0.0],
    ],
)
def test_first_extreme_and_first_nan(f: Callable[..., Any], row: list[float]) -> None:
    x = np.array(row, np.float64)
    graph = trace(lambda v: f(v, -1), TensorType(dtype("f64"), x.shape))
    composed = Graph(graph.inputs, (graph.outputs[0].op.compose(*graph.inputs),))
    (wanted,) = evaluate(graph, x)
    assert evaluate(composed, x)[0] == wanted
    assert wanted == (np.argmax(x) if f is ops.argmax else np.argmin(x))
