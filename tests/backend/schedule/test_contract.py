"""Contractions in every form, interpreted (with bounds checks) and compiled, against einsum."""

import math
from dataclasses import replace

import numpy as np
import pytest
from contract_runs import (
    TINY_CACHES,
    assert_product,
    product,
    run_compiled,
    run_interpreted,
    samples,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.backend.nest.dependence import statements
from lamina.backend.nest.nodes import Prefetch
from lamina.backend.schedule.policies.contract import POLICY, Form, choose
from lamina.backend.schedule.policies.contract_axes import Axes, contraction_of
from lamina.backend.schedule.policies.contract_dot import Dot
from lamina.backend.schedule.policies.contract_nest import Work
from lamina.backend.schedule.policies.contract_plain import Plain
from lamina.backend.schedule.policies.contract_tiled import Tiled
from lamina.backend.schedule.policies.contract_tiled_plan import TiledPlan, Wish
from lamina.backend.schedule.policies.contract_tiles import fit_tiles
from lamina.backend.schedule.policies.contract_wide import Wide
from lamina.backend.targets import Caches, Target, select
from lamina.base import dtypes
from lamina.graph import ops
from lamina.graph.ir import Graph, TensorType, trace

FORMS = ("tiled", "turned", "dot", "wide", "plain")


def form_of(name: str, graph: Graph, target: Target) -> Form | None:
    """The named form of the graph's contraction, where it has it."""
    value = contraction_of(graph)
    assert value is not None
    work = Work(graph, Axes(value, name == "turned"), target)
    _, m, _, k = work.axes.sizes
    if name == "plain":
        return Plain(work)
    if name == "dot":
        return Dot(work) if k and Dot(Work(graph, work.axes, target)).fits else None
    if name == "wide":
        return Wide(work) if m <= 4 and k else None
    return Tiled(work)


@st.composite
def products(draw: st.DrawFn, longest: int) -> tuple[str, tuple[int, ...], tuple[int, ...]]:
    """A random einsum of two operands and shapes for it."""
    letters = "abcde"[: draw(st.integers(1, 5))]
    sizes = {c: draw(st.integers(1, longest)) for c in letters}
    places = {c: draw(st.sampled_from(("x", "y", "xy", "xyo", "xo", "yo"))) for c in letters}
    parts = []
    for side in "xyo":
        chosen = [c for c in letters if side in places[c]]
        parts.append("".join(draw(st.permutations(chosen))))
    x, y, out = parts
    lead = tuple(draw(st.lists(st.integers(1, 3), max_size=1)))
    shapes = (tuple(sizes[c] for c in term) for term in (x, y))
    first, second = ((*lead, *shape) for shape in shapes)
    return f"{x},{y}->{out}", first, second


@settings(max_examples=60, deadline=None)
@given(products(5), st.sampled_from(FORMS), st.sampled_from(("f32", "i32", "f64")))
def test_every_form_of_any_product_interpreted(case, form_name, dtype):
    spec, xs, ys = case
    graph = product(spec, xs, ys, dtype)
    target = select("generic").with_caches(**TINY_CACHES).with_cores(3)
    form = form_of(form_name, graph, target)
    if form is None:
        return
    arrays = samples(graph)
    outs = run_interpreted(graph, form.schedule(), arrays)
    assert_product(spec, arrays, outs[0])


@settings(max_examples=60, deadline=None)
@given(
    products(11),
    st.sampled_from(("native", "avx2", "generic")),
    st.sampled_from(("f32", "f64", "f16", "bf16", "i32", "i64", "u8")),
)
def test_any_product_compiled(case, machine, dtype):
    spec, xs, ys = case
    graph = product(spec, xs, ys, dtype)
    target = select(machine)
    arrays = samples(graph)
    outs = run_compiled(graph, POLICY.schedule(graph, target), arrays, target)
    assert_product(spec, arrays, outs[0])


SHAPES = [
    ("ik,kj->ij", (5, 130), (130, 9)),
    ("ik,jk->ij", (5, 130), (9, 130)),
    ("ki,kj->ij", (130, 5), (130, 9)),
    ("ki,jk->ij", (130, 5), (9, 130)),
    ("bik,bkj->bij", (2, 3, 70), (2, 70, 5)),
    ("ik,kj->ji", (4, 70), (70, 6)),
]


@pytest.mark.parametrize(("spec", "xs", "ys"), SHAPES)
@pytest.mark.parametrize("form_name", FORMS)
def test_blocks_of_a_long_sum_interpreted(spec, xs, ys, form_name):
    """Caches so small that every product has several blocks of k."""
    graph = product(spec, xs, ys)
    target = select("generic").with_caches(**TINY_CACHES)
    form = form_of(form_name, graph, target)
    if form is None:
        return
    arrays = samples(graph)
    outs = run_interpreted(graph, form.schedule(), arrays)
    assert_product(spec, arrays, outs[0])


LARGER = [
    ("ik,kj->ij", (131, 257), (257, 101)),
    ("ik,jk->ij", (64, 200), (128, 200)),
    ("ki,kj->ij", (300, 33), (300, 70)),
    ("ik,kj->ij", (128, 2100), (2100, 64)),
    ("ik,kj->ij", (1, 700), (700, 900)),
    ("ik,jk->ij", (1, 700), (900, 700)),
    ("ik,k->i", (333, 77), (77,)),
    ("k,ki->i", (77,), (77, 333)),
    ("ik,kj->ij", (128, 256), (256, 10)),
    ("ik,jk->ij", (5, 30001), (6, 30001)),
    ("k,k->", (30001,), (30001,)),
    ("bhqd,bhkd->bhqk", (2, 3, 40, 24), (2, 3, 50, 24)),
    ("ik,kj->ji", (100, 50), (50, 70)),
    ("i,j->ij", (100,), (50,)),
]


@pytest.mark.parametrize("machine", ["native", "avx2", "generic"])
@pytest.mark.parametrize(("spec", "xs", "ys"), LARGER)
def test_larger_products_compiled(spec, xs, ys, machine):
    graph, target = product(spec, xs, ys), select(machine)
    arrays = samples(graph)
    outs = run_compiled(graph, POLICY.schedule(graph, target), arrays, target)
    assert_product(spec, arrays, outs[0])


@pytest.mark.parametrize("dtype", ["f64", "f16", "bf16", "i32", "i64"])
@pytest.mark.parametrize(("spec", "xs", "ys"), LARGER[:7])
def test_larger_products_of_other_dtypes(spec, xs, ys, dtype):
    graph, target = product(spec, xs, ys, dtype), select()
    arrays = samples(graph)
    outs = run_compiled(graph, POLICY.schedule(graph, target), arrays, target)
    assert_product(spec, arrays, outs[0])


def test_halves_accumulate_in_single_precision():
    graph, target = product("ik,kj->ij", (8, 4096), (4096, 32), "f16"), select()
    arrays = [np.full((8, 4096), 1.0, np.float16), np.full((4096, 32), 0.25, np.float16)]
    (out,) = run_compiled(graph, POLICY.schedule(graph, target), arrays, target)
    assert np.all(out == 1024.0)


@pytest.mark.parametrize(
    ("xs", "ys"), [((3, 0), (0, 4)), ((0, 5), (5, 4)), ((3, 5), (5, 0)), ((600, 0), (0, 40))]
)
def test_empty_axes(xs, ys):
    """A sum of nothing is zero, and no results are no work."""
    graph, target = product("ik,kj->ij", xs, ys), select()
    arrays = samples(graph)
    made = POLICY.schedule(graph, target)
    for out in (
        run_interpreted(graph, made, arrays)[0],
        run_compiled(graph, made, arrays, target)[0],
    ):
        assert out.shape == (xs[0], ys[1])
        assert not out.any()


# ------------------------------------------------------------------ prologue and epilogue


def layer(x, w, bias, residual):
    """Two outputs: what a layer gives, and what its derivative needs."""
    total = ops.contract(ops.exp(x), w, "ik,jk->ij")
    rows = x.shape[0]
    shifted = total + ops.expand(bias, (-2,), (rows,))
    return ops.maximum(shifted, ops.lift(0.0, shifted)) + residual, shifted


def layer_graph(m: int, n: int, k: int) -> Graph:
    shapes = ((m, k), (n, k), (n,), (m, n))
    return trace(layer, *[TensorType(dtypes.float32, shape) for shape in shapes])


def assert_layer(arrays: list[np.ndarray], outs: list[np.ndarray]) -> None:
    x, w, bias, residual = (a.astype(np.float64) for a in arrays)
    shifted = np.exp(x) @ w.T + bias
    np.testing.assert_allclose(outs[1], shifted, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(outs[0], np.maximum(shifted, 0) + residual, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("form_name", FORMS)
def test_prologue_and_epilogue_interpreted(form_name):
    graph = layer_graph(3, 7, 70)
    target = select("generic").with_caches(**TINY_CACHES)
    form = form_of(form_name, graph, target)
    assert form is not None or form_name == "wide"
    if form is None:
        return
    arrays = samples(graph)
    assert_layer(arrays, run_interpreted(graph, form.schedule(), arrays))


@pytest.mark.parametrize("machine", ["native", "avx2", "generic"])
@pytest.mark.parametrize("shape", [(37, 70, 90), (1, 300, 200), (64, 10, 33), (2, 3, 20000)])
def test_prologue_and_epilogue_compiled(shape, machine):
    graph, target = layer_graph(*shape), select(machine)
    assert POLICY.accepts(graph)
    arrays = samples(graph)
    assert_layer(arrays, run_compiled(graph, POLICY.schedule(graph, target), arrays, target))


def test_an_output_may_replace_what_only_the_epilogue_reads():
    graph = layer_graph(64, 64, 64)
    params = {p.name: p for p in POLICY.schedule(graph, select()).tasks[0].nest.params}
    assert params["out0"].may_alias == "in3"
    assert params["out1"].may_alias == "in3"


@pytest.mark.parametrize("shape", [(30, 20, 40), (2, 300, 16)])
def test_gathered_rows_report_bad_indices(shape):
    m, k, n = shape

    def embed(table, rows, w):
        return ops.contract(ops.gather(table, rows, 1, 1), w, "ik,kj->ij")

    types = [
        TensorType(dtypes.float32, (9, k)),
        TensorType(dtypes.int64, (m,)),
        TensorType(dtypes.float32, (k, n)),
    ]
    graph = trace(embed, *types)
    assert POLICY.accepts(graph)
    made = POLICY.schedule(graph, select())
    assert made.tasks[0].nest.checks
    table, rows, w = samples(graph)
    (out,) = run_compiled(graph, made, [table, rows % 9, w], select())
    assert_product("ik,kj->ij", [table[rows % 9], w], out)
    rows[1] = 12
    with pytest.raises(AssertionError, match="status"):
        run_compiled(graph, made, [table, rows, w], select())


# ------------------------------------------------------------------ convolutions


def convolution(form: str, step: int) -> tuple[Graph, list[np.ndarray]]:
    """Forward, weight gradient or input gradient of a small convolution, and its reference."""
    rng = np.random.default_rng(1)
    x, w = rng.standard_normal((2, 3, 11, 12)), rng.standard_normal((5, 3, 3, 3))
    sizes, steps, ones = (3, 3), (step, step), (1, 1)
    windows = np.lib.stride_tricks.sliding_window_view(x, sizes, (-2, -1))[:, :, ::step, ::step]
    d = rng.standard_normal((2, 5, *windows.shape[2:4]))

    def f32(a: np.ndarray) -> TensorType:
        return TensorType(dtypes.float32, a.shape)

    if form == "forward":
        spec = "ocpq,nchwpq->nohw"
        graph = trace(
            lambda x, w: ops.contract(w, ops.window(x, sizes, steps, ones), spec), f32(x), f32(w)
        )
        return graph, [x, w, np.einsum(spec, w, windows)]
    if form == "weights":
        spec = "nohw,nchwpq->ocpq"
        graph = trace(
            lambda x, d: ops.contract(d, ops.window(x, sizes, steps, ones), spec), f32(x), f32(d)
        )
        return graph, [x, d, np.einsum(spec, d, windows)]

    def inputs(d, w):
        wide = ops.pad(d, (2, 2), (2, 2), (step - 1, step - 1))
        seen = ops.window(wide, sizes, ones, ones)
        return ops.contract(ops.flip(w, (-2, -1)), seen, "ocpq,nohwpq->nchw")

    (height, width) = (2 + step * (n - 1) + 1 for n in d.shape[2:])
    expected = np.zeros((2, 3, height, width))
    for p in range(3):
        for q in range(3):
            part = np.einsum("nohw,oc->nchw", d, w[:, :, p, q])
            stop_p, stop_q = p + step * d.shape[2], q + step * d.shape[3]
            expected[:, :, p:stop_p:step, q:stop_q:step] += part
    return trace(inputs, f32(d), f32(w)), [d, w, expected]


@pytest.mark.parametrize("step", [1, 2])
@pytest.mark.parametrize("form", ["forward", "weights", "inputs"])
def test_convolutions(form, step):
    graph, (*operands, expected) = convolution(form, step)
    arrays = [a.astype(np.float32) for a in operands]
    assert POLICY.accepts(graph)
    for target in (select(), select("avx2"), select("generic")):
        made = POLICY.schedule(graph, target)
        (out,) = run_compiled(graph, made, arrays, target)
        np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-4)
    for name in ("tiled", "turned", "dot"):
        form_ = form_of(name, graph, select())
        if form_ is not None:
            (out,) = run_compiled(graph, form_.schedule(), arrays, select())
            np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-4)


# ------------------------------------------------------------------ decisions


@pytest.mark.parametrize("machine", ["native", "avx2", "generic"])
@pytest.mark.parametrize("dtype", ["f32", "f64", "i32"])
def test_tiles_fit_the_registers(machine, dtype):
    target = select(machine)
    for m, n, k in [(512, 512, 512), (128, 256, 784), (3, 1000, 50), (1000, 10, 256)]:
        tiles = fit_tiles(m, n, k, dtype, target)
        vectors = tiles.nr // target.lanes(dtype)
        assert tiles.mr * vectors + vectors + 1 <= target.vector_registers
        assert tiles.mr <= m
        assert tiles.nr % target.lanes(dtype) == 0


def test_tiles_follow_the_caches():
    """Changing the cache size changes the tile."""
    target = select("avx2").with_caches(l1d_bytes=32 << 10, l2_bytes=512 << 10, l3_bytes=8 << 20)
    small = target.with_caches(l2_bytes=128 << 10)
    large = target.with_caches(l2_bytes=4 << 20)
    sizes = [fit_tiles(4096, 4096, 4096, "f32", t) for t in (small, target, large)]
    assert sizes[0].kc < sizes[1].kc < sizes[2].kc
    last = target.with_caches(l3_bytes=64 << 20)
    assert fit_tiles(4096, 4096, 4096, "f32", last).nc > sizes[1].nc


def square(n: int) -> Graph:
    matrix = TensorType(dtypes.dtype("f32"), (n, n))
    return trace(lambda x, y: ops.contract(x, y, "ik,kj->ij"), matrix, matrix)


@pytest.mark.parametrize("n", [512, 1024, 1536, 2048])
def test_each_task_stages_columns_that_stay_in_its_second_cache(n):
    """Square products whose rows can be read in place: columns copied once, by who reads them."""
    machine = select("avx2").with_cores(2)
    machine = replace(machine, caches=Caches(48 << 10, 2 << 20, 8 << 20, l1d_ways=12))
    graph = square(n)
    made = Tiled(Work(graph, Axes(contraction_of(graph)), machine))
    assert made.stage_columns and not made.shared
    assert made.tiles.kc * made.grid.task_n * 4 <= machine.caches.l2_bytes
    assert len(made.schedule().tasks) == 1


def test_rows_at_one_stride_are_copied_where_they_crowd_a_set_of_the_first_cache():
    graph = square(1024)
    few = replace(select("avx2"), caches=Caches(32 << 10, 1 << 20, 8 << 20, l1d_ways=8))
    many = replace(few, caches=replace(few.caches, l1d_ways=16))
    made = [Tiled(Work(graph, Axes(contraction_of(graph)), t)) for t in (few, many)]
    assert [form.stage_rows for form in made] == [True, False]


def test_tiles_leave_little_over():
    target = select("avx2")
    tiles = fit_tiles(128, 256, 784, "f32", target)
    padded = math.ceil(128 / tiles.mr) * tiles.mr * math.ceil(256 / tiles.nr) * tiles.nr
    assert padded <= 1.07 * 128 * 256


@pytest.mark.parametrize(
    ("spec", "xs", "ys", "form"),
    [
        ("ik,kj->ij", (512, 512), (512, 512), Tiled),
        ("ik,kj->ij", (1, 4096), (4096, 4096), Wide),
        ("ik,jk->ij", (1, 4096), (4096, 4096), Dot),
        ("i,j->ij", (512,), (512,), Plain),
        ("ik,kj->ij", (4, 4), (4, 4), Plain),
        ("nohw,nchwpq->ocpq", (64, 6, 24, 24), (64, 1, 24, 24, 5, 5), Tiled),
    ],
)
def test_forms_by_shape(spec, xs, ys, form):
    graph = product(spec, xs, ys)
    value = contraction_of(graph)
    assert value is not None
    assert isinstance(choose(graph, value, select("avx2")), form)


def test_a_long_sum_with_few_results_is_cut():
    made = POLICY.schedule(product("ik,jk->ij", (5, 100_000), (6, 100_000)), select("avx2"))
    names = [task.nest.name for task in made.tasks]
    assert names == ["contract_dot_ik_jk_ij", "contract_finish_ik_jk_ij"]
    assert made.tasks[0].extent >= 2


def test_bodies_that_are_not_taken():
    def two(x, y):
        return ops.contract(ops.contract(x, y, "ik,kj->ij"), y, "ik,kj->ij")

    def flipped(x, y):
        return ops.flip(ops.contract(x, y, "ik,kj->ij"), (-1,))

    square = TensorType(dtypes.float32, (8, 8))
    assert not POLICY.accepts(trace(two, square, square))
    assert not POLICY.accepts(trace(flipped, square, square))
    assert not POLICY.accepts(trace(lambda x, y: x + y, square, square))


def wide_machine() -> Target:
    """Vectors of 64 bytes, 2 MB of second cache."""
    target = select("avx2").with_caches(32 << 10, 2 << 20, 16 << 20).with_cores(2)
    return replace(target, vector_bytes=64, vector_registers=32)


def tiled_plan(m: int, k: int, n: int, target: Target, swapped: bool = False) -> TiledPlan:
    graph = product("ik,kj->ij", (m, k), (k, n))
    value = contraction_of(graph)
    assert value is not None
    return TiledPlan(Work(graph, Axes(value, swapped=swapped), target), Wish())


@pytest.mark.parametrize("sizes", [(32, 768, 3072), (64, 4096, 4096), (33, 1001, 2003)])
def test_few_rows_pass_by_short_slivers_of_a_large_matrix(sizes):
    """Columns read in place, from far: a sliver of them stays in the first cache, tasks are wide,
    and the sums that are kept stay in the second cache."""
    target = wide_machine()
    plan = tiled_plan(*sizes, target)
    assert plan.passing
    assert plan.kc * plan.tiles.nr * 4 <= target.caches.l1d_bytes // 2
    assert plan.grid.rows == 1
    assert plan.grid.task_m * plan.grid.task_n * 4 <= target.caches.l2_bytes // 4 + 4096
    swapped = tiled_plan(*sizes, target, swapped=True)
    assert plan.cost < swapped.cost


def narrow_machine() -> Target:
    """Vectors of 32 bytes, 512 KB of second cache, two cores."""
    return select("avx2").with_caches(32 << 10, 512 << 10, 32 << 20).with_cores(2)


@pytest.mark.parametrize("sizes", [(32, 768, 3072), (32, 768, 3000), (64, 4096, 4096)])
def test_narrow_tiles_copy_columns_from_far_away_in_long_runs(sizes):
    """A row of a narrow tile is a line on a page of its own, which is found once, ahead."""
    plan = tiled_plan(*sizes, narrow_machine())
    assert plan.stage_columns and not plan.shared
    assert plan.tiles.nc * 4 >= 1024
    assert plan.kc * plan.tiles.nc * 4 <= 512 << 10
    (task,) = Tiled(Work(plan.work.body, plan.work.axes, narrow_machine())).schedule().tasks
    asked = [s for s in statements(task.nest.body) if isinstance(s, Prefetch)]
    assert [s.buffer for s in asked] == ["in1"]


@pytest.mark.parametrize(
    ("sizes", "form"),
    [
        ((12, 784, 256), Wide),  # a few rows pass by the matrix once
        ((12, 128, 256), Tiled),  # which the second cache holds
        ((13, 784, 256), Tiled),
        ((8, 40_000, 7), Tiled),  # its rows are short
    ],
)
def test_a_few_rows_pass_by_a_matrix_that_is_far_away(sizes, form):
    m, k, n = sizes
    graph = product("ik,kj->ij", (m, k), (k, n))
    assert isinstance(choose(graph, contraction_of(graph), narrow_machine()), form)
    x, y = samples(graph)
    made = run_compiled(graph, POLICY.schedule(graph, select("avx2")), [x, y], select("avx2"))
    assert_product("ik,kj->ij", [x, y], made[0])


@pytest.mark.parametrize("machine", [narrow_machine, wide_machine])
def test_lines_of_rows_that_are_read_across_stay_in_the_first_cache(machine):
    target = machine()
    graph = product("ki,kj->ij", (1024, 1000), (1024, 1000))
    plan = TiledPlan(Work(graph, Axes(contraction_of(graph)), target), Wish())
    assert plan.rows_along_m
    assert plan.kc * target.caches.line_bytes <= target.caches.l1d_bytes


def test_dot_products_that_wait_for_the_second_cache_cost_it():
    """Long rows of many rows and columns do not stay in the first cache; short ones do."""
    chosen = []
    for k in (64, 2048):
        graph = product("ik,jk->ij", (512, k), (512, k))
        value = contraction_of(graph)
        dot = Dot(Work(graph, Axes(value), narrow_machine()))
        ideal = 512 * 512 * k / dot.work.lanes / dot.work.target.fma_units
        chosen.append(dot.cycles / ideal)
        if k == 2048:
            assert isinstance(choose(graph, value, narrow_machine()), Tiled)
    assert chosen[1] > 1.4 * chosen[0]


def test_rows_found_by_index_are_copied_first():
    """Their bounds are checked once for each element, not once for each tile that reads it."""

    def looked_up(table, places, w):
        return ops.contract(ops.gather(table, places, rest=1), w, "bk,kj->bj")

    types = (
        TensorType(dtypes.float32, (65, 128)),
        TensorType(dtypes.int64, (500,)),
        TensorType(dtypes.float32, (128, 300)),
    )
    graph = trace(looked_up, *types)
    plan = TiledPlan(Work(graph, Axes(contraction_of(graph)), narrow_machine()), Wish())
    assert not plan.reads.row_k.plain and plan.stage_rows


@pytest.mark.parametrize(("n", "staged"), [(512, False), (500, True), (4096, True)])
def test_near_columns_are_staged_where_lines_are_cut(n, staged):
    """A few hundred rows: columns that come in whole lines, close together, stay where they are."""
    assert tiled_plan(200, 300, n, wide_machine()).stage_columns == staged
