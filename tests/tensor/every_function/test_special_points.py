"""Derivatives at points where a formula has a branch: a factor of 0, a tie, a removable gap."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina as lm

PLACES = np.array([0, 0, 0, 1])


def at(x: float) -> lm.Tensor:
    return lm.asarray(x, dtype=lm.float64)


ORDERS: dict[str, tuple[Callable[[Any], Any], float, list[float]]] = {
    "expit": (lm.special.expit, 0.0, [0.5, 0.25, 0.0, -0.125]),
    "sigmoid": (lm.functional.sigmoid, 0.0, [0.5, 0.25, 0.0, -0.125]),
    "softplus": (lm.functional.softplus, 0.0, [math.log(2.0), 0.5, 0.25, 0.0]),
    "sinc": (lm.sinc, 0.0, [1.0, 0.0, -(math.pi**2) / 3.0, 0.0]),
    "sinc near 0": (lm.sinc, 1e-9, [1.0, -(math.pi**2) / 3e9, -(math.pi**2) / 3.0]),
    "xlogy": (lambda x: lm.special.xlogy(x, 2.0 + x), 0.0, [0.0, math.log(2.0), 1.0, -0.75]),
    "xlog1py": (lambda x: lm.special.xlog1py(x, x), 0.0, [0.0, 0.0, 2.0, -3.0]),
    "logaddexp": (lambda x: lm.logaddexp(x, 2.0 * x), 0.0, [math.log(2.0), 1.5, 0.25, 0.0]),
    "pow": (lambda x: (2.0 + x) ** x, 0.0, [1.0, math.log(2.0), math.log(2.0) ** 2 + 1.0]),
}


@pytest.mark.parametrize("name", ORDERS)
def test_derivatives_of_rising_order(name: str) -> None:
    f, x, wanted = ORDERS[name]
    found = []
    for _ in wanted:
        found.append(float(f(at(x))))
        f = lm.grad(f)
    np.testing.assert_allclose(found, wanted, 1e-9, 1e-15)


def test_logaddexp_of_infinities() -> None:
    ends = lm.asarray([math.inf, -math.inf, math.inf, math.nan])
    others = lm.asarray([math.inf, -math.inf, -math.inf, 0.0])
    np.testing.assert_array_equal(
        lm.logaddexp(ends, others).numpy(), [math.inf, -math.inf, math.inf, math.nan]
    )


@pytest.mark.parametrize("factors", [(2, 3, 5, 7), (0, 3, 5, 0), (0, 0, 5, 0), (0, 0, 0, 1)])
def test_products_of_updates_with_zeros(factors: tuple[int, ...]) -> None:
    """Second derivatives of x u0 u1 u2 and y u3, exact also where factors are 0."""
    x, u = lm.asarray(np.array([1.5, -2.0])), lm.asarray(np.array(factors, np.float64))
    scattered = lambda x, u: (x.at[PLACES].multiply(u) ** 2).sum()
    written = lambda x, u: (x[0] * u[0] * u[1] * u[2]) ** 2 + (x[1] * u[3]) ** 2
    for f in (lambda g: lm.hessian(g, 1), lambda g: lm.hessian(g, 0),
              lambda g: lm.jacfwd(lm.grad(g, 0), 1)):  # fmt: skip
        np.testing.assert_allclose(
            f(scattered)(x, u).numpy(), f(written)(x, u).numpy(), 1e-12, 1e-12
        )


EINSUM = [
    "ii->i",
    "ii",
    "ii->",
    "iij->j",
    "iij->ij",
    "jii->ij",
    "iijj->ij",
    "...ii->...i",
    "iii->i",
]


@pytest.mark.parametrize("spec", EINSUM)
def test_letters_twice_in_one_operand(spec: str) -> None:
    rank = len(spec.partition("->")[0].replace("...", ".."))
    x = np.random.default_rng(3).standard_normal((3,) * rank)
    np.testing.assert_allclose(lm.einsum(spec, lm.asarray(x)).numpy(), np.einsum(spec, x), 1e-12)


def test_einsum_says_what_does_not_fit() -> None:
    with pytest.raises(lm.ShapeError) as sizes:
        lm.einsum("ii->i", lm.ones((2, 3)))
    assert 'einsum "ii->i": axis i has two sizes in one operand' in str(sizes.value)
    assert "i = 2 and 3" in str(sizes.value)
    with pytest.raises(lm.UsageError, match="axis k is in no operand"):
        lm.einsum("ij->k", lm.ones((2, 3)))
    with pytest.raises(lm.UsageError, match="axis i is named twice in the result"):
        lm.einsum("ij->ii", lm.ones((2, 3)))
