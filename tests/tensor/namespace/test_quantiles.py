"""Medians, quantiles and percentiles against NumPy, their derivatives, and what they refuse."""

import numpy as np
import pytest

import lamina as lm

RNG = np.random.default_rng(11)
METHODS = (
    "linear", "lower", "higher", "nearest", "midpoint", "inverted_cdf", "averaged_inverted_cdf",
    "hazen", "weibull", "median_unbiased", "normal_unbiased", "interpolated_inverted_cdf",
)  # fmt: skip
X = RNG.standard_normal((3, 4, 5))
Q = (0.0, 0.2, 0.25, 0.5, 0.8, 1.0)


@pytest.mark.parametrize("method", METHODS)
def test_every_method(method) -> None:
    for x in (X[0, 0], X[0, 0, :4], X[0, 0, :1]):
        got = lm.quantile(lm.asarray(x), Q, method=method)
        np.testing.assert_allclose(got.numpy(), np.quantile(x, Q, method=method), 1e-12)


@pytest.mark.parametrize("axis", [None, 0, -1, 1, (0, 2), (-1, 0), (0, 1, 2)])
def test_axes(axis) -> None:
    t = lm.asarray(X)
    for keepdims in (False, True):
        options = {"axis": axis, "keepdims": keepdims}
        np.testing.assert_allclose(lm.median(t, **options).numpy(), np.median(X, **options))
        got = lm.quantile(t, [[0.1, 0.9]], **options)
        np.testing.assert_allclose(got.numpy(), np.quantile(X, [[0.1, 0.9]], **options), 1e-12)
        got = lm.percentile(t, 30, **options)
        np.testing.assert_allclose(got.numpy(), np.percentile(X, 30, **options), 1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_nan_is_left_out(method) -> None:
    x = np.where(RNG.random((4, 9)) < 0.4, np.nan, RNG.standard_normal((4, 9)))
    x[2] = np.nan
    t, q = lm.asarray(x), [[0.1, 0.5, 0.9]]
    rows = [[np.quantile(r[r == r], p, method=method) if (r == r).any() else np.nan for r in x]
            for p in q[0]]  # fmt: skip
    got = lm.nanquantile(t, q, axis=1, method=method)
    np.testing.assert_allclose(got.numpy(), [rows], 1e-9)
    got = lm.jit(lambda t: lm.nanpercentile(t, 50, method=method))(t)
    np.testing.assert_allclose(float(got), np.quantile(x[x == x], 0.5, method=method), 1e-9)


def test_nanmedian() -> None:
    x = lm.asarray([[1.0, lm.nan, 3.0], [lm.nan, lm.nan, lm.nan]])
    assert str(lm.nanmedian(x, axis=1, keepdims=True)) == "[[ 2.]\n [nan]]"
    assert lm.grad(lambda t: lm.nanmedian(t))(x[0]).tolist() == [0.5, 0.0, 0.5]


def test_dtypes() -> None:
    assert lm.median(lm.asarray([1, 2])).dtype is lm.float32
    assert lm.median(lm.asarray([1.0, 2.0], dtype=lm.bfloat16)).dtype is lm.bfloat16
    assert float(lm.median(lm.asarray([1, 2], dtype=lm.uint8))) == 1.5


def test_special_numbers() -> None:
    x = lm.asarray([[lm.inf, lm.inf, 1.0], [lm.nan, 0.0, 1.0]])
    assert str(lm.median(x, axis=1)) == "[inf nan]"
    assert float(lm.quantile(lm.asarray([-lm.inf, 0.0, lm.inf]), 0.5)) == 0.0


def test_a_traced_q_and_its_derivative() -> None:
    x = lm.asarray(np.sort(X[0, 0]))
    f = lambda q: lm.quantile(x, q)
    for g in (f, lm.jit(f)):
        np.testing.assert_allclose(float(g(lm.asarray(0.3, dtype=lm.float64))),
                                   np.quantile(X[0, 0], 0.3), 1e-6)  # fmt: skip
    slope = float(lm.grad(f)(lm.asarray(0.3, dtype=lm.float64)))
    np.testing.assert_allclose(slope, 4 * (x.numpy()[2] - x.numpy()[1]))
    many = lm.vmap(f)(lm.asarray([0.1, 0.6], dtype=lm.float64))
    np.testing.assert_allclose(many.numpy(), np.quantile(X[0, 0], [0.1, 0.6]))


def test_derivatives() -> None:
    x = lm.asarray([3.0, 1.0, 2.0, 9.0])
    assert lm.grad(lm.median)(x).tolist() == [0.5, 0.0, 0.5, 0.0]
    each = lm.jit(lm.vmap(lm.grad(lm.median)))(lm.asarray([[3.0, 1.0, 2.0], [5.0, 6.0, 7.0]]))
    assert each.tolist() == [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]


def test_refusals() -> None:
    x = lm.ones(3)
    with pytest.raises(lm.UsageError, match="q is outside its range\n  range: from 0 to 1"):
        lm.quantile(x, 1.5)
    with pytest.raises(lm.UsageError, match="range: from 0 to 100"):
        lm.percentile(x, -1)
    with pytest.raises(lm.UsageError, match="quantile: no method 'best'"):
        lm.quantile(x, 0.5, method="best")
    with pytest.raises(lm.ShapeError, match="median: no elements along the axes"):
        lm.median(lm.ones((0, 3)), axis=0)
