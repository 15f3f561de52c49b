"""Elementwise groups that read along other axes than they write: every way an axis can move."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina.backend.compile import compile_graph
from lamina.backend.schedule.policies import map_tiles, policy_of, schedule
from lamina.backend.targets import Target, select
from lamina.base.dtypes import dtype
from lamina.base.errors import LaminaError
from lamina.graph import ops
from lamina.graph.ir import Graph, TensorType, trace
from lamina.graph.ir.evaluate import evaluate
from lamina.runtime import Buffer


@pytest.fixture(autouse=True)
def tiles_for_little_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(map_tiles, "LEAST_ELEMENTS", 0)


def targets() -> list[str]:
    found = []
    for name in ("avx512", "avx2", "generic"):
        try:
            select(name)
        except LaminaError:
            continue
        found.append(name)
    return found


@pytest.fixture(params=targets())
def target(request, monkeypatch) -> Target:
    monkeypatch.setenv("LAMINA_CACHE_DIR", "off")
    return select(request.param).with_cores(2)


def run(graph: Graph, target: Target, *arrays: np.ndarray) -> list[np.ndarray]:
    program = compile_graph(graph, target)
    outs = program.run([Buffer.wrap(a if a.size else np.zeros(1)) for a in arrays])
    return [
        np.frombuffer(b, v.dtype.numpy, v.type.size).reshape(v.shape)
        for b, v in zip(outs, graph.outputs, strict=True)
    ]


def same(graph: Graph, target: Target, *arrays: np.ndarray) -> None:
    for got, wanted in zip(run(graph, target, *arrays), evaluate(graph, *arrays), strict=True):
        np.testing.assert_array_equal(got, wanted)


def numbers(kind: str, shape: tuple[int, ...]) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 100, shape).astype(dtype(kind).numpy)


def traced(f, *arrays: np.ndarray) -> Graph:
    return trace(f, *[TensorType(dtype(a.dtype), a.shape) for a in arrays])


@pytest.mark.parametrize(
    "shape",
    [(64, 64), (63, 65), (16, 200), (4, 100), (100, 4), (5, 7), (3, 1000), (17, 1), (1, 17), (0, 9),
     (300, 257)],
)  # fmt: skip
def test_matrices(target, shape) -> None:
    x = numbers("f32", shape)
    same(traced(lambda x: ops.permute(x, (-1, -2)), x), target, x)


@pytest.mark.parametrize("kind", ["u8", "bf16", "f64", "bool"])
@pytest.mark.parametrize("shape", [(63, 65), (16, 130)])
def test_every_size_of_element(kind, shape) -> None:
    x = numbers(kind, shape)
    same(traced(lambda x: ops.permute(x, (-1, -2)), x), select().with_cores(2), x)


@pytest.mark.parametrize("order", list(itertools.permutations(range(-4, 0)))[1:])
def test_every_order_of_four_axes(order) -> None:
    x = numbers("f32", (17, 2, 9, 20))
    same(traced(lambda x: ops.permute(x, order), x), select().with_cores(2), x)


def test_with_what_comes_before_and_after(target) -> None:
    x, y, z = numbers("f32", (40, 3, 35)), numbers("f16", (35, 3, 40)), numbers("f32", (40,))

    def f(x, y, z):
        turned = ops.permute(x * x, (-1, -2, -3))
        return turned + ops.cast(y, dtype("f32")) * 2.0, turned - ops.expand(z, (-3, -2), (35, 3))

    same(traced(f, x, y, z), target, x, y, z)


def test_inputs_that_lie_across_in_different_ways(target) -> None:
    x = numbers("f32", (18, 18, 18))
    orders = ((-1, -2, -3), (-2, -3, -1), (-3, -1, -2))
    f = lambda x: sum([ops.permute(x, order) for order in orders], start=x)
    same(traced(f, x), target, x)
    q = numbers("f32", (8, 9, 8, 9))
    g = lambda q: q + ops.permute(q, (-2, -3, -4, -1)) + ops.permute(q, (-4, -1, -2, -3))
    same(traced(g, q), target, q)


def test_large_outputs_pass_the_caches(target) -> None:
    small = target.with_caches(l3_bytes=1 << 12)
    f = lambda x: ops.permute(x, (-1, -2))
    for shape in ((64, 80), (65, 81)):
        x = numbers("f32", shape)
        same(traced(f, x), small, x)


def test_axes_that_move_together_are_one(target) -> None:
    x = numbers("f32", (2, 16, 7, 9))
    body = traced(lambda x: ops.permute(x, (-4, -2, -1, -3)), x)
    assert policy_of(body).name == "map"
    wide = traced(lambda x: ops.permute(x, (-3, -1, -2)), x.reshape(2, 16, 63))
    (task,), (other,) = schedule(body, target).tasks, schedule(wide, target).tasks
    assert task.lifted().sizes == other.lifted().sizes


@pytest.mark.parametrize("shape", [(250, 131), (256, 128), (301, 77)])
def test_an_update_in_place_happens_once_to_each_element(shape: tuple[int, int]) -> None:
    """The last tile overlaps the one before: what it reads must not be written already."""

    @lm.jit
    def step(held: dict[str, Any], g: Any) -> None:
        held["w"] = held["w"] * 0.5 - g.T

    rng = np.random.default_rng(0)
    w, g = rng.standard_normal(shape, np.float32), rng.standard_normal(shape[::-1], np.float32)
    held = {"w": lm.asarray(w.copy())}
    for _ in range(3):
        step(held, lm.asarray(g))
        w = w * np.float32(0.5) - g.T
        np.testing.assert_array_equal(held["w"].numpy(), w)
