"""Operators that are defined outside Lamina: in NumPy, and behind the C interface."""

from __future__ import annotations

import ctypes
import gc
import os
import re
import shutil
import subprocess
import sys
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina.backend.compile import compile_graph
from lamina.graph.ir import op as registry
from lamina.graph.ir.evaluate import evaluate
from lamina.runtime import foreign

RNG = np.random.default_rng(5)
X = RNG.uniform(0.3, 1.7, (3, 4))
COMPILER = shutil.which("cc")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C compiler")


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "REGISTRY", dict(registry.REGISTRY))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("kernels") / "kernels.so"
    source = Path(__file__).with_name("custom_kernels.c")
    flags = ["-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", f"-I{lm.include_dir()}"]
    subprocess.run([str(COMPILER), *flags, str(source), "-o", str(made)], check=True)
    return made


def squares(library: Any, dtypes: Any = ("float32", "float64", "int64"), **facts: Any) -> Any:
    @lm.custom_op
    def square(x, *, scale=1.0):
        """scale x^2."""
        return x

    square.register_kernel(
        list(dtypes),
        library,
        "square_{dtype}",
        workspace=lambda x, *, scale: x.size_bytes,
        **facts,
    )

    @square.defjvp
    def _(primals, tangents, scale):
        return square(*primals, scale=scale), 2.0 * scale * primals[0] * tangents[0]

    return square


def prefix() -> Any:
    """Running sums in NumPy: the pure Python operator of these tests, with two results."""

    @lm.custom_op(outputs=("sums", "last"))
    def prefix_sum(x, *, start=0.0):
        if not x.dtype.is_float:
            raise lm.DTypeError("prefix_sum: takes floats", [f"x: {x}"])
        if len(x.shape) != 1:
            raise lm.ShapeError("prefix_sum: takes vectors", [f"x: {x}"])
        return x, x.with_shape(())

    @prefix_sum.defreference
    def _(x, *, start):
        sums = np.cumsum(x) + start
        return sums.astype(x.dtype), sums[-1].astype(x.dtype)

    prefix_sum.defvjp(
        lambda x, start: (prefix_sum(x, start=start), None),
        lambda _, bars, start: (lm.flip(lm.cumulative_sum(lm.flip(bars[0]))) + bars[1],),
    )
    return prefix_sum


# ------------------------------------------------------------------ in Python


def test_eager_and_jit_agree_and_results_have_names() -> None:
    op = prefix()
    x = lm.asarray(X[0])
    got = op(x, start=2.0)
    np.testing.assert_allclose(got.sums.numpy(), np.cumsum(X[0]) + 2.0)
    jitted = lm.jit(lambda x: op(x * 1.0, start=2.0).last + 1.0)
    np.testing.assert_allclose(jitted(x).numpy(), X[0].sum() + 3.0)


def test_an_operator_in_python_in_the_middle_of_a_graph_back_propagates() -> None:
    op = prefix()
    loss = lambda x: lm.sum(lm.sin(op(lm.exp(x)).sums)) + op(x).last
    x, h = lm.asarray(X[0]), 1e-6
    found = lm.grad(loss)(x).numpy()
    steps = [float(loss(lm.asarray(X[0] + s * h * e))) for e in np.eye(4) for s in (1, -1)]
    np.testing.assert_allclose(found, np.subtract(steps[::2], steps[1::2]) / (2 * h), 1e-6)
    for other in (lm.jit(lm.grad(loss)), lm.grad(lm.jit(loss))):
        np.testing.assert_allclose(other(x).numpy(), found, 1e-12)


def test_vmap_runs_each_example_and_nests_with_grad_and_jit() -> None:
    op = prefix()
    f = lambda x: lm.sum(lm.sin(op(x).sums))
    x = lm.asarray(X)
    each = np.stack([lm.grad(f)(x[i]).numpy() for i in range(3)])
    np.testing.assert_allclose(lm.jit(lm.vmap(lm.grad(f)))(x).numpy(), each, 1e-12)
    total = lambda x: lm.sum(lm.vmap(f)(x))
    np.testing.assert_allclose(lm.grad(total)(x).numpy(), each, 1e-12)
    np.testing.assert_allclose(
        lm.vmap(lm.vmap(lambda x: op(x).sums))(x[:, None]).numpy(), np.cumsum(X, 1)[:, None]
    )


@pytest.mark.parametrize(
    ("x", "kind"), [(X, lm.ShapeError), (np.arange(3), lm.DTypeError)], ids=["shape", "dtype"]
)
def test_the_type_rule_raises_before_anything_runs(x: Any, kind: Any) -> None:
    ran: list[int] = []
    op = prefix()
    op.defreference(lambda x, *, start: ran.append(1))
    for f in (op, lm.jit(op)):
        with pytest.raises(kind, match="prefix_sum: takes"):
            f(lm.asarray(x))
    assert not ran


