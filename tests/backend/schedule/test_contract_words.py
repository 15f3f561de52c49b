"""Sums of products of narrow integers, several terms at a step: exact on every target."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from contract_runs import TINY_CACHES, product, run_compiled, run_interpreted
from hypothesis import given, settings
from hypothesis import strategies as st

import lamina as lm
from lamina.backend.codegen.llvm.objects import kernel_assembly
from lamina.backend.schedule.policies.contract import POLICY, choose
from lamina.backend.schedule.policies.contract_axes import Axes, contraction_of
from lamina.backend.schedule.policies.contract_dot import Dot
from lamina.backend.schedule.policies.contract_nest import Work
from lamina.backend.schedule.policies.contract_tiled import Tiled
from lamina.backend.schedule.policies.contract_wide import Wide
from lamina.backend.schedule.policies.contract_words import pair_roles, word_roles
from lamina.backend.targets import Target, select
from lamina.backend.targets.select import described
from lamina.base import dtypes
from lamina.graph import ops
from lamina.graph.ir import Graph, TensorType, trace

KINDS = [("i8", "i8"), ("u8", "i8"), ("i8", "u8"), ("u8", "u8")]
HALVES = [("i16", "i16"), ("i16", "i8"), ("u8", "i16")]
WORDS = [(kinds, 4) for kinds in KINDS] + [(kinds, 2) for kinds in (*KINDS, *HALVES)]
SPECS = ["ik,kj->ij", "ik,jk->ij", "ki,kj->ij", "ki,jk->ji"]
MULTIPLIES_BYTES = {"avx512vnni", "avx512vl"}
MULTIPLIES_HALVES = {"sse2", "avx2", "avx512bw"}


def widened(spec: str, shapes: tuple[tuple[int, ...], ...], kinds: tuple[str, str]) -> Graph:
    """The contraction of two operands of narrow integers, cast to i32."""
    types = [TensorType(dtypes.dtype(k), s) for k, s in zip(kinds, shapes, strict=True)]
    return trace(
        lambda x, y: ops.contract(*(ops.cast(v, dtypes.int32) for v in (x, y)), spec), *types
    )


def shapes_of(spec: str, sizes: dict[str, int]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(sizes[c] for c in term) for term in spec.split("->")[0].split(","))


def any_numbers(graph: Graph, seed: int = 0) -> list[np.ndarray]:
    """Operands with every number there is; the extremes more often."""
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


def form_of(graph: Graph, target: Target, together: int, swapped: bool = False) -> Tiled:
    return Tiled(work_of(graph, target, together, swapped))


def work_of(graph: Graph, target: Target, together: int, swapped: bool, frozen: bool = False):
    """With words of so many terms; of a column operand that is frozen."""
    value = contraction_of(graph)
    assert value is not None
    still = frozenset({0 if swapped else 1}) if frozen else frozenset()
    return Work(graph, Axes(value, swapped, together), target, still=still)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(SPECS),
    st.sampled_from(WORDS),
    st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 41)),
    st.booleans(),
    st.booleans(),
)
def test_any_product_interpreted(spec, words, sizes, swapped, frozen):
    """Caches so small that there are several blocks of the sum, and tasks for three processors."""
    kinds, together = words
    graph = widened(spec, shapes_of(spec, dict(zip("ijk", sizes, strict=True))), kinds)
    target = select("generic").with_caches(**TINY_CACHES).with_cores(3)
    arrays = any_numbers(graph)
    form = Tiled(work_of(graph, target, together, swapped, frozen))
    (out,) = run_interpreted(graph, form.schedule(), arrays)
    np.testing.assert_array_equal(out, expected(spec, arrays))


@pytest.mark.parametrize("machine", ["native", "avx2", "generic"])
@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("spec", SPECS)
def test_products_compiled(spec, words, machine):
    """Also where the target has no instruction for it; columns that are frozen are packed."""
    kinds, together = words
    graph = widened(spec, shapes_of(spec, {"i": 37, "j": 70, "k": 131}), kinds)
    target = select(machine)
    arrays = any_numbers(graph)
    for swapped, frozen in itertools.product((False, True), repeat=2):
        form = Tiled(work_of(graph, target, together, swapped, frozen))
        (out,) = run_compiled(graph, form.schedule(), arrays, target)
        np.testing.assert_array_equal(out, expected(spec, arrays))


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize(("spec", "sizes"), [
    ("ik,kj->ij", (200, 300, 4100)),
    ("ik,jk->ij", (128, 96, 9001)),
    ("ki,jk->ij", (64, 64, 20002)),
])  # fmt: skip
def test_long_sums_of_many_tasks(spec, sizes, words):
    """Panels that tasks share, blocks of the sum, sums cut into chunks."""
    kinds, together = words
    graph = widened(spec, shapes_of(spec, dict(zip("ijk", sizes, strict=True))), kinds)
    arrays = any_numbers(graph)
    for target in (select().with_cores(8), select().with_cores(8).with_caches(l2_bytes=1 << 15)):
        (out,) = run_compiled(graph, form_of(graph, target, together).schedule(), arrays, target)
        np.testing.assert_array_equal(out, expected(spec, arrays))


@pytest.mark.parametrize("machine", ["native", "generic"])
@pytest.mark.parametrize(("kind", "together"), [
    ("i8", 4), ("u8", 4), ("i8", 2), ("u8", 2), ("i16", 2),
])  # fmt: skip
def test_sums_wrap_as_those_of_i32_do(kind, together, machine):
    limits = np.iinfo(dtypes.dtype(kind).numpy)
    k = 2**31 // max(limits.min**2, limits.max**2) + 3
    graph = widened("ik,kj->ij", ((5, k), (k, 6)), (kind, kind))
    extreme = limits.min or limits.max
    arrays = [np.full(v.shape, extreme, v.dtype.numpy) for v in graph.inputs]
    target = select(machine)
    (out,) = run_compiled(graph, form_of(graph, target, together).schedule(), arrays, target)
    assert extreme**2 * k > np.iinfo(np.int32).max
    np.testing.assert_array_equal(out, expected("ik,kj->ij", arrays))


@pytest.mark.parametrize("together", [4, 2])
def test_batches(together):
    spec, shapes = "bik,bkj->bij", ((3, 20, 66), (3, 66, 17))
    graph, target = widened(spec, shapes, ("i8", "i8")), select()
    arrays = any_numbers(graph)
    for made in (form_of(graph, target, together).schedule(), POLICY.schedule(graph, target)):
        (out,) = run_compiled(graph, made, arrays, target)
        np.testing.assert_array_equal(out, expected(spec, arrays))


def quantised(x, w, scale):
    """A layer of bytes: what is computed of nothing is not zero, and the result is scaled."""
    rounded = ops.cast(x * ops.lift(10.0, x) + ops.lift(3.0, x), dtypes.int8)
    total = ops.contract(ops.cast(rounded, dtypes.int32), ops.cast(w, dtypes.int32), "ik,jk->ij")
    return ops.cast(total, dtypes.float32) * ops.expand(scale, (-2,), (x.shape[0],))


@pytest.mark.parametrize("machine", ["native", "avx2", "generic"])
@pytest.mark.parametrize("together", [4, 2])
@pytest.mark.parametrize("k", [64, 65, 66, 67])
def test_prologue_and_epilogue(k, together, machine):
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
        made = form_of(graph, target, together, swapped).schedule()
        (out,) = run_compiled(graph, made, [x, w, scale], target)
        np.testing.assert_array_equal(out, (rounded @ w.T.astype(np.int64)).astype("f4") * scale)


@pytest.mark.parametrize("machine", ["native", "avx2", "generic"])
@pytest.mark.parametrize("kinds", [*KINDS, *HALVES])
@pytest.mark.parametrize("sizes", [(1, 1, 16), (3, 20, 131), (2, 70, 1000), (4, 33, 4097)])
def test_few_rows(sizes, kinds, machine):
    """Vectors along the sum, or along the columns of a matrix that is read once; two processors
    share a sum where there is nothing else to share."""
    target = select(machine).with_cores(2)
    for spec, form in (("ik,jk->ij", Dot), ("ik,kj->ij", Wide)):
        graph = widened(spec, shapes_of(spec, dict(zip("ijk", sizes, strict=True))), kinds)
        arrays = any_numbers(graph)
        for chunks in (1, 3):
            work = work_of(graph, target, 2, False)
            made = Wide(work, chunks) if form is Wide else Dot(work, tasks=chunks)
            (out,) = run_compiled(graph, made.schedule(), arrays, target)
            np.testing.assert_array_equal(out, expected(spec, arrays))


# ------------------------------------------------------------------ decisions


def roles_of(graph: Graph, target: Target) -> set[int]:
    """How many terms a step may have."""
    value = contraction_of(graph)
    assert value is not None
    return {axes.together for axes in word_roles(value, target)}


def names_of(graph: Graph, target: Target, still: frozenset[int] = frozenset()) -> list[str]:
    value = contraction_of(graph)
    assert value is not None
    return [t.nest.name for t in choose(graph, value, target, still).schedule().tasks]


def test_as_many_terms_as_the_target_takes():
    graph = widened("ik,kj->ij", ((64, 64), (64, 64)), ("i8", "u8"))
    pairs = described("avx2")
    plain = replace(pairs, features=pairs.features - MULTIPLIES_HALVES)
    able = replace(pairs, features=pairs.features | MULTIPLIES_BYTES)
    assert roles_of(graph, plain) == set()
    for name in ("generic", "avx2", "avx512"):
        assert roles_of(graph, described(name)) == {2}
    assert roles_of(graph, able) == {4}
    assert names_of(graph, plain) == ["contract_ik_kj_ij"]
    assert names_of(graph, pairs) == names_of(graph, able) == ["contract_words_ik_kj_ij"]


def test_few_rows_take_words_of_two():
    """Words of four may have to start elsewhere than at zero, which tiles alone know."""
    pairs = described("avx2")
    able = replace(pairs, features=pairs.features | MULTIPLIES_BYTES)
    for spec, name in (("ik,jk->ij", "dot"), ("ik,kj->ij", "wide")):
        shapes = shapes_of(spec, {"i": 2, "j": 512, "k": 512})
        graph = widened(spec, shapes, ("i8", "i8"))
        value = contraction_of(graph)
        assert value is not None
        assert names_of(graph, pairs)[0].startswith(f"contract_{name}_")
        assert choose(graph, value, pairs).work.axes.together == 2
        assert choose(graph, value, able).work.axes.together != 2
        assert pair_roles(value, able) == ()
        halves = widened(spec, shapes, ("i8", "i16"))
        assert roles_of(halves, able) == {2}


def test_only_narrow_integers_that_are_cast_to_i32():
    able = described("avx2")
    able = replace(able, features=able.features | MULTIPLIES_BYTES)
    assert not roles_of(product("ik,kj->ij", (64, 64), (64, 64), "i8"), able)
    assert not roles_of(product("ik,kj->ij", (64, 64), (64, 64), "i32"), able)
    assert not roles_of(widened("ik,kj->ij", ((64, 64), (64, 64)), ("i8", "u16")), able)
    assert not roles_of(widened("ikl,klj->ij", ((9, 8, 8), (8, 8, 9)), ("i8", "i8")), able)


def test_frozen_bytes_are_kept_as_bytes():
    """And widened as they are read; halves are kept as they are."""
    for kinds, kept in ((("i8", "u8"), "u16"), (("i8", "i8"), "i16"), (("i8", "i16"), "i32")):
        graph = widened("ik,jk->ij", ((64, 128), (96, 128)), kinds)
        made = Tiled(work_of(graph, described("avx2"), 2, False, frozen=True)).schedule()
        pack = made.tasks[0].nest
        assert [p.dtype for p in pack.params if p.role == "out"] == [kept]
        assert made.temporaries_bytes[0] == 96 * 64 * (4 if kept == "i32" else 2)


@pytest.mark.parametrize(
    ("name", "register"), [("generic", "xmm"), ("avx2", "ymm"), ("avx512", "zmm")]
)
def test_machine_code_multiplies_pairs(name, register):
    """Of tiles whose columns are frozen, and of a few rows."""
    target = described(name)
    tiles = widened("ik,jk->ij", ((64, 512), (512, 512)), ("i8", "i8"))
    rows = widened("ik,jk->ij", ((2, 512), (512, 512)), ("u8", "i16"))
    for graph in (tiles, rows):
        value = contraction_of(graph)
        assert value is not None
        nest = choose(graph, value, target, frozenset({1})).schedule().tasks[-1].nest
        lines = kernel_assembly(nest, target).splitlines()
        found = [line for line in lines if "pmaddwd" in line]
        assert found and all(register in line for line in found)
        assert not any("pmull" in line for line in lines)


# ------------------------------------------------------------------ as users write it


@lm.jit
def multiply(x: lm.Tensor, y: lm.Tensor) -> lm.Tensor:
    return lm.matmul(lm.astype(x, lm.int32), lm.astype(y, lm.int32))


@pytest.mark.parametrize("kinds", [*KINDS, *HALVES])
@pytest.mark.parametrize("sizes", [
    (0, 5, 7), (5, 0, 7), (5, 7, 0), (1, 1, 1), (1, 64, 64), (64, 1, 64), (64, 64, 1), (33, 35, 3),
    (17, 50, 101), (64, 64, 64), (2, 300, 301), (100, 2, 129),
])  # fmt: skip
def test_matmul(sizes, kinds):
    m, n, k = sizes
    graph = widened("ik,kj->ij", ((m, k), (k, n)), kinds)
    x, y = any_numbers(graph)
    got = multiply(lm.asarray(x), lm.asarray(y))
    assert got.dtype == lm.int32
    np.testing.assert_array_equal(np.asarray(got), expected("ik,kj->ij", [x, y]))


def test_views_of_operands():
    """Every second row, a reversed sum, a transposed operand."""
    x, y = any_numbers(widened("ik,jk->ij", ((80, 90), (50, 90)), ("i8", "i8")))

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
        x, y = any_numbers(widened("ik,kj->ij", ((m, k), (k, 70)), ("i8", "i8")))
        got = np.asarray(of_any_size(lm.asarray(x), lm.asarray(y)))
        np.testing.assert_array_equal(got, expected("ik,kj->ij", [x, y]))
