"""Means with weights, spreads, correlations, and sums of exponentials."""

from __future__ import annotations

import math
from typing import Any

from lamina.base.errors import ShapeError
from lamina.tensor.conversion import asarray
from lamina.tensor.namespace.complex_numbers import conj, real
from lamina.tensor.namespace.elementwise import clip, equal, exp, log, sqrt, where
from lamina.tensor.namespace.linear_algebra import matmul
from lamina.tensor.namespace.manipulation import concat, expand_dims, normal_axis, reshape, squeeze
from lamina.tensor.namespace.reductions import Axis, max, mean, min, sum
from lamina.tensor.promotion import meet
from lamina.tensor.tensor import Tensor


def average(
    x: Any, /, *, axis: int | None = None, weights: Any = None, keepdims: bool = False
) -> Tensor:
    """sum(weights * x) / sum(weights) over `axis`, or all axes.

    Args:
        x: the tensor.
        axis: the axis, None for all.
        weights: of the shape of x, or one for each position along `axis`.
        keepdims: whether the axis stays, with size 1.

    Raises:
        ShapeError: the weights fit neither way.

    Source: NumPy, `average`.
    """
    given = asarray(x)
    if weights is None:
        return mean(given, axis=axis, keepdims=keepdims)
    scales = asarray(weights)
    if scales.shape != given.shape:
        if axis is None or scales.shape != (given.shape[normal_axis("average", axis, given.ndim)],):
            raise ShapeError(
                "average: the weights do not fit",
                [f"tensor: {given.type}", f"weights: {scales.type}"],
                "give one weight for each element, or for each position along the axis",
            )
        place = normal_axis("average", axis, given.ndim)
        scales = reshape(scales, (-1,) + (1,) * (given.ndim - place - 1))
    a, b = meet("average", given, scales, floating=True)
    total = sum(a * b, axis=axis, keepdims=keepdims)
    return total / sum(b, axis=axis, keepdims=keepdims)


def ptp(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The largest less the smallest element ("peak to peak"). Source: NumPy, `ptp`."""
    high = max(x, axis=axis, keepdims=keepdims)
    return high - min(x, axis=axis, keepdims=keepdims)


def logsumexp(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """log(sum(exp(x))) over the axes, without overflow. Source: SciPy, `special.logsumexp`.

    Example:
        >>> logsumexp(asarray([1000.0, 1000.0]))
        Tensor(1000.6931, shape=(), dtype=float32)
    """
    (given,) = meet("logsumexp", asarray(x), floating=True)
    top = max(given, axis=axis, keepdims=True)
    steady = where(equal(abs(top), math.inf), 0.0, top)  # inf - inf is NaN
    total = log(sum(exp(given - steady), axis=axis, keepdims=True)) + steady
    if keepdims:
        return total
    return squeeze(total) if axis is None else squeeze(total, axis)


def cov(x: Any, y: Any = None, /, *, rowvar: bool = True, correction: float = 1.0) -> Tensor:
    """The covariance of variables, sum((a - mean a) * conj(b - mean b)) / (n - correction).

    Args:
        x: one variable, or a matrix of them.
        y: more variables, of the same form.
        rowvar: whether the rows are the variables, else the columns.
        correction: how many degrees of freedom are lost.

    Shapes: `x: [V, N] -> [V, V]`; a single variable gives a number.

    Source: NumPy, `cov`.
    """
    table = _variables(x, rowvar)
    if y is not None:
        table = concat([table, _variables(y, rowvar)], axis=0)
    gap = table - mean(table, axis=1, keepdims=True)
    free = table.shape[1] - correction
    found = matmul(gap, conj(gap).mT) / float(free if free > 0 else 0)  # type: ignore[attr-defined]
    return reshape(found, ()) if found.size == 1 else found


def _variables(x: Any, rowvar: bool) -> Tensor:
    (given,) = meet("cov", asarray(x), floating=True)
    if given.ndim > 2:
        raise ShapeError("cov: more than two axes", [f"tensor: {given.type}"])
    if given.ndim < 2:
        return reshape(given, (1, -1))
    return given if rowvar else given.mT  # type: ignore[attr-defined]


def corrcoef(x: Any, y: Any = None, /, *, rowvar: bool = True) -> Tensor:
    """Pearson's correlation of variables, cov(a, b) / sqrt(cov(a, a) * cov(b, b)).

    Shapes: `x: [V, N] -> [V, V]`; a single variable gives a number.

    Source: NumPy, `corrcoef`.
    """
    table = cov(x, y, rowvar=rowvar)
    if table.ndim == 0:
        return table / table
    count = table.shape[0]
    places = [i * (count + 1) for i in range(count)]
    spread = sqrt(real(_picked(reshape(table, (-1,)), places)))
    found = table / expand_dims(spread, axis=1) / spread
    return found if found.dtype.is_complex else clip(found, -1.0, 1.0)


def _picked(flat: Tensor, places: list[int]) -> Tensor:
    from lamina.tensor.namespace.indexing import take

    return take(flat, asarray(places))