def test_wrong_calls_are_errors() -> None:
    op = prefix()
    with pytest.raises(lm.UsageError, match="too many positional arguments"):
        op(lm.ones(3), lm.ones(3))
    with pytest.raises(lm.UsageError, match="missing a required argument: 'x'"):
        op()
    with pytest.raises(lm.UsageError, match="attribute start is of a kind"):
        op(lm.ones(3), start=lm.ones(()))


def test_attributes_that_are_equal_and_of_other_types_are_other_operators() -> None:
    op = lm.custom_op(lambda x, *, by: x.with_dtype(lm.float64) if type(by) is float else x)
    op.defreference(lambda x, *, by: x * by)
    x = lm.asarray([1, 2])
    for by in (2, 2.0, 2):
        got = op(x, by=by)
        assert got.dtype == (lm.float64 if type(by) is float else lm.int64)
        np.testing.assert_array_equal(got.numpy(), [2, 4])
    zero = lm.custom_op(lambda x, *, by: x)
    zero.defreference(lambda x, *, by: np.copysign(x, by))
    signs = [zero(lm.ones(1), by=by).tolist() for by in (0.0, -0.0)]
    assert signs == [[1.0], [-1.0]]
    nan = op._class((("by", float("nan")),))
    assert nan == op._class((("by", float("nan")),))
    assert hash(nan) == hash(op._class((("by", float("nan")),)))


def test_a_reference_that_disagrees_with_the_type_rule_is_an_error() -> None:
    op = prefix()
    op.defreference(lambda x, *, start: (x[:-1], x[0]))
    with pytest.raises(lm.ShapeError, match="prefix_sum: a result of another shape"):
        op(lm.asarray(X[0])).sums.numpy()
    op.defreference(lambda x, *, start: x)
    with pytest.raises(lm.ShapeError, match="another number of results"):
        lm.jit(op)(lm.asarray(X[0]))


def test_definitions_that_make_no_sense() -> None:
    def exp(x):
        return x

    def nothing(*, a=1):
        return a

    def anything(*xs):
        return xs

    with pytest.raises(lm.UsageError, match="exp is an operator already"):
        lm.custom_op(exp)
    with pytest.raises(lm.UsageError, match="has no operand"):
        lm.custom_op(nothing)
    with pytest.raises(lm.UsageError, match="any number of arguments"):
        lm.custom_op(anything)
    with pytest.raises(lm.UsageError, match="gives something that is no type"):
        lm.custom_op(lambda x: x.shape)(lm.ones(3))


def weighted(calls: list[Any]) -> Any:
    """Sums along the last axis, times a weight: one call serves many rows."""

    @lm.custom_op
    def row_sums(x, w, *, scale=1.0):
        return x.with_shape(x.shape[:-1])

    @row_sums.defreference
    def _(x, w, *, scale):
        calls.append(x.shape)
        return (x * w).sum(-1) * scale

    @row_sums.defvmap
    def _(axis_size, in_batched, x, w, scale):
        if not in_batched[1]:
            return row_sums(x, w, scale=scale)
        if not in_batched[0]:
            x = lm.broadcast_to(x, (axis_size, *x.shape))
        places = (axis_size, *(1,) * (x.ndim - 2), -1)
        return row_sums(x * w.reshape(places), lm.ones_like(w[0]), scale=scale)

    @row_sums.defjvp
    def _(primals, tangents, scale):
        (x, w), (dx, dw) = primals, tangents
        return row_sums(x, w, scale=scale), lm.sum(dx * w + x * dw, axis=-1) * scale

    return row_sums


