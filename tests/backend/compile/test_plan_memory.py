"""The arena: nothing alive overlaps, everything is aligned, dead memory is used again."""

from __future__ import annotations

import numpy as np
import pytest

import lamina.graph.ops as ops
from lamina.backend.compile import compile_graph
from lamina.backend.compile.explain import report
from lamina.backend.compile.history import dependencies
from lamina.backend.compile.lower import Lowered, Touch, lower
from lamina.backend.compile.pipelines import pipeline
from lamina.backend.compile.plan_memory import ALIGNMENT, Plan, plan_memory
from lamina.backend.targets import described, select
from lamina.base import dtypes
from lamina.graph.ir import Graph, TensorType, Value, trace
from lamina.graph.ir.evaluate import evaluate
from lamina.runtime import Buffer, memory_stats
from tests.backend.compile.ordered import ancestors, gone
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


# ---------------------------------------------------------------------- in any order


def web(seed: int, size: int) -> Lowered:
    """A random program of products that read one another, of many sizes."""
    rng = np.random.default_rng(seed)

    def f(*inputs: Value) -> tuple[Value, ...]:
        made = list(inputs)
        read: set[int] = set()
        while len(made) < size:
            i, j = (int(n) for n in rng.integers(max(0, len(made) - 9), len(made), 2))
            scores = ops.tanh(ops.contract(made[i], made[j], "ik,jk->ij"))
            mixed = ops.tanh(ops.contract(scores, made[j], "ij,jk->ik"))
            made.append(mixed + made[i] if rng.integers(2) else mixed)  # perhaps over made[i]
            read |= {i, j}
        return tuple(v for n, v in enumerate(made) if n not in read)

    graph = trace(f, *[matrix(int(rows), 8) for rows in rng.integers(1, 60, 3)])
    return lower(pipeline(3)(graph), select())


def touches_of(lowered: Lowered) -> list[Touch]:
    return [touch for step in lowered.steps for touch in step.touches]


def any_order(after: list[tuple[int, ...]], rng: np.random.Generator) -> list[int]:
    """An order in which each launch comes after those that it must."""
    order: list[int] = []
    left = set(range(len(after)))
    while left:
        free = sorted(i for i in left if left.isdisjoint(after[i]))
        order.append(free[int(rng.integers(len(free)))])
        left.remove(order[-1])
    return order


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("parallel", [False, True])
def test_what_is_read_is_still_there_in_every_order(seed: int, parallel: bool) -> None:
    """BE-17: whichever launch comes first of those that may."""
    lowered = web(seed, 8 + seed)
    plan = plan_memory(lowered, parallel)
    touches = touches_of(lowered)
    after = dependencies(touches, plan.donors, plan.arena_bytes)
    rng = np.random.default_rng(seed)
    for order in (range(len(after)), *(any_order(after, rng) for _ in range(10))):
        assert gone(touches, order, plan) == []


def test_an_order_that_memory_forbids_is_noticed() -> None:
    """A plan for one order, in orders that only the data demand."""
    rng = np.random.default_rng(0)
    found = []
    for seed in range(10, 20):
        lowered = web(seed, 8 + seed)
        plan = plan_memory(lowered)
        touches = touches_of(lowered)
        order = any_order(dependencies(touches, plan.donors, None), rng)
        found += gone(touches, order, plan)
    assert found


@pytest.mark.parametrize("seed", range(30))
def test_nobody_waits_for_memory_that_was_planned_for_all_orders(seed: int) -> None:
    """BE-17: whoever comes before a launch comes before it for what it computes."""
    lowered = web(seed, 8 + seed)
    touches = touches_of(lowered)
    plans = {parallel: plan_memory(lowered, parallel) for parallel in (False, True)}
    plan = plans[True]
    with_memory = dependencies(touches, plan.donors, plan.arena_bytes)
    without = dependencies(touches, plan.donors, None)
    assert ancestors(with_memory) == ancestors(without)
    assert plan.arena_bytes <= plan.sum_bytes
    assert all(p.least_bytes <= p.arena_bytes for p in plans.values())
    assert plans[False].least_bytes <= plan.least_bytes


