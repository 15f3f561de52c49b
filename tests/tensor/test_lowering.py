"""Operators of users that are written with others: no kernel, no reference, no derivative given."""

from __future__ import annotations

import ctypes
import io
import math
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina.backend.compile import compile_graph
from lamina.graph.ir import op as registry
from lamina.graph.ir.evaluate import evaluate
from lamina.graph.passes import lower_custom_ops
from lamina.runtime import foreign

RNG = np.random.default_rng(3)


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "REGISTRY", dict(registry.REGISTRY))


def softclip() -> Any:
    """Elementwise: at tanh(x / at)."""

    @lm.custom_op
    def softclip(x, *, at=1.0):
        return x

    softclip.deflower(lambda x, at: at * lm.tanh(x / at))
    return softclip


def standardised() -> Any:
    """Two results, of two operands, with a sum over all elements of an example."""

    @lm.custom_op(outputs=("scaled", "mean"))
    def standardised(x, w):
        return x, x.with_shape(())

    @standardised.deflower
    def _(x, w):
        mean = lm.mean(x * w)
        return (x - mean) * lm.asarray([2.0, 3.0, 1.0], dtype=x.dtype), mean

    return standardised


def plain_standardised(x: Any, w: Any) -> Any:
    mean = lm.mean(x * w)
    return (x - mean) * lm.asarray([2.0, 3.0, 1.0], dtype=x.dtype), mean


def kernels_of(f: Any, *args: Any) -> list[str]:
    return [k.symbol for k in compile_graph(lm.jit(f).graph(*args)).record.kernels]


# ------------------------------------------------------------------ values


