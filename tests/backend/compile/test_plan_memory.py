"""The arena: nothing alive overlaps, everything is aligned, dead memory is used again."""

from __future__ import annotations

import numpy as np
import pytest

import lamina.graph.ops as ops
from lamina.backend.compile import compile_graph
from lamina.backend.compile.lower import lower
from lamina.backend.compile.pipelines import pipeline
from lamina.backend.compile.plan_memory import ALIGNMENT, plan_memory
from lamina.backend.targets import select
from lamina.base import dtypes
from lamina.graph.ir import Graph, TensorType, Value, trace
from lamina.runtime import Buffer, memory_stats
from tests.backend.compile.random_graphs import Maker


def matrix(*shape: int) -> TensorType:
    return TensorType(dtypes.float32, shape)


def chain_of_products(x: Value, *weights: Value) -> Value:
    for w in weights:
        x = ops.tanh(ops.contract(x, w, "ij,jk->ik"))
    return x


def planned(graph: Graph):
    lowered = lower(pipeline(3)(graph), select())
    return lowered, plan_memory(lowered)


@pytest.mark.parametrize("seed", range(40))
def test_slots_that_live_together_do_not_overlap(seed: int) -> None:
    lowered, plan = planned(Maker(seed, dtypes.float32).graph(18))
    arena = [s for s in lowered.slots if s.kind == "arena" and s.size_bytes]
    shared = {(id(a), id(b)) for a, b in plan.in_place}
    for slot in arena:
        assert slot.offset % ALIGNMENT == 0
        assert slot.offset + slot.size_bytes <= plan.arena_bytes
    for i, a in enumerate(arena):
        for b in arena[i + 1 :]:
            together = a.first <= b.last and b.first <= a.last
            apart = a.offset + a.size_bytes <= b.offset or b.offset + b.size_bytes <= a.offset
            one_memory = (id(a), id(b)) in shared or (id(b), id(a)) in shared
            assert apart or not together or one_memory, (a, b)


def test_lifetimes_are_listed_and_the_peak_is_below_the_sum() -> None:
    graph = trace(chain_of_products, matrix(64, 64), *[matrix(64, 64)] * 6)
    lowered, plan = planned(graph)
    arena = [s for s in lowered.slots if s.kind == "arena"]
    assert [(s.first, s.last) for s in arena] == [(i, i + 1) for i in range(5)]
    assert plan.sum_bytes == 5 * 64 * 64 * 4
    assert plan.arena_bytes == 2 * 64 * 64 * 4


def test_an_update_takes_the_memory_of_the_donated_input() -> None:
    graph = trace(lambda p, g: p - 0.1 * g, matrix(100), matrix(100))
    compiled = compile_graph(graph)
    p, g = Buffer(400), Buffer(400)
    np.frombuffer(p, np.float32)[:] = 1.0
    np.frombuffer(g, np.float32)[:] = 2.0
    address = p.address
    (out,) = compiled.run([p, g], [True, False])
    assert out.address == address
    np.testing.assert_allclose(np.frombuffer(out, np.float32), 0.8, rtol=1e-6)


def test_an_update_is_refused_while_the_old_value_is_needed_later() -> None:
    def f(p: Value, w: Value) -> tuple[Value, Value]:
        new = p - 0.1 * ops.exp(p)
        return new, ops.contract(new, ops.contract(p, w, "ij,jk->ik"), "ij,jk->ik")

    lowered, plan = planned(trace(f, matrix(32, 32), matrix(32, 32)))
    writers = {
        s.number: n
        for n, step in enumerate(lowered.steps)
        for s in step.slots.values()
        if s.kind == "output" and s.first == n
    }
    for output, donor in plan.donors.items():
        assert lowered.inputs[donor].last <= writers[output]
    a = np.random.default_rng(0).standard_normal((32, 32)).astype(np.float32)
    w = np.eye(32, dtype=np.float32)
    p = Buffer(a.nbytes)
    np.frombuffer(p, np.float32)[:] = a.ravel()
    new, product = compile_graph(trace(f, matrix(32, 32), matrix(32, 32))).run(
        [p, Buffer.wrap(w)], [True, False]
    )
    expected = a - 0.1 * np.exp(a)
    np.testing.assert_allclose(np.frombuffer(new, np.float32).reshape(32, 32), expected, rtol=1e-5)
    np.testing.assert_allclose(
        np.frombuffer(product, np.float32).reshape(32, 32), expected @ a, rtol=1e-3, atol=1e-4
    )


def test_one_allocation_serves_all_intermediates() -> None:
    graph = trace(chain_of_products, matrix(256, 256), *[matrix(256, 256)] * 5)
    compiled = compile_graph(graph)
    rng = np.random.default_rng(0)
    arrays = [Buffer.wrap(rng.standard_normal((256, 256)).astype(np.float32)) for _ in range(6)]
    compiled.program.mode = "serial"  # threads would fetch their scratch memory at any time
    try:
        compiled.run(arrays)
        before = memory_stats()
        kept = compiled.run(arrays)
        after = memory_stats()
    finally:
        compiled.program.mode = "threads"
    assert after.requests - before.requests == 2, "the arena and the output"
    assert len(kept) == 1


@pytest.mark.parametrize("mode", ["serial", "threads", "graph"])
def test_every_executor_gives_the_same(mode: str) -> None:
    def f(x: Value, w: Value) -> tuple[Value, ...]:
        a = ops.tanh(ops.contract(x, w, "ij,jk->ik"))
        b = ops.sin(ops.contract(w, x, "ij,jk->ik"))
        return ops.contract(a, b, "ij,jk->ik"), ops.sum(a, (-1,)), ops.max(b, (-2,))

    graph = trace(f, matrix(96, 96), matrix(96, 96))
    compiled = compile_graph(graph)
    rng = np.random.default_rng(0)
    arrays = [Buffer.wrap(rng.standard_normal((96, 96)).astype(np.float32)) for _ in range(2)]
    wanted = [bytes(b) for b in compiled.run(arrays)]
    compiled.program.mode = mode
    try:
        for _ in range(20):
            assert [bytes(b) for b in compiled.run(arrays)] == wanted
    finally:
        compiled.program.mode = "threads"


def test_tasks_can_be_dumped() -> None:
    graph = trace(chain_of_products, matrix(8, 8), *[matrix(8, 8)] * 2)
    text = str(compile_graph(graph).program)
    assert "contract" in text
    assert "arena+0" in text
    assert "after [0" in text
