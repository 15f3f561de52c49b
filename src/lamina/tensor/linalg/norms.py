"""Sizes of vectors and matrices, and what follows from singular values.

Source where none is given: Python array API 2024.12, "Linear Algebra Extension".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lamina.base import dtypes
from lamina.base.errors import ShapeError, UsageError
from lamina.graph.ops.linalg.matrices import matrix_sizes
from lamina.graph.ops.linalg.solve import inverse
from lamina.tensor.conversion import cast
from lamina.tensor.linalg.factorizations import svdvals
from lamina.tensor.linalg.operands import inexact, matrices, squared_size, squares
from lamina.tensor.linalg.solving import rank_of, tolerance
from lamina.tensor.namespace.creation import ones_like, zeros_like
from lamina.tensor.namespace.elementwise import (
    abs,
    equal,
    isnan,
    logical_and,
    logical_not,
    not_equal,
    pow,
    sqrt,
    where,
)
from lamina.tensor.namespace.manipulation import expand_dims, moveaxis, normal_axis, reshape
from lamina.tensor.namespace.reductions import any, max, min, sum
from lamina.tensor.tensor import Tensor

Axis = int | Sequence[int] | None


def _wide(x: Tensor) -> Tensor:
    """float16 and bfloat16 as float32: squares of theirs do not fit."""
    return cast(x, dtypes.float32) if x.dtype.bits == 16 else x


def _root(total: Tensor, p: float) -> Tensor:
    """total ** (1 / p), with derivative 0 rather than NaN at 0, which is a subgradient of norms."""
    at_zero = equal(total, zeros_like(total))
    safe = where(at_zero, ones_like(total), total)
    root = sqrt(safe) if p == 2 else pow(safe, 1 / p)
    return where(at_zero, zeros_like(root), root)


def vector_norm(
    x: Any, /, *, axis: Axis = None, keepdims: bool = False, ord: int | float = 2
) -> Tensor:
    """The norm of the vectors along `axis`: the sum of |x|^p, to the power of 1/p.

    Args:
        x: the vectors.
        axis: one axis or several, which count as one vector; all of them when not given.
        keepdims: whether the axes stay, with size 1.
        ord: p; inf for the largest element, -inf for the smallest, 0 for how many are not 0.

    Returns:
        Real numbers. The gradient at the zero vector is 0.

    Example:
        >>> vector_norm([3.0, 4.0])
        Tensor(5., shape=(), dtype=float32)
    """
    given = inexact("vector_norm", x)
    value = _wide(given)
    if ord == 2:
        result = _root(sum(squared_size(value), axis=axis, keepdims=keepdims), 2)
    else:
        result = _sized(abs(value), axis, keepdims, ord)
    return cast(result, given.dtype.part)


def _sized(size: Tensor, axis: Axis, keepdims: bool, ord: int | float) -> Tensor:
    if ord == math.inf:
        return max(size, axis=axis, keepdims=keepdims)
    if ord == -math.inf:
        return min(size, axis=axis, keepdims=keepdims)
    if ord == 0:
        there = cast(not_equal(size, zeros_like(size)), size.dtype)
        return sum(there, axis=axis, keepdims=keepdims)
    if ord == 1:
        return sum(size, axis=axis, keepdims=keepdims)
    if isinstance(ord, str):
        raise UsageError(
            f"vector_norm: no norm {ord!r}",
            ["ord: a number, inf or -inf"],
            "names such as 'fro' are norms of matrices: lm.linalg.matrix_norm",
        )
    total = sum(pow(size, ord), axis=axis, keepdims=keepdims)
    return _root(total, ord) if ord > 0 else pow(total, 1 / ord)


def matrix_norm(
    x: Any, /, *, keepdims: bool = False, ord: int | float | str | None = "fro"
) -> Tensor:
    """The norm of the matrices in the last two axes.

    Args:
        x: the matrices.
        keepdims: whether the last two axes stay, with size 1.
        ord: "fro" for the root of the sum of squares, "nuc" for the sum of the singular values, 2
            and -2 for the largest and the smallest of them, 1 and -1 for the largest and smallest
            sum over a column, inf and -inf over a row.

    Shapes: `x: [*B, M, N] -> [*B]`.

    Raises:
        ShapeError: fewer than two axes.
        UsageError: no such norm.

    Example:
        >>> matrix_norm([[3.0, 0.0], [0.0, 4.0]], ord=2)
        Tensor(4., shape=(), dtype=float32)
    """
    given = matrices("matrix_norm", x)
    if ord in ("fro", None):
        return vector_norm(given, axis=(-2, -1), keepdims=keepdims)
    value = _wide(given)
    if ord in (2, -2, "nuc"):
        s = svdvals(value)
        result = sum(s, axis=-1) if ord == "nuc" else (max if ord == 2 else min)(s, axis=-1)
    elif ord in (1, -1, math.inf, -math.inf):
        across = -2 if ord in (1, -1) else -1
        sums = sum(abs(value), axis=across)
        result = (max if ord in (1, math.inf) else min)(sums, axis=-1)
    else:
        raise UsageError(
            f"matrix_norm: no norm {ord!r}",
            ['ord: "fro", "nuc", 1, -1, 2, -2, inf, -inf'],
            "other p are norms of vectors: lm.linalg.vector_norm",
        )
    result = reshape(result, (*result.shape, 1, 1)) if keepdims else result
    return cast(result, given.dtype.part)


def norm(
    x: Any,
    /,
    ord: int | float | str | None = None,
    axis: Axis = None,
    keepdims: bool = False,
) -> Tensor:
    """The norm of a vector or a matrix, as `axis` says.

    Args:
        x: the tensor.
        ord: as for `vector_norm` or `matrix_norm`; when not given, the root of the sum of squares.
        axis: one axis for vectors, two for matrices; when not given, all elements are one vector,
            or, with an `ord`, x is a vector or a matrix itself.
        keepdims: whether the axes stay, with size 1.

    Raises:
        ShapeError: more axes than a matrix has.

    Source: NumPy, `linalg.norm`.
    """
    given = inexact("norm", x)
    if axis is None:
        if ord is None:
            return vector_norm(given, keepdims=keepdims)
        axis = tuple(range(given.ndim))
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    places = [normal_axis("norm", a, given.ndim) for a in axes]
    if len(places) == 1:
        return vector_norm(given, axis=places, keepdims=keepdims, ord=2 if ord is None else ord)  # type: ignore[arg-type]
    if len(places) != 2:
        raise ShapeError(
            "norm: of vectors and matrices only",
            [f"x: {given.type}", f"axes: {axes}"],
            "give one axis or two, or flatten x",
        )
    result = matrix_norm(moveaxis(given, places, [-2, -1]), ord=ord)
    for place in sorted(places) if keepdims else ():
        result = expand_dims(result, axis=place)
    return result


def matrix_rank(x: Any, /, *, rtol: Any = None) -> Tensor:
    """How many singular values are not negligible, as int64.

    Args:
        x: the matrices.
        rtol: singular values up to this part of the largest count as 0: a number, or one for each
            matrix; max(M, N) eps when not given.

    Shapes: `x: [*B, M, N] -> [*B]`.

    Raises:
        ShapeError: fewer than two axes.

    Example:
        >>> matrix_rank([[1.0, 2.0], [2.0, 4.0]])
        Tensor(1, shape=(), dtype=int64)
    """
    a = matrices("matrix_rank", x)
    return rank_of(svdvals(a), tolerance("matrix_rank", a, rtol))


def cond(x: Any, /, p: int | float | str | None = None) -> Tensor:
    """The condition number: the norm of x times that of its inverse, infinite if it has none.

    Args:
        x: the matrices.
        p: as for `matrix_norm`; 2 when not given, which takes matrices of any shape.

    Shapes: `x: [*B, M, N] -> [*B]`.

    Raises:
        ShapeError: matrices without elements, or not square for another p.

    Example:
        >>> cond([[1.0, 0.0], [0.0, 4.0]])
        Tensor(4., shape=(), dtype=float32)

    Source: NumPy, `linalg.cond`.
    """
    a = matrices("cond", x) if p in (None, 2, -2) else squares("cond", x)
    if 0 in matrix_sizes("cond", a.type):
        raise ShapeError("cond: matrices without elements", [f"x: {a.type}"])
    if p in (None, 2, -2):
        s = svdvals(a)
        first, last = s[..., 0], s[..., -1]
        found = last / first if p == -2 else first / last
    else:
        found = matrix_norm(a, ord=p) * matrix_norm(inverse(a, strict=False), ord=p)
    known = logical_not(any(isnan(a), axis=(-2, -1)))
    lost = logical_and(isnan(found), known)
    return where(lost, math.inf, found)
