"""Factorisations of matrices, and eigenvalues.

Source where none is given: Python array API 2024.12, "Linear Algebra Extension".
"""

from __future__ import annotations

from typing import Any

from lamina.base.errors import UsageError
from lamina.graph.ops.item import items
from lamina.graph.ops.linalg.cholesky import cholesky as lower_factor
from lamina.graph.ops.linalg.eig import eig as eigen_system
from lamina.graph.ops.linalg.eig import eigenvalues
from lamina.graph.ops.linalg.eigh import eigh as hermitian_system
from lamina.graph.ops.linalg.eigh import hermitian_eigenvalues
from lamina.graph.ops.linalg.lu import lu as row_factors
from lamina.graph.ops.linalg.matrices import adjoint
from lamina.graph.ops.linalg.qr import qr as orthogonal_factors
from lamina.graph.ops.linalg.svd import singular_values
from lamina.graph.ops.linalg.svd import svd as singular_system
from lamina.tensor.conversion import cast
from lamina.tensor.linalg.operands import matrices, squares
from lamina.tensor.linalg.results import EighResult, EigResult, LUResult, QRResult, SVDResult
from lamina.tensor.namespace.creation import arange
from lamina.tensor.namespace.elementwise import equal
from lamina.tensor.namespace.manipulation import expand_dims
from lamina.tensor.tensor import Tensor


def cholesky(x: Any, /, *, upper: bool = False) -> Tensor:
    """The triangular factor of Hermitian, positive definite matrices: x = L L^H.

    Only the triangle that is asked for is read. Gradients are Hermitian.

    Args:
        x: the matrices.
        upper: whether to give U with x = U^H U, rather than L.

    Shapes: `x: [*B, M, M] -> [*B, M, M]`.

    Raises:
        ShapeError: the matrices are not square.
        LinAlgError: when computed, if a matrix is not positive definite.

    Example:
        >>> cholesky([[4.0, 2.0], [2.0, 5.0]])
        Tensor([[2., 0.],
                [1., 2.]], shape=(2, 2), dtype=float32)
    """
    a = squares("cholesky", x)
    return adjoint(lower_factor(adjoint(a))) if upper else lower_factor(a)


def qr(x: Any, /, *, mode: str = "reduced") -> QRResult:
    """x = Q R with orthonormal columns in Q and an upper triangular R.

    Args:
        x: the matrices.
        mode: "reduced", with K = min(M, N), or "complete", with K = M.

    Returns:
        The named tuple (Q, R). LAPACK chooses the signs: R may have negative diagonal elements.

    Shapes: `x: [*B, M, N] -> Q: [*B, M, K], R: [*B, K, N]`.

    Raises:
        ShapeError: fewer than two axes.
        UsageError: another mode.

    Example:
        >>> q, r = qr([[3.0, 1.0], [4.0, 2.0]])
        >>> q @ r
        Tensor([[3., 1.],
                [4., 2.]], shape=(2, 2), dtype=float32)
    """
    if mode not in ("reduced", "complete"):
        raise UsageError(f"qr: no mode {mode!r}", ['modes: "reduced", "complete"'])
    return QRResult(*items(orthogonal_factors(matrices("qr", x), mode == "complete")))


def svd(x: Any, /, *, full_matrices: bool = True) -> SVDResult:
    """x = U diag(S) Vh with orthonormal columns in U and rows in Vh, S real and falling.

    Args:
        x: the matrices.
        full_matrices: whether U and Vh are square, rather than with K = min(M, N) columns and rows.

    Returns:
        The named tuple (U, S, Vh).

    Shapes: `x: [*B, M, N] -> U: [*B, M, M or K], S: [*B, K], Vh: [*B, N or K, N]`.

    Raises:
        ShapeError: fewer than two axes.
        LinAlgError: when computed, if the iteration does not converge.

    Example:
        >>> svd([[0.0, 2.0], [1.0, 0.0]]).S
        Tensor([2., 1.], shape=(2,), dtype=float32)
    """
    return SVDResult(*items(singular_system(matrices("svd", x), full_matrices)))