@pytest.mark.parametrize("shape", [(), (1,), (7,), (0, 3), (2, 3, 5)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
def test_eager_jit_and_reference_agree(shape: tuple[int, ...], dtype: str) -> None:
    op, x = softclip(), np.asarray(RNG.uniform(-2, 2, shape)).astype(dtype)
    wanted = 2.0 * np.tanh(x / 2.0)
    for f in (op, lm.jit(op, static_argnames="at")):
        got = f(lm.asarray(x), at=2.0)
        assert got.dtype == lm.asarray(x).dtype
        np.testing.assert_allclose(got.numpy(), wanted, 1e-5)
    (found,) = evaluate(lm.jit(lambda x: op(x, at=2.0)).graph(lm.asarray(x)), x)
    np.testing.assert_allclose(found, wanted, 1e-5)


def test_operands_that_are_not_contiguous() -> None:
    op, x = softclip(), RNG.uniform(-2, 2, (4, 6)).T[::2]
    np.testing.assert_allclose(op(lm.asarray(x)).numpy(), np.tanh(x))
    np.testing.assert_allclose(op(lm.matrix_transpose(lm.asarray(x.T))).numpy(), np.tanh(x))


def test_an_elementwise_lowering_is_a_loop_body_in_the_kernel_of_its_neighbours() -> None:
    op, x = softclip(), lm.ones((3, 64))
    with_neighbours = lambda x: lm.sum(op(lm.exp(x), at=2.0) * x, axis=-1)
    plain = lambda x: lm.sum(2.0 * lm.tanh(lm.exp(x) / 2.0) * x, axis=-1)
    assert len(kernels_of(with_neighbours, x)) == 1
    assert kernels_of(with_neighbours, x) == kernels_of(plain, x)


def test_the_pass_shows_in_explain() -> None:
    op = softclip()
    seen = lm.explain(lambda x: op(x, at=2.0) + 1.0, lm.ones(3), file=io.StringIO())
    (stage,) = [s for s in seen.stages if s.name == "lower_custom_ops"]
    assert "softclip" in stage.text
    assert "tanh" in stage.text


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_every_level_lowers(level: int, monkeypatch: pytest.MonkeyPatch) -> None:
    op, x = standardised(), RNG.uniform(size=(2, 3))
    graph = lm.jit(lambda x: op(lm.sin(x), x)).graph(lm.asarray(x))
    got = compile_graph(graph, level=level).run([lm.asarray(x)._value.data.buffer])
    wanted = plain_standardised(lm.sin(lm.asarray(x)), lm.asarray(x))
    for buffer, w in zip(got, wanted):
        np.testing.assert_allclose(np.frombuffer(buffer).reshape(w.shape), w.numpy(), 1e-12)


def test_attributes_that_are_equal_and_of_other_types() -> None:
    op = lm.custom_op(lambda x, *, by: x.with_dtype(lm.float32) if type(by) is float else x)
    op.deflower(lambda x, *, by: lm.astype(x, "float32") * by if type(by) is float else x * by)
    x = lm.asarray([1, 2])
    for by in (2, 2.0, 2):
        got = op(x, by=by)
        assert got.dtype == (lm.float32 if type(by) is float else lm.int64)
        np.testing.assert_array_equal(got.numpy(), [2, 4])


def test_symbols_in_an_export() -> None:
    op = standardised()
    f = lm.jit(lambda x: op(x, x * 2.0).scaled, dynamic_shapes={"x": {0: lm.Dim("B")}})
    program = lm.export(f, lm.ones((2, 3)))
    for n in (1, 4):
        x = RNG.uniform(size=(n, 3)).astype("float32")
        wanted = plain_standardised(lm.asarray(x), lm.asarray(x) * 2.0)[0]
        np.testing.assert_allclose(program(x), wanted.numpy(), 1e-5)


# ------------------------------------------------------------------ transforms


def losses(f: Any) -> Any:
    def loss(x: Any, w: Any) -> Any:
        scaled, mean = f(lm.sin(x), w * x)
        return lm.sum(scaled**3) + lm.exp(mean)

    return loss


def both(transform: Any, *args: Any) -> None:
    """The transform of the operator against that of the plain function."""
    got, wanted = (transform(losses(f))(*args) for f in (standardised(), plain_standardised))
    got, wanted = (r if isinstance(r, tuple) else (r,) for r in (got, wanted))
    assert len(got) == len(wanted)
    for a, b in zip(got, wanted):
        np.testing.assert_allclose(a.numpy(), b.numpy(), 1e-11)


X, W = (lm.asarray(RNG.uniform(size=(4, 3))) for _ in range(2))


@pytest.mark.parametrize(
    "transform",
    [
        lambda f: lm.grad(f, (0, 1)),
        lambda f: lm.jit(lm.grad(f, (0, 1))),
        lambda f: lm.grad(lm.jit(f), (0, 1)),
        lambda f: lambda x, w: lm.jvp(f, [x, w], [w, x]),
        lambda f: lm.hessian(f),
        lambda f: lm.jit(lm.vmap(lm.grad(f, (0, 1)), (0, None))),
        lambda f: lm.grad(lambda x, w: lm.sum(lm.vmap(f, (None, 0))(x, w)), (0, 1)),
        lambda f: lm.vmap(lm.vmap(f, (0, None)), (None, 0)),
        lambda f: lm.grad(lm.checkpoint(f), (0, 1)),
        lambda f: lambda x, w: lm.scan(lambda c, r: (f(c * r, r) + c, r), x[0], w)[0],
    ],
    ids=["grad", "jit(grad)", "grad(jit)", "jvp", "hessian", "vmap(grad)", "grad(vmap)",
         "vmap(vmap)", "checkpoint", "scan"],
)  # fmt: skip
def test_transforms_are_those_of_the_lowering(transform: Any) -> None:
    both(transform, X, W)


def test_one_operand_at_two_places_has_one_cotangent() -> None:
    op = lm.custom_op(lambda x, y: x)
    op.deflower(lambda x, y: x * lm.sin(y))
    x = lm.asarray([0.3, 1.2])
    got = lm.grad(lambda x: lm.sum(op(x, x)))(x).numpy()
    np.testing.assert_allclose(got, np.sin(x.numpy()) + x.numpy() * np.cos(x.numpy()), 1e-6)


def test_sizes_that_are_symbols() -> None:
    op = standardised()
    f = lm.jit(
        lambda x, w: lm.vmap(op, (0, None))(x, w)[0],
        dynamic_shapes={"x": {0: lm.Dim("B"), 1: lm.Dim("N")}},
    )
    for rows, columns in ((2, 4), (5, 1), (1, 3)):
        x = lm.asarray(RNG.uniform(size=(rows, columns, 3)))
        wanted = lm.vmap(plain_standardised, (0, None))(x, W[0])[0]
        np.testing.assert_allclose(f(x, W[0]).numpy(), wanted.numpy(), 1e-12)
    assert len(f.traces) == 1


def test_an_attribute_may_be_a_symbol() -> None:
    op = lm.custom_op(lambda x, *, n: x)
    op.deflower(lambda x, n: x / n)
    f = lm.jit(lambda x: op(x, n=x.shape[0]), dynamic_shapes={"x": {0: lm.Dim("B")}})
    for n in (2, 5):
        np.testing.assert_allclose(f(lm.ones(n)).numpy(), np.ones(n) / n, 1e-6)


# ------------------------------------------------------------------ who computes it


def negated_by_kernel() -> Any:
    """-x by a kernel for float64, which counts its calls, and by a lowering."""
    calls: list[int] = []

    @foreign.KERNEL
    def kernel(call):
        x, y = (ctypes.cast(t, ctypes.POINTER(foreign.Tensor)).contents
                for t in (call.contents.inputs, call.contents.outputs))  # fmt: skip
        n = x.bytes // 8
        calls.append(n)
        values = (ctypes.c_double * n).from_address(x.data)
        (ctypes.c_double * n).from_address(y.data)[:] = [-v for v in values]
        return 0

    op = lm.custom_op(lambda x: x)
    op.register_kernel("float64", kernel)
    op.deflower(lambda x: -x)
    return op, calls


def test_a_kernel_comes_first_and_the_lowering_serves_other_dtypes_and_derivatives() -> None:
    op, calls = negated_by_kernel()
    np.testing.assert_array_equal(op(lm.ones(3, dtype="float64")).numpy(), -np.ones(3))
    assert calls == [3]
    np.testing.assert_array_equal(op(lm.ones(3)).numpy(), -np.ones(3))
    assert calls == [3]
    found = lm.jit(lm.grad(lambda x: lm.sum(op(x))))(lm.ones(3, dtype="float64"))
    np.testing.assert_array_equal(found.numpy(), -np.ones(3))


def test_a_lowering_comes_before_a_reference() -> None:
    op = softclip()
    op.defreference(lambda x, at: np.full_like(x, 7.0))
    np.testing.assert_allclose(op(lm.ones(2)).numpy(), np.tanh(np.ones(2)), 1e-6)


def test_a_derivative_of_its_own_comes_first() -> None:
    op = softclip()
    op.defjvp(lambda p, t, at: (op(*p, at=at), 5.0 * t[0]))
    assert float(lm.grad(op)(lm.asarray(0.3))) == 5.0
    assert float(lm.jit(op)(lm.asarray(0.3))) == pytest.approx(math.tanh(0.3))


def test_a_lowering_may_use_other_operators_and_functions_with_derivatives_of_their_own() -> None:
    inner = softclip()
    outer = lm.custom_op(lambda x: x)
    doubled = lm.custom_jvp(lambda x: 2.0 * x)
    doubled.defjvp(lambda p, t: (doubled(*p), 10.0 * t[0]))
    outer.deflower(lambda x: doubled(inner(x, at=3.0)))
    x = lm.asarray(0.4)
    assert float(lm.jit(outer)(x)) == pytest.approx(6.0 * math.tanh(0.4 / 3.0))
    assert float(lm.grad(outer)(x)) == pytest.approx(10.0 / math.cosh(0.4 / 3.0) ** 2)


def test_it_may_call_itself_on_other_types() -> None:
    """A sum by halves, and a dtype by way of another that has a kernel."""
    halves = lm.custom_op(lambda x: x.with_shape(()))

    @halves.deflower
    def _(x):
        n = x.shape[0] // 2
        return halves(x[:n]) + halves(x[n:]) if n else lm.sum(x)

    x = RNG.uniform(size=13)
    assert float(lm.jit(halves)(lm.asarray(x))) == pytest.approx(x.sum())
    op, calls = negated_by_kernel()
    op.deflower(lambda x: lm.astype(op(lm.astype(x, "float64")), x.dtype))
    np.testing.assert_array_equal(op(lm.ones(4)).numpy(), -np.ones(4))
    assert calls == [4]


def test_what_computes_it_is_compared() -> None:
    op, _ = negated_by_kernel()
    x = lm.asarray(RNG.uniform(size=(2, 3)))
    assert op.holds(x)
    op.defreference(np.negative)
    assert op.holds(x)
    assert op.holds(lm.ones(3, dtype="float32"))  # which has no kernel
    for wrong in (np.positive, np.abs):
        op.defreference(wrong)
        with pytest.raises(AssertionError, match="reference and lowering, result 0"):
            op.holds(x)
    with pytest.raises(lm.UsageError, match="there is nothing to compare"):
        standardised().holds(x, x)
    two = standardised()
    two.defreference(lambda x, w: ((x - np.mean(x * w)) * [2.0, 3.0, 1.0], np.mean(x * w)))
    assert two.holds(x, x)


# ------------------------------------------------------------------ exported


def test_it_is_exported_as_what_it_is_made_of(tmp_path: Any) -> None:
    op, x = standardised(), lm.asarray(RNG.uniform(size=(2, 3)))
    program = lm.export(lambda x: op(x, x)._asdict(), x)
    assert not any(v.op.name == "standardised" for v in program.graph.nodes)
    program.save(tmp_path / "p.lamina")
    loaded = lm.load_program(tmp_path / "p.lamina")
    wanted = plain_standardised(x, x)
    got = loaded(x)
    np.testing.assert_allclose(got["scaled"], wanted[0].numpy(), 1e-12)
    np.testing.assert_allclose(got["mean"], wanted[1].numpy(), 1e-12)


def test_it_is_exported_without_its_kernel_and_inside_of_loops() -> None:
    op, calls = negated_by_kernel()
    x = lm.ones(3, dtype="float64")
    f = lambda x: lm.fori_loop(0, 3, lambda i, s: op(s) + 1.0, op(x))
    program = lm.export(f, x)
    np.testing.assert_array_equal(program(x), f(x).numpy())
    assert calls
    calls.clear()
    lm.export(f, x)(x)
    assert not calls


def test_an_export_of_a_kernel_alone_says_what_to_do() -> None:
    op, _ = negated_by_kernel()
    op._changed(lowering=None)
    with pytest.raises(lm.UsageError, match="deflower"):
        lm.export(op, lm.ones(3, dtype="float64"))


# ------------------------------------------------------------------ errors


def test_types_that_differ_from_the_type_rule() -> None:
    op = lm.custom_op(lambda x: x)
    for wrong in (lambda x: lm.sum(x), lambda x: (x, x), lambda x: x > 0.0):
        op.deflower(wrong)
        for f in (op, lm.jit(op)):
            with pytest.raises(lm.ShapeError, match="its lowering gives other types than"):
                f(lm.ones(3))


def test_a_lowering_that_comes_back_to_itself() -> None:
    a, b = lm.custom_op(lambda x: x), lm.custom_op(lambda x: x)
    a.deflower(lambda x: a(x) + 1.0)
    with pytest.raises(lm.UsageError, match="its lowering comes back to itself"):
        a(lm.ones(3))
    a.deflower(lambda x: b(x) + 1.0)
    b.deflower(lambda x: a(x) * 2.0)
    with pytest.raises(lm.UsageError, match="its lowering comes back to itself"):
        a(lm.ones(3))
    a.deflower(lambda x: a(lm.concat([x, x]))[: x.shape[0]])
    with pytest.raises(lm.UsageError, match="its lowering comes back to itself"):
        a(lm.ones(3))


def test_derivatives_through_kernels_that_are_made_of_one_another() -> None:
    op, _ = negated_by_kernel()
    op.deflower(lambda x: op(x))
    x = lm.ones(3, dtype="float64")
    np.testing.assert_array_equal(op(x).numpy(), -np.ones(3))
    for transform in (lm.grad, lambda f: lambda x: lm.jvp(f, [x], [x])):
        with pytest.raises(lm.UsageError, match="its lowering comes back to itself"):
            transform(lambda x: lm.sum(op(x)))(x)


def test_what_nothing_computes_says_what_may() -> None:
    op = lm.custom_op(lambda x: x)
    with pytest.raises(lm.DTypeError, match="a lowering, a reference or a kernel"):
        op(lm.ones(3))


def test_a_lowering_reads_nothing_from_outside() -> None:
    outside = lm.asarray([1.0, 2.0, 3.0])
    op = lm.custom_op(lambda x: x)
    op.deflower(lambda x: x * outside)
    with pytest.raises(lm.UsageError, match="reads a tensor from outside"):
        op(lm.ones(3))
    op.deflower(lambda x: x + lm.random.normal(x.shape))
    with pytest.raises(lm.UsageError, match="draws random numbers"):
        op(lm.ones(3))
    op.deflower(lambda x: "nothing")
    with pytest.raises(lm.UsageError, match="returns no tensors"):
        op(lm.ones(3))

    def leaking(y: Any) -> Any:
        op.deflower(lambda x: x * y)
        return op(y)

    with pytest.raises(lm.UsageError, match="reads a tensor from outside"):
        lm.jit(leaking)(lm.ones(3))


def test_the_pass_leaves_graphs_without_such_operators_alone() -> None:
    graph = lm.jit(lambda x: lm.exp(x)).graph(lm.ones(3))
    assert lower_custom_ops(graph) is graph
