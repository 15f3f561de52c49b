"""Batching whole programs: shared inputs, constants, outputs that do not vary, nested batches."""

from __future__ import annotations

import numpy as np
import pytest

from lamina.base.dtypes import float32, float64, int64, uint32
from lamina.base.errors import UsageError
from lamina.graph import ops
from lamina.graph.ir import Graph, TensorType, Value, trace
from lamina.graph.ir.evaluate import evaluate
from lamina.graph.transforms import batch, batch_values


def f64(*shape: int) -> TensorType:
    return TensorType(float64, shape)


def network(x: Value, w: Value) -> Value:
    return ops.tanh(ops.contract(x, w, "k,kj->j")) * 2.0


def test_shared_weights_are_read_as_they_are() -> None:
    graph = batch(trace(network, f64(4), f64(4, 3)), 5, (True, False))
    assert "expand" not in str(graph)
    assert str(graph.outputs[0].type) == "f64[5,3]"


def test_batches_of_batches() -> None:
    graph = trace(network, f64(4), f64(4, 3))
    twice = batch(batch(graph, 5, (True, False)), 2, (True, True))
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 5, 4)), rng.standard_normal((2, 4, 3))
    got = evaluate(twice, x, w)[0]
    np.testing.assert_allclose(got, 2 * np.tanh(np.einsum("abk,akj->abj", x, w)), 1e-12)


def test_an_output_that_does_not_vary_is_repeated() -> None:
    graph = batch(trace(lambda x, y: (x + 1.0, y, y * 2.0), f64(2), f64(3)), 4, (True, False))
    assert [str(v.type) for v in graph.outputs] == ["f64[4,2]", "f64[4,3]", "f64[4,3]"]
    got = evaluate(graph, np.zeros((4, 2)), np.arange(3.0))
    np.testing.assert_array_equal(got[2], np.tile(2 * np.arange(3.0), (4, 1)))


def test_what_does_not_vary_is_computed_once() -> None:
    graph = batch(trace(lambda x, y: x + ops.exp(y), f64(2), f64(2)), 4, (True, False))
    exponentials = [v for v in graph.nodes if v.op is not None and v.op.name == "exp"]
    assert [str(v.type) for v in exponentials] == ["f64[2]"]


def test_lookups_in_one_table() -> None:
    types = TensorType(float32, (9, 4)), TensorType(int64, (3,))
    graph = batch(trace(lambda t, i: ops.gather(t, i, 1), *types), 5, (False, True))
    assert "expand" not in str(graph)
    assert graph.outputs[0].op == ops.Gather(1, 2)


def test_values_in_the_middle() -> None:
    graph = trace(lambda x: ops.exp(x) + 1.0, f64(2))
    middle = graph.outputs[0].operands[0]
    many = trace(ops.identity, f64(3, 2))
    out = batch_values(graph.outputs, {middle.id: many.outputs[0]}, 3)
    got = evaluate(Graph(many.inputs, out), np.ones((3, 2)))[0]
    np.testing.assert_array_equal(got, np.full((3, 2), 2.0))


def test_random_bits_of_many_keys() -> None:
    graph = trace(lambda k: ops.random_bits(k, (3,)), TensorType(uint32, (2,)))
    keys = np.arange(8, dtype=np.uint32).reshape(4, 2)
    got = evaluate(batch(graph, 4, (True,)), keys)[0]
    np.testing.assert_array_equal(got, np.stack([evaluate(graph, k)[0] for k in keys]))


def test_each_input_is_mapped_or_not() -> None:
    with pytest.raises(UsageError, match="for each input"):
        batch(trace(network, f64(4), f64(4, 3)), 5, (True,))
