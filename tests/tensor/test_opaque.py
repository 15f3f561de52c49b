"""Library calls and several results on Tensors: eager, jit, grad, vmap, and what they raise."""

from __future__ import annotations

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import lamina as lm
from lamina.base.errors import BoundsError, CallError
from lamina.tensor.eager import FLUSH_DEPTH
from tests.opaque_ops import (
    CalledFailure,
    CalledNote,
    cube,
    failure,
    note,
    polar,
    polar_back,
    split,
)

RNG = np.random.default_rng(3)
X = RNG.uniform(0.3, 1.7, (3, 4))
Y = RNG.uniform(0.3, 1.7, (3, 4))


def model(x, y, rule=polar):
    u, v, count = rule(x, y)
    double, flipped = split(lm.exp(u) + 1.0)
    return double * flipped + cube(v) + lm.astype(count, lm.float64)[..., None]


def by_numpy(x, y):
    u, v, count = x * np.cos(y), x * np.sin(y), (x > 0).sum(-1)
    e = np.exp(u) + 1.0
    return 2 * e * e[..., ::-1] + v**3 + count[..., None]


def loss(x, y):
    return lm.sum(model(x, y))


def test_eager() -> None:
    np.testing.assert_allclose(model(lm.asarray(X), lm.asarray(Y)).numpy(), by_numpy(X, Y))


def test_parts_are_tensors_that_are_computed_together() -> None:
    u, v, count = polar(lm.asarray(X), lm.asarray(Y))
    assert all(isinstance(t, lm.Tensor) for t in (u, v, count))
    assert (u.shape, count.shape, count.dtype) == ((3, 4), (3,), lm.int64)
    u.block()
    assert not v.is_pending and not count.is_pending
    np.testing.assert_allclose(v.numpy(), X * np.sin(Y))


def test_an_endless_loop_stays_small() -> None:
    x, y = lm.asarray(X), lm.asarray(Y)
    for _ in range(2 * FLUSH_DEPTH):
        x = polar(x, y)[1] / lm.sin(y)
    assert x._value.data.depth <= FLUSH_DEPTH + 3
    np.testing.assert_allclose(x.numpy(), X, 1e-9)


def test_jit() -> None:
    f = lm.jit(model)
    for scale in (1.0, 0.5):
        got = f(lm.asarray(X * scale), lm.asarray(Y))
        np.testing.assert_allclose(got.numpy(), by_numpy(X * scale, Y))
    assert f.signatures == 1


def test_grad_jit_of_grad_and_grad_of_jit() -> None:
    h = 1e-6
    x, y = lm.asarray(X), lm.asarray(Y)
    slope = (by_numpy(X, Y + h).sum() - by_numpy(X, Y - h).sum()) / (2 * h)
    found = lm.grad(loss, 1)(x, y).numpy()
    np.testing.assert_allclose(found.sum(), slope, 1e-7)
    by_rule = lm.grad(lambda x, y: lm.sum(model(x, y, polar_back)), 1)
    for other in (lm.jit(lm.grad(loss, 1)), lm.grad(lm.jit(loss), 1), by_rule, lm.jit(by_rule)):
        np.testing.assert_allclose(other(x, y).numpy(), found, 1e-12)


def test_jvp_and_second_derivatives() -> None:
    x, y, dot = lm.asarray(X), lm.asarray(Y), lm.ones((3, 4), dtype=lm.float64)
    _, tangent = lm.jvp(loss, [x, y], [dot, dot])
    gradients = lm.grad(loss, (0, 1))(x, y)
    np.testing.assert_allclose(float(tangent), sum(float(lm.sum(g)) for g in gradients))
    slope = lambda y: lm.sum(lm.grad(loss, 1)(x, y))
    second, h = lm.grad(slope)(y), 1e-6
    wanted = (float(slope(lm.asarray(Y + h))) - float(slope(lm.asarray(Y - h)))) / (2 * h)
    np.testing.assert_allclose(second.numpy().sum(), wanted, 1e-6)


def test_vmap_and_its_mixtures() -> None:
    x, y = lm.asarray(X), lm.asarray(Y)
    f = lambda a, b: lm.sum(model(a, b))
    wanted = np.stack([by_numpy(X[i], Y[i]).sum() for i in range(3)])
    np.testing.assert_allclose(lm.vmap(f)(x, y).numpy(), wanted)
    np.testing.assert_allclose(lm.jit(lm.vmap(f))(x, y).numpy(), wanted)
    shared = np.stack([by_numpy(X[0], Y[i]).sum() for i in range(3)])
    np.testing.assert_allclose(lm.vmap(f, (None, 0))(x[0], y).numpy(), shared)
    each = np.stack([lm.grad(f, 1)(x[i], y[i]).numpy() for i in range(3)])
    np.testing.assert_allclose(lm.vmap(lm.grad(f, 1))(x, y).numpy(), each)
    np.testing.assert_allclose(lm.grad(lambda y: lm.sum(lm.vmap(f)(x, y)))(y).numpy(), each, 1e-12)


