"""Panels that come from memory: the next one is asked for while one is multiplied by."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lamina.backend.compile import compile_graph
from lamina.backend.nest.dependence import statements
from lamina.backend.nest.nodes import Prefetch
from lamina.backend.targets import Target, select
from lamina.base.dtypes import dtype
from lamina.graph import ops
from lamina.graph.ir import Graph, TensorType, trace
from lamina.graph.ir.evaluate import evaluate
from lamina.runtime import Buffer


@pytest.fixture
def target(monkeypatch: pytest.MonkeyPatch) -> Target:
    """One with small caches, which little work fills."""
    monkeypatch.setenv("LAMINA_CACHE_DIR", "off")
    return select().with_caches(l1d_bytes=1 << 12, l2_bytes=1 << 17)


def product(m: int, n: int, k: int) -> Graph:
    types = (TensorType(dtype("f32"), s) for s in ((m, k), (k, n)))
    return trace(lambda x, w: ops.contract(x, w, "ik,kj->ij"), *types)


def convolution(channels: int, size: int, out: int) -> Graph:
    def convolved(x: Any, w: Any) -> Any:
        seen = ops.window(ops.pad(x, (1, 1), (1, 1)), (3, 3))
        return ops.contract(seen, w, "ncyxij,ocij->noyx")

    shapes = (1, channels, size, size), (out, channels, 3, 3)
    return trace(convolved, *(TensorType(dtype("f32"), s) for s in shapes))


def asked_for(graph: Graph, target: Target) -> int:
    lowered = compile_graph(graph, target, frozen=(1,)).record.lowered
    assert lowered is not None
    tasks = [task for step in lowered.steps for task in step.tasks]
    return sum(isinstance(s, Prefetch) for t in tasks for s in statements(t.nest.body))


@pytest.mark.parametrize(
    "graph",
    [product(70, 330, 197), product(37, 333, 200), convolution(64, 7, 96), convolution(37, 9, 130)],
    ids=["product", "odd product", "convolution", "odd convolution"],
)
def test_results_are_those_of_the_reference(graph: Graph, target: Target) -> None:
    assert asked_for(graph, target) > 0
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(v.type.shape).astype(np.float32) for v in graph.inputs]
    compiled = compile_graph(graph, target, frozen=(1,))
    for _ in range(2):
        (out,) = compiled.run([Buffer.wrap(a) for a in arrays])
        (wanted,) = evaluate(graph, *arrays)
        got = np.frombuffer(out, np.float32).reshape(wanted.shape)
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-4)


def test_nothing_is_asked_for_that_is_near(target: Target) -> None:
    near = target.with_caches(l2_bytes=1 << 26)
    assert asked_for(product(70, 330, 197), near) == 0
    assert asked_for(convolution(64, 7, 96), near) == 0
