"""sort, argsort, top_k, searchsorted against NumPy, in transforms, and what they refuse."""

import numpy as np
import pytest

import lamina as lm

RNG = np.random.default_rng(7)
ARRAYS = [
    RNG.integers(-5, 5, shape).astype(kind)
    for shape in ((7,), (1,), (0,), (3, 4), (2, 3, 5), (2, 0))
    for kind in ("float32", "float64", "int8", "int64", "uint16")
]
arrays = pytest.mark.parametrize("x", ARRAYS, ids=lambda x: f"{x.dtype}{x.shape}")


@arrays
def test_sort_and_argsort_along_every_axis(x) -> None:
    for axis in range(-x.ndim, x.ndim):
        t = lm.asarray(x)
        wanted = np.argsort(x, axis=axis, kind="stable")
        np.testing.assert_array_equal(lm.argsort(t, axis=axis).numpy(), wanted)
        np.testing.assert_array_equal(lm.sort(t, axis=axis).numpy(), np.sort(x, axis=axis))
        down = lm.sort(t, axis=axis, descending=True)
        np.testing.assert_array_equal(down.numpy(), np.flip(np.sort(x, axis=axis), axis))
        values, indices = lm.top_k(t, min(2, x.shape[axis]), axis=axis)
        np.testing.assert_array_equal(
            values.numpy(), np.take(down.numpy(), range(values.shape[axis]), axis)
        )
        np.testing.assert_array_equal(np.take_along_axis(x, indices.numpy(), axis), values.numpy())


def test_views_and_pending_operands() -> None:
    x = RNG.standard_normal((6, 5)).astype(np.float32)
    got = lm.sort(lm.asarray(x).T[::2] * 2.0 + 1.0, axis=0)
    np.testing.assert_array_equal(got.numpy(), np.sort(x.T[::2] * 2 + 1, axis=0))
    np.testing.assert_array_equal(lm.asarray(x).sort(axis=0).numpy(), np.sort(x, axis=0))
    np.testing.assert_array_equal(lm.asarray(x).argsort().numpy(), np.argsort(x))


def test_nan_is_last_ascending_and_first_descending() -> None:
    x = lm.asarray([1.0, lm.nan, -1.0, lm.inf])
    assert str(lm.sort(x)) == "[-1.  1. inf nan]"
    assert lm.argsort(x, descending=True).tolist() == [1, 3, 0, 2]


@pytest.mark.parametrize("side", ["left", "right"])
def test_searchsorted(side) -> None:
    rows = np.array([0.0, 1.0, 1.0, 3.0, np.nan], np.float32)
    values = np.array([[1.0, -1.0, np.nan], [2.0, 3.0, np.inf]], np.float64)
    got = lm.searchsorted(lm.asarray(rows), lm.asarray(values), side=side)
    np.testing.assert_array_equal(got.numpy(), np.searchsorted(rows, values, side))
    order = np.array([2, 0, 1, 4, 3])
    shuffled = np.empty_like(rows)
    shuffled[order] = rows
    got = lm.searchsorted(lm.asarray(shuffled), 2, side=side, sorter=lm.asarray(order))
    assert int(got) == np.searchsorted(rows, 2.0, side)


def test_lexsort_and_partition() -> None:
    keys = RNG.integers(0, 3, (3, 4, 6))
    for axis in (-1, 0):
        got = lm.lexsort([lm.asarray(k) for k in keys], axis=axis)
        np.testing.assert_array_equal(got.numpy(), np.lexsort(keys, axis=axis))
    x = RNG.standard_normal((3, 7))
    for kth in (2, -1, (1, 4)):
        for k in np.atleast_1d(kth):
            got = lm.partition(lm.asarray(x), kth).numpy()
            np.testing.assert_array_equal(got[:, k], np.partition(x, k)[:, k])
            where = lm.argpartition(lm.asarray(x), kth).numpy()
            np.testing.assert_array_equal(np.take_along_axis(x, where, -1)[:, k], got[:, k])
    with pytest.raises(lm.BoundsError, match="partition: element 7 is outside the axis"):
        lm.partition(lm.asarray(x), 7)


def test_gradients_go_where_the_elements_came_from() -> None:
    x, w = RNG.standard_normal((3, 5)), RNG.standard_normal((3, 5))
    for f, sorted_ in (
        (lambda t: lm.sort(t, axis=0), np.argsort(x, axis=0)),
        (lambda t: lm.sort(t, axis=0, descending=True), np.argsort(-x, axis=0)),
    ):
        wanted = np.zeros_like(x)
        np.put_along_axis(wanted, sorted_, w, 0)
        loss = lambda t, f=f: lm.sum(f(t) * lm.asarray(w))
        for g in (lm.grad(loss), lm.jit(lm.grad(loss)), lm.grad(lm.jit(loss))):
            np.testing.assert_allclose(g(lm.asarray(x)).numpy(), wanted)
    best = lm.grad(lambda t: lm.sum(lm.top_k(t, 2)[0] ** 2))(lm.asarray(x)).numpy()
    np.testing.assert_allclose(best, np.where(x >= np.sort(x)[:, -2:-1], 2 * x, 0))


def test_vmap_and_vmap_of_grad() -> None:
    x = lm.asarray(RNG.standard_normal((3, 5)))
    np.testing.assert_array_equal(lm.vmap(lm.sort)(x).numpy(), np.sort(x.numpy()))
    slope = lm.grad(lambda t: lm.sum(lm.sort(t) * lm.arange(5, dtype=lm.float64)))
    wanted = np.stack([slope(row).numpy() for row in x])
    np.testing.assert_allclose(lm.jit(lm.vmap(slope))(x).numpy(), wanted)
    found = lm.vmap(lm.searchsorted, (None, 0))(lm.sort(x[0]), x)
    np.testing.assert_array_equal(found.numpy(), np.searchsorted(np.sort(x.numpy()[0]), x.numpy()))


def test_refusals() -> None:
    with pytest.raises(lm.ShapeError, match="sort: no axis 1"):
        lm.sort(lm.ones(3), axis=1)
    with pytest.raises(lm.ShapeError, match="argsort: no axis -1"):
        lm.argsort(lm.asarray(1.0))
    with pytest.raises(lm.ShapeError, match="top_k: no 4 elements to take"):
        lm.top_k(lm.ones(3), 4)
    with pytest.raises(lm.UsageError, match="no side 'middle'"):
        lm.searchsorted(lm.ones(3), lm.ones(3), side="middle")
    with pytest.raises(lm.ShapeError, match="searchsorted: x1 has one axis"):
        lm.searchsorted(lm.ones((3, 2)), lm.ones(3))
