"""Distinct elements and set operations against NumPy, with a size in jit, and what they refuse."""

import numpy as np
import pytest

import lamina as lm

RNG = np.random.default_rng(10)
NAN = np.array([1.0, np.nan, -0.0, 0.0, np.nan, np.inf, 1.0, -np.inf], np.float32)
ARRAYS = [
    NAN,
    NAN.reshape(2, 4).astype(np.float64),
    RNG.integers(-3, 3, (4, 5)).astype(np.int8),
    RNG.integers(0, 9, 17).astype(np.uint64),
    RNG.integers(0, 2, (2, 2, 2)).astype(bool),
    np.zeros((0,), np.float32),
    np.zeros((2, 0), np.int64),
    np.array(3.0, np.float32),
]
arrays = pytest.mark.parametrize("x", ARRAYS, ids=lambda x: f"{x.dtype}{x.shape}")


@arrays
def test_unique_functions_against_numpy(x) -> None:
    """NumPy's `equal_nan=False` is what the standard asks for."""
    t = lm.asarray(x)
    values, indices, inverse, counts = np.unique(
        x, return_index=True, return_inverse=True, return_counts=True, equal_nan=False
    )
    found = lm.unique_all(t)
    np.testing.assert_array_equal(found.values.numpy(), values)
    np.testing.assert_array_equal(found.indices.numpy(), indices)
    np.testing.assert_array_equal(found.inverse_indices.numpy(), inverse)
    np.testing.assert_array_equal(found.counts.numpy(), counts)
    assert found.inverse_indices.shape == x.shape and found.values.dtype is t.dtype
    for got, wanted in zip(lm.unique_counts(t), (values, counts), strict=True):
        np.testing.assert_array_equal(got.numpy(), wanted)
    for got, wanted in zip(lm.unique_inverse(t), (values, inverse), strict=True):
        np.testing.assert_array_equal(got.numpy(), wanted)
    np.testing.assert_array_equal(lm.unique_values(t).numpy(), values)
    options = {"return_index": True, "return_inverse": True, "return_counts": True}
    for got, wanted in zip(lm.unique(t, **options), np.unique(x, **options), strict=True):
        np.testing.assert_array_equal(got.numpy(), wanted)


@arrays
def test_with_a_size_in_jit(x) -> None:
    if not x.size:
        return
    wanted = np.unique(x, return_index=True, return_counts=True, equal_nan=False)
    n = len(wanted[0])
    for size in (1, n, n + 2):
        f = lm.jit(lambda t, size=size: lm.unique_all(t, size=size, fill_value=0))
        found = f(lm.asarray(x))
        for got, w in zip((found.values, found.indices, found.counts), wanted):
            np.testing.assert_array_equal(got.numpy()[:n], w[:size])
            assert got.shape == (size,) and not got.numpy()[n:].any()
        values = lm.jit(lambda t, size=size: lm.unique_values(t, size=size))(lm.asarray(x))
        np.testing.assert_array_equal(values.numpy()[:n], wanted[0][:size])


PAIRS = [
    (RNG.integers(0, 9, (3, 4)), RNG.integers(4, 15, 6)),
    (np.array([1.0, np.nan, 3.0], np.float32), np.array([np.nan, 3.0, 5.0], np.float32)),
    (np.array([1, 2], np.int8), np.zeros(0, np.int8)),
    (np.zeros(0, np.float64), np.array([2.0, 1.0])),
]


@pytest.mark.parametrize("a, b", PAIRS, ids=["integers", "nan", "right empty", "left empty"])
def test_set_operations(a, b) -> None:
    x, y = lm.asarray(a), lm.asarray(b)
    np.testing.assert_array_equal(lm.isin(x, y).numpy(), np.isin(a, b))
    np.testing.assert_array_equal(lm.isin(x, y, invert=True).numpy(), np.isin(a, b, invert=True))
    left, right = set(a.flat), set(b.flat)
    number = lambda found: sorted(v for v in found if v == v)
    for f, wanted in (
        (lm.union1d, left | right),
        (lm.intersect1d, left & right),
        (lm.setdiff1d, left - right),
        (lm.setxor1d, left ^ right),
    ):
        got = f(x, y).tolist()
        assert number(got) == number(wanted) and got[: len(number(got))] == number(got)
        sized = lm.jit(lambda x, y, f=f: f(x, y, size=20, fill_value=7))(x, y)
        n = len(got)
        np.testing.assert_array_equal(sized.numpy(), np.concatenate([got, np.full(20 - n, 7)]))


def test_values_have_derivatives() -> None:
    slope = lm.grad(lambda t: lm.sum(lm.unique_values(t) * lm.asarray([1.0, 10.0])))
    assert slope(lm.asarray([5.0, 2.0, 5.0])).tolist() == [10.0, 1.0, 0.0]


def test_numbers_meet_tensors() -> None:
    assert lm.isin(lm.asarray([1, 2]), 2).tolist() == [False, True]
    assert lm.union1d(lm.asarray([1, 2], dtype=lm.int8), lm.asarray([0.5])).dtype is lm.float32


@pytest.mark.parametrize(
    "f", [lm.unique_all, lm.unique_counts, lm.unique_inverse, lm.unique_values]
)
def test_in_jit_without_a_size(f) -> None:
    with pytest.raises(lm.TraceError, match=f"{f.__name__}: the shape of the result depends on"):
        lm.jit(lambda x: f(x))(lm.ones(3))
