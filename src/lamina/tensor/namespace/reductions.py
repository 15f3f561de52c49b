"""One number from many: sums, means, extremes and their places.

Source for all: Python array API 2024.12, "Statistical functions", "Searching functions" and
"Utility functions".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lamina.base import dtypes
from lamina.base.dims import Dim
from lamina.base.errors import ShapeError
from lamina.graph import ops
from lamina.graph.ir import Op, emit
from lamina.graph.ops import ArgMax, ArgMin, Max, Min, Product, Sum
from lamina.tensor.conversion import asarray, cast
from lamina.tensor.namespace.elementwise import logical_not, maximum, not_equal, sqrt
from lamina.tensor.namespace.manipulation import normal_axis, reshape
from lamina.tensor.tensor import Tensor, alias

Axis = int | Sequence[int] | None


def axes_of(name: str, axis: Axis, rank: int) -> tuple[int, ...]:
    chosen = range(rank) if axis is None else (axis,) if isinstance(axis, int) else axis
    found = sorted([normal_axis(name, a, rank) - rank for a in chosen])
    if len(set(found)) < len(found):
        raise ShapeError(f"{name}: an axis is there twice", [f"axis: {axis}"])
    return tuple(found)


def _reduce(op: type, name: str, x: Tensor, axis: Axis, keepdims: bool) -> Tensor:
    axes = axes_of(name, axis, x.ndim)
    result = emit(op(axes), x) if axes else alias(x)
    return _kept(result, x, axes) if keepdims else result


def _kept(result: Tensor, x: Tensor, axes: Sequence[int]) -> Tensor:
    return reshape(result, [1 if i - x.ndim in axes else n for i, n in enumerate(x.shape)])


def _count(x: Tensor, axes: Sequence[int]) -> int:
    return math.prod(x.shape[a] for a in axes)


def accumulated(x: Any, dtype: Any) -> Tensor:
    """`x` in the dtype that sums have: integers widen to 64 bits."""
    x = asarray(x)
    if dtype is not None:
        return cast(x, dtypes.dtype(dtype))
    if x.dtype.kind == "uint":
        return cast(x, dtypes.uint64)
    return cast(x, dtypes.int64) if x.dtype.kind in ("bool", "int") else x


def sum(x: Any, /, *, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
    """The sum over the given axes, or all. Integers sum in 64 bits."""
    return _reduce(Sum, "sum", accumulated(x, dtype), axis, keepdims)


def prod(x: Any, /, *, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
    """The product over the given axes, or all. Integers multiply in 64 bits."""
    return _reduce(Product, "prod", accumulated(x, dtype), axis, keepdims)


def max(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The largest element over the given axes, or all; NaN wins."""
    return _extreme(Max, "max", asarray(x), axis, keepdims)


def min(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The smallest element over the given axes, or all; NaN wins."""
    return _extreme(Min, "min", asarray(x), axis, keepdims)


def _extreme(op: type, name: str, x: Tensor, axis: Axis, keepdims: bool) -> Tensor:
    if _count(x, axes_of(name, axis, x.ndim)) == 0:
        raise ShapeError(f"{name}: no elements along the axes", [f"tensor: {x.type}"])
    if x.dtype is dtypes.bool_:
        number = _reduce(op, name, cast(x, dtypes.uint8), axis, keepdims)
        return cast(number, dtypes.bool_)
    return _reduce(op, name, x, axis, keepdims)


def argmax(x: Any, /, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The index of the first largest element along `axis`, or of the flattened tensor."""
    return _place(ArgMax, "argmax", asarray(x), axis, keepdims)


def argmin(x: Any, /, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The index of the first smallest element along `axis`, or of the flattened tensor."""
    return _place(ArgMin, "argmin", asarray(x), axis, keepdims)


def _place(op: type[Op], name: str, x: Tensor, axis: int | None, keepdims: bool) -> Tensor:
    flat = reshape(x, (-1,)) if axis is None else x
    if x.dtype is dtypes.bool_:
        flat = cast(flat, dtypes.uint8)
    place = normal_axis(name, axis or 0, flat.ndim) - flat.ndim
    if flat.shape[place] == 0:
        raise ShapeError(f"{name}: no elements along the axis", [f"tensor: {x.type}"])
    result = emit(op(place), flat)  # type: ignore[call-arg]
    if not keepdims:
        return result
    return _kept(result, x, range(-x.ndim, 0) if axis is None else (place,))


def _wide(x: Any) -> Tensor:
    """`x`, with enough digits to average."""
    x = asarray(x)
    return x if x.dtype.is_inexact and x.dtype.bits >= 32 else cast(x, dtypes.float32)


def mean(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The mean over the given axes, or all. Integers and half precision are summed in float32."""
    given, wide = asarray(x), _wide(x)
    count = _count(wide, axes_of("mean", axis, wide.ndim))
    total = _reduce(Sum, "mean", wide, axis, keepdims)
    result = total / (count if type(count) is Dim else float(count))
    return cast(result, given.dtype) if given.dtype.is_inexact else result


def var(x: Any, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> Tensor:
    """sum(|x - mean(x)| ** 2) / (n - correction) over the given axes, or all."""
    given, wide = asarray(x), _wide(x)
    count = _count(wide, axes_of("var", axis, wide.ndim))
    gap = wide - mean(wide, axis=axis, keepdims=True)
    total = _reduce(Sum, "var", ops.real(gap * ops.conj(gap)), axis, keepdims)
    result = total / _left(count, correction, wide.dtype.part)
    return cast(result, given.dtype.part) if given.dtype.is_inexact else result


def _left(count: Any, correction: float, dtype: dtypes.DType) -> Any:
    """`count - correction`, or 0 where that is negative."""
    left = count - (int(correction) if correction == int(correction) else correction)
    if isinstance(left, int | float):
        return float(left if left > 0 else 0)
    return maximum(asarray(left, dtype=dtype), 0.0)  # of a size that is a symbol


def std(x: Any, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> Tensor:
    """sqrt(var(x))."""
    return sqrt(var(x, axis=axis, correction=correction, keepdims=keepdims))


def count_nonzero(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """How many elements over the given axes, or all, are not 0; NaN is not 0.

    Example:
        >>> count_nonzero(asarray([0, 3, -1]))
        Tensor(2, shape=(), dtype=int64)
    """
    truth = cast(not_equal(asarray(x), 0), dtypes.int64)
    return _reduce(Sum, "count_nonzero", truth, axis, keepdims)


def any(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether some element over the given axes is not 0."""
    truth = cast(not_equal(asarray(x), 0), dtypes.int32)
    return not_equal(_reduce(Sum, "any", truth, axis, keepdims), 0)


def all(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether every element over the given axes is not 0."""
    return logical_not(any(logical_not(x), axis=axis, keepdims=keepdims))
