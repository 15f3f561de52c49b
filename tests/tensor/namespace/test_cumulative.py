"""Running sums and their like against NumPy, in transforms, and what they refuse."""

import numpy as np
import pytest

import lamina as lm

RNG = np.random.default_rng(9)
ARRAYS = [
    RNG.integers(0, 3, shape).astype(kind)
    for shape in ((7,), (1,), (0,), (3, 4), (2, 3, 5), (2, 0))
    for kind in ("float32", "float64", "int8", "uint16", "int64", "bool")
]
arrays = pytest.mark.parametrize("x", ARRAYS, ids=lambda x: f"{x.dtype}{x.shape}")


@arrays
def test_against_numpy(x) -> None:
    t = lm.asarray(x)
    for axis in (None, *range(-x.ndim, x.ndim)):
        np.testing.assert_allclose(lm.cumsum(t, axis).numpy(), np.cumsum(x, axis))
        np.testing.assert_allclose(lm.cumprod(t, axis).numpy(), np.cumprod(x, axis))
        assert lm.cumsum(t, axis).numpy().dtype == np.cumsum(x, axis).dtype
        flat, at = (x.reshape(-1), 0) if axis is None else (x, axis)
        if x.dtype != bool:
            for f, g in ((lm.cummax, np.maximum), (lm.cummin, np.minimum)):
                np.testing.assert_array_equal(f(t, axis).numpy(), g.accumulate(flat, at))
        if axis is not None:
            for f, g in ((lm.cumulative_sum, np.cumulative_sum),
                         (lm.cumulative_prod, np.cumulative_prod)):  # fmt: skip
                for initial in (False, True):
                    got = f(t, axis=axis, include_initial=initial)
                    wanted = g(x, axis=axis, include_initial=initial)
                    np.testing.assert_allclose(got.numpy(), wanted)
                    assert got.numpy().dtype == wanted.dtype


def test_dtypes_are_those_asked_for() -> None:
    x = lm.asarray([100, 100], dtype=lm.int8)
    assert lm.cumulative_sum(x, dtype=lm.int8).tolist() == [100, -56]
    assert lm.cumulative_sum(x, dtype=lm.float32).dtype is lm.float32
    np.testing.assert_allclose(
        lm.logcumsumexp(lm.asarray([0, 0, 0])).numpy(), np.log([1, 2, 3]), 1e-6
    )


@pytest.mark.parametrize("f", [lm.cumsum, lm.cumprod, lm.cummax, lm.cummin, lm.logcumsumexp])
def test_derivatives_in_every_mixture(f) -> None:
    x, w = RNG.standard_normal((3, 5)), RNG.standard_normal((3, 5))
    x[1, 2] = 0.0
    loss = lambda t, v: lm.sum(f(t, 1) * v)
    found = lm.grad(loss)(lm.asarray(x), lm.asarray(w)).numpy()
    h = 1e-6
    for i, j in ((0, 0), (1, 2), (2, 4), (1, 0)):
        step = np.zeros_like(x)
        step[i, j] = h
        ends = [float(loss(lm.asarray(x + s * step), lm.asarray(w))) for s in (1, -1)]
        np.testing.assert_allclose(found[i, j], (ends[0] - ends[1]) / (2 * h), 1e-5, 1e-7)
    row = lambda t, v: lm.sum(f(t, 0) * v)
    for g in (lm.vmap(lm.grad(row)), lm.jit(lm.vmap(lm.grad(row))), lm.jit(lm.grad(loss))):
        np.testing.assert_allclose(g(lm.asarray(x), lm.asarray(w)).numpy(), found, 1e-9, 1e-12)
    many = lm.grad(lambda t: lm.sum(lm.vmap(row)(t, lm.asarray(w))))(lm.asarray(x))
    np.testing.assert_allclose(many.numpy(), found, 1e-9, 1e-12)


def test_methods() -> None:
    x = lm.asarray([[1.0, 2.0], [3.0, 4.0]])
    assert x.cumsum(0).tolist() == [[1.0, 2.0], [4.0, 6.0]]
    assert x.cumprod().tolist() == [1.0, 2.0, 6.0, 24.0]


def test_refusals() -> None:
    with pytest.raises(lm.ShapeError, match="cumulative_sum: which axis"):
        lm.cumulative_sum(lm.ones((2, 3)))
    with pytest.raises(lm.ShapeError, match="cumulative_prod: which axis"):
        lm.cumulative_prod(lm.asarray(1.0))
    with pytest.raises(lm.ShapeError, match="cumsum: no axis 2"):
        lm.cumsum(lm.ones((2, 3)), 2)
    with pytest.raises(lm.DTypeError, match="cummax: no order for bool"):
        lm.cummax(lm.asarray([True]))