def test_many_examples_by_a_rule_of_the_authors() -> None:
    """The reference is called once for all, also under two axes, and under derivatives."""
    calls: list[Any] = []
    op = weighted(calls)
    cube, w = RNG.uniform(size=(5, 2, 4)), RNG.uniform(size=(5, 4))
    one = lambda x, w: op(x, w, scale=2.0)
    cases = [
        ((0, 0), (cube, w), np.einsum("nij,nj->ni", cube, w)),
        ((0, None), (cube, w[0]), cube @ w[0]),
        ((None, 0), (cube[0], w), np.einsum("ij,nj->ni", cube[0], w)),
    ]
    for axes, given, wanted in cases:
        tensors = [lm.asarray(x) for x in given]
        for f in (lm.vmap(one, in_axes=axes), lm.jit(lm.vmap(one, in_axes=axes))):
            calls.clear()
            np.testing.assert_allclose(f(*tensors).numpy(), 2.0 * wanted, 1e-12)
            assert calls == [(5, 2, 4)]
        loss = lambda *xs, axes=axes: lm.sum(lm.vmap(one, in_axes=axes)(*xs) ** 2)
        plain = lambda x, w: lm.sum(x * w, axis=-1) * 2.0
        wants = lambda *xs, axes=axes, f=plain: lm.sum(lm.vmap(f, in_axes=axes)(*xs) ** 2)
        for got, want in zip(lm.grad(loss, (0, 1))(*tensors), lm.grad(wants, (0, 1))(*tensors)):
            np.testing.assert_allclose(got.numpy(), want.numpy(), 1e-12)
    rows = lm.vmap(lambda m: lm.vmap(lambda r: one(r, lm.asarray(w[0])))(m))
    calls.clear()
    np.testing.assert_allclose(rows(lm.asarray(cube)).numpy(), 2.0 * cube @ w[0], 1e-12)
    assert calls == [(5, 2, 4)]


def test_a_rule_for_many_examples_that_gives_something_else_is_an_error() -> None:
    op = weighted([])
    op.defvmap(lambda axis_size, in_batched, x, w, scale: lm.sum(x))
    with pytest.raises(lm.ShapeError, match="the rule for many examples gives something else"):
        lm.vmap(op, in_axes=(0, None))(lm.ones((5, 2, 4)), lm.ones(4))


def test_an_operator_without_a_derivative_says_so() -> None:
    op = lm.custom_op(lambda x: x)
    op.defreference(np.negative)
    for transform in (lm.grad, lambda f: lambda x: lm.jvp(f, [x], [x])):
        with pytest.raises(lm.UsageError, match="has no derivative"):
            transform(lambda x: lm.sum(op(x)))(lm.ones(3))
    stopped = lm.grad(lambda x: lm.sum(x * op(lm.stop_gradient(x))))(lm.ones(3))
    np.testing.assert_array_equal(stopped.numpy(), -np.ones(3))


def test_a_new_definition_serves_new_calls() -> None:
    op = lm.custom_op(lambda x: x)
    op.defreference(np.negative)
    before = lm.jit(lambda x: op(x))
    before(lm.ones(2))
    op.defreference(np.copy)
    np.testing.assert_array_equal(op(lm.ones(2)).numpy(), np.ones(2))
    np.testing.assert_array_equal(before(lm.ones(2)).numpy(), -np.ones(2))


def test_an_export_refuses_it_by_name() -> None:
    op = prefix()
    with pytest.raises(lm.UsageError, match="an operator that is defined outside Lamina"):
        lm.export(lambda x: op(x).sums, lm.ones(3))


# ------------------------------------------------------------------ in C


@needs_compiler
def test_structures_are_those_of_the_header(library: Path) -> None:
    found = (ctypes.c_int64 * 12)()
    ctypes.CDLL(str(library)).layout(found)
    tensor, attribute, call = foreign.Tensor, foreign.Attribute, foreign.Call
    assert list(found) == [
        ctypes.sizeof(tensor), tensor.row_bytes.offset, tensor.dtype.offset,
        ctypes.sizeof(attribute), attribute.count.offset, ctypes.sizeof(call),
        call.rows.offset, call.workspace.offset, call.attributes.offset, call.threads.offset,
        call.message.offset, call.message_bytes.offset,
    ]  # fmt: skip


def test_numbers_of_dtypes_are_those_of_the_header() -> None:
    text = (Path(lm.include_dir()) / "lamina" / "kernel.h").read_text()
    listed = {n.lower(): int(i) for n, i in re.findall(r"LAMINA_(\w+) = (\d+)", text)}
    assert all(listed[name] == number for name, number in foreign.DTYPES.items())
    assert f"LAMINA_ABI_VERSION {foreign.ABI_VERSION}" in text


@needs_compiler
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_dispatch_is_by_dtype(library: Path, dtype: str) -> None:
    op = squares(library)
    x = np.arange(6).reshape(2, 3).astype(dtype)
    scale = 3 if dtype == "int64" else 3.0
    assert set(op.kernels.values()) == {"square_float32", "square_float64", "square_int64"}
    for f in (op, lm.jit(op, static_argnames="scale")):
        got = f(lm.asarray(x), scale=scale)
        assert got.dtype == lm.asarray(x).dtype
        np.testing.assert_array_equal(got.numpy(), 3 * x * x)


