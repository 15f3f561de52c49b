"""Diagonals: strided slices of the elements in a row."""

from __future__ import annotations

import math
from typing import Any

from lamina.base.errors import ShapeError
from lamina.graph.ir import emit
from lamina.graph.ops import Pad
from lamina.tensor.conversion import asarray
from lamina.tensor.namespace.indexing.update import Located
from lamina.tensor.namespace.manipulation import moveaxis, normal_axis, reshape
from lamina.tensor.tensor import Tensor, alias


def _span(rows: int, columns: int, offset: int) -> tuple[int, int]:
    """Where a diagonal begins among the elements in a row, and how many it has."""
    first = offset if offset >= 0 else -offset * columns
    count = min(rows, columns - offset) if offset >= 0 else min(rows + offset, columns)
    return (first, count) if count > 0 else (0, 0)


def diagonal(x: Any, /, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """The diagonal of the matrices in two axes, as a new last axis; no element is copied.

    Args:
        x: the tensor.
        offset: 0 for the main diagonal, positive above it.
        axis1: the axis of rows.
        axis2: the axis of columns.

    Shapes: `x: [N, M, *C] -> [*C, K]`

    Example:
        >>> import lamina as lm
        >>> lm.diagonal(lm.arange(9).reshape(3, 3), 1)
        Tensor([1, 5], shape=(2,), dtype=int64)

    Source: NumPy, `diagonal`.
    """
    x = asarray(x)
    if x.ndim < 2:
        raise ShapeError("diagonal: fewer than two axes", [f"tensor: {x.type}"])
    first, second = (normal_axis("diagonal", a, x.ndim) for a in (axis1, axis2))
    if first == second:
        raise ShapeError("diagonal: the two axes are one", [f"tensor: {x.type}", f"axis: {axis1}"])
    moved = moveaxis(x, (first, second), (-2, -1))
    *lead, rows, columns = moved.shape
    begin, count = _span(rows, columns, offset)
    flat = reshape(moved, (*lead, rows * columns))
    end = begin + (count - 1) * (columns + 1) + 1 if count else begin
    return flat[..., begin : end : columns + 1]


def diag(x: Any, /, k: int = 0) -> Tensor:
    """The matrix with `x` on diagonal k, or the diagonal of a matrix.

    Shapes: `x: [K] -> [N, N], or x: [N, M] -> [K]`

    Example:
        >>> import lamina as lm
        >>> lm.diag(lm.asarray([1, 2]))
        Tensor([[1, 0],
                [0, 2]], shape=(2, 2), dtype=int64)

    Source: NumPy, `diag`.
    """
    x = asarray(x)
    if x.ndim == 2:
        return diagonal(x, k)
    if x.ndim != 1:
        raise ShapeError("diag: takes one axis or two", [f"tensor: {x.type}"])
    n = x.size + abs(k)
    if not x.size:
        return reshape(emit(Pad((0,), (n * n,), (0,)), x), (n, n))
    first, count = _span(n, n, k)
    left = n * n - (first + (count - 1) * (n + 1) + 1)
    return reshape(emit(Pad((first,), (left,), (n,)), x), (n, n))


def fill_diagonal(x: Any, value: Any, /, *, wrap: bool = False) -> Tensor:
    """`x` with `value` on its main diagonal: one number, or one for each place.

    Args:
        x: a matrix, or a tensor of more axes of one size.
        value: the new elements.
        wrap: begin again below, in a matrix with more rows than columns.

    Example:
        >>> import lamina as lm
        >>> lm.fill_diagonal(lm.zeros((2, 2)), 1.0)
        Tensor([[1., 0.],
                [0., 1.]], shape=(2, 2), dtype=float32)

    Source: NumPy, `fill_diagonal`, which writes into its argument.
    """
    x = asarray(x)
    if x.ndim < 2 or (x.ndim > 2 and len(set(x.shape)) > 1):
        raise ShapeError(
            "fill_diagonal: takes a matrix, or more axes of one size", [f"tensor: {x.type}"]
        )
    if not x.size:
        return alias(x)
    step = 1 + sum(math.prod(x.shape[a:]) for a in range(1, x.ndim))
    square = x.shape[1] * x.shape[1] if x.ndim == 2 and not wrap else x.size
    flat = Located(reshape(x, (-1,)), slice(0, min(square, x.size), step))
    return reshape(flat.set(value), x.shape)
