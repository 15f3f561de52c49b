"""The closest thing to a solution or an inverse, for matrices of any shape and rank."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.base.errors import ShapeError
from lamina.base.records import frozen
from lamina.graph.ir import Op, TensorType, emit
from lamina.graph.ops.elementwise import INEXACT
from lamina.graph.ops.linalg.lapack import Factorization, computed, where_finite
from lamina.graph.ops.linalg.matrices import (
    adjoint,
    matmul,
    matrix_sizes,
    system_sizes,
    transposed,
)

PROBLEM = "has no singular values that LAPACK finds"
HELP = "scale the matrix, or use a wider dtype"


def _check_tolerance(op: Op, a: TensorType, tolerance: TensorType) -> None:
    if tolerance != TensorType(a.dtype.part, a.shape[:-2]):
        raise ShapeError(
            f"{op.name}: one real tolerance for each matrix",
            [f"a: {a}", f"tolerance: {tolerance}"],
            "give it the leading axes of the matrices and the dtype of their real part",
        )


def _singular_parts(a: np.ndarray, tolerance: np.ndarray) -> tuple[np.ndarray, ...]:
    """U, 1 / S and Vh, where 1 / S is 0 for singular values up to `tolerance` times the largest."""
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    limit = tolerance[..., None] * s.max(-1, keepdims=True, initial=0)
    kept = s > limit
    return u, np.where(kept, 1 / np.where(kept, s, 1), 0).astype(s.dtype), vh


@frozen
class PseudoInverse(Factorization):
    """The Moore-Penrose inverse of a.  Inputs: matrices, and a real tolerance for each.

    Singular values up to the tolerance times the largest one count as 0. The derivative exists
    where the rank does not change. Source: Golub & Pereyra 1973, SIAM J. Numer. Anal. 10(2).
    """

    arity = 2

    def infer(self, *types: TensorType) -> TensorType:
        a, tolerance = types
        self.require(INEXACT, a)
        rows, columns = matrix_sizes(self.name, a, "a")
        _check_tolerance(self, a, tolerance)
        return a.with_shape((*a.shape[:-2], columns, rows))

    def reference(self, *arrays: Any) -> np.ndarray:
        return computed(self.name, PROBLEM, HELP, _pseudo_inverse, *arrays)

    def jvp(self, operands: Sequence[Any], dots: Sequence[Any], out: Any) -> Any:
        a, dot = operands[0], dots[0]
        back = adjoint(dot)
        turned = matmul(back, adjoint(out))  # dA^H A^+H
        rows = matmul(matmul(out, adjoint(out)), back - matmul(matmul(back, a), out))
        columns = matmul(turned - matmul(out, matmul(a, turned)), out)
        return rows + columns - matmul(out, matmul(dot, out))


def _pseudo_inverse(a: np.ndarray, tolerance: np.ndarray) -> np.ndarray:
    def one(x: np.ndarray) -> np.ndarray:
        u, inverted, vh = _singular_parts(x, tolerance)
        return np.conj(np.swapaxes(u * inverted[..., None, :] @ vh, -1, -2))

    return where_finite(one, a)


def pseudo_inverse(a: Any, tolerance: Any) -> Any:
    """The Moore-Penrose inverse; `tolerance` is real, one for each matrix."""
    return emit(PseudoInverse(), a, tolerance)


@frozen
class LeastSquares(Factorization):
    """The shortest x for which |a x - b| is smallest.  Inputs: two matrices, and a real tolerance.

    Singular values of a up to the tolerance times the largest one count as 0. Linear in b; the
    derivative in a exists where the rank does not change.
    Source: LAPACK, xGELSD; Golub & Pereyra 1973, SIAM J. Numer. Anal. 10(2).
    """

    arity = 3

    def linear_operands(self, count: int) -> Sequence[int]:
        return (1,)

    def infer(self, *types: TensorType) -> TensorType:
        a, b, tolerance = types
        _, columns, count = system_sizes(self, a, b)
        _check_tolerance(self, a, tolerance)
        return b.with_shape((*b.shape[:-2], columns, count))

    def reference(self, *arrays: Any) -> np.ndarray:
        return computed(self.name, PROBLEM, HELP, _least_squares, *arrays)

    def transpose(self, i: int, bar: Any, a: Any, b: Any, tolerance: Any) -> Any:
        return least_squares(transposed(a), bar, tolerance)

    def jvp(self, operands: Sequence[Any], dots: Sequence[Any], out: Any) -> Any:
        a, b, tolerance = operands
        back = adjoint(dots[0])
        inverse = pseudo_inverse(a, tolerance)
        straight = least_squares(a, dots[1] - matmul(dots[0], out), tolerance)
        rest = matmul(adjoint(inverse), matmul(back, b - matmul(a, out)))
        turned = matmul(back, matmul(adjoint(inverse), out))
        return straight + matmul(inverse, rest) + turned - matmul(inverse, matmul(a, turned))


def _least_squares(a: np.ndarray, b: np.ndarray, tolerance: np.ndarray) -> np.ndarray:
    def one(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        u, inverted, vh = _singular_parts(x, tolerance)
        inside = np.conj(np.swapaxes(u, -1, -2)) @ y
        return np.conj(np.swapaxes(vh, -1, -2)) @ (inverted[..., None] * inside)

    return where_finite(one, a, b)


def least_squares(a: Any, b: Any, tolerance: Any) -> Any:
    """The shortest x for which |a x - b| is smallest; `tolerance` is real, one for each matrix."""
    return emit(LeastSquares(), a, b, tolerance)
