"""Reductions of rows with what follows them: what is asked for ahead, and that it is right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lamina.backend.compile import compile_graph
from lamina.backend.nest.dependence import statements
from lamina.backend.nest.nodes import Prefetch
from lamina.backend.schedule.policies import schedule
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
    return select().with_caches(l1d_bytes=1 << 12, l2_bytes=1 << 14)


def softmax(shape: tuple[int, ...], kind: str = "f32") -> Graph:
    def shares(x: Any) -> Any:
        powers = ops.exp(x - ops.expand(ops.max(x, (-1,)), (-1,), shape[-1:]))
        return powers / ops.expand(ops.sum(powers, (-1,)), (-1,), shape[-1:])

    return trace(shares, TensorType(dtype(kind), shape))


def asked_for(graph: Graph, target: Target) -> int:
    (task,) = schedule(graph, target).tasks
    return sum(isinstance(s, Prefetch) for s in statements(task.nest.body))


def test_the_next_row_is_asked_for_where_two_fit_the_first_cache(target) -> None:
    assert asked_for(softmax((64, 100)), target) == 1
    assert asked_for(softmax((8, 100)), target) == 0, "all rows are near"
    assert asked_for(softmax((64, 400)), target) == 0, "two rows crowd it"


@pytest.mark.parametrize("kind", ["f32", "f64", "bf16"])
@pytest.mark.parametrize("shape", [(64, 100), (7, 9, 101), (65, 257), (300, 17), (3, 1), (0, 5)])
def test_rows_of_every_length(target, shape, kind) -> None:
    rng = np.random.default_rng(0)
    x = (100 * rng.standard_normal(shape)).astype(dtype(kind).numpy)
    if x.size > 5:
        x.reshape(-1)[:5] = [np.inf, -np.inf, np.nan, 1e30, -1e30]
    graph = softmax(shape, kind)
    with np.errstate(all="ignore"):
        (wanted,) = evaluate(graph, x)
    (out,) = compile_graph(graph, target).run([Buffer.wrap(x if x.size else np.zeros(1))])
    got = np.frombuffer(out, x.dtype, x.size).reshape(shape)
    tolerance = {"f32": 1e-6, "f64": 1e-14, "bf16": 2e-2}[kind]
    as_f64 = [a.astype(np.float64) for a in (got, wanted)]
    np.testing.assert_allclose(*as_f64, rtol=tolerance, atol=1e-37)
