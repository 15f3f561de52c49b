"""nonzero and its family against NumPy, with a size inside transforms, and what they refuse."""

import numpy as np
import pytest

import lamina as lm

RNG = np.random.default_rng(8)
ARRAYS = [
    RNG.integers(-1, 2, shape).astype(kind)
    for shape in ((7,), (1,), (0,), (3, 4), (2, 3, 5), (2, 0))
    for kind in ("float32", "bool", "int8", "uint64")
]
arrays = pytest.mark.parametrize("x", ARRAYS, ids=lambda x: f"{x.dtype}{x.shape}")


@arrays
def test_eager_against_numpy(x) -> None:
    t = lm.asarray(x)
    for got, wanted in zip(lm.nonzero(t), np.nonzero(x), strict=True):
        np.testing.assert_array_equal(got.numpy(), wanted)
        assert got.dtype is lm.int64
    np.testing.assert_array_equal(lm.argwhere(t).numpy(), np.argwhere(x))
    np.testing.assert_array_equal(lm.flatnonzero(t).numpy(), np.flatnonzero(x))
    np.testing.assert_array_equal(lm.extract(x > 0, t).numpy(), np.extract(x > 0, x))
    for axis in (None, *range(x.ndim)):
        for keepdims in (False, True):
            got = lm.count_nonzero(t, axis=axis, keepdims=keepdims)
            np.testing.assert_array_equal(
                got.numpy(), np.count_nonzero(x, axis=axis, keepdims=keepdims)
            )
        condition = RNG.integers(0, 2, x.size if axis is None else x.shape[axis]).astype(bool)
        got = lm.compress(condition, t, axis=axis)
        np.testing.assert_array_equal(got.numpy(), np.compress(condition, x, axis))


@arrays
@pytest.mark.parametrize("size", [0, 3, 100])
def test_with_a_size_in_jit(x, size) -> None:
    wanted = [np.concatenate([i[:size], np.full(max(0, size - i.size), -1)]) for i in np.nonzero(x)]
    f = lm.jit(lambda t: lm.nonzero(t, size=size, fill_value=-1))
    for got, w in zip(f(lm.asarray(x)), wanted, strict=True):
        np.testing.assert_array_equal(got.numpy(), w)


def test_numbers() -> None:
    assert lm.argwhere(lm.asarray(3.0)).shape == (1, 0)
    assert lm.argwhere(lm.asarray(0.0)).shape == (0, 0)
    assert lm.flatnonzero(lm.asarray(3.0)).tolist() == [0]
    assert int(lm.count_nonzero(lm.asarray([lm.nan, -0.0, 0.0, 1.0]))) == 2


def test_selection_has_derivatives() -> None:
    x = RNG.standard_normal((3, 4))
    loss = lambda t: lm.sum(lm.extract(t > 0, t) ** 2)
    np.testing.assert_allclose(lm.grad(loss)(lm.asarray(x)).numpy(), np.where(x > 0, 2 * x, 0))
    sized = lambda t: lm.sum(lm.extract(t > 0, t, size=12) ** 2)
    for g in (lm.jit(lm.grad(sized)), lm.vmap(lm.grad(sized))):
        np.testing.assert_allclose(g(lm.asarray(x)).numpy(), np.where(x > 0, 2 * x, 0))


def test_selection_in_vmap_fills_each_example() -> None:
    x = lm.asarray([[1.0, -2.0, 3.0], [-1.0, -2.0, 4.0]])
    got = lm.vmap(lambda row: lm.compress(row > 0, row, size=2, fill_value=9.0))(x)
    assert got.tolist() == [[1.0, 3.0], [4.0, 9.0]]
    rows = lm.compress([True, False, True], x, axis=1, size=4, fill_value=7.0)
    assert rows.tolist() == [[1.0, 3.0, 7.0, 7.0], [-1.0, 4.0, 7.0, 7.0]]


def test_in_jit_without_a_size_the_error_shows_the_way() -> None:
    f = lm.jit(lambda x: lm.nonzero(x))
    with pytest.raises(lm.TraceError) as error:
        f(lm.ones(3))
    assert whole_here(error) == (
        "nonzero: the shape of the result depends on values, which do not exist yet inside jit\n"
        "  x: bool[3]\n"
        "  help: say with size= how many places the result has; fill_value fills what is left over"
    )
    with pytest.raises(lm.TraceError, match="not exist yet inside vmap"):
        lm.vmap(lambda x: lm.extract(x > 0, x))(lm.ones((2, 3)))


def whole_here(error) -> str:
    text = str(error.value)
    assert "test_searching.py" in text
    return text.split("\n  at ")[0]


def test_refusals() -> None:
    with pytest.raises(lm.ShapeError, match="nonzero: a number has no indices"):
        lm.nonzero(lm.asarray(1.0))
    with pytest.raises(lm.UsageError, match="nonzero: the size is negative"):
        lm.nonzero(lm.ones(3), size=-1)
    with pytest.raises(lm.ShapeError, match="compress: the condition does not fit the axis"):
        lm.compress([True] * 4, lm.ones(3))