def two_towers(x: Value, *weights: Value) -> Value:
    """Two chains of products that nothing orders."""
    half = len(weights) // 2
    left, right = chain_of_products(x, *weights[:half]), chain_of_products(x, *weights[half:])
    return ops.contract(left, right, "ij,jk->ik")


def test_independent_chains_share_memory_in_order_only() -> None:
    graph = trace(two_towers, matrix(64, 64), *[matrix(64, 64)] * 8)
    lowered = lower(pipeline(3)(graph), select())
    one = 64 * 64 * 4
    assert plan_memory(lowered).arena_bytes == 3 * one
    parallel = plan_memory(lowered, parallel=True)
    assert (parallel.arena_bytes, parallel.least_bytes) == (4 * one, 4 * one)


def test_a_program_for_the_graph_executor() -> None:
    graph = trace(two_towers, matrix(64, 64), *[matrix(64, 64)] * 8)
    rng = np.random.default_rng(0)
    arrays = [Buffer.wrap(rng.normal(scale=0.1, size=(64, 64)).astype(np.float32))
              for _ in range(9)]  # fmt: skip
    compiled = compile_graph(graph, mode="graph")
    assert (compiled.program.mode, compile_graph(graph).program.mode) == ("graph", "threads")
    assert [t.dependencies for t in compiled.program.tasks()].count(()) == 2
    wanted = [bytes(b) for b in compile_graph(graph).run(arrays)]
    for _ in range(20):
        assert [bytes(b) for b in compiled.run(arrays)] == wanted


def test_the_ratio_to_the_bound_is_told() -> None:
    graph = trace(chain_of_products, matrix(64, 64), *[matrix(64, 64)] * 6)
    assert "1.000 x the 32.0 KiB that are alive at once" in report(compile_graph(graph))
    assert Plan(300, 500, {}, (), 200).ratio == 1.5
    assert Plan(0, 0, {}, ()).ratio == 1.0


def test_what_the_first_launch_of_a_step_reads_last_makes_room_for_the_second() -> None:
    """A product whose columns are copied into panels may write over where they lay."""

    def f(x: Value, v: Value, w: Value) -> Value:
        inner = ops.exp(ops.contract(v, w, "ij,jk->ik"))
        return ops.contract(ops.tanh(ops.contract(x, inner, "ij,jk->ik")), v, "ij,jk->ik")

    graph = trace(f, matrix(600, 700), matrix(700, 700), matrix(700, 700))
    lowered = lower(pipeline(3)(graph), described("avx2"))
    plan = plan_memory(lowered)
    arena = [s for s in lowered.slots if s.kind == "arena"]
    steps = range(len(lowered.steps))
    by_steps = max(sum(s.size_bytes for s in arena if s.first <= n <= s.last) for n in steps)
    assert plan.arena_bytes < 0.8 * by_steps


# ---------------------------------------------------------------------- lifetimes


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


