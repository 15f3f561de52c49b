"""What becomes one kernel, and what must not."""

from __future__ import annotations

import numpy as np
import pytest

import lamina.graph.ops as ops
from lamina.base import dtypes
from lamina.graph.ir import Graph, TensorType, Value, trace
from lamina.graph.ir.evaluate import evaluate
from lamina.graph.ir.verify import verify
from lamina.graph.passes import fuse
from tests.backend.compile.random_graphs import Maker


def f32(*shape: int) -> TensorType:
    return TensorType(dtypes.float32, shape)


def kernels(graph: Graph) -> list[Graph]:
    return [v.op.body for v in graph.nodes if isinstance(v.op, ops.Fusion)]


def along_rows(v: Value, like: Value) -> Value:
    return ops.expand(v, (-1,), like.type.shape[-1:])


def softmax(x: Value) -> Value:
    e = ops.exp(x - along_rows(ops.max(x, (-1,)), x))
    return e / along_rows(ops.sum(e, (-1,)), x)


def layer_norm(x: Value, w: Value, b: Value) -> Value:
    n = x.type.shape[-1]
    d = x - along_rows(ops.sum(x, (-1,)) * (1 / n), x)
    r = ops.rsqrt(ops.sum(d * d, (-1,)) * (1 / n) + 1e-5)
    rows = x.type.shape[:1]
    return d * along_rows(r, x) * ops.expand(w, (-2,), rows) + ops.expand(b, (-2,), rows)


def gelu(x: Value) -> Value:
    return x * 0.5 * (ops.erf(x * 0.7071067811865476) + 1.0)


@pytest.mark.parametrize(
    ("f", "types"),
    [
        (softmax, [f32(4, 33)]),
        (layer_norm, [f32(4, 33), f32(33), f32(33)]),
        (gelu, [f32(4, 33)]),
        (lambda x, w, b: gelu(ops.contract(x, w, "ij,jk->ik") + ops.expand(b, (-2,), (4,))),
         [f32(4, 8), f32(8, 5), f32(5)]),
        (lambda x: ops.sqrt(ops.sum(x * x, (-2,))), [f32(9, 7)]),
        (lambda x: ops.argmax(x, -1) if False else ops.max(ops.exp(x), (-1,)), [f32(9, 7)]),
    ],
)  # fmt: skip
def test_one_kernel(f, types) -> None:
    fused = fuse(trace(f, *types))
    assert len(kernels(fused)) == 1
    assert len(fused.nodes) == 1


def test_an_optimizer_is_one_kernel_with_three_results() -> None:
    def adam(p, m, v, g):
        m = m * 0.9 + g * 0.1
        v = v * 0.99 + g * g * 0.01
        return p - m / (ops.sqrt(v) + 1e-8) * 0.001, m, v

    fused = fuse(trace(adam, *[f32(8, 5)] * 4))
    assert [len(k.outputs) for k in kernels(fused)] == [3]


def test_a_contraction_takes_its_update_along() -> None:
    def f(x, g, p):
        return p - 0.1 * ops.contract(x, g, "bi,bo->io")

    assert len(kernels(fuse(trace(f, f32(6, 4), f32(6, 3), f32(4, 3))))) == 1


def test_expensive_values_with_two_kernels_as_readers_are_stored() -> None:
    def f(x, w):
        h = ops.tanh(x)
        return ops.contract(h, w, "ij,jk->ik"), ops.contract(w, h, "ij,jk->ik")

    fused = kernels(fuse(trace(f, f32(8, 8), f32(8, 8))))
    assert len(fused) == 3
    assert sum(v.op.name == "tanh" for k in fused for v in k.nodes) == 1


def test_what_a_contraction_widens_is_stored_narrow() -> None:
    i8, i32 = dtypes.int8, dtypes.int32

    def f(x, w):
        x = ops.cast(ops.cast(ops.round(ops.exp(x) / 0.5), i8), i32)
        return ops.contract(x, ops.cast(w, i32), "ik,jk->ij")

    made, product = kernels(fuse(trace(f, f32(8, 6), TensorType(i8, (5, 6)))))
    assert str(made.outputs[0].dtype) == "i8"
    assert {str(v.dtype) for v in product.inputs} == {"i8"}


def test_what_follows_from_frozen_inputs_has_kernels_of_its_own() -> None:
    def f(x, w, v):
        return ops.contract(x, w + v, "ik,kj->ij") * ops.exp(v)

    graph = trace(f, f32(8, 8), f32(8, 8), f32(8, 8))
    assert len(kernels(fuse(graph))) == 1
    first, product = kernels(fuse(graph, frozen=(1, 2)))
    assert len(first.outputs) == 2 and len(product.inputs) == 3
    assert {v.op.name for v in product.nodes} == {"contract", "multiply"}


def test_a_group_never_needs_what_depends_on_it() -> None:
    """x -> a -> product -> b; a and b alone would fit into one loop."""

    def f(x, w):
        a = ops.exp(x)
        return a, ops.tanh(ops.contract(a, w, "ij,jk->ik")) + a

    fused = fuse(trace(f, f32(8, 8), f32(8, 8)))
    verify(fused, after="fuse")
    assert len(kernels(fused)) == 2


@pytest.mark.parametrize("seed", range(60))
def test_fusing_keeps_every_value(seed: int) -> None:
    maker = Maker(seed + 5000, dtypes.float64)
    graph = maker.graph(20)
    arrays = maker.arrays()
    fused = fuse(graph)
    verify(fused, after="fuse")
    for got, wanted in zip(evaluate(fused, *arrays), evaluate(graph, *arrays), strict=True):
        np.testing.assert_array_equal(got, wanted)
