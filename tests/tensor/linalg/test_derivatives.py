"""Gradients through `lm.linalg` and `lm.fft`: as PyTorch has them, inside jit, and in batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina as lm
from tests.tensor.linalg.test_against_numpy import definite, draw

torch = pytest.importorskip("torch")

SQUARE = draw((3, 3), "float64")
POSITIVE = definite(SQUARE)
TALL, WIDE = draw((4, 2), "float64"), draw((2, 4), "float64", 1)
SIDE = draw((3, 2), "float64", 2)
WEIGHT = draw((3, 3), "float64", 3)


def weighted(n: Any, x: Any) -> Any:
    """A number that sees every element of a matrix with three rows and columns."""
    return (x * n.asarray(WEIGHT)).sum()


def hermitian(x: Any) -> Any:
    return (x + x.T) / 2


def eigh_value(n: Any, x: Any) -> Any:
    w, v = n.linalg.eigh(hermitian(x))
    return (w**3).sum() + weighted(n, v[:, :1] @ v[:, :1].T)


def svd_value(n: Any, x: Any) -> Any:
    u, s, vh = n.linalg.svd(x, full_matrices=False)
    return (s**3).sum() + ((u[:, :1] @ vh[:1]) ** 3).sum()


def qr_value(n: Any, x: Any) -> Any:
    q, r = n.linalg.qr(x)
    return (q**3).sum() + (r**2 * 1.5).sum() + (r**3).sum()


SAME: dict[str, tuple[Callable[[Any, Any], Any], np.ndarray]] = {
    "cholesky": (lambda n, x: weighted(n, n.linalg.cholesky(x)), POSITIVE),
    "inv": (lambda n, x: weighted(n, n.linalg.inv(x)), SQUARE),
    "det": (lambda n, x: n.linalg.det(x) ** 2, SQUARE),
    "slogdet": (lambda n, x: n.linalg.slogdet(x)[1], SQUARE),
    "solve matrix": (lambda n, x: (n.linalg.solve(x, n.asarray(SIDE)) ** 2).sum(), SQUARE),
    "solve side": (lambda n, x: (n.linalg.solve(n.asarray(SQUARE), x) ** 2).sum(), SIDE),
    "eigh": (eigh_value, SQUARE),
    "eigvalsh": (lambda n, x: (n.linalg.eigvalsh(x) ** 3).sum(), POSITIVE),
    "svd tall": (svd_value, TALL),
    "svd wide": (svd_value, WIDE),
    "svdvals": (lambda n, x: (n.linalg.svdvals(x) ** 3).sum(), TALL),
    "qr square": (qr_value, SQUARE),
    "qr tall": (qr_value, TALL),
    "pinv": (lambda n, x: (n.linalg.pinv(x) ** 2).sum(), TALL),
    "lstsq": (lambda n, x: (n.linalg.lstsq(x, n.asarray(TALL))[0] ** 2).sum(), TALL + 1),
    "nuclear norm": (lambda n, x: n.linalg.matrix_norm(x, ord="nuc"), WIDE),
    "spectral norm": (lambda n, x: n.linalg.matrix_norm(x, ord=2), WIDE),
    "row norm": (lambda n, x: n.linalg.matrix_norm(x, ord=float("inf")), WIDE),
    "vector norm": (lambda n, x: n.linalg.vector_norm(x, ord=3), WIDE),
    "norm at zero": (lambda n, x: n.linalg.vector_norm(x) * 2, np.zeros(3)),
    "matrix power": (lambda n, x: weighted(n, n.linalg.matrix_power(x, 3)), SQUARE),
    "fft": (lambda n, x: (abs(n.fft.fft(x, 5)) ** 3).sum(), WIDE),
    "rfft": (lambda n, x: (abs(n.fft.rfft(x, norm="ortho")) ** 3).sum(), WIDE),
    "irfft": (lambda n, x: (n.fft.irfft(n.fft.rfft(x) ** 2, 3) ** 2).sum(), WIDE),
}


@pytest.mark.parametrize("name", SAME)
def test_gradient_is_that_of_torch(name: str) -> None:
    f, array = SAME[name]
    x = torch.tensor(np.ascontiguousarray(array), requires_grad=True)
    value = f(torch, x)
    value.backward()
    for wrapped in (lambda g: g, lm.jit):
        got, gradient = wrapped(lm.value_and_grad(lambda x: f(lm, x)))(lm.asarray(array))
        np.testing.assert_allclose(float(got), value.item(), 1e-10)
        np.testing.assert_allclose(gradient, x.grad.numpy(), 1e-8, 1e-9)


@pytest.mark.parametrize("name", [n for n in SAME if n not in ("lstsq", "norm at zero")])
def test_gradients_of_a_batch_are_those_of_a_loop(name: str) -> None:
    f, array = SAME[name]
    many = np.stack([array, array + 0.1 * definite_or_not(array)])
    gradient = lm.grad(lambda x: f(lm, x))
    got = lm.jit(lm.vmap(gradient))(lm.asarray(many))
    for i in range(2):
        np.testing.assert_allclose(got[i], gradient(lm.asarray(many[i])), 1e-10, 1e-12)


def definite_or_not(array: np.ndarray) -> np.ndarray:
    return np.eye(3) if array is POSITIVE else draw(array.shape, "float64", 7)


COMPLEX: dict[str, Callable[[Any, Any], Any]] = {
    "solve": lambda n, x: abs(n.linalg.solve(x, x[:, :1] ** 2)).sum(),
    "inv": lambda n, x: abs(n.linalg.inv(x)).sum(),
    "det": lambda n, x: abs(n.linalg.det(x)),
    "slogdet": lambda n, x: n.linalg.slogdet(x)[1],
    "svdvals": lambda n, x: (n.linalg.svdvals(x) ** 3).sum(),
    "eigvals": lambda n, x: abs(n.linalg.eigvals(x) - 2.0).sum(),
    "qr": lambda n, x: abs(n.linalg.qr(x)[1]).sum(),
    "ifft": lambda n, x: (abs(n.fft.ifft(x)) ** 3).sum(),
    "hfft": lambda n, x: (n.fft.hfft(x, 5) ** 2).sum(),
}


@pytest.mark.parametrize("name", COMPLEX)
def test_complex_gradient_is_the_conjugate_of_that_of_torch(name: str) -> None:
    f, array = COMPLEX[name], np.ascontiguousarray(draw((3, 3), "complex128"))
    x = torch.tensor(array, requires_grad=True)
    f(torch, x).backward()
    gradient = lm.grad(lambda x: f(lm, x))(lm.asarray(array))
    np.testing.assert_allclose(gradient, x.grad.conj().resolve_conj().numpy(), 1e-8, 1e-9)


def test_expm_against_torch() -> None:
    x = torch.tensor(np.ascontiguousarray(SQUARE), requires_grad=True)
    weighted(torch, torch.linalg.matrix_exp(x)).backward()
    gradient = lm.grad(lambda x: weighted(lm, lm.linalg.expm(x)))(lm.asarray(SQUARE))
    np.testing.assert_allclose(gradient, x.grad.numpy(), 1e-10)


def test_the_gradient_of_det_exists_where_the_matrix_is_singular() -> None:
    x = np.array([[1.0, 2.0], [2.0, 4.0]])
    np.testing.assert_allclose(lm.grad(lm.linalg.det)(x), [[4, -2], [-2, 1]], 1e-12, 1e-12)


def test_hessian_of_log_determinant() -> None:
    """The second derivative of -log det x at x in the direction d is tr(x^-1 d x^-1 d)."""
    f = lambda x: -lm.linalg.slogdet(x).logabsdet
    x, d = lm.asarray(POSITIVE), lm.asarray(SQUARE)
    _, along = lm.jvp(lm.grad(f), [x], [d])
    inside = np.linalg.solve(POSITIVE, SQUARE)
    np.testing.assert_allclose(float((along * d).sum()), np.trace(inside @ inside), 1e-10)


def test_linear_sides_of_a_system_are_batched_and_jitted() -> None:
    """One matrix, many right-hand sides."""
    sides = draw((5, 3), "float64")
    solve = lm.jit(lm.vmap(lambda b: lm.linalg.solve(lm.asarray(SQUARE), b)))
    np.testing.assert_allclose(solve(sides), np.linalg.solve(SQUARE, sides.T).T, 1e-10)
