"""The singular value decomposition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.base.records import frozen
from lamina.graph.ir import TensorType, TupleType, emit
from lamina.graph.ops.complex import real
from lamina.graph.ops.convert import cast
from lamina.graph.ops.elementwise import INEXACT
from lamina.graph.ops.item import items
from lamina.graph.ops.linalg.lapack import Factorization, computed, where_finite
from lamina.graph.ops.linalg.matrices import (
    adjoint,
    completed,
    diagonal,
    imaginary_diagonal,
    matmul,
    matrix_sizes,
    reciprocal_differences,
    scaled_columns,
    scaled_rows,
)
from lamina.graph.ops.shape import part

HELP = "scale the matrix, or use a wider dtype"


@frozen
class Svd(Factorization):
    """(U, S, Vh): x = U diag(S) Vh, S real and falling.  Inputs: matrices, floating or complex.

    `full`: U and Vh are square; else they have as many columns and rows as there are singular
    values. Derivatives exist where the singular values differ from each other and from 0. Columns
    of U and rows of Vh are fixed up to a common sign or phase only, those beyond the singular
    values up to a rotation, and so are their derivatives.
    Source: LAPACK, xGESDD; Giles 2008, 3.1; complex: Wan & Zhang 2019, arXiv:1909.02659.
    """

    full: bool = False

    def infer(self, *types: TensorType) -> TupleType:
        x = types[0]
        self.require(INEXACT, x)
        rows, columns = matrix_sizes(self.name, x)
        count = min(rows, columns)
        left, right = (rows, columns) if self.full else (count, count)
        values = x.with_dtype(x.dtype.part).with_shape((*x.shape[:-2], count))
        u, vh = (*x.shape[:-2], rows, left), (*x.shape[:-2], right, columns)
        return TupleType((x.with_shape(u), values, x.with_shape(vh)))

    def reference(self, *arrays: Any) -> tuple[np.ndarray, ...]:
        f = lambda x: tuple(np.linalg.svd(x, full_matrices=self.full))
        g = lambda x: where_finite(f, x)
        return computed(self.name, "has no singular values that LAPACK finds", HELP, g, *arrays)

    def jvp(self, operands: Sequence[Any], dots: Sequence[Any], out: Any) -> Any:
        x, dot = operands[0], dots[0]
        rows, columns = x.shape[-2:]
        all_u, s, vh = items(out)
        all_v = adjoint(vh)
        u, v = (part(q, -1, 0, s.shape[-1]) for q in (all_u, all_v))
        inside = matmul(matmul(adjoint(u), dot), v)
        s_dot = real(diagonal(inside))
        gaps = reciprocal_differences(s * s)
        gaps = gaps if inside.dtype is s.dtype else cast(gaps, inside.dtype)
        on_right, on_left = scaled_columns(inside, s), scaled_rows(s, inside)
        turn_u = gaps * (on_right + adjoint(on_right))
        turn_v = gaps * (on_left + adjoint(on_left))
        phases = imaginary_diagonal(inside)
        if phases is not None:  # a common phase is free: all of it goes to U
            turn_u = turn_u + scaled_columns(phases, 1.0 / s)
        u_dot, v_dot = matmul(u, turn_u), matmul(v, turn_v)
        if rows > columns:
            u_dot = u_dot + scaled_columns(_outside(u, matmul(dot, v)), 1.0 / s)
        if columns > rows:
            v_dot = v_dot + scaled_columns(_outside(v, matmul(adjoint(dot), u)), 1.0 / s)
        if self.full:
            u_dot, v_dot = completed(all_u, u_dot), completed(all_v, v_dot)
        return (u_dot, s_dot, adjoint(v_dot))


def _outside(q: Any, x: Any) -> Any:
    """The part of x that is orthogonal to the columns of q."""
    return x - matmul(q, matmul(adjoint(q), x))


def svd(x: Any, full: bool = False) -> Any:
    """The tuple (U, S, Vh)."""
    return emit(Svd(full), x)


@frozen
class SingularValues(Factorization):
    """The singular values, falling.  Inputs: matrices, floating or complex.

    Derivatives exist where those that are not 0 differ. Source: LAPACK, xGESDD; Giles 2008, 3.1.
    """

    def infer(self, *types: TensorType) -> TensorType:
        x = types[0]
        self.require(INEXACT, x)
        count = min(matrix_sizes(self.name, x))
        return x.with_dtype(x.dtype.part).with_shape((*x.shape[:-2], count))

    def reference(self, *arrays: Any) -> np.ndarray:
        f = lambda x: where_finite(lambda a: np.linalg.svd(a, compute_uv=False), x)
        return computed(self.name, "has no singular values that LAPACK finds", HELP, f, *arrays)

    def jvp(self, operands: Sequence[Any], dots: Sequence[Any], out: Any) -> Any:
        u, _, vh = items(svd(operands[0]))
        return real(diagonal(matmul(matmul(adjoint(u), dots[0]), adjoint(vh))))


def singular_values(x: Any) -> Any:
    """The singular values of a matrix, falling."""
    return emit(SingularValues(), x)
