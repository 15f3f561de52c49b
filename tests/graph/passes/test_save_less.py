"""What late readers compute again: which values are kept, and that results stay."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import pytest

import lamina as lm
import lamina.graph.ops as ops
from lamina.base import dtypes
from lamina.graph.ir import Graph, TensorType, Value, trace
from lamina.graph.ir.evaluate import evaluate
from lamina.graph.ir.verify import verify
from lamina.graph.passes import fuse, save_less
from tests.backend.compile.random_graphs import Maker

WIDE = 512  # a value of that many rows and columns takes 1 MiB


def f32(*shape: int) -> TensorType:
    return TensorType(dtypes.float32, shape)


def product(x: Value, y: Value) -> Value:
    return ops.contract(x, y, "ij,jk->ik")


def softmax(x: Value) -> tuple[Value, Value, Value]:
    """The exponentials, their shares of a row, and the sums of rows."""
    width = x.type.shape[-1:]
    e = ops.exp(x - ops.expand(ops.max(x, (-1,)), (-1,), width))
    sums = ops.sum(e, (-1,))
    return e, e / ops.expand(sums, (-1,), width), sums


def read_late(x: Value, w: Value) -> tuple[Value, ...]:
    """Exponentials and shares are read by products after three others."""
    e, share, sums = softmax(x)
    y = product(product(product(share, w), w), w)
    return product(product(share, y), e), sums


def kernels(graph: Graph) -> list[Value]:
    return [v for v in graph.nodes if isinstance(v.op, ops.Fusion)]


def saved(f: Callable[..., Value | tuple[Value, ...]], *types: TensorType) -> tuple[Graph, Graph]:
    """The fused graph before and after the pass, whose values are the same."""
    fused = fuse(trace(f, *types))
    after = save_less(fused)
    verify(after, after="save_less")
    arrays = [np.random.default_rng(0).normal(size=t.shape).astype(np.float32) for t in types]
    for a, b in zip(evaluate(fused, *arrays), evaluate(after, *arrays), strict=True):
        np.testing.assert_array_equal(a, b)
    return fused, after


def readers(graph: Graph) -> list[int]:
    """How many kernels read each large result of the first one, in the order of its body."""
    first = kernels(graph)[0]
    parts = {v.op.index: v for v in graph.users[first.id] if v.type.rank == 2}
    return [len(graph.users[parts[i].id]) for i in sorted(parts)]


def test_late_readers_divide_again() -> None:
    before, after = saved(read_late, f32(WIDE, WIDE), f32(WIDE, WIDE))
    assert readers(before) == [1, 2]
    assert readers(after) == [2, 1]
    assert "divide" in str(kernels(after)[4].op.body)


def test_what_costs_much_is_kept() -> None:
    def f(x: Value, w: Value) -> Value:
        e = ops.exp(x)
        derived = ops.erf(e)
        y = product(product(product(derived, w), w), w)
        return product(product(derived, y), e)

    before, after = saved(f, f32(WIDE, WIDE), f32(WIDE, WIDE))
    assert after == before


def test_what_would_keep_something_else_alive_is_kept() -> None:
    def f(x: Value, w: Value) -> tuple[Value, ...]:
        e, share, sums = softmax(x)
        y = product(product(product(product(e, share), w), w), w)
        return product(share, y), sums

    before, after = saved(f, f32(WIDE, WIDE), f32(WIDE, WIDE))
    assert after == before


def test_small_programs_are_left_alone() -> None:
    before, after = saved(read_late, f32(64, 64), f32(64, 64))
    assert after == before


def test_results_are_kept() -> None:
    def f(x: Value, w: Value) -> tuple[Value, ...]:
        e, share, sums = softmax(x)
        y = product(product(product(share, w), w), w)
        return share, sums, product(product(share, y), e)

    before, after = saved(f, f32(WIDE, WIDE), f32(WIDE, WIDE))
    assert after == before


def test_what_is_read_many_times_is_kept() -> None:
    def f(x: Value, w: Value) -> tuple[Value, ...]:
        e, share, sums = softmax(x)
        y = product(product(product(share, w), w), w)
        images = ops.reshape(share, (WIDE, WIDE), (1, 1, WIDE, WIDE))
        windows = ops.window(images, (3, 3))
        spread = ops.sum(windows, (-2, -1))
        inner = ops.slice_(y, (0, 0), spread.type.shape[-2:])
        flat = ops.reshape(spread, spread.type.shape, inner.type.shape)
        return flat * inner, sums, product(e, y)

    before, after = saved(f, f32(WIDE, WIDE), f32(WIDE, WIDE))
    assert readers(after) == readers(before)


def test_derived_values_of_derived_values() -> None:
    """The scaled deviations, and from them the result of a norm, both follow from deviations."""

    def f(x: Value, w: Value, scale: Value) -> tuple[Value, ...]:
        rows, columns = x.type.shape
        mean = ops.sum(x, (-1,)) * (1 / columns)
        d = x - ops.expand(mean, (-1,), (columns,))
        r = ops.rsqrt(ops.sum(d * d, (-1,)) * (1 / columns) + 1e-5)
        unit = d * ops.expand(r, (-1,), (columns,))
        y = unit * ops.expand(scale, (-2,), (rows,))
        late = product(product(product(y, w), w), w)
        return product(product(product(y, late), unit), d), r

    before, after = saved(f, f32(WIDE, WIDE), f32(WIDE, WIDE), f32(WIDE))
    made = kernels(before)[0].op.body.outputs, kernels(after)[0].op.body.outputs
    large = [sum(v.type.rank == 2 for v in outputs) for outputs in made]
    assert large == [3, 2]  # the deviations, and the result for the product that follows


@pytest.mark.parametrize("seed", range(60))
def test_random_graphs(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["lamina.graph.passes.save_less"], "WORTH_BYTES", 0)
    maker = Maker(seed, dtypes.float32)
    graph = maker.graph(30)
    arrays = maker.arrays()
    fused = fuse(graph)
    after = save_less(fused)
    verify(after, after="save_less")
    for a, b in zip(evaluate(fused, *arrays), evaluate(after, *arrays), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_transformer_step_keeps_what_its_derivative_needs() -> None:
    """Of a layer: deviations twice, queries, keys, values, exponentials, what attention gives,
    and two values of the wide part; and what one layer works in."""
    layers, heads, width, length, batch = 4, 4, 64, 64, 8

    class Network(lm.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = [
                lm.nn.TransformerEncoderLayer(
                    width, heads, 4 * width, 0.0, activation="gelu", batch_first=True,
                    norm_first=True,
                )
                for _ in range(layers)
            ]  # fmt: skip

        def forward(self, x: lm.Tensor) -> lm.Tensor:
            for layer in self.layers:
                x = layer(x, is_causal=True)
            return lm.mean(x * x)

    @lm.jit
    def step(model: Network, x: lm.Tensor) -> lm.Tensor:
        loss, gradients = lm.value_and_grad(lambda model: model(x))(model)
        lm.optim.SGD(model, 0.1).update(model, gradients)
        return loss

    program = step.program(Network(), lm.ones((batch, length, width)))
    rows = batch * length
    layer_bytes = 4 * (rows * width * (1 + 3 + 1 + 1 + 8) + batch * heads * length**2)
    assert program.record.plan.arena_bytes < (layers + 1.5) * layer_bytes
