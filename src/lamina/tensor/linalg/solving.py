"""Systems of equations, inverses, determinants and the exponential.

Source where none is given: Python array API 2024.12, "Linear Algebra Extension".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import ml_dtypes

from lamina.base import dtypes
from lamina.base.errors import ShapeError, UsageError
from lamina.graph.ops.item import items
from lamina.graph.ops.linalg.determinant import determinant, sign_log_determinant
from lamina.graph.ops.linalg.expm import matrix_exponential
from lamina.graph.ops.linalg.least_squares import least_squares, pseudo_inverse
from lamina.graph.ops.linalg.matrices import adjoint, square_size, transposed
from lamina.graph.ops.linalg.solve import inverse
from lamina.graph.ops.linalg.solve import solve as solve_matrices
from lamina.graph.ops.linalg.svd import singular_values
from lamina.graph.ops.linalg.triangular import triangular_solve
from lamina.tensor.conversion import asarray, cast
from lamina.tensor.linalg.operands import matrices, pair, squared_size, squares, with_lead
from lamina.tensor.linalg.results import LstsqResult, SlogdetResult
from lamina.tensor.namespace.creation import full, zeros
from lamina.tensor.namespace.elementwise import greater
from lamina.tensor.namespace.linear_algebra import matmul
from lamina.tensor.namespace.manipulation import (
    expand_dims,
    moveaxis,
    normal_axis,
    reshape,
    squeeze,
)
from lamina.tensor.namespace.reductions import max, sum
from lamina.tensor.promotion import broadcast_to
from lamina.tensor.tensor import Tensor


def _system(name: str, a: Any, b: Any, square: bool = True) -> tuple[Tensor, Tensor, bool]:
    """A matrix and right-hand sides with one dtype and lead; whether b was a vector."""
    left, right = pair(name, a, b)
    if square:
        square_size(name, left.type, "a")
    vector = right.ndim == 1
    if right.ndim == 0 or left.ndim < 2 or right.shape[-1 if vector else -2] != left.shape[-2]:
        raise ShapeError(
            f"{name}: the right-hand side does not fit the matrix",
            [f"a: {left.type}", f"b: {right.type}"],
            "b is a vector, or matrices, with as many rows as a",
        )
    if vector:
        right = expand_dims(right, axis=-1)
    left, right = with_lead(name, left, right)
    return left, right, vector


def solve(a: Any, b: Any, /) -> Tensor:
    """The x with a x = b.

    Shapes: `a: [*B, M, M], b: [M] or [*B, M, K] -> [*B, M] or [*B, M, K]`; leading axes broadcast,
    and a b with one axis is a vector.

    Raises:
        ShapeError: a is not square, or b does not have as many rows.
        LinAlgError: when computed, if a matrix is singular.

    Example:
        >>> solve([[2.0, 0.0], [0.0, 4.0]], [2.0, 2.0])
        Tensor([1. , 0.5], shape=(2,), dtype=float32)
    """
    left, right, vector = _system("solve", a, b)
    x = solve_matrices(left, right)
    return squeeze(x, -1) if vector else x


def solve_triangular(
    a: Any,
    b: Any,
    /,
    *,
    trans: int | str = 0,
    lower: bool = False,
    unit_diagonal: bool = False,
) -> Tensor:
    """The x with a x = b for triangular matrices a, of which one triangle is read.

    Args:
        a: the matrices.
        b: the right-hand sides.
        trans: 0 or "N" for a x = b, 1 or "T" for a^T x = b, 2 or "C" for a^H x = b.
        lower: whether the lower triangle is read, rather than the upper one.
        unit_diagonal: whether the diagonal is 1, and not read.

    Shapes: `a: [*B, M, M], b: [M] or [*B, M, K] -> [*B, M] or [*B, M, K]`; leading axes broadcast.

    Raises:
        ShapeError: a is not square, or b does not have as many rows.
        LinAlgError: when computed, if there is a zero on a diagonal.

    Example:
        >>> solve_triangular([[2.0, 0.0], [1.0, 1.0]], [2.0, 3.0], lower=True)
        Tensor([1., 2.], shape=(2,), dtype=float32)

    Source: SciPy, `linalg.solve_triangular`.
    """
    left, right, vector = _system("solve_triangular", a, b)
    if trans not in (0, 1, 2, "N", "T", "C"):
        raise UsageError(f"solve_triangular: no trans {trans!r}", ["trans: 0, 1, 2, N, T, C"])
    if trans in (1, 2, "T", "C"):
        left, lower = (adjoint if trans in (2, "C") else transposed)(left), not lower
    x = triangular_solve(left, right, lower, unit_diagonal)
    return squeeze(x, -1) if vector else x


def cho_solve(factor: Any, b: Any, /, *, lower: bool = True) -> Tensor:
    """The x with a x = b, given the factor of a that `cholesky` gives.

    Args:
        factor: L with a = L L^H, or U with a = U^H U.
        b: the right-hand sides.
        lower: whether the factor is L.

    Shapes: `factor: [*B, M, M], b: [M] or [*B, M, K] -> [*B, M] or [*B, M, K]`.

    Example:
        >>> cho_solve([[2.0, 0.0], [0.0, 1.0]], [4.0, 1.0])
        Tensor([1., 1.], shape=(2,), dtype=float32)

    Source: SciPy, `linalg.cho_solve`.
    """
    left, right, vector = _system("cho_solve", factor, b)
    left = left if lower else adjoint(left)
    half = triangular_solve(left, right, below=True)
    x = triangular_solve(adjoint(left), half, below=False)
    return squeeze(x, -1) if vector else x


def inv(x: Any, /) -> Tensor:
    """The inverse of square matrices.

    To solve equations `solve` is faster and more exact.

    Shapes: `x: [*B, M, M] -> [*B, M, M]`.

    Raises:
        ShapeError: the matrices are not square.
        LinAlgError: when computed, if a matrix is singular.

    Example:
        >>> inv([[2.0, 0.0], [0.0, 4.0]])
        Tensor([[0.5 , 0.  ],
                [0.  , 0.25]], shape=(2, 2), dtype=float32)
    """
    return inverse(squares("inv", x))


def det(x: Any, /) -> Tensor:
    """The determinant of square matrices; its gradient exists for singular ones too.

    Shapes: `x: [*B, M, M] -> [*B]`.

    Raises:
        ShapeError: the matrices are not square.

    Example:
        >>> det([[2.0, 1.0], [0.0, 4.0]])
        Tensor(8., shape=(), dtype=float32)
    """
    return determinant(squares("det", x))


def slogdet(x: Any, /) -> SlogdetResult:
    """The determinant as sign * exp(logabsdet), which does not overflow.

    Returns:
        The named tuple (sign, logabsdet); (0, -inf) for a singular matrix.

    Shapes: `x: [*B, M, M] -> [*B], [*B]`.

    Raises:
        ShapeError: the matrices are not square.
    """
    return SlogdetResult(*items(sign_log_determinant(squares("slogdet", x))))


def tolerance(name: str, x: Tensor, rtol: Any) -> Tensor:
    """The real tolerance for each matrix in `x`: max(M, N) eps where none is given."""
    part, lead = x.dtype.part, x.shape[:-2]
    if rtol is None:
        eps = float(ml_dtypes.finfo(part.numpy).eps)
        largest = x.shape[-2] if x.shape[-2] > x.shape[-1] else x.shape[-1]
        return full(lead, eps * largest, dtype=part)
    given = asarray(rtol)
    if len(given.shape) > len(lead) or given.dtype.is_complex:
        raise ShapeError(
            f"{name}: one real tolerance for each matrix",
            [f"x: {x.type}", f"tolerance: {given.type}"],
            "give it no more axes than lead up to the matrices",
        )
    return broadcast_to(cast(given, part), lead)


def pinv(x: Any, /, *, rtol: Any = None) -> Tensor:
    """The Moore-Penrose inverse of matrices of any shape and rank.

    Args:
        x: the matrices.
        rtol: singular values up to this part of the largest count as 0: a number, or one for each
            matrix; max(M, N) eps when not given.

    Shapes: `x: [*B, M, N] -> [*B, N, M]`.

    Raises:
        ShapeError: fewer than two axes.

    Example:
        >>> pinv([[2.0, 0.0], [0.0, 0.0]])
        Tensor([[0.5, 0. ],
                [0. , 0. ]], shape=(2, 2), dtype=float32)
    """
    a = matrices("pinv", x)
    return pseudo_inverse(a, tolerance("pinv", a, rtol))


def lstsq(a: Any, b: Any, /, *, rcond: Any = None) -> LstsqResult:
    """The shortest x for which |a x - b| is smallest.

    Args:
        a: the matrices.
        b: the right-hand sides.
        rcond: singular values up to this part of the largest count as 0; max(M, N) eps when not
            given.

    Returns:
        The named tuple (x, residuals, rank, s): the solution; the sum of |a x - b|^2 for each
        right-hand side where there are more equations than unknowns, else no elements; the rank of
        a; its singular values. What nobody looks at is not computed.

    Shapes: `a: [*B, M, N], b: [M] or [*B, M, K] -> x: [*B, N] or [*B, N, K], residuals: [*B, K],
    rank: [*B], s: [*B, min(M, N)]`; a vector has K = 1.

    Raises:
        ShapeError: b does not have as many rows as a.

    Example:
        >>> lstsq([[1.0], [1.0]], [1.0, 3.0]).x
        Tensor([2.], shape=(1,), dtype=float32)

    Source: NumPy, `linalg.lstsq`.
    """
    left, right, vector = _system("lstsq", a, b, square=False)
    limit = tolerance("lstsq", left, rcond)
    x = least_squares(left, right, limit)
    rows, columns = left.shape[-2:]
    if rows > columns:
        rest = matmul(left, x) - right
        residuals = sum(squared_size(rest), axis=-2)
    else:
        residuals = zeros((*left.shape[:-2], 0), dtype=left.dtype.part)
    s = singular_values(left)
    rank = rank_of(s, limit)
    return LstsqResult(squeeze(x, -1) if vector else x, residuals, rank, s)


def rank_of(s: Tensor, limit: Tensor) -> Tensor:
    """How many singular values are above `limit` times the largest."""
    if not s.shape[-1]:
        return zeros(s.shape[:-1], dtype=dtypes.int64)
    least = expand_dims(limit, axis=-1) * max(s, axis=-1, keepdims=True)
    return sum(cast(greater(s, least), dtypes.int64), axis=-1)


def expm(x: Any, /) -> Tensor:
    """The exponential of square matrices: 1 + x + x^2 / 2 + x^3 / 6 + ...

    Shapes: `x: [*B, M, M] -> [*B, M, M]`.

    Raises:
        ShapeError: the matrices are not square.

    Example:
        >>> expm([[0.0, 1.0], [0.0, 0.0]])
        Tensor([[1., 1.],
                [0., 1.]], shape=(2, 2), dtype=float32)

    Source: SciPy, `linalg.expm`; Al-Mohy & Higham 2009.
    """
    return matrix_exponential(squares("expm", x))


def tensorsolve(a: Any, b: Any, /, *, axes: Sequence[int] | None = None) -> Tensor:
    """The x with tensordot(a, x, x.ndim) = b.

    Args:
        a: the coefficients; the product of the sizes after those of b equals the size of b.
        b: the right-hand side.
        axes: axes of a that are moved to its end first.

    Raises:
        ShapeError: the sizes do not fit.

    Source: NumPy, `linalg.tensorsolve`.
    """
    left, right = pair("tensorsolve", a, b)
    if axes is not None:
        places = [normal_axis("tensorsolve", i, left.ndim) for i in axes]
        left = moveaxis(left, places, list(range(left.ndim - len(places), left.ndim)))
    unknown = left.shape[right.ndim :]
    if math.prod(unknown) != right.size or left.size != right.size**2:
        raise ShapeError(
            "tensorsolve: the system is not square",
            [f"a: {left.type}", f"b: {right.type}"],
            "the axes of a beyond those of b must have as many elements as b",
        )
    flat = reshape(left, (right.size, right.size))
    return reshape(solve(flat, reshape(right, (-1,))), unknown)


def tensorinv(x: Any, /, *, ind: int = 2) -> Tensor:
    """The inverse of the map that tensordot(x, _, x.ndim - ind) is.

    Args:
        x: the coefficients; its first `ind` axes have as many elements as the others.
        ind: how many axes belong to the result of the map.

    Raises:
        ShapeError: the sizes do not fit.

    Source: NumPy, `linalg.tensorinv`.
    """
    a = asarray(x)
    if ind < 1:
        raise UsageError("tensorinv: ind is not positive", [f"ind: {ind}"])
    rows, columns = a.shape[:ind], a.shape[ind:]
    if math.prod(rows) != math.prod(columns):
        raise ShapeError(
            "tensorinv: the map is not square",
            [f"x: {a.type}", f"sizes: {rows} and {columns}"],
            "both groups of axes must have as many elements",
        )
    flat = inv(reshape(a, (math.prod(rows), math.prod(columns))))
    return reshape(flat, (*columns, *rows))
