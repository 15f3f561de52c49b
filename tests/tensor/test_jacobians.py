"""Jacobians and Hessians against finite differences, analytic values, and each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina.base.errors import ShapeError, UsageError

RNG = np.random.default_rng(0)
W = RNG.standard_normal((4, 3))


def f(x: Any) -> Any:
    return lm.tanh(lm.asarray(W) @ x) * x.sum()


def differences(g: Any, x: np.ndarray, h: float = 1e-6) -> np.ndarray:
    """dg/dx by central differences: [*y, *x]."""
    columns = []
    for i in range(x.size):
        step = np.zeros(x.size)
        step[i] = h
        step = step.reshape(x.shape)
        up, down = (np.asarray(g(lm.asarray(x + s))) for s in (step, -step))
        columns.append((up - down) / (2 * h))
    return np.stack(columns, axis=-1).reshape(*columns[0].shape, *x.shape)


@pytest.mark.parametrize("mode", [lm.jacfwd, lm.jacrev, lm.jacobian])
@pytest.mark.parametrize("jitted", [False, True])
def test_jacobian_of_a_vector_function(mode: Any, jitted: bool) -> None:
    x = RNG.standard_normal(3)
    j = lm.jit(mode(f)) if jitted else mode(f)
    np.testing.assert_allclose(np.asarray(j(lm.asarray(x))), differences(f, x), 1e-7, 1e-8)


@pytest.mark.parametrize("mode", [lm.jacfwd, lm.jacrev])
def test_trees_on_both_sides(mode: Any) -> None:
    x = {
        "a": lm.asarray(RNG.standard_normal((2, 3))),
        "n": lm.asarray(2),
        "b": lm.asarray(0.5, dtype=lm.float64),
    }
    g = lambda t: (t["a"] * t["b"], {"s": (t["a"] ** 2).sum(), "i": t["n"]})
    first, second = mode(g)(x)
    a, b = np.asarray(x["a"]), 0.5
    np.testing.assert_allclose(
        np.asarray(first["a"]), (np.eye(6) * b).reshape(2, 3, 2, 3), 1e-12, 1e-12
    )
    np.testing.assert_allclose(np.asarray(first["b"]), a)
    assert first["n"] is None
    np.testing.assert_allclose(np.asarray(second["s"]["a"]), 2 * a)
    np.testing.assert_allclose(np.asarray(second["s"]["b"]), 0.0)


def test_jacobian_takes_the_mode_with_fewer_passes() -> None:
    passes: list[tuple[int, ...]] = []

    def spy(x: Any) -> Any:
        passes.append(x.shape)
        return f(x)

    tall = lm.jit(lm.jacobian(lambda x: lm.asarray(W.T) @ x)).graph(lm.ones(4, dtype=lm.float64))
    assert all(v.shape != (4, 4) for v in tall.values)  # 3 results: reverse mode
    lm.jacobian(spy)(lm.ones(3, dtype=lm.float64))
    assert set(passes) == {(3,)}


def test_hessian_against_analytic_values_and_hvp() -> None:
    a = RNG.standard_normal((3, 3))
    g = lambda x: (x @ lm.asarray(a) @ x) * x[0]
    x = lm.asarray(RNG.standard_normal(3))
    s, v, e = a + a.T, np.asarray(x), np.eye(3)[0]
    wanted = s * v[0] + np.outer(e, s @ v) + np.outer(s @ v, e)
    h = lm.hessian(g)(x)
    np.testing.assert_allclose(np.asarray(h), wanted, 1e-10, 1e-10)
    d = lm.asarray(RNG.standard_normal(3))
    for run in (lm.hvp, lm.jit(lm.hvp, static_argnames=("f",))):
        np.testing.assert_allclose(
            np.asarray(run(g, [x], [d])), wanted @ np.asarray(d), 1e-10, 1e-10
        )


def test_third_derivative_of_sine() -> None:
    d = lm.sin
    for _ in range(3):
        d = lm.grad(d)
    x = lm.asarray(0.7, dtype=lm.float64)
    assert float(d(x)) == pytest.approx(-np.cos(0.7), rel=1e-12)


def test_per_example_jacobians() -> None:
    xs = lm.asarray(RNG.standard_normal((5, 3)))
    got = lm.jit(lm.vmap(lm.jacfwd(f)))(xs)
    for i in range(5):
        np.testing.assert_allclose(np.asarray(got[i]), np.asarray(lm.jacrev(f)(xs[i])), 1e-10)


def test_linearize_is_traced_once() -> None:
    calls = []

    def g(x: Any, y: Any) -> Any:
        calls.append(1)
        return {"p": x * lm.exp(y), "q": x}

    x, y = lm.asarray(RNG.standard_normal(3)), lm.asarray(RNG.standard_normal(3))
    result, push = lm.linearize(g, x, y)
    for _ in range(3):
        dx, dy = lm.asarray(RNG.standard_normal(3)), lm.asarray(RNG.standard_normal(3))
        wanted = lm.jvp(g, [x, y], [dx, dy])
        got = push(dx, dy)
        for k in ("p", "q"):
            np.testing.assert_allclose(np.asarray(got[k]), np.asarray(wanted[1][k]), 1e-12)
    np.testing.assert_allclose(np.asarray(result["p"]), np.asarray(wanted[0]["p"]))
    assert len(calls) == 4
    many = lm.vmap(push)(lm.stack([x, y]), lm.stack([y, x]))
    np.testing.assert_allclose(np.asarray(many["q"][1]), np.asarray(y))
    with pytest.raises(ShapeError, match="linearize"):
        push(lm.ones(2, dtype=lm.float64), y)


def test_eval_shape_computes_nothing() -> None:
    huge = lm.eval_shape(lambda x: {"y": x @ x.T, "n": 3}, lm.zeros((1_000_000, 4)))
    assert huge["y"].shape == (1_000_000, 1_000_000) and huge["y"].dtype == lm.float32
    again = lm.eval_shape(lambda t: t.sum(axis=0), huge["y"])
    assert again.shape == (1_000_000,)


def test_messages() -> None:
    with pytest.raises(UsageError, match="jacfwd: no positional argument 1"):
        lm.jacfwd(f, 1)(lm.ones(3))
