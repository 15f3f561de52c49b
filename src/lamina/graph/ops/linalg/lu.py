"""Triangular factors of any matrix, its rows reordered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.base.dtypes import int64
from lamina.base.records import frozen
from lamina.graph.ir import TensorType, TupleType, emit
from lamina.graph.ops.comparison import equal, select
from lamina.graph.ops.constant import constant, zeros_like
from lamina.graph.ops.elementwise import INEXACT
from lamina.graph.ops.iota import iota
from lamina.graph.ops.item import items
from lamina.graph.ops.linalg.lapack import Factorization, each, rounded, where_finite, widened
from lamina.graph.ops.linalg.matrices import lower, matmul, matrix_sizes, transposed, upper
from lamina.graph.ops.linalg.triangular import triangular_solve
from lamina.graph.ops.reduce import expand
from lamina.graph.ops.shape import concatenate, part


@frozen
class Lu(Factorization):
    """(p, L, U): x[p] = L U, L lower triangular with ones on the diagonal.  Inputs: matrices.

    p are int64. Partial pivoting. Derivatives exist where the leading columns of x are independent.
    Source: LAPACK, xGETRF; Walter & Lehmann 2012.
    """

    def infer(self, *types: TensorType) -> TupleType:
        x = types[0]
        self.require(INEXACT, x)
        rows, columns = matrix_sizes(self.name, x)
        count, lead = min(rows, columns), x.shape[:-2]
        order = TensorType(int64, (*lead, rows))
        left, right = (*lead, rows, count), (*lead, count, columns)
        return TupleType((order, x.with_shape(left), x.with_shape(right)))

    def reference(self, *arrays: Any) -> tuple[np.ndarray, ...]:
        x = np.asarray(arrays[0])
        with np.errstate(all="ignore"):
            return rounded(where_finite(lambda a: each(_lu, 3, a), widened(x)), x)

    def jvp(self, operands: Sequence[Any], dots: Sequence[Any], out: Any) -> Any:
        order, left, right = items(out)
        dot = matmul(_chooser(order, dots[0]), dots[0])
        rows, columns = dot.shape[-2:]
        size = min(rows, columns)
        head, first = part(left, -2, 0, size), part(right, -1, 0, size)
        square = part(part(dot, -2, 0, size), -1, 0, size)
        inside = _divided(triangular_solve(head, square, below=True, unit=True), first)
        left_dot, right_dot = matmul(head, lower(inside, -1)), matmul(upper(inside), first)
        if rows > columns:
            below = part(dot, -2, size, rows) - matmul(part(left, -2, size, rows), right_dot)
            left_dot = concatenate([left_dot, _divided(below, first)], -2)
        if columns > rows:
            beyond = part(dot, -1, size, columns) - matmul(left_dot, part(right, -1, size, columns))
            tail = triangular_solve(head, beyond, below=True, unit=True)
            right_dot = concatenate([right_dot, tail], -1)
        return (None, left_dot, right_dot)


def _divided(x: Any, u: Any) -> Any:
    """x u^-1 for an upper triangular u."""
    return transposed(triangular_solve(transposed(u), transposed(x), below=True))


def _chooser(order: Any, like: Any) -> Any:
    """The matrix whose product with x is x[order]: row i has a one in column order[i]."""
    size = order.shape[-1]
    wanted = expand(order, (-1,), (size,))
    lead = wanted.shape[:-1]
    place = expand(iota(size, int64), tuple(range(-len(lead) - 1, -1)), lead)
    one = constant(1, like.dtype, wanted.shape)
    return select(equal(place, wanted), one, zeros_like(one))


def _lu(x: np.ndarray) -> tuple[np.ndarray, ...]:
    """The factors of one matrix."""
    rows, columns = x.shape
    count = min(rows, columns)
    order = np.arange(rows)
    if not count:
        return order, np.zeros((rows, count), x.dtype), np.zeros((count, columns), x.dtype)
    from scipy.linalg import lapack

    (factorise,) = lapack.get_lapack_funcs(("getrf",), (x,))
    packed, swaps, _ = factorise(x)
    for i, j in enumerate(swaps):
        order[i], order[j] = order[j], order[i]
    left = np.tril(packed[:, :count], -1) + np.eye(rows, count, dtype=x.dtype)
    return order, left, np.triu(packed[:count])


def lu(x: Any) -> Any:
    """The tuple (order of the rows, L, U)."""
    return emit(Lu(), x)