@needs_compiler
def test_a_dtype_without_a_kernel_lists_the_candidates_or_takes_the_reference(
    library: Path,
) -> None:
    op = squares(library, ["float32", "float64"])
    with pytest.raises(lm.DTypeError) as caught:
        op(lm.ones(3, dtype=lm.int32))
    assert "kernels on cpu: float32; float64" in str(caught.value)
    op.defreference(lambda x, *, scale: x * x)
    np.testing.assert_array_equal(op(lm.asarray([3], dtype=lm.int32)).numpy(), [9])


@needs_compiler
def test_derivatives_and_batches_of_a_kernel(library: Path) -> None:
    op = squares(library)
    x = lm.asarray(X)
    f = lambda row: lm.sum(lm.exp(op(row, scale=0.5)))
    wanted = np.exp(0.5 * X * X) * X
    np.testing.assert_allclose(lm.grad(f)(x).numpy(), wanted)
    for g in (lm.vmap(lm.grad(f)), lm.jit(lm.vmap(lm.grad(f)))):
        np.testing.assert_allclose(g(x).numpy(), wanted)
    second = lm.grad(lambda x: lm.sum(lm.grad(f)(x)))(x)
    np.testing.assert_allclose(second.numpy(), np.exp(0.5 * X * X) * (1 + X * X))
    _, dot = lm.jvp(f, [x], [lm.ones((3, 4), dtype=lm.float64)])
    np.testing.assert_allclose(float(dot), wanted.sum())


@needs_compiler
def test_buffers_pass_without_a_copy(library: Path) -> None:
    @lm.custom_op
    def told(x):
        return x.with_shape((12,)).with_dtype(lm.int64)

    told.register_kernel("float64", library, "told")
    x = lm.asarray(X)
    facts = [2, 3, 4, 4, 1, foreign.DTYPES["float64"], 96, 1, 1, 1, foreign.ABI_VERSION]
    assert lm.jit(told)(x).tolist() == [x.numpy().ctypes.data, *facts]


@needs_compiler
def test_a_workspace_is_planned_in_the_arena_for_each_part(library: Path) -> None:
    def record(f: Any, n: int) -> Any:
        return compile_graph(lm.jit(f).graph(lm.ones((n, 16)))).record

    small, large = (record(squares(library), n).plan for n in (1, 64))
    assert (small.arena_bytes, large.arena_bytes) == (64, 64 * 64)
    mapped = record(lm.vmap(squares(library)), 64)
    (step,) = [s for s in mapped.lowered.steps if s.foreign]
    assert 1 <= step.foreign.parts <= 64
    assert mapped.plan.arena_bytes == 64 * step.foreign.parts


@needs_compiler
def test_what_a_kernel_says_becomes_an_exception(library: Path) -> None:
    op = squares(library)

    def model(x):
        return op(x - 1.0) + 1.0

    for f in (model, lm.jit(model), lm.vmap(model)):
        with pytest.raises(lm.CallError) as caught:
            f(lm.zeros((2, 3))).numpy()
        lines = str(caught.value).splitlines()
        assert lines[:3] == ["square: its kernel failed", "  square_float32 returned 7",
                             "  x is negative"]  # fmt: skip
        assert "in test_what_a_kernel_says_becomes_an_exception.<locals>.model" in (
            " ".join(lines[3:])
        )
    np.testing.assert_array_equal(op(lm.ones(2)).numpy(), np.ones(2))  # nothing is broken


@needs_compiler
def test_a_batched_kernel_gets_many_examples_and_shared_operands_once(library: Path) -> None:
    @lm.custom_op
    def add_rows(x, y):
        return x

    add_rows.register_kernel("float64", library, "add_rows", batched=True)
    x, y = lm.asarray(X), lm.asarray(X[0])
    mapped = lm.jit(lm.vmap(add_rows, (0, None)))
    np.testing.assert_array_equal(mapped(x, y).numpy(), X + X[0])
    assert "expand" not in str(mapped.graph(x, y))
    twice = lm.vmap(lm.vmap(add_rows, (None, 0)), (0, None))
    np.testing.assert_array_equal(twice(x, x).numpy(), X[:, None] + X[None])
    late = lm.vmap(lm.vmap(add_rows, (0, None)), (None, 0))
    np.testing.assert_array_equal(late(x, x).numpy(), X[None] + X[:, None])


@needs_compiler
def test_one_call_at_a_time_where_a_kernel_is_not_thread_safe(library: Path) -> None:
    @lm.custom_op(outputs=("value", "worst"))
    def alone(x):
        return x, x.with_dtype(lm.int64)

    alone.register_kernel("float64", library, "alone", thread_safe=False)
    f = lm.jit(lm.vmap(alone))
    x = lm.asarray(np.arange(8.0))
    f(x)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: f(x), range(8)))
    assert all(r.value.tolist() == list(range(8)) and max(r.worst.tolist()) == 1 for r in found)


