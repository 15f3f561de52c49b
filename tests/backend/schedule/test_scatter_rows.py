"""Scatters of long rows by sorting: every kind, dropped updates, batches, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina.backend.compile import compile_graph
from lamina.backend.schedule.policies import scatter_rows, schedule
from lamina.backend.targets import Target, select
from lamina.base.dtypes import dtype
from lamina.base.errors import LaminaError
from lamina.graph import ops
from lamina.graph.ir import Graph, TensorType, trace
from lamina.graph.ir.evaluate import evaluate
from lamina.graph.ops.index import scatter
from lamina.runtime import Buffer

KINDS = [ops.ScatterAdd, ops.ScatterMultiply, ops.ScatterMax, ops.ScatterMin, ops.ScatterSet]


@pytest.fixture(autouse=True)
def little_work_is_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LEAST_ROW_BYTES", "LEAST_UPDATES_BYTES", "LEAST_ROWS"):
        monkeypatch.setattr(scatter_rows, name, 0)
    monkeypatch.setenv("LAMINA_CACHE_DIR", "off")


@pytest.fixture(params=["avx512", "avx2", "generic"])
def target(request: pytest.FixtureRequest) -> Target:
    try:
        return select(request.param).with_cores(2)
    except LaminaError:
        pytest.skip("not of this machine")


def same(target: Target, f: Any, *arrays: np.ndarray) -> None:
    graph: Graph = trace(f, *[TensorType(dtype(a.dtype), a.shape) for a in arrays])
    assert len(schedule(graph, target).tasks) == 2
    (wanted,) = evaluate(graph, *arrays)
    (out,) = compile_graph(graph, target).run(
        [Buffer.wrap(a if a.size else np.zeros(1)) for a in arrays]
    )
    got = np.frombuffer(out, wanted.dtype, wanted.size).reshape(wanted.shape)
    np.testing.assert_array_equal(got, wanted)


def numbers(shape: tuple[int, ...], kind: str = "f32", seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 5, shape).astype(dtype(kind).numpy)


def places(count: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, count, shape)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("rows", "count", "width"), [(7, 40, 33), (50, 9, 16), (5, 0, 8), (3, 8, 1)]
)
def test_every_kind(target, kind, rows, count, width) -> None:
    x, updates = numbers((rows, width)), numbers((count, width), seed=2)
    f = lambda x, u, i: scatter(kind, x, u, i, 1)
    same(target, f, x, updates, places(rows, count))


@pytest.mark.parametrize("kind", ["f64", "bf16", "f16", "i8", "i32"])
def test_every_size_of_element(target, kind) -> None:
    x, updates = numbers((6, 37), kind), numbers((50, 37), kind, seed=2)
    f = lambda x, u, i: ops.scatter_add(x, u, i, 1)
    same(target, f, x, updates, places(6, 50).astype(np.int32))


def test_sums_come_in_the_order_of_the_indices(target) -> None:
    rng = np.random.default_rng(3)
    updates = (rng.standard_normal((200, 20)) * 10.0 ** rng.integers(-4, 5, (200, 1))).astype("f4")
    x = rng.standard_normal((4, 20)).astype("f4")
    same(target, lambda x, u, i: ops.scatter_add(x, u, i, 1), x, updates, places(4, 200))


def test_updates_that_are_dropped(target) -> None:
    x, updates = numbers((6, 20)), numbers((30, 20), seed=2)
    where = places(12, 30) - 3
    f = lambda x, u, i: ops.scatter_add(x, u, i, 1, 1, True)
    same(target, f, x, updates, where)


def test_several_axes_of_places_and_of_the_rest(target) -> None:
    x, updates = numbers((3, 4, 5, 6)), numbers((2, 9, 5, 6), seed=2)
    f = lambda x, u, i, j: ops.scatter_add(x, u, (i, j), 2)
    same(target, f, x, updates, places(3, 2, 9), places(4, 2, 9))


def test_batches_and_computed_updates(target) -> None:
    x, updates = numbers((2, 5, 18)), numbers((2, 11, 18), seed=2)
    f = lambda x, u, i: ops.scatter_add(ops.negative(x), u * u, i, 1, 1)
    same(target, f, x, updates, places(5, 2, 11))


def test_large_outputs_pass_the_caches(target) -> None:
    x, updates = numbers((40, 64)), numbers((90, 64), seed=2)
    small = target.with_caches(l3_bytes=1 << 10)
    same(small, lambda x, u, i: ops.scatter_add(x, u, i, 1), x, updates, places(40, 90))


def test_a_place_outside_is_named() -> None:
    x = lm.zeros((8, 100))
    with pytest.raises(lm.LaminaError, match="17"):
        lm.jit(lambda x, i: x.at[i].add(lm.ones((4, 100))))(x, lm.asarray([1, 2, 17, 3])).block()
