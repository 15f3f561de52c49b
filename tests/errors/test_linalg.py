"""Matrices that do not fit, and matrices for which there is no result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina as lm
from tests.errors.messages import whole

SINGULAR = np.array([[1.0, 2.0], [2.0, 4.0]])


def test_a_singular_system() -> None:
    a, b = lm.asarray(SINGULAR), lm.asarray([1.0, 2.0])
    x = lm.linalg.solve(a, b)
    with pytest.raises(lm.LinAlgError) as error:
        x.numpy()
    assert whole(error) == (
        "solve: the matrix is singular\n"
        "  x: f64[2,2]\n"
        "  help: use lm.linalg.lstsq or lm.linalg.pinv, which take matrices of any rank\n"
        "  at test_a_singular_system: x = lm.linalg.solve(a, b)"
    )


def test_a_singular_matrix_of_a_batch_inside_jit() -> None:
    inverse = lm.jit(lm.vmap(lm.linalg.inv))
    x = lm.asarray(np.stack([np.eye(2), np.eye(2), SINGULAR]))
    with pytest.raises(lm.LinAlgError) as error:
        inverse(x).numpy()
    assert str(error.value).startswith(
        "inverse: a matrix is singular\n"
        "  x: f64[3,2,2]\n"
        "  matrix: x[2]\n"
        "  help: use lm.linalg.lstsq or lm.linalg.pinv, which take matrices of any rank"
    )
    np.testing.assert_allclose(inverse(2 * np.eye(2)[None]), np.eye(2)[None] / 2)


def test_a_matrix_that_is_not_positive_definite() -> None:
    x = lm.linalg.cholesky(lm.asarray([[1.0, 2.0], [2.0, 1.0]]))
    with pytest.raises(lm.LinAlgError) as error:
        x.numpy()
    assert whole(error) == (
        "cholesky: the matrix is not positive definite\n"
        "  x: f32[2,2]\n"
        "  help: add a small multiple of the identity, or use lm.linalg.eigh\n"
        "  at test_a_matrix_that_is_not_positive_definite: "
        "x = lm.linalg.cholesky(lm.asarray([[1.0, 2.0], [2.0, 1.0]]))"
    )


@pytest.mark.parametrize("size", [2, 20])
def test_a_triangle_with_a_zero_on_its_diagonal(size: int) -> None:
    a = np.eye(size)
    a[1, 1] = 0
    for many in (a, np.stack([np.eye(size), a])):
        with pytest.raises(lm.LinAlgError, match=r"_solve: .* has a zero on its diagonal"):
            lm.linalg.solve_triangular(many, np.ones((size, 1))).numpy()
        unit = lm.linalg.solve_triangular(many, np.ones((size, 1)), unit_diagonal=True)
        np.testing.assert_array_equal(unit, np.ones((*many.shape[:-1], 1)))


def test_it_is_the_error_of_numpy() -> None:
    with pytest.raises(np.linalg.LinAlgError):
        lm.linalg.inv(SINGULAR).numpy()


def test_what_singular_matrices_have() -> None:
    assert float(lm.linalg.det(SINGULAR)) == 0
    sign, log = lm.linalg.slogdet(SINGULAR)
    assert (float(sign), float(log)) == (0, -np.inf)
    assert float(lm.linalg.cond(SINGULAR, 1)) == np.inf
    assert int(lm.linalg.matrix_rank(SINGULAR)) == 1
    gradient = lm.grad(lambda x: lm.linalg.slogdet(x)[1])(lm.asarray(SINGULAR))
    assert np.isnan(gradient.numpy()).all()
    np.testing.assert_allclose(lm.linalg.pinv(SINGULAR), SINGULAR / 25)


def test_not_square() -> None:
    x = lm.ones((2, 3))
    with pytest.raises(lm.ShapeError) as error:
        lm.linalg.inv(x)
    assert whole(error) == (
        "inv: x is not square\n"
        "  x: f32[2,3]\n"
        "  rows: 2, columns: 3\n"
        "  help: the last two axes must have one size\n"
        "  at test_not_square: lm.linalg.inv(x)"
    )


SQUARE = (
    lm.linalg.cholesky, lm.linalg.det, lm.linalg.slogdet, lm.linalg.eigh, lm.linalg.eigvalsh,
    lm.linalg.eig, lm.linalg.eigvals, lm.linalg.expm, lambda x: lm.linalg.matrix_power(x, 2),
    lambda x: lm.linalg.solve(x, x), lambda x: lm.linalg.solve_triangular(x, x),
    lambda x: lm.linalg.cho_solve(x, x), lambda x: lm.linalg.cond(x, 1),
)  # fmt: skip
MATRICES = (
    lm.linalg.qr, lm.linalg.svd, lm.linalg.svdvals, lm.linalg.lu, lm.linalg.pinv,
    lm.linalg.matrix_norm, lm.linalg.matrix_rank, lm.linalg.trace, lm.linalg.diagonal,
    lm.linalg.cond, lm.linalg.matrix_transpose,
)  # fmt: skip


@pytest.mark.parametrize("f", SQUARE)
def test_each_wants_square_matrices(f: Callable[[Any], Any]) -> None:
    with pytest.raises(lm.ShapeError, match="is not square"):
        f(lm.ones((2, 3)))


@pytest.mark.parametrize("f", [*MATRICES, *SQUARE])
def test_each_wants_matrices(f: Callable[[Any], Any]) -> None:
    with pytest.raises(lm.ShapeError):
        f(lm.ones(3))


@pytest.mark.parametrize("f", [*SQUARE[:8], *MATRICES[:6]])
def test_each_wants_numbers(f: Callable[[Any], Any]) -> None:
    with pytest.raises(lm.DTypeError, match="no meaning for bool"):
        f(lm.ones((2, 2), dtype=lm.bool))


def test_a_right_hand_side_that_does_not_fit() -> None:
    a, b = lm.ones((3, 3)), lm.ones((2, 1))
    with pytest.raises(lm.ShapeError) as error:
        lm.linalg.solve(a, b)
    assert whole(error) == (
        "solve: the right-hand side does not fit the matrix\n"
        "  a: f32[3,3]\n"
        "  b: f32[2,1]\n"
        "  help: b is a vector, or matrices, with as many rows as a\n"
        "  at test_a_right_hand_side_that_does_not_fit: lm.linalg.solve(a, b)"
    )


def test_leading_axes_that_do_not_broadcast() -> None:
    with pytest.raises(lm.ShapeError, match="solve: shapes do not broadcast"):
        lm.linalg.solve(lm.ones((2, 3, 3)), lm.ones((3, 3, 1)))


@pytest.mark.parametrize(
    "f, message",
    [
        (lambda x: lm.linalg.qr(x, mode="raw"), "qr: no mode 'raw'"),
        (lambda x: lm.linalg.eigh(x, "X"), "eigh: no triangle 'X'"),
        (lambda x: lm.linalg.matrix_norm(x, ord=3), "matrix_norm: no norm 3"),
        (lambda x: lm.linalg.vector_norm(x, ord="fro"), "vector_norm: no norm 'fro'"),
        (lambda x: lm.linalg.solve_triangular(x, x, trans=3), "solve_triangular: no trans 3"),
        (lambda x: lm.linalg.matrix_power(x, 0.5), "matrix_power: the exponent is no integer"),
        (lambda x: lm.linalg.multi_dot([x]), "multi_dot: fewer than two matrices"),
        (lambda x: lm.linalg.block_diag(), "block_diag: no matrices"),
        (lambda x: lm.fft.fft(x, norm="unit"), "fft: no norm 'unit'"),
    ],
)
def test_arguments_that_mean_nothing(f: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(lm.UsageError, match=message):
        f(lm.ones((2, 2)))


@pytest.mark.parametrize(
    "f, message",
    [
        (lambda x: lm.linalg.outer(x, x), "outer: the operands are not vectors"),
        (lambda x: lm.linalg.cross(x, x), "cross: x1 has no axis -1 of size 3"),
        (lambda x: lm.linalg.norm(lm.ones((2, 2, 2)), ord=2), "norm: of vectors and matrices only"),
        (lambda x: lm.linalg.multi_dot([x, lm.ones((2, 2, 2))]), "multi_dot: operand 1 is not"),
        (lambda x: lm.linalg.pinv(x, rtol=lm.ones(3)), "pinv: one real tolerance for each matrix"),
        (lambda x: lm.linalg.cond(lm.ones((0, 0))), "cond: matrices without elements"),
        (lambda x: lm.linalg.tensorinv(x, ind=2), "tensorinv: the map is not square"),
        (lambda x: lm.linalg.tensorsolve(x, lm.ones(2)[:1]), "tensorsolve: the system is not"),
        (lambda x: lm.fft.fft(x, n=0), "fft: no elements to transform"),
        (lambda x: lm.fft.fft(x, axis=2), "fft: no axis 2"),
        (lambda x: lm.fft.fft(lm.ones((2, 0))), "fft: no elements to transform"),
        (lambda x: lm.fft.irfft(lm.ones((2, 1))), "irfft: no elements to transform"),
        (lambda x: lm.fft.fftn(x, s=(1, 1, 1)), "fftn: more sizes than axes"),
        (lambda x: lm.fft.fftn(x, s=(1,), axes=(0, 1)), "fftn: sizes and axes do not fit"),
        (lambda x: lm.fft.fftn(x, axes=(0, -2)), "fftn: sizes and axes do not fit"),
        (lambda x: lm.fft.rfftn(x, axes=()), "rfftn: no axis to transform"),
        (lambda x: lm.fft.fftfreq(0), "fftfreq: no elements"),
    ],
)
def test_shapes_that_do_not_fit(f: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(lm.ShapeError, match=message):
        f(lm.ones((2, 2)))


def test_a_real_transform_of_complex_numbers() -> None:
    x = lm.asarray([1j, 2.0])
    with pytest.raises(lm.DTypeError) as error:
        lm.fft.rfft(x)
    assert whole(error) == (
        "rfft: takes real numbers\n"
        "  x: c64[2]\n"
        "  takes: float32, float64\n"
        "  help: use lm.fft.fft, or take lm.real(x)\n"
        "  at test_a_real_transform_of_complex_numbers: lm.fft.rfft(x)"
    )