@needs_compiler
def test_threads_get_the_errors_of_their_own_runs(library: Path) -> None:
    op = squares(library)
    f = lm.jit(lm.vmap(op))
    good, bad = lm.ones((16, 8)).block(), (-lm.ones((16, 8))).block()
    f(good)

    def one(i: int) -> bool:
        if i % 2:
            return bool((f(good).numpy() == 1).all())
        with pytest.raises(lm.CallError, match="x is negative"):
            f(bad)
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(one, range(40)))


@needs_compiler
def test_complex_numbers_texts_and_lists(library: Path) -> None:
    @lm.custom_op
    def conjugate_of(x, *, mode=None, weights=()):
        return x, x.with_shape(()).with_dtype(lm.float64)

    conjugate_of.register_kernel("complex128", library, "conjugate")
    z = X + 1j * X[::-1]
    for f in (conjugate_of, lm.jit(conjugate_of, static_argnames=("mode", "weights"))):
        got, total = f(lm.asarray(z), mode="four", weights=(0.5, 2.0))
        np.testing.assert_array_equal(got.numpy(), z.conj())
        assert float(total) == 6.5
    assert float(conjugate_of(lm.asarray(z))[1]) == -1.0


@needs_compiler
def test_the_reference_calls_the_kernel_too(library: Path) -> None:
    op = squares(library)
    graph = lm.jit(lm.vmap(op)).graph(lm.asarray(X))
    (found,) = evaluate(graph, X)
    np.testing.assert_allclose(found, X * X)
    with pytest.raises(lm.CallError, match="returned 7: x is negative"):
        evaluate(graph, -X)


def test_a_function_pointer_lives_as_long_as_a_program_that_calls_it() -> None:
    @foreign.KERNEL
    def negate(call):
        x, y = (ctypes.cast(t, ctypes.POINTER(foreign.Tensor)).contents
                for t in (call.contents.inputs, call.contents.outputs))  # fmt: skip
        values = (ctypes.c_double * 4).from_address(x.data)
        (ctypes.c_double * 4).from_address(y.data)[:] = [-v for v in values]
        return 0

    def jitted(kernel: Any) -> Any:
        op = lm.custom_op(lambda x: x)
        op.register_kernel("float64", kernel)
        return lm.jit(lambda x: op(x) + 0.0)

    f = jitted(negate)
    f(lm.asarray(X[0]))
    alive = weakref.ref(negate)
    del negate
    gc.collect()
    assert alive() is not None
    np.testing.assert_array_equal(f(lm.asarray(X[0])).numpy(), -X[0])


@needs_compiler
def test_libraries_and_functions_that_are_not_there(library: Path, tmp_path: Path) -> None:
    op = squares(library)
    with pytest.raises(lm.UsageError, match="the library cannot be loaded"):
        op.register_kernel("float32", tmp_path / "none.so", "f")
    with pytest.raises(lm.UsageError, match="the library has no such function"):
        op.register_kernel("float32", ctypes.CDLL(str(library)), "nothing")
    with pytest.raises(lm.UsageError, match="this is no kernel"):
        op.register_kernel("float32", None)
    with pytest.raises(lm.UsageError, match="no device 'gpu'"):
        op.register_kernel("float32", library, "told", device="gpu")
    with pytest.raises(lm.UsageError, match="a dtype for each operand"):
        op.register_kernel(("float32", "float32"), library, "told")
    op.register_kernel("float32", library, "square_float32", workspace=lambda x, *, scale: -1)
    with pytest.raises(lm.UsageError, match="the workspace is no number of bytes"):
        op(lm.ones(3)).numpy()


@needs_compiler
def test_no_examples_and_no_elements(library: Path) -> None:
    op = squares(library)
    assert lm.jit(lm.vmap(op))(lm.ones((0, 3))).shape == (0, 3)
    assert op(lm.ones((0,))).shape == (0,)


@needs_compiler
def test_reference_back_end(library: Path) -> None:
    """`LAMINA_TARGET=reference` in a process of its own."""
    code = (
        "import pathlib, sys\n"
        "from tests.tensor.test_custom_op import *\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "test_derivatives_and_batches_of_a_kernel(path)\n"
        "test_vmap_runs_each_example_and_nests_with_grad_and_jit()\n"
    )
    environment = os.environ | {"LAMINA_TARGET": "reference"}
    command = [sys.executable, "-c", code, str(library)]
    done = subprocess.run(command, env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
