"""Running sums and their like as loops: every way to cut them, fused operands, special numbers."""

from __future__ import annotations

import numpy as np
import pytest

from lamina.backend.compile import compile_graph
from lamina.backend.targets import select
from lamina.base.dtypes import dtype
from lamina.graph import ops
from lamina.graph.ir import Graph, TensorType, trace
from lamina.graph.ir.evaluate import evaluate
from lamina.graph.transforms import vjp
from lamina.runtime import Buffer

FUNCTIONS = {
    "sum": ops.cumulative_sum,
    "product": ops.cumulative_product,
    "max": ops.cumulative_max,
    "min": ops.cumulative_min,
    "logsumexp": ops.cumulative_logsumexp,
}
SHAPES = [
    ((1000,), -1), ((9, 65), -1), ((2, 3, 31), -1), ((33, 700), -2), ((5, 9, 130), -2),
    ((4, 3, 17, 5), -3), ((7, 1, 1), -3), ((3, 8, 1), -2), ((40, 3), -2), ((2, 0, 3), -1),
    ((0, 4), -2),
]  # fmt: skip


def run(graph: Graph, *arrays: np.ndarray, cores: int = 2) -> list[np.ndarray]:
    program = compile_graph(graph, select().with_cores(cores))
    outs = program.run([Buffer.wrap(a if a.size else np.zeros(1)) for a in arrays])
    return [
        np.frombuffer(b, v.dtype.numpy, v.type.size).reshape(v.shape)
        for b, v in zip(outs, graph.outputs, strict=True)
    ]


@pytest.mark.parametrize("shape, axis", SHAPES)
def test_every_shape_and_direction(shape, axis) -> None:
    x = np.random.default_rng(1).uniform(0.9, 1.1, shape).astype(np.float32)
    f = lambda x: tuple(g(x, axis, r) for g in FUNCTIONS.values() for r in (False, True))
    graph = trace(f, TensorType(dtype("f32"), shape))
    for cores in (1, 2):
        for got, wanted in zip(run(graph, x, cores=cores), evaluate(graph, x)):
            np.testing.assert_allclose(got, wanted, 2e-5)


@pytest.mark.parametrize("kind", ["f16", "bf16", "f32", "f64", "i8", "u16", "i64", "u64"])
def test_every_dtype_as_the_reference_has_it(kind) -> None:
    rng = np.random.default_rng(2)
    x = rng.integers(0, 9, (13, 37)).astype(dtype(kind).numpy)
    functions = [g for name, g in FUNCTIONS.items() if name != "logsumexp"]
    graph = trace(lambda x: tuple(g(x, a) for g in functions for a in (-1, -2)),
                  TensorType(dtype(kind), x.shape))  # fmt: skip
    for got, wanted in zip(run(graph, x), evaluate(graph, x)):
        np.testing.assert_array_equal(got, wanted)  # one order of combining: the same bits


def test_special_numbers_go_on() -> None:
    x = np.array([1.0, np.inf, -1.0, np.nan, 2.0, -np.inf, 0.0, -0.0], np.float64)
    for column in (x, x[::-1].copy(), np.full(8, -np.inf), np.full(8, np.inf)):
        graph = trace(lambda x: tuple(g(x, -1) for g in FUNCTIONS.values()),
                      TensorType(dtype("f64"), (8,)))  # fmt: skip
        for got, wanted in zip(run(graph, column), evaluate(graph, column)):
            np.testing.assert_allclose(got, wanted, 1e-12)


def test_operands_are_fused_and_views_read() -> None:
    def f(x, i):
        rows = ops.gather(ops.permute(x, (-1, -2)), i, 1)
        return ops.exp(ops.cumulative_sum(ops.tanh(rows) * 0.1, -2)) + 1.0

    graph = trace(f, TensorType(dtype("f64"), (20, 30)), TensorType(dtype("i64"), (8,)))
    x = np.random.default_rng(3).standard_normal((20, 30))
    i = np.arange(8, dtype=np.int64) * 3
    np.testing.assert_allclose(run(graph, x, i)[0], evaluate(graph, x, i)[0], 1e-12)
    program = compile_graph(graph, select().with_cores(2))
    policies = [step.policy for step in program.record.lowered.steps]
    assert policies == ["cumulate", "map"] or policies == ["map", "cumulate", "map"]


def test_an_index_outside_is_reported() -> None:
    f = lambda x, i: ops.cumulative_sum(ops.gather(x, i), -1)
    graph = trace(f, TensorType(dtype("f32"), (5,)), TensorType(dtype("i64"), (3,)))
    with pytest.raises(IndexError, match="gather: index 7 is outside the axis"):
        run(graph, np.ones(5, np.float32), np.array([0, 7, 1]))


def test_products_with_zeros_have_exact_derivatives() -> None:
    x = np.array([2.0, 0.0, 3.0, 0.0, 4.0])
    graph = vjp(trace(lambda x: ops.cumulative_product(x, -1), TensorType(dtype("f64"), (5,))))
    (_, got) = run(graph, x, np.ones(5))
    assert got.tolist() == [1.0, 2 + 6.0, 0.0, 0.0, 0.0]
