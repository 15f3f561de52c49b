"""Linear algebra, Fourier transforms, sorting, indexing and complex numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.parity.composed.table import program


def positive(xp: Any, a: Any) -> Any:
    return a @ a.T + 2.0 * xp.eye(a.shape[0], dtype=a.dtype)


@program((5, 2), (5,), (2,))
def gaussian_process_likelihood(xp: Any, xs: Any, y: Any, p: Any) -> Any:
    d = xp.sum((xs[:, None] - xs[None]) ** 2, axis=-1)
    k = xp.exp(p[0] - 0.5 * d * xp.exp(p[1])) + 0.1 * xp.eye(5, dtype=y.dtype)
    factor = xp.linalg.cholesky(k)
    z = xp.linalg.solve_triangular(factor, y, lower=True)
    return -0.5 * xp.sum(z * z) - xp.sum(xp.log(xp.diagonal(factor)))


@program((3, 3))
def determinants(xp: Any, a: Any) -> Any:
    sign, log = xp.linalg.slogdet(positive(xp, a))
    return xp.linalg.det(a), log, sign


@program((3, 3))
def function_of_a_symmetric_matrix(xp: Any, a: Any) -> Any:
    w, v = xp.linalg.eigh(a + a.T)
    return (v * xp.tanh(w)) @ v.T, w


@program((4, 3))
def singular_values(xp: Any, a: Any) -> Any:
    u, s, vh = xp.linalg.svd(a, full_matrices=False)
    return (u * s**2) @ vh, s


@program((4, 3), (4,))
def least_squares_by_qr(xp: Any, a: Any, b: Any) -> Any:
    q, r = xp.linalg.qr(a)
    return xp.linalg.solve_triangular(r, q.T @ b)


@program((3, 3), (3, 2))
def solve_and_inverse(xp: Any, a: Any, b: Any) -> Any:
    m = positive(xp, a)
    return xp.linalg.solve(m, b), xp.linalg.inv(m)


@program((3, 3), (3,))
def matrix_exponential(xp: Any, a: Any, x: Any) -> Any:
    return xp.linalg.expm(0.3 * a) @ x


@program((3, 3), (3,))
def beam_of_matrix_powers(xp: Any, a: Any, x: Any) -> Any:
    return xp.stack([xp.linalg.matrix_power(0.5 * a, k) @ x for k in range(5)])


@program((2, 3, 3))
def batch_of_whitenings(xp: Any, a: Any) -> Any:
    def whiten(m: Any) -> Any:
        factor = xp.linalg.cholesky(positive(xp, m))
        return xp.linalg.solve_triangular(factor, m, lower=True)

    return xp.vmap(whiten)(a)


@program((8,), (5,))
def fourier_filter(xp: Any, x: Any, gains: Any) -> Any:
    return xp.fft.irfft(xp.fft.rfft(x) * gains, n=8)


@program((4, 4), (3, 3))
def convolution_by_fourier(xp: Any, x: Any, k: Any) -> Any:
    product = xp.fft.fft2(x, s=(6, 6)) * xp.fft.fft2(k, s=(6, 6))
    return xp.real(xp.fft.ifft2(product)), xp.abs(product)


@program((3,), (3,))
def complex_functions(xp: Any, a: Any, b: Any) -> Any:
    z = xp.make_complex(a, b)
    w = xp.exp(z) * xp.conj(z) / (1.0 + z * z)
    return xp.real(w), xp.imag(xp.sqrt(z)), xp.abs(w), xp.angle(z)


@program((2, 3), (2, 3), (3,))
def quantum_expectation(xp: Any, a: Any, b: Any, t: Any) -> Any:
    z = xp.make_complex(a, b)
    h = xp.conj(z).T @ z
    psi = xp.make_complex(xp.cos(t), xp.sin(t))
    return xp.real(xp.conj(psi) @ (h @ psi))


@program((4, 5))
def sorted_statistics(xp: Any, x: Any) -> Any:
    s = xp.sort(x, axis=1)
    return s[:, 2], s * xp.arange(5, dtype=x.dtype), xp.median(x)


@program((3, 6))
def top_of_each_row(xp: Any, x: Any) -> Any:
    values = xp.top_k(x, 3)[0]
    return xp.softmax(values, axis=-1)


@program((5, 3), (4, 3))
def gather_and_scatter(xp: Any, table: Any, rows: Any) -> Any:
    index = xp.asarray(np.array([4, 1, 1, 0]))
    moved = table.at[index].add(rows * xp.take(table, index, axis=0))
    return moved, xp.take_along_axis(table, xp.argsort(table, axis=0), axis=0)


@program((6,), (6,))
def running_sums_and_products(xp: Any, x: Any, y: Any) -> Any:
    return xp.cumsum(xp.exp(-xp.cumsum(x))), xp.cumprod(1.0 + 0.1 * x) * y


@program((2, 3), (3, 4), (4, 2), (2,))
def chain_of_einsums(xp: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    return xp.einsum("ij,jk,ki->i", a, b, c), xp.einsum("ij,i,ik->jk", a, d, a)


@program((6,), (6,))
def interpolation(xp: Any, x: Any, values: Any) -> Any:
    grid = xp.linspace(-2.0, 2.0, 6, dtype=x.dtype)
    return xp.interp(xp.tanh(x), grid, values)


@program((4, 4))
def pieces(xp: Any, x: Any) -> Any:
    upper = xp.where(x > 0, xp.log1p(xp.abs(x)), xp.expm1(x))
    return xp.roll(xp.tril(upper), 1, axis=0) - xp.flip(xp.pad(x, ((1, 0), (0, 1)))[:4, :4], axis=1)


@program((3, 4), (5, 4))
def pairwise_distances(xp: Any, a: Any, b: Any) -> Any:
    d = xp.sqrt(xp.sum((a[:, None] - b[None]) ** 2, axis=-1))
    return xp.min(d, axis=1), xp.exp(-d).max(axis=0)
