"""Launches wait for all that they meet in memory, and for nothing else that matters."""

from __future__ import annotations

import numpy as np
import pytest

from lamina.backend.compile import compile_graph
from lamina.base import dtypes
from lamina.graph import ops
from lamina.graph.ir import Graph, TensorType, Value, trace
from lamina.runtime import Buffer
from tests.backend.compile.ordered import races
from tests.backend.compile.random_graphs import Maker

SIZE = 64


def product(x: Value, w: Value) -> Value:
    return ops.contract(x, w, "ij,jk->ik")


def layers(count: int) -> Graph:
    """Each layer reads a weight, and a product of three weights that is made once if they are."""

    def f(x: Value, *weights: Value) -> Value:
        for u, v, w in zip(weights[::3], weights[1::3], weights[2::3], strict=True):
            x = ops.tanh(product(ops.tanh(product(x, u)), product(product(u, v), w)))
            x = x + ops.sin(product(x, x))
        return x

    return trace(f, *[TensorType(dtypes.float32, (SIZE, SIZE))] * (1 + 3 * count))


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("frozen", [False, True])
def test_launches_that_meet_in_memory_are_ordered(seed: int, frozen: bool) -> None:
    graph = Maker(seed, dtypes.float32).graph(24)
    still = np.random.default_rng(seed).random(len(graph.inputs)) < 0.6
    compiled = compile_graph(graph, frozen=np.flatnonzero(still).tolist() if frozen else ())
    assert races(compiled) == []


@pytest.mark.parametrize("count", [1, 2, 5])
def test_what_runs_once_has_an_order_of_its_own(count: int) -> None:
    """Those launches run without the others, and so does whoever waits for them in between."""
    graph = layers(count)
    compiled = compile_graph(graph, frozen=range(1, 1 + 3 * count))
    tasks = compiled.program.tasks()
    assert len({task.once for task in tasks}) == 2
    assert races(compiled) == []


@pytest.mark.parametrize("mode", ["serial", "threads", "graph"])
def test_frozen_inputs_under_every_executor(mode: str) -> None:
    graph = layers(3)
    rng = np.random.default_rng(0)
    arrays = [rng.normal(scale=SIZE**-0.5, size=(SIZE, SIZE)).astype(np.float32) for _ in range(10)]
    wanted = bytes(compile_graph(graph).run([Buffer.wrap(a) for a in arrays])[0])
    for _ in range(20):  # each has memory of its own, and makes what is made once anew
        compiled = compile_graph(graph, frozen=range(1, 10))
        compiled.program.mode = mode
        for _ in range(2):
            (out,) = compiled.run([Buffer.wrap(a) for a in arrays])
            np.testing.assert_allclose(
                np.frombuffer(out, np.float32), np.frombuffer(wanted, np.float32), 1e-4, 1e-4
            )
