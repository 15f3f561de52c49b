"""bincount, digitize and histogram against NumPy, in transforms, and what they refuse."""

import numpy as np
import pytest

import lamina as lm

RNG = np.random.default_rng(12)


@pytest.mark.parametrize("kind", ["int8", "int64", "uint16", "bool"])
def test_bincount(kind) -> None:
    x = RNG.integers(0, 2 if kind == "bool" else 7, 20).astype(kind)
    w = RNG.standard_normal(20)
    t = lm.asarray(x)
    wanted = np.bincount(x.astype(np.int64))
    np.testing.assert_array_equal(lm.bincount(t).numpy(), wanted)
    np.testing.assert_allclose(lm.bincount(t, w).numpy(), np.bincount(x.astype(np.int64), w))
    assert lm.bincount(t, minlength=9).tolist() == [*wanted, *[0] * (9 - len(wanted))]
    counted = lm.jit(lambda t: lm.bincount(t, length=2))(t)
    assert counted.tolist() == [*wanted[:2]]


def test_bincount_of_nothing_and_of_what_does_not_count() -> None:
    assert lm.bincount(lm.asarray(np.zeros(0, np.int64))).shape == (0,)
    assert lm.bincount(lm.asarray([-1, 0, 5, 1]), length=2).tolist() == [1, 1]


def test_bincount_in_transforms() -> None:
    x = lm.asarray([[0, 1, 1], [2, 2, 5]])
    assert lm.vmap(lambda row: lm.bincount(row, length=3))(x).tolist() == [[1, 2, 0], [0, 0, 2]]
    total = lambda w: lm.sum(lm.bincount(x[0], w) * lm.asarray([1.0, 3.0]))
    assert lm.grad(total)(lm.ones(3)).tolist() == [1.0, 3.0, 3.0]


@pytest.mark.parametrize("right", [False, True])
def test_digitize(right) -> None:
    x = np.array([[0.2, 6.4, 3.0], [1.6, 1.0, np.nan]])
    up = np.array([0.0, 1.0, 2.5, 3.0, 10.0])
    for bins in (up, up[::-1].copy()):
        got = lm.digitize(lm.asarray(x), lm.asarray(bins), right=right)
        np.testing.assert_array_equal(got.numpy(), np.digitize(x, bins, right))
    got = lm.jit(lambda b: lm.digitize(lm.asarray(x), b, right=right))(lm.asarray(up))
    np.testing.assert_array_equal(got.numpy(), np.digitize(x, up, right))


@pytest.mark.parametrize("bins, limits", [(10, None), (1, None), (7, (-1, 1)),
                                          ([-2.0, 0.0, 0.5, 3.0], None)])  # fmt: skip
def test_histogram(bins, limits) -> None:
    x, w = RNG.standard_normal((4, 25)), RNG.standard_normal((4, 25))
    for g in (lambda f: f, lm.jit):
        f = g(lambda t, w: (*lm.histogram(t, bins, limits, weights=w),
                            lm.histogram(t, bins, limits)[0],
                            lm.histogram(t, bins, limits, density=True)[0]))  # fmt: skip
        weighted, edges, counts, dense = f(lm.asarray(x), lm.asarray(w))
        wanted, wanted_edges = np.histogram(x, bins, limits)
        np.testing.assert_array_equal(counts.numpy(), wanted)
        np.testing.assert_allclose(edges.numpy(), wanted_edges, 1e-12, 1e-12)
        np.testing.assert_allclose(weighted.numpy(), np.histogram(x, bins, limits, weights=w)[0],
                                   1e-9, 1e-9)  # fmt: skip
        np.testing.assert_allclose(dense.numpy(), np.histogram(x, bins, limits, density=True)[0])


def test_histogram_of_equal_elements_and_of_none() -> None:
    for x in (np.full(3, 2.0), np.zeros(0), np.array([1, 2, 2, 5])):
        counts, edges = lm.histogram(lm.asarray(x), 4)
        wanted, wanted_edges = np.histogram(x, 4)
        np.testing.assert_array_equal(counts.numpy(), wanted)
        np.testing.assert_allclose(edges.numpy(), wanted_edges)
        np.testing.assert_allclose(lm.histogram_bin_edges(lm.asarray(x), 4).numpy(), wanted_edges)


def test_refusals() -> None:
    with pytest.raises(lm.BoundsError, match="bincount: a number is negative"):
        lm.bincount(lm.asarray([1, -1]))
    with pytest.raises(lm.DTypeError, match="bincount: counts integers"):
        lm.bincount(lm.ones(3))
    with pytest.raises(lm.ShapeError, match="bincount: a weight for each element"):
        lm.bincount(lm.asarray([1, 2]), lm.ones(3))
    with pytest.raises(lm.TraceError, match="help: say with length= how many numbers are counted"):
        lm.jit(lambda x: lm.bincount(x))(lm.asarray([1, 2]))
    with pytest.raises(lm.UsageError, match="digitize: the bins are in no order"):
        lm.digitize(lm.ones(3), lm.asarray([1.0, 0.0, 2.0]))
    with pytest.raises(lm.UsageError, match="histogram: no bins"):
        lm.histogram(lm.ones(3), 0)
    with pytest.raises(lm.ShapeError, match="histogram: bins are two edges or more"):
        lm.histogram(lm.ones(3), [1.0])