def test_captured_data_is_called_once_and_effects_at_every_call() -> None:
    data = lm.asarray(X)
    f = lm.jit(lambda x: x + cube(data) + note(data))
    f(lm.asarray(X)).block()
    CalledNote.notes.clear()
    for _ in range(2):
        np.testing.assert_allclose(f(lm.asarray(X)).numpy(), X + X**3 + X)
    assert len(CalledNote.notes) == 2


def test_a_call_may_use_tensors_itself() -> None:
    """A callback runs while a program is under way, and may start another one."""
    from dataclasses import dataclass

    from lamina.graph.ir import emit
    from lamina.graph.ops import Opaque

    @dataclass(frozen=True)
    class CalledTensors(Opaque):
        constant = True

        def infer(self, x):
            return x

        def reference(self, x):
            return lm.exp(lm.asarray(np.array(x))).numpy()

    f = lambda x: emit(CalledTensors(), x * 2.0) + 1.0
    np.testing.assert_allclose(f(lm.asarray(X)).numpy(), np.exp(2 * X) + 1)
    np.testing.assert_allclose(lm.jit(f)(lm.asarray(X)).numpy(), np.exp(2 * X) + 1)


# ------------------------------------------------------------------ errors


def test_an_error_of_the_library_is_the_cause_and_names_op_and_line() -> None:
    cause = ValueError("it does not converge")
    y = failure(lm.asarray(X), cause) + 1.0
    with pytest.raises(CallError) as caught:
        y.numpy()
    assert str(caught.value).splitlines()[:3] == [
        "called_failure: the function that computes it failed",
        "  ValueError: it does not converge",
        "  help: the error above this one says where",
    ]
    assert "opaque_ops.py" in str(caught.value) and caught.value.__cause__ is cause


def test_the_same_structure_elsewhere_names_its_own_line() -> None:
    cause = ValueError("no")

    def first(x):
        return lm.exp(failure_at(x, cause))

    def second(x):
        return lm.exp(failure_at(x, cause))

    for f in (first, second, lm.jit(first), lm.jit(second)):
        with pytest.raises(CallError) as caught:
            f(lm.asarray(X)).numpy()
        function = getattr(f, "__name__", "")
        assert f"in test_the_same_structure_elsewhere_names_its_own_line.<locals>.{function}" in (
            str(caught.value).replace("\n", " ")
        )


def failure_at(x, cause):
    """`failure` with the caller's line: what a function of the namespace does."""
    import sys

    from lamina.base.spans import Span, at

    frame = sys._getframe(1)
    with at(Span(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_qualname)):
        return failure(x, cause)


def test_a_lamina_error_comes_as_it_is() -> None:
    y = failure(lm.asarray(X), BoundsError("factor: not positive definite", ["a: b"], "do c"))
    with pytest.raises(BoundsError) as caught:
        y.numpy()
    assert str(caught.value).startswith("factor: not positive definite\n  a: b\n  help: do c")
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_interrupts_come_through(kind) -> None:
    f = lm.jit(lambda x: failure(x, kind()))
    with pytest.raises(kind):
        f(lm.asarray(X))
    np.testing.assert_allclose(cube(lm.asarray(X)).numpy(), X**3)  # the pool is alive


def test_a_failed_call_keeps_nothing_alive() -> None:
    class Special(ValueError):
        pass

    def fails() -> weakref.ref[Special]:
        error = Special("no")
        with pytest.raises(CallError):
            lm.jit(lambda x: failure(x, error))(lm.asarray(X))
        CalledFailure.errors.clear()
        return weakref.ref(error)

    gone = fails()
    gc.collect()
    assert gone() is None


def test_threads_get_the_errors_of_their_own_runs() -> None:
    causes = [ValueError(str(i)) for i in range(4)]
    functions = [lm.jit(lambda x, e=e: failure(lm.sort(x), e)) for e in causes]
    x = lm.asarray(X).block()

    def found(i: int) -> bool:
        same = []
        for _ in range(20):
            with pytest.raises(CallError) as caught:
                functions[i](x)
            same.append(caught.value.__cause__ is causes[i])
        return all(same)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(found, range(4)))


def test_reference_back_end() -> None:
    """`LAMINA_TARGET=reference` in a process of its own."""
    import os
    import subprocess
    import sys

    code = (
        "import numpy as np, lamina as lm\n"
        "from tests.tensor.test_opaque import *\n"
        "test_eager(); test_jit(); test_grad_jit_of_grad_and_grad_of_jit()\n"
        "test_vmap_and_its_mixtures()\n"
        "test_an_error_of_the_library_is_the_cause_and_names_op_and_line()\n"
        "test_a_lamina_error_comes_as_it_is()\n"
    )
    environment = os.environ | {"LAMINA_TARGET": "reference"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
