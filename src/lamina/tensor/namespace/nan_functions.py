"""Reductions that pass over NaN. Source for all: NumPy, the functions of the same names."""

from __future__ import annotations

import math
from typing import Any

from lamina.tensor.conversion import asarray, cast
from lamina.tensor.namespace.elementwise import isnan, logical_not, sqrt, where
from lamina.tensor.namespace.reductions import (
    Axis,
    all,
    argmax,
    argmin,
    max,
    mean,
    min,
    prod,
    sum,
    var,
)
from lamina.tensor.tensor import Tensor


def _without(x: Any, filler: float) -> tuple[Tensor, Tensor | None]:
    """`x` with `filler` in place of NaN, and where there was a number; None if there is no NaN."""
    given = asarray(x)
    if not given.dtype.is_float:
        return given, None
    known = logical_not(isnan(given))
    return where(known, given, filler), known


def nansum(x: Any, /, *, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
    """The sum of what is not NaN.

    Example:
        >>> nansum(asarray([1.0, float("nan"), 2.0]))
        Tensor(3., shape=(), dtype=float32)
    """
    return sum(_without(x, 0.0)[0], axis=axis, dtype=dtype, keepdims=keepdims)


def nanprod(x: Any, /, *, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
    """The product of what is not NaN."""
    return prod(_without(x, 1.0)[0], axis=axis, dtype=dtype, keepdims=keepdims)


def nanmax(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The largest number; NaN where there is none."""
    filled, known = _without(x, -math.inf)
    return _or_nan(max(filled, axis=axis, keepdims=keepdims), known, axis, keepdims)


def nanmin(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The smallest number; NaN where there is none."""
    filled, known = _without(x, math.inf)
    return _or_nan(min(filled, axis=axis, keepdims=keepdims), known, axis, keepdims)


def _or_nan(result: Tensor, known: Tensor | None, axis: Axis, keepdims: bool) -> Tensor:
    if known is None:
        return result
    return where(all(logical_not(known), axis=axis, keepdims=keepdims), math.nan, result)


def nanargmax(x: Any, /, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The index of the first largest number; 0 where there is none."""
    return argmax(_without(x, -math.inf)[0], axis=axis, keepdims=keepdims)


def nanargmin(x: Any, /, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The index of the first smallest number; 0 where there is none."""
    return argmin(_without(x, math.inf)[0], axis=axis, keepdims=keepdims)


def nanmean(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The mean of what is not NaN; NaN where there is nothing."""
    filled, known = _without(x, 0.0)
    if known is None:
        return mean(filled, axis=axis, keepdims=keepdims)
    wide = "float32" if filled.dtype.bits < 32 else filled.dtype
    total = sum(filled, axis=axis, dtype=wide, keepdims=keepdims)
    count = sum(known, axis=axis, keepdims=keepdims, dtype=wide)
    return cast(total / count, filled.dtype)


def nanvar(
    x: Any, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False
) -> Tensor:
    """The variance of what is not NaN, sum((x - mean) ** 2) / (count - correction)."""
    filled, known = _without(x, 0.0)
    if known is None:
        return var(filled, axis=axis, correction=correction, keepdims=keepdims)
    wide = "float32" if filled.dtype.bits < 32 else filled.dtype
    count = sum(known, axis=axis, keepdims=True, dtype=wide)
    middle = sum(filled, axis=axis, keepdims=True, dtype=wide) / count
    gap = where(known, filled - middle, 0.0)
    total = sum(gap * gap, axis=axis, keepdims=keepdims)
    free = sum(known, axis=axis, keepdims=keepdims, dtype=wide) - correction
    return cast(where(free > 0, total / free, math.nan), filled.dtype)


def nanstd(
    x: Any, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False
) -> Tensor:
    """sqrt(nanvar(x))."""
    return sqrt(nanvar(x, axis=axis, correction=correction, keepdims=keepdims))
