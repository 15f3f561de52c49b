"""Sums of products of bytes, four terms at a step: exact on every target, for all kinds of byte."""

from dataclasses import replace

import numpy as np
import pytest
from contract_runs import TINY_CACHES, product, run_compiled, run_interpreted
from hypothesis import given, settings
from hypothesis import strategies as st

import lamina as lm
from lamina.backend.schedule.policies.contract import POLICY, choose
from lamina.backend.schedule.policies.contract_axes import Axes, contraction_of
from lamina.backend.schedule.policies.contract_bytes import TOGETHER, byte_roles
from lamina.backend.schedule.policies.contract_nest import Work
from lamina.backend.schedule.policies.contract_tiled import Tiled
from lamina.backend.targets import Target, select
from lamina.base import dtypes
from lamina.graph import ops
from lamina.graph.ir import Graph, TensorType, trace

KINDS = [("i8", "i8"), ("u8", "i8"), ("i8", "u8"), ("u8", "u8")]
SPECS = ["ik,kj->ij", "ik,jk->ij", "ki,kj->ij", "ki,jk->ji"]
MULTIPLIES_BYTES = {"avx512vnni", "avx512vl"}


def widened(spec: str, shapes: tuple[tuple[int, ...], ...], kinds: tuple[str, str]) -> Graph:
    """The contraction of two operands of bytes, cast to i32."""
    types = [TensorType(dtypes.dtype(k), s) for k, s in zip(kinds, shapes, strict=True)]
    return trace(
        lambda x, y: ops.contract(*(ops.cast(v, dtypes.int32) for v in (x, y)), spec), *types
    )


def shapes_of(spec: str, sizes: dict[str, int]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(sizes[c] for c in term) for term in spec.split("->")[0].split(","))


def any_bytes(graph: Graph, seed: int = 0) -> list[np.ndarray]:
    """Operands with every byte there is; the extremes more often."""
    rng = np.random.default_rng(seed)
    found = []
    for v in graph.inputs:
        limits = np.iinfo(v.dtype.numpy)
        values = rng.integers(limits.min, limits.max, v.shape, endpoint=True)
        extreme = rng.choice([limits.min, limits.max], v.shape)
        found.append(np.where(rng.random(v.shape) < 0.2, extreme, values).astype(v.dtype.numpy))
    return found


def expected(spec: str, arrays: list[np.ndarray]) -> np.ndarray:
    """What i32 holds of the exact sums."""
    return np.einsum(spec, *(a.astype(np.int64) for a in arrays)).astype(np.int32)


def form_of(graph: Graph, target: Target, swapped: bool = False) -> Tiled:
    value = contraction_of(graph)
    assert value is not None
    return Tiled(Work(graph, Axes(value, swapped, TOGETHER), target))


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(SPECS),
    st.sampled_from(KINDS),
    st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 41)),
    st.booleans(),
)
def test_any_product_interpreted(spec, kinds, sizes, swapped):
    """Caches so small that there are several blocks of the sum, and tasks for three processors."""
    graph = widened(spec, shapes_of(spec, dict(zip("ijk", sizes, strict=True))), kinds)
    target = select("generic").with_caches(**TINY_CACHES).with_cores(3)
    arrays = any_bytes(graph)
    (out,) = run_interpreted(graph, form_of(graph, target, swapped).schedule(), arrays)
    np.testing.assert_array_equal(out, expected(spec, arrays))


@pytest.mark.parametrize("machine", ["native", "avx2", "generic"])
@pytest.mark.parametrize("kinds", KINDS)
@pytest.mark.parametrize("spec", SPECS)
def test_products_compiled(spec, kinds, machine):
    """Also where the target has no instruction for it."""
    graph = widened(spec, shapes_of(spec, {"i": 37, "j": 70, "k": 131}), kinds)
    target = select(machine)
    arrays = any_bytes(graph)
    for swapped in (False, True):
        form = form_of(graph, target, swapped)
        (out,) = run_compiled(graph, form.schedule(), arrays, target)
        np.testing.assert_array_equal(out, expected(spec, arrays))


@pytest.mark.parametrize("kinds", KINDS)
@pytest.mark.parametrize(("spec", "sizes"), [
    ("ik,kj->ij", (200, 300, 4100)),
    ("ik,jk->ij", (128, 96, 9001)),
    ("ki,jk->ij", (64, 64, 20002)),
])  # fmt: skip
def test_long_sums_of_many_tasks(spec, sizes, kinds):
    """Panels that tasks share, blocks of the sum, sums cut into chunks."""
    graph = widened(spec, shapes_of(spec, dict(zip("ijk", sizes, strict=True))), kinds)
    arrays = any_bytes(graph)
    for target in (select().with_cores(8), select().with_cores(8).with_caches(l2_bytes=1 << 15)):
        (out,) = run_compiled(graph, form_of(graph, target).schedule(), arrays, target)
        np.testing.assert_array_equal(out, expected(spec, arrays))


@pytest.mark.parametrize("kind", ["i8", "u8"])
def test_sums_wrap_as_those_of_i32_do(kind):
    limits = np.iinfo(dtypes.dtype(kind).numpy)
    k = 2**31 // max(limits.min**2, limits.max**2) + 3
    graph = widened("ik,kj->ij", ((5, k), (k, 6)), (kind, kind))
    extreme = limits.min or limits.max
    arrays = [np.full(v.shape, extreme, v.dtype.numpy) for v in graph.inputs]
    (out,) = run_compiled(graph, form_of(graph, select()).schedule(), arrays, select())
    assert extreme**2 * k > np.iinfo(np.int32).max
    np.testing.assert_array_equal(out, expected("ik,kj->ij", arrays))


