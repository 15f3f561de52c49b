"""NaN, infinities, signed zeros, denormals and edges of rounding against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import lamina as lm

SPECIAL = np.array(
    [
        0.0, -0.0, 1, -1, 0.5, -0.5, 1.5, 2.5, -2.5, np.inf, -np.inf, np.nan, 1e-40, -1e-40,
        3.4e38, -3.4e38, 1e-30, 1e30, 88.8, -104, 2**24 + 1, 0.1,
    ]
)  # fmt: skip

UNARY = {
    "abs": np.abs, "acos": np.arccos, "acosh": np.arccosh, "asin": np.arcsin, "asinh": np.arcsinh,
    "atan": np.arctan, "atanh": np.arctanh, "ceil": np.ceil, "cos": np.cos, "cosh": np.cosh,
    "exp": np.exp, "exp2": np.exp2, "expm1": np.expm1, "floor": np.floor, "isfinite": np.isfinite,
    "isinf": np.isinf, "isnan": np.isnan, "log": np.log, "log10": np.log10, "log1p": np.log1p,
    "log2": np.log2, "logical_not": np.logical_not, "negative": np.negative,
    "positive": np.positive, "reciprocal": np.reciprocal, "round": np.round, "sign": np.sign,
    "sin": np.sin, "sinh": np.sinh, "sqrt": np.sqrt, "square": np.square, "tan": np.tan,
    "tanh": np.tanh, "trunc": np.trunc,
}  # fmt: skip


def floor_divide(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """As NumPy, but an infinity over a finite number is one, by the array standard."""
    return np.where(np.isinf(a) & np.isfinite(b), a / b, np.floor_divide(a, b))


BINARY = {
    "add": np.add, "subtract": np.subtract, "multiply": np.multiply, "divide": np.divide,
    "floor_divide": floor_divide, "remainder": np.remainder, "pow": np.power,
    "atan2": np.arctan2, "maximum": np.maximum, "minimum": np.minimum, "hypot": np.hypot,
    "logaddexp": np.logaddexp, "equal": np.equal, "not_equal": np.not_equal, "less": np.less,
    "less_equal": np.less_equal, "greater": np.greater, "greater_equal": np.greater_equal,
    "logical_and": np.logical_and, "logical_or": np.logical_or, "logical_xor": np.logical_xor,
}  # fmt: skip
TOLERANCE = {np.float32: 2e-6, np.float64: 1e-13}


def agree(got: np.ndarray, wanted: np.ndarray, tolerance: float) -> None:
    """Close numbers, and the same NaNs, infinities and signs of zeros."""
    assert got.dtype == wanted.dtype
    if wanted.dtype == bool:
        np.testing.assert_array_equal(got, wanted)
        return
    np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=0)
    zeros = (got == 0) & (wanted == 0)
    np.testing.assert_array_equal(np.signbit(got[zeros]), np.signbit(wanted[zeros]))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", UNARY)
def test_functions(name: str, dtype: type) -> None:
    a = SPECIAL.astype(dtype)
    agree(getattr(lm, name)(lm.asarray(a)).numpy(), UNARY[name](a), TOLERANCE[dtype])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", BINARY)
def test_functions_of_two(name: str, dtype: type) -> None:
    a, b = (m.ravel() for m in np.meshgrid(SPECIAL.astype(dtype), SPECIAL.astype(dtype)))
    got = lm.jit(getattr(lm, name))(a, b).numpy()
    agree(got, BINARY[name](a, b), 4 * TOLERANCE[dtype])


@pytest.mark.parametrize("size", [1, 3, 16, 17, 1000])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["sum", "prod", "mean", "max", "min", "argmax", "argmin", "var"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_one_bad_number_in_a_reduction(name: str, bad: float, size: int) -> None:
    """At any place, in vectors and in the rest behind them."""
    a = np.linspace(1, 2, size).astype(np.float32)
    for place in {0, size // 2, size - 1}:
        row = a.copy()
        row[place] = bad
        wanted = getattr(np, name)(np.stack([a, row]), axis=1)
        got = getattr(lm, name)(lm.asarray(np.stack([a, row])), axis=1).numpy()
        np.testing.assert_allclose(got, wanted, rtol=1e-4)


def test_infinities_that_cancel() -> None:
    a = np.array([np.inf, -np.inf, 1.0], np.float32)
    assert np.isnan(float(lm.asarray(a).sum()))
    assert np.isnan(float(lm.asarray(a).mean()))


def test_softmax_of_extreme_numbers() -> None:
    x = lm.asarray([1e4, -1e4, 0.0])
    assert lm.functional.softmax(x).tolist() == [1.0, 0.0, 0.0]
    masked = lm.asarray([-np.inf, 0.0, -np.inf])
    assert lm.functional.softmax(masked).tolist() == [0.0, 1.0, 0.0]
    loss = lm.functional.cross_entropy(lm.asarray([[1e4, -1e4]]), lm.asarray([1]))
    assert float(loss) == 2e4


INTEGERS = {
    np.int8: [-128, -1, 0, 1, 7, 127],
    np.uint8: [0, 1, 7, 255],
    np.int32: [-(2**31), -1, 0, 3, 2**31 - 1],
    np.int64: [-(2**63), -1, 0, 3, 2**63 - 1],
    np.uint64: [0, 1, 2**63, 2**64 - 1],
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "maximum", "less"])
def test_integers_wrap(name: str, dtype: type) -> None:
    values = np.array(INTEGERS[dtype], dtype)
    a, b = (m.ravel() for m in np.meshgrid(values, values))
    np.testing.assert_array_equal(
        getattr(lm, name)(lm.asarray(a), lm.asarray(b)).numpy(), getattr(np, name)(a, b)
    )


@pytest.mark.parametrize("dtype", INTEGERS)
def test_dividing_integers_never_stops_the_process(dtype: type) -> None:
    """By zero, and the smallest by -1: some number comes out, and the rest is right."""
    values = np.array(INTEGERS[dtype], dtype)
    a, b = (m.ravel() for m in np.meshgrid(values, values))
    fine = b != 0
    if np.iinfo(dtype).min < 0:
        fine &= ~((a == np.iinfo(dtype).min) & (b == -1))
    safe = np.where(fine, b, 1).astype(dtype)
    for name in ("floor_divide", "remainder"):
        got = getattr(lm, name)(lm.asarray(a), lm.asarray(b)).numpy()
        np.testing.assert_array_equal(got[fine], getattr(np, name)(a, safe)[fine])
