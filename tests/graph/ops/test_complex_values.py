"""Complex functions on all pairs of special numbers, compiled and by reference, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from backends import BACKENDS

from lamina.base.dtypes import complex64, complex128
from lamina.graph import ops
from lamina.graph.ir import TensorType, trace
from lamina.graph.ir.evaluate import evaluate

PARTS = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 40.0, 1e-30, 1e30, np.inf, -np.inf, np.nan]
NUMBERS = np.array([complex(a, b) for a in PARTS for b in PARTS])
EXACT = [0.0, -0.0, 1.0, -1.0, 0.5, np.inf, -np.inf, np.nan]
"""Products and sums of these are exact: NumPy fuses a multiplication with an addition."""
ONE_OPERAND = {
    "exp": ops.exp, "log": ops.log, "log1p": ops.log1p, "sqrt": ops.sqrt, "sin": ops.sin,
    "cos": ops.cos, "tan": ops.tan, "arcsin": ops.asin, "arccos": ops.acos, "arctan": ops.atan,
    "sinh": ops.sinh, "cosh": ops.cosh, "tanh": ops.tanh, "abs": ops.abs, "negative": ops.negative,
    "conj": ops.conj, "real": ops.real, "imag": ops.imag,
}  # fmt: skip
TOLERANCE = {complex64: 4e-6, complex128: 1e-13}
compiled = pytest.mark.parametrize("backend", [b for b in BACKENDS if b != "reference"])


def agree(got: np.ndarray, wanted: np.ndarray, given: list, tolerance: float) -> None:
    """Each part: NaN where NaN is, zeros with their sign where it means something."""
    parts = [(got, wanted)]
    if got.dtype.kind == "c":
        parts = [(got.real, wanted.real), (got.imag, wanted.imag)]
    lost = np.isnan(wanted)  # beside a NaN, C99 leaves the sign of a zero or an infinity open
    for a, b in parts:
        a, b = (np.where(lost, np.abs(x), x) for x in (a, b))
        near = np.isclose(a, b, tolerance, tolerance, equal_nan=True)
        signed = lost | (a != 0) | (b != 0) | (np.signbit(a) == np.signbit(b))
        wrong = [*zip(*(np.asarray(x)[~(near & signed)] for x in (*given, got, wanted)))]
        assert not wrong, wrong


@compiled
@pytest.mark.parametrize("kind", [complex64, complex128], ids=str)
def test_functions_on_special_numbers(kind, backend: str) -> None:
    """All of them in one program."""
    with np.errstate(all="ignore"):
        z = NUMBERS.astype(kind.numpy)
        graph = trace(
            lambda z: tuple(f(z) for f in ONE_OPERAND.values()), TensorType(kind, z.shape)
        )
        for name, got in zip(ONE_OPERAND, BACKENDS[backend](graph, z)):
            wanted = getattr(np, name)(z)
            assert got.dtype == wanted.dtype, name
            agree(got, wanted, [np.full(z.shape, name), z], TOLERANCE[kind])


@compiled
@pytest.mark.parametrize("kind", [complex64, complex128], ids=str)
def test_arithmetic_on_special_numbers(kind, backend: str) -> None:
    with np.errstate(all="ignore"):
        exact = np.array([complex(a, b) for a in EXACT for b in EXACT], kind.numpy)
        x, y = (a.ravel() for a in np.meshgrid(exact, exact))
        functions = {
            "add": ops.add, "subtract": ops.subtract, "multiply": ops.multiply,
            "divide": ops.divide, "equal": ops.equal, "not_equal": ops.not_equal,
        }  # fmt: skip
        graph = trace(
            lambda x, y: tuple(f(x, y) for f in functions.values()),
            *[TensorType(kind, x.shape)] * 2,
        )
        for name, got in zip(functions, BACKENDS[backend](graph, x, y)):
            wanted = getattr(np, name)(x, y)
            if wanted.dtype == bool:
                np.testing.assert_array_equal(got, wanted)
            else:
                agree(got, wanted, [np.full(x.shape, name), x, y], TOLERANCE[kind])


@pytest.mark.parametrize("kind", [complex64, complex128], ids=str)
def test_expm1_is_real_on_the_real_axis(kind) -> None:
    """By the table of the standard; NumPy makes NaN of 0 times an infinity there."""
    z = np.array([np.inf + 0j, complex(np.inf, -0.0), complex(np.nan, 0.0)]).astype(kind.numpy)
    graph = trace(ops.expm1, TensorType(kind, z.shape))
    for run in BACKENDS.values():
        (got,) = run(graph, z)
        np.testing.assert_array_equal(got.imag, [0, 0, 0])
        np.testing.assert_array_equal(np.signbit(got.imag), [False, True, False])
        np.testing.assert_array_equal(got.real, [np.inf, np.inf, np.nan])


def test_digits_near_zero_and_one() -> None:
    """Where plain formulas cancel: against NumPy's extended precision."""
    rng = np.random.default_rng(1)
    scale = 10.0 ** -rng.integers(1, 9, 200)
    small = (rng.standard_normal(200) + 1j * rng.standard_normal(200)) * scale
    near_one = np.exp(1j * rng.uniform(-3, 3, 200)) * (1 + small.real)
    for f, name, z in (
        (ops.expm1, "expm1", small), (ops.sinh, "sinh", small), (ops.tanh, "tanh", small),
        (ops.asin, "arcsin", small), (ops.atan, "arctan", small), (ops.sin, "sin", small),
        (ops.log, "log", near_one), (ops.acos, "arccos", 1 + small), (ops.sqrt, "sqrt", small),
    ):  # fmt: skip
        (got,) = BACKENDS["compiled"](trace(f, TensorType(complex128, z.shape)), z)
        wanted = getattr(np, name)(z.astype(np.clongdouble)).astype(np.complex128)
        error = np.abs(got - wanted) / np.abs(wanted)
        limit = 1e-8 if name == "log" else 4e-15  # the length of what is near 1 is known no better
        assert error.max() < limit, (name, error.max())


def test_whole_powers_are_products() -> None:
    z = NUMBERS[np.isfinite(NUMBERS) & (np.abs(NUMBERS) < 100) & (np.abs(NUMBERS) > 0.1)]
    for n in (-3, -1, 0, 1, 2, 5, 64):
        f = lambda z, n=n: ops.power(z, ops.lift(n, z))
        (got,) = BACKENDS["compiled"](trace(f, TensorType(complex128, z.shape)), z)
        np.testing.assert_allclose(got, z**n, 1e-12)
    for n in (65, 0.5, -1.5, 1 + 2j):
        f = lambda z, n=n: ops.power(z, ops.lift(n, z))
        graph = trace(f, TensorType(complex128, z.shape))
        np.testing.assert_allclose(
            BACKENDS["compiled"](graph, z)[0], evaluate(graph, z)[0], 1e-11, 1e-300
        )