def test_batches():
    spec, shapes = "bik,bkj->bij", ((3, 20, 66), (3, 66, 17))
    graph, target = widened(spec, shapes, ("i8", "i8")), select()
    arrays = any_bytes(graph)
    for made in (form_of(graph, target).schedule(), POLICY.schedule(graph, target)):
        (out,) = run_compiled(graph, made, arrays, target)
        np.testing.assert_array_equal(out, expected(spec, arrays))


def quantised(x, w, scale):
    """A layer of bytes: what is computed of nothing is not zero, and the result is scaled."""
    rounded = ops.cast(x * ops.lift(10.0, x) + ops.lift(3.0, x), dtypes.int8)
    total = ops.contract(ops.cast(rounded, dtypes.int32), ops.cast(w, dtypes.int32), "ik,jk->ij")
    return ops.cast(total, dtypes.float32) * ops.expand(scale, (-2,), (x.shape[0],))


@pytest.mark.parametrize("machine", ["native", "avx2", "generic"])
@pytest.mark.parametrize("k", [64, 65, 66, 67])
def test_prologue_and_epilogue(k, machine):
    types = [
        TensorType(dtypes.float32, (9, k)),
        TensorType(dtypes.int8, (21, k)),
        TensorType(dtypes.float32, (21,)),
    ]
    graph, target = trace(quantised, *types), select(machine)
    rng = np.random.default_rng(0)
    x, scale = rng.uniform(-9, 9, (9, k)).astype("f4"), rng.standard_normal(21).astype("f4")
    w = rng.integers(-128, 127, (21, k), endpoint=True).astype("i1")
    rounded = np.trunc(x * np.float32(10) + np.float32(3)).astype(np.int64)
    for swapped in (False, True):
        made = form_of(graph, target, swapped).schedule()
        (out,) = run_compiled(graph, made, [x, w, scale], target)
        np.testing.assert_array_equal(out, (rounded @ w.T.astype(np.int64)).astype("f4") * scale)


# ------------------------------------------------------------------ decisions


def taken(graph: Graph, target: Target) -> bool:
    value = contraction_of(graph)
    assert value is not None
    return any(byte_roles(value, target))


def test_only_where_the_target_multiplies_bytes():
    graph = widened("ik,kj->ij", ((64, 64), (64, 64)), ("i8", "i8"))
    plain = select("avx2")
    able = replace(plain, features=plain.features | MULTIPLIES_BYTES)
    assert not taken(graph, plain)
    assert taken(graph, able)
    value = contraction_of(graph)
    assert value is not None
    names = [t.nest.name for t in choose(graph, value, able).schedule().tasks]
    assert names == ["contract_bytes_ik_kj_ij"]


def test_only_bytes_that_are_cast_to_i32():
    able = replace(select("avx2"), features=select("avx2").features | MULTIPLIES_BYTES)
    assert not taken(product("ik,kj->ij", (64, 64), (64, 64), "i8"), able)
    assert not taken(product("ik,kj->ij", (64, 64), (64, 64), "i32"), able)
    assert not taken(widened("ik,kj->ij", ((64, 64), (64, 64)), ("i8", "i16")), able)
    assert not taken(widened("ikl,klj->ij", ((9, 8, 8), (8, 8, 9)), ("i8", "i8")), able)


# ------------------------------------------------------------------ as users write it


@lm.jit
def multiply(x: lm.Tensor, y: lm.Tensor) -> lm.Tensor:
    return lm.matmul(lm.astype(x, lm.int32), lm.astype(y, lm.int32))


@pytest.mark.parametrize("kinds", KINDS)
@pytest.mark.parametrize("sizes", [
    (0, 5, 7), (5, 0, 7), (5, 7, 0), (1, 1, 1), (1, 64, 64), (64, 1, 64), (64, 64, 1), (33, 35, 3),
    (17, 50, 101), (64, 64, 64),
])  # fmt: skip
def test_matmul(sizes, kinds):
    m, n, k = sizes
    graph = widened("ik,kj->ij", ((m, k), (k, n)), kinds)
    x, y = any_bytes(graph)
    got = multiply(lm.asarray(x), lm.asarray(y))
    assert got.dtype == lm.int32
    np.testing.assert_array_equal(np.asarray(got), expected("ik,kj->ij", [x, y]))


def test_views_of_operands():
    """Every second row, a reversed sum, a transposed operand."""
    x, y = any_bytes(widened("ik,jk->ij", ((80, 90), (50, 90)), ("i8", "i8")))

    @lm.jit
    def product_of_views(x: lm.Tensor, y: lm.Tensor) -> lm.Tensor:
        left, right = x[::2, ::-1], lm.matrix_transpose(y)
        return lm.matmul(lm.astype(left, lm.int32), lm.astype(right, lm.int32))

    got = np.asarray(product_of_views(lm.asarray(x), lm.asarray(y)))
    np.testing.assert_array_equal(got, expected("ik,jk->ij", [x[::2, ::-1], y]))


def test_symbolic_sizes():
    """Kernels whose sizes are open, with sums that are multiples of four and others."""

    @lm.jit(dynamic_shapes={"x": {0: lm.Dim("M"), 1: lm.Dim("K")}, "y": {0: lm.Dim("K")}})
    def of_any_size(x: lm.Tensor, y: lm.Tensor) -> lm.Tensor:
        return lm.matmul(lm.astype(x, lm.int32), lm.astype(y, lm.int32))

    for m, k in [(33, 65), (33, 64), (100, 300), (7, 131), (1, 1)]:
        x, y = any_bytes(widened("ik,kj->ij", ((m, k), (k, 70)), ("i8", "i8")))
        got = np.asarray(of_any_size(lm.asarray(x), lm.asarray(y)))
        np.testing.assert_array_equal(got, expected("ik,kj->ij", [x, y]))