def svdvals(x: Any, /) -> Tensor:
    """The singular values, falling.

    Shapes: `x: [*B, M, N] -> [*B, min(M, N)]`.

    Raises:
        ShapeError: fewer than two axes.
    """
    return singular_values(matrices("svdvals", x))


def _triangle(name: str, x: Any, UPLO: str) -> Tensor:
    if UPLO not in ("L", "U"):
        raise UsageError(f"{name}: no triangle {UPLO!r}", ['UPLO: "L" or "U"'])
    a = squares(name, x)
    return adjoint(a) if UPLO == "U" else a


def eigh(x: Any, /, UPLO: str = "L") -> EighResult:
    """x = V diag(w) V^H for Hermitian matrices, w real and rising, V with orthonormal columns.

    Gradients are Hermitian; they exist where the eigenvalues differ.

    Args:
        x: the matrices.
        UPLO: the triangle that is read, "L" or "U".

    Returns:
        The named tuple (eigenvalues, eigenvectors).

    Shapes: `x: [*B, M, M] -> [*B, M], [*B, M, M]`.

    Raises:
        ShapeError: the matrices are not square.
        LinAlgError: when computed, if the iteration does not converge.

    Example:
        >>> eigh([[2.0, 1.0], [1.0, 2.0]]).eigenvalues
        Tensor([1., 3.], shape=(2,), dtype=float32)
    """
    return EighResult(*items(hermitian_system(_triangle("eigh", x, UPLO))))


def eigvalsh(x: Any, /, UPLO: str = "L") -> Tensor:
    """The eigenvalues of Hermitian matrices, rising.

    Shapes: `x: [*B, M, M] -> [*B, M]`.

    Raises:
        ShapeError: the matrices are not square.
    """
    return hermitian_eigenvalues(_triangle("eigvalsh", x, UPLO))


def _at_least_single(x: Tensor) -> Tensor:
    """float16 and bfloat16 as float32: no complex dtype has parts like them."""
    return cast(x, x.dtype.complex.part) if x.dtype.part.bits == 16 else x


def eig(x: Any, /) -> EigResult:
    """x V = V diag(w) for any square matrices; both results are complex.

    The columns of V have length 1. Derivatives exist where the eigenvalues differ; those of V are
    right for functions that do not depend on the phases of its columns.

    Returns:
        The named tuple (eigenvalues, eigenvectors).

    Shapes: `x: [*B, M, M] -> [*B, M], [*B, M, M]`.

    Raises:
        ShapeError: the matrices are not square.

    Example:
        >>> eig([[0.0, 1.0], [-1.0, 0.0]]).eigenvalues
        Tensor([0.+1.j, 0.-1.j], shape=(2,), dtype=complex64)

    Source: Python array API 2025.12, `linalg.eig`; NumPy.
    """
    return EigResult(*items(eigen_system(_at_least_single(squares("eig", x)))))


def eigvals(x: Any, /) -> Tensor:
    """The eigenvalues of any square matrices, complex.

    Shapes: `x: [*B, M, M] -> [*B, M]`.

    Raises:
        ShapeError: the matrices are not square.

    Source: Python array API 2025.12, `linalg.eigvals`; NumPy.
    """
    return eigenvalues(_at_least_single(squares("eigvals", x)))


def lu(x: Any, /) -> LUResult:
    """x = P L U: a permutation, a lower triangle with a diagonal of ones, an upper triangle.

    Returns:
        The named tuple (P, L, U).

    Shapes: `x: [*B, M, N] -> P: [*B, M, M], L: [*B, M, K], U: [*B, K, N]`, K = min(M, N).

    Raises:
        ShapeError: fewer than two axes.

    Example:
        >>> p, l, u = lu([[1.0, 2.0], [2.0, 2.0]])
        >>> l
        Tensor([[1. , 0. ],
                [0.5, 1. ]], shape=(2, 2), dtype=float32)

    Source: SciPy, `linalg.lu`.
    """
    order, left, right = items(row_factors(matrices("lu", x)))
    rows = expand_dims(arange(order.shape[-1]), axis=-1)
    placed = equal(rows, expand_dims(order, axis=-2))  # P[i, j]: row j of the product is row i of x
    return LUResult(cast(placed, left.dtype), left, right)
