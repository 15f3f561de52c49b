"""Random graphs over f32, i32 and bool values of shape [3,4], and inputs for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from lamina.base.dtypes import DType, bool_, float32, int32
from lamina.graph import ops
from lamina.graph.ir import Graph, TensorType, Value, placeholder

SHAPE = (3, 4)
TYPES = {d: TensorType(d, SHAPE) for d in (float32, int32, bool_)}
SPECIAL = [0.0, -0.0, 1.0, -1.0, 2.0, 0.5, 3.0, np.inf, -np.inf, np.nan]


def _turned_twice(x: Any) -> Any:
    return ops.flip(ops.permute(ops.permute(ops.flip(x, (-1,)), (-1, -2)), (-1, -2)), (-2, -1))


def _there_and_back(x: Any) -> Any:
    return ops.reshape(ops.reshape(ops.reshape(x, (3, 4), (12,)), (12,), (2, 6)), (2, 6), (3, 4))


def _cut_and_padded(x: Any) -> Any:
    part = ops.slice_(ops.slice_(x, (0, 1), (3, 4)), (1, 0), (3, 3), (1, 2))
    return ops.pad(part, (0, 1), (1, 0), (0, 1))


def _largest_of_row(x: Any) -> Any:
    return ops.expand(ops.max(x, -1), (-1,), (4,))


def _total(x: Any) -> Any:
    return ops.expand(ops.sum(x, (-2, -1)), (-2, -1), SHAPE)


def _joined(x: Any, y: Any) -> Any:
    return ops.concatenate([ops.slice_(x, (0, 0), (1, 4)), ops.slice_(y, (1, 0), (3, 4))], -2)


def _windows(x: Any) -> Any:
    padded = ops.pad(x, (0, 1), (0, 1))
    return ops.sum(ops.window(padded, (3,)), -1)


def _best_of_row(x: Any) -> Any:
    return ops.expand(ops.cast(ops.argmax(x, -1), int32), (-1,), (4,))


MOVES: list[Callable[..., Any]] = [_turned_twice, _there_and_back, _cut_and_padded, ops.identity]
UNARY: dict[DType, list[Callable[..., Any]]] = {
    float32: [ops.negative, ops.abs, ops.exp, ops.sin, ops.floor, lambda x: x * 1.0,
              lambda x: x + 0.0, lambda x: x - 0.0, lambda x: x / 4.0, lambda x: x * 0.0,
              lambda x: ops.power(x, ops.lift(2.0, x)), _largest_of_row, _total, _windows, *MOVES],
    int32: [ops.negative, ops.abs, ops.not_, lambda x: x + 0, lambda x: x * 0, lambda x: x * 1,
            lambda x: x - x, _largest_of_row, _total, *MOVES],
    bool_: [ops.not_, lambda x: x & True, lambda x: x | False, lambda x: x & False, *MOVES],
}  # fmt: skip
BINARY: dict[DType, list[Callable[..., Any]]] = {
    float32: [ops.add, ops.subtract, ops.multiply, ops.divide, ops.maximum, ops.minimum, _joined],
    int32: [ops.add, ops.subtract, ops.multiply, ops.and_, ops.or_, ops.xor, ops.maximum, _joined],
    bool_: [ops.and_, ops.or_, ops.xor, _joined],
}
CONVERT: list[tuple[DType, Callable[..., Any]]] = [
    (float32, lambda x: ops.cast(x, int32)),
    (int32, lambda x: ops.cast(ops.cast(x, int32), float32)),
    (bool_, lambda x: ops.cast(x, float32)),
    (float32, lambda x: ops.equal(x, x)),
    (float32, _best_of_row),
]


@st.composite
def graphs(draw: st.DrawFn, max_nodes: int = 14) -> Graph:
    """A graph with two inputs of each dtype, built from the functions above."""
    inputs = [placeholder(t) for t in TYPES.values() for _ in range(2)]
    pool: list[Value] = list(inputs)

    def pick(d: DType) -> Value:
        return draw(st.sampled_from([v for v in pool if v.dtype is d]))

    for _ in range(draw(st.integers(1, max_nodes))):
        kind = draw(st.sampled_from(["unary", "binary", "binary", "select", "constant", "convert"]))
        d = draw(st.sampled_from([float32, float32, int32, bool_]))
        if kind == "unary":
            pool.append(draw(st.sampled_from(UNARY[d]))(pick(d)))
        elif kind == "binary":
            pool.append(draw(st.sampled_from(BINARY[d]))(pick(d), pick(d)))
        elif kind == "select":
            pool.append(ops.select(pick(bool_), pick(d), pick(d)))
        elif kind == "constant":
            pool.append(draw(_constants(d)))
        else:
            source, convert = draw(st.sampled_from(CONVERT))
            pool.append(convert(pick(source)))
    outputs = draw(st.lists(st.sampled_from(pool), min_size=1, max_size=3))
    return Graph(inputs, [*outputs, pool[-1]])


@st.composite
def _constants(draw: st.DrawFn, d: DType) -> Value:
    if d is bool_:
        return ops.constant(draw(st.booleans()), d, SHAPE)
    if d is int32:
        return ops.constant(draw(st.sampled_from([0, 1, -1, 7])), d, SHAPE)
    if draw(st.booleans()):
        return ops.constant(draw(st.sampled_from(SPECIAL)), d, SHAPE)
    return ops.constant(np.linspace(-1, 1, 12, dtype=np.float32).reshape(SHAPE), d)


def arrays(seed: int) -> list[np.ndarray]:
    """Inputs for a random graph, special floats among them."""
    rng = np.random.default_rng(seed)
    floats = [rng.standard_normal(SHAPE).astype(np.float32) for _ in range(2)]
    for x in floats:
        x[rng.random(SHAPE) < 0.3] = rng.choice(SPECIAL)
    ints = [rng.integers(-5, 5, SHAPE).astype(np.int32) for _ in range(2)]
    return [*floats, *ints, *(rng.random(SHAPE) < 0.5 for _ in range(2))]
