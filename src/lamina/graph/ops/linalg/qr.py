"""Orthonormal columns times an upper triangle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.base.records import frozen
from lamina.graph.ir import TensorType, TupleType, emit
from lamina.graph.ops.constant import zeros_like
from lamina.graph.ops.elementwise import INEXACT
from lamina.graph.ops.item import items
from lamina.graph.ops.linalg.lapack import Factorization, rounded, where_finite, widened
from lamina.graph.ops.linalg.matrices import (
    adjoint,
    completed,
    imaginary_diagonal,
    lower,
    matmul,
    matrix_sizes,
    transposed,
)
from lamina.graph.ops.linalg.triangular import triangular_solve
from lamina.graph.ops.shape import concatenate, part


@frozen
class Qr(Factorization):
    """(Q, R): x = Q R, Q with orthonormal columns, R upper triangular.  Inputs: matrices.

    `complete`: Q is square; else it has as many columns as x has rows or columns, whichever are
    fewer. Derivatives exist where the leading columns of x are independent. The columns that
    complete Q are fixed up to a rotation only, and their derivative is the one without rotation.
    Source: LAPACK, xGEQRF; Walter & Lehmann 2012, "Algorithmic differentiation of linear algebra
    functions"; for wide matrices Roberts & Roberts 2020, "QR and LQ decomposition matrix
    backpropagation algorithms".
    """

    complete: bool = False

    def infer(self, *types: TensorType) -> TupleType:
        x = types[0]
        self.require(INEXACT, x)
        rows, columns = matrix_sizes(self.name, x)
        inner = rows if self.complete else min(rows, columns)
        lead = x.shape[:-2]
        return TupleType(
            (x.with_shape((*lead, rows, inner)), x.with_shape((*lead, inner, columns)))
        )

    def reference(self, *arrays: Any) -> tuple[np.ndarray, ...]:
        x = np.asarray(arrays[0])
        mode = "complete" if self.complete else "reduced"
        f = lambda a: tuple(np.linalg.qr(a, mode=mode))
        return rounded(where_finite(f, widened(x)), x)

    def jvp(self, operands: Sequence[Any], dots: Sequence[Any], out: Any) -> Any:
        x, dot = operands[0], dots[0]
        rows, columns = x.shape[-2:]
        q, r = items(out)
        if self.complete and rows > columns:
            q_dot, r_dot = _square_or_tall(part(q, -1, 0, columns), part(r, -2, 0, columns), dot)
            zeros = zeros_like(part(r, -2, columns, rows))
            return (completed(q, q_dot), concatenate([r_dot, zeros], -2))
        if rows >= columns:
            return _square_or_tall(q, r, dot)
        # Wide: the leading columns are Q R1, and the others follow them, R2 = Q^H X2.
        head, tail = part(dot, -1, 0, rows), part(dot, -1, rows, columns)
        q_dot, r_dot = _square_or_tall(q, part(r, -1, 0, rows), head)
        follow = part(r, -1, rows, columns)
        tail_dot = matmul(adjoint(q), tail - matmul(q_dot, follow))
        return (q_dot, concatenate([r_dot, tail_dot], -1))


def _square_or_tall(q: Any, r: Any, dot: Any) -> tuple[Any, Any]:
    scaled = transposed(triangular_solve(transposed(r), transposed(dot), below=True))  # dX R^-1
    inside = matmul(adjoint(q), scaled)
    below = lower(inside, -1)
    turn = below - adjoint(below)
    phases = imaginary_diagonal(inside)  # R keeps a real diagonal
    turn = turn if phases is None else turn + phases
    rest = inside - turn
    return scaled - matmul(q, rest), matmul(rest, r)


def qr(x: Any, complete: bool = False) -> Any:
    """The tuple (Q, R)."""
    return emit(Qr(complete), x)
