"""The fast calls of the sorting ops against their references: ties, NaN, zeros, all dtypes."""

from __future__ import annotations

import numpy as np
import pytest

from lamina.backend.compile import compile_graph
from lamina.base.dtypes import dtype
from lamina.graph import ops
from lamina.graph.ir import TensorType, trace
from lamina.runtime import Buffer

KINDS = ("bool", "i8", "u8", "i16", "u16", "i32", "u32", "i64", "u64", "f16", "bf16", "f32", "f64")
SPECIAL = (0.0, -0.0, np.nan, np.inf, -np.inf, 1.0, -1.0, -np.nan)
both_orders = pytest.mark.parametrize("descending", [False, True])


def rows(kind: str, shape: tuple[int, ...] = (3, 257)) -> np.ndarray:
    """Many ties, the ends of the range, and every special number."""
    rng = np.random.default_rng(4)
    to = dtype(kind).numpy
    if kind == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype(kind).is_integer:
        limits = np.iinfo(to)
        ends = np.array([limits.min, limits.max, 0, 1], to)
        return np.where(rng.random(shape) < 0.5, ends[rng.integers(0, 4, shape)],
                        rng.integers(0, 50, shape).astype(to))  # fmt: skip
    numbers = np.where(rng.random(shape) < 0.5, np.array(SPECIAL)[rng.integers(0, 8, shape)],
                       rng.integers(-9, 9, shape) / 4)  # fmt: skip
    return numbers.astype(to)


def same(got: np.ndarray, wanted: np.ndarray) -> None:
    """Equal elements, with the signs of zeros; any NaN is any other."""
    assert got.dtype == wanted.dtype and got.shape == wanted.shape
    if got.dtype.kind in "fV":
        nan = np.isnan(wanted)
        assert (np.isnan(got) == nan).all()
        got, wanted = got[~nan], wanted[~nan]
    assert got.tobytes() == wanted.tobytes()


@both_orders
@pytest.mark.parametrize("kind", KINDS)
def test_fast_calls_are_stable(kind: str, descending: bool) -> None:
    x = rows(kind)
    for op in (ops.Sort(descending), ops.ArgSort(descending), ops.ArgSort(descending, False)):
        if isinstance(op, ops.ArgSort) and not op.stable:
            order = op.call(x)
            assert (np.sort(order, -1) == np.arange(x.shape[-1])).all()
            same(np.take_along_axis(x, order, -1) + x.dtype.type(0),
                 ops.Sort(descending).reference(x) + x.dtype.type(0))  # fmt: skip
        else:
            same(op.call(x), op.reference(x))


@both_orders
@pytest.mark.parametrize("k", [0, 1, 5, 256, 257])
@pytest.mark.parametrize("kind", ["i8", "u32", "f32", "bf16", "f64", "i64"])
def test_top_k_takes_the_first_of_equal_ones(kind: str, k: int, descending: bool) -> None:
    x, op = rows(kind), ops.TopK(k, descending)
    for got, wanted in zip(op.call(x), op.reference(x)):
        same(got, wanted)


@both_orders
def test_distinct_elements_of_64_bits_take_the_fast_path(descending: bool) -> None:
    x = np.random.default_rng(5).permutation(10_000).reshape(4, -1).astype(np.float64)
    op = ops.ArgSort(descending)
    same(op.call(x), op.reference(x))


@pytest.mark.parametrize("mode", ["threads", "serial", "graph"])
def test_threads_share_rows(mode: str) -> None:
    x = rows("f32", (300, 700))
    types = TensorType(dtype("f32"), x.shape)
    program = compile_graph(trace(lambda x: (ops.sort(x), *ops.top_k(x, 3)), types))
    program.program.mode = mode
    launches = program.program.tasks()
    assert [x.extent for x in launches] == [300, 300] and launches[0].grain == 47
    made = program.run([Buffer.wrap(x)])
    wanted = (ops.Sort().reference(x), *ops.TopK(3).reference(x))
    for buffer, array in zip(made, wanted):
        same(np.frombuffer(buffer, array.dtype).reshape(array.shape), array)
    program.program.mode = "threads"


def test_a_number_has_no_order() -> None:
    with pytest.raises(ValueError, match="arg_sort: no axis to order"):
        trace(ops.argsort, TensorType(dtype("f32")))


def test_top_k_of_too_few() -> None:
    with pytest.raises(ValueError, match="k goes from 0 to 3, the size of the axis"):
        trace(lambda x: ops.top_k(x, 4), TensorType(dtype("f32"), (3,)))


@both_orders
@pytest.mark.parametrize("kind", ["f16", "bf16", "f32", "f64"])
@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 3), (1,), (5,), (2, 3, 40)])
def test_zeros_keep_their_order_where_the_program_sorts_in_its_own_memory(
    kind: str, shape: tuple[int, ...], descending: bool
) -> None:
    x = rows(kind, shape)
    flat = x.reshape(-1)
    flat[::2] = np.resize([0.0, -0.0, 0.0], flat[::2].shape)
    program = compile_graph(
        trace(lambda x: ops.sort(x, descending), TensorType(dtype(kind), shape))
    )
    (made,) = program.run([Buffer.wrap(x if x.size else np.zeros(1, x.dtype))])
    got = np.frombuffer(made, x.dtype, x.size).reshape(shape)
    same(got, ops.Sort(descending).reference(x))