@pytest.mark.parametrize("width", [64, 700])  # kernels of one task, and with panels of their own
def test_an_update_waits_for_the_last_reader_of_the_old_value(width: int) -> None:
    """The second layer's update could run before the gradient of its input, which reads the old."""

    def f(x: Value, first: Value, second: Value) -> tuple[Value, ...]:
        inner = ops.contract(x, first, "ij,jk->ik")
        bar = ops.contract(inner, second, "ij,jk->ik")
        second_bar = ops.contract(inner, bar, "ij,ik->jk")
        inner_bar = ops.contract(bar, second, "ij,kj->ik")
        first_bar = ops.contract(x, inner_bar, "ij,ik->jk")
        return first - 0.1 * first_bar, second - 0.1 * second_bar

    graph = trace(f, matrix(32, width), matrix(width, width), matrix(width, width))
    compiled = compile_graph(graph)
    assert compiled.record.plan is not None
    assert sorted(compiled.record.plan.donors.values()) == [1, 2]
    rng = np.random.default_rng(0)
    shapes = [v.type.shape for v in graph.inputs]
    arrays = [rng.normal(scale=width**-0.5, size=s).astype(np.float32) for s in shapes]
    wanted = [bytes(b) for b in compiled.run([Buffer.wrap(a) for a in arrays])]
    given = [Buffer(a.nbytes) for a in arrays]
    for buffer, a in zip(given, arrays, strict=True):
        np.frombuffer(buffer, np.float32)[:] = a.ravel()
    addresses = {buffer.address for buffer in given[1:]}
    found = compiled.run(given, [False, True, True])
    assert [bytes(b) for b in found] == wanted
    assert {b.address for b in found} == addresses
    for b, w in zip(found, evaluate(graph, *arrays), strict=True):
        got = np.frombuffer(b, np.float32).reshape(w.shape)
        np.testing.assert_allclose(got, w, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: ops.exp(x) + ops.permute(ops.exp(x), (-1, -2)),
        lambda x: x + ops.flip(x * 2.0, (-1,)),
        lambda x: ops.flip(ops.tanh(x), (-2,)) - x,
    ],
)
def test_memory_is_not_taken_from_an_input_that_is_read_elsewhere(f) -> None:
    graph = trace(f, matrix(48, 48))
    a = np.random.default_rng(0).standard_normal((48, 48)).astype(np.float32)
    wanted = evaluate(graph, a)[0]
    buffer = Buffer(a.nbytes)
    np.frombuffer(buffer, np.float32)[:] = a.ravel()
    (out,) = compile_graph(graph).run([buffer], [True])
    got = np.frombuffer(out, np.float32).reshape(48, 48)
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)


def test_a_column_sum_does_not_overwrite_what_rows_still_read() -> None:
    """x[i, j] - m[i], summed over i: m and the result have one type by chance."""

    def f(x: Value, m: Value) -> Value:
        return ops.sum(x * ops.expand(m, (-1,), (96,)), (-2,))

    graph = trace(f, matrix(96, 96), matrix(96))
    rng = np.random.default_rng(0)
    x, m = (rng.standard_normal(s).astype(np.float32) for s in ((96, 96), (96,)))
    buffer = Buffer(m.nbytes)
    np.frombuffer(buffer, np.float32)[:] = m
    (out,) = compile_graph(graph).run([Buffer.wrap(x), buffer], [False, True])
    np.testing.assert_allclose(np.frombuffer(out, np.float32), m @ x, rtol=1e-4, atol=1e-4)


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


@pytest.mark.parametrize("k", [5, 700, 5000])
def test_a_contraction_may_update_its_operand_in_place(k: int) -> None:
    """However long the sum is, and in whatever parts it is made."""

    def f(x: Value, g: Value, p: Value) -> Value:
        return p - 0.1 * ops.contract(x, g, "bi,bo->io")

    graph = trace(f, matrix(k, 70), matrix(k, 45), matrix(70, 45))
    rng = np.random.default_rng(0)
    shapes = ((k, 70), (k, 45), (70, 45))
    x, g, p = (rng.standard_normal(s).astype(np.float32) for s in shapes)
    buffer = Buffer(p.nbytes)
    np.frombuffer(buffer, np.float32)[:] = p.ravel()
    inputs = [Buffer.wrap(x), Buffer.wrap(g), buffer]
    (out,) = compile_graph(graph).run(inputs, [False, False, True])
    got = np.frombuffer(out, np.float32).reshape(70, 45)
    np.testing.assert_allclose(got, p - 0.1 * (x.T @ g), rtol=1e-3, atol=1e-3)
