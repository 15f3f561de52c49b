"""Order statistics: median, quantiles, percentiles."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from lamina.base import dtypes
from lamina.base.errors import DTypeError, ShapeError, UsageError
from lamina.tensor.conversion import asarray, cast
from lamina.tensor.namespace import elementwise
from lamina.tensor.namespace.elementwise import ceil, floor, isnan, logical_not, where
from lamina.tensor.namespace.indexing import take, take_along_axis
from lamina.tensor.namespace.manipulation import moveaxis, permute_dims, reshape
from lamina.tensor.namespace.reductions import Axis, axes_of, sum
from lamina.tensor.namespace.sorting import sort
from lamina.tensor.tensor import Tensor

_CONTINUOUS = {
    "interpolated_inverted_cdf": (0.0, 1.0),
    "hazen": (0.5, 0.5),
    "weibull": (0.0, 0.0),
    "linear": (1.0, 1.0),
    "median_unbiased": (1 / 3, 1 / 3),
    "normal_unbiased": (3 / 8, 3 / 8),
}
"""The two constants of each continuous definition (Hyndman & Fan 1996, table 1)."""

_DISCRETE: dict[str, Callable[[Any, Any, int], Any]] = {
    "lower": lambda xp, q, n: xp.floor(q * (n - 1)),
    "higher": lambda xp, q, n: xp.ceil(q * (n - 1)),
    "nearest": lambda xp, q, n: xp.round(q * (n - 1)),
    "midpoint": lambda xp, q, n: (xp.floor(q * (n - 1)) + xp.ceil(q * (n - 1))) * 0.5,
    "inverted_cdf": lambda xp, q, n: xp.ceil(q * n) - 1,
    "averaged_inverted_cdf": lambda xp, q, n: (xp.ceil(q * n) + xp.floor(q * n)) * 0.5 - 0.5,
}
"""The place in the sorted elements, counted from 0; a half is the mean of two neighbours."""


def quantile(
    x: Any, q: Any, /, *, axis: Axis = None, method: str = "linear", keepdims: bool = False
) -> Tensor:
    """The elements below which a part `q` of all lies, along the given axes or of all elements.

    Args:
        x: numbers. Integers become float32.
        q: from 0 to 1; several make new first axes of the result. A traced `q` is not checked.
        axis: one axis, several, or all when None.
        method: what lies between two elements: "linear" interpolation, "lower", "higher",
            "nearest", "midpoint", "inverted_cdf", "averaged_inverted_cdf", "hazen", "weibull",
            "median_unbiased", "normal_unbiased" or "interpolated_inverted_cdf".
        keepdims: keep the axes with size 1.

    Returns:
        NaN where there is a NaN among the elements.

    Raises:
        UsageError: q is outside 0..1, or there is no such method.

    Example:
        >>> import lamina as lm
        >>> quantile(lm.asarray([1.0, 2.0, 4.0]), 0.25)
        Tensor(1.5, shape=(), dtype=float32)

    Source: NumPy, `quantile`; Hyndman & Fan 1996, Sample Quantiles in Statistical Packages.
    """
    return _quantile("quantile", asarray(x), q, axis, method, keepdims)


def percentile(
    x: Any, q: Any, /, *, axis: Axis = None, method: str = "linear", keepdims: bool = False
) -> Tensor:
    """`quantile` with `q` from 0 to 100. Source: NumPy, `percentile`."""
    parts = q / 100 if isinstance(q, Tensor) else np.asarray(q, np.float64) / 100
    return _quantile("percentile", asarray(x), parts, axis, method, keepdims)


def median(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The middle of the elements in order, or the mean of the two in the middle.

    Example:
        >>> import lamina as lm
        >>> median(lm.asarray([3.0, 1.0, 2.0, 9.0]))
        Tensor(2.5, shape=(), dtype=float32)

    Source: NumPy, `median`.
    """
    return _quantile("median", asarray(x), 0.5, axis, "linear", keepdims)


def nanquantile(
    x: Any, q: Any, /, *, axis: Axis = None, method: str = "linear", keepdims: bool = False
) -> Tensor:
    """`quantile` of the elements that are not NaN; NaN where there are none.

    Example:
        >>> import lamina as lm
        >>> nanquantile(lm.asarray([1.0, lm.nan, 2.0]), 0.5)
        Tensor(1.5, shape=(), dtype=float32)

    Source: NumPy, `nanquantile`.
    """
    return _quantile("nanquantile", asarray(x), q, axis, method, keepdims, skip_nan=True)


def nanpercentile(
    x: Any, q: Any, /, *, axis: Axis = None, method: str = "linear", keepdims: bool = False
) -> Tensor:
    """`nanquantile` with `q` from 0 to 100. Source: NumPy, `nanpercentile`."""
    parts = q / 100 if isinstance(q, Tensor) else np.asarray(q, np.float64) / 100
    return _quantile("nanpercentile", asarray(x), parts, axis, method, keepdims, skip_nan=True)


def nanmedian(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """`median` of the elements that are not NaN; NaN where there are none. Source: NumPy."""
    return _quantile("nanmedian", asarray(x), 0.5, axis, "linear", keepdims, skip_nan=True)


def _quantile(
    name: str,
    x: Tensor,
    q: Any,
    axis: Axis,
    method: str,
    keepdims: bool,
    skip_nan: bool = False,
) -> Tensor:
    if x.dtype.kind not in ("bool", "int", "uint", "float"):
        raise DTypeError(
            f"{name}: no order for {x.dtype.long_name}", [f"x: {x.type}"], "cast it first"
        )
    axes = axes_of(name, axis, x.ndim)
    count = math.prod(x.shape[a] for a in axes)
    if count == 0:
        raise ShapeError(f"{name}: no elements along the axes", [f"x: {x.type}", f"axis: {axis}"])
    parts = _parts(name, q, method)
    wide = x if x.dtype.is_float and x.dtype.bits >= 32 else cast(x, dtypes.float32)
    ordered = sort(_joined_last(wide, axes, count))
    result = (_of_numbers if skip_nan else _of_all)(ordered, parts, method)
    if keepdims:
        kept = [1 if a - x.ndim in axes else n for a, n in enumerate(x.shape)]
        result = reshape(result, (*parts.shape, *kept))
    return cast(result, x.dtype) if x.dtype.is_float else result


def _parts(name: str, q: Any, method: str) -> Any:
    """`q` as a tensor, or, if it is known, as an array of numbers from 0 to 1."""
    if method not in _CONTINUOUS and method not in _DISCRETE:
        methods = ", ".join([*_CONTINUOUS, *_DISCRETE])
        raise UsageError(f"{name}: no method {method!r}", [f"methods: {methods}"])
    if isinstance(q, Tensor):
        return q
    known = np.asarray(q, np.float64)
    if not ((known >= 0) & (known <= 1)).all():
        top = "100" if name.endswith("percentile") else "1"
        raise UsageError(f"{name}: q is outside its range", [f"range: from 0 to {top}"])
    return known


def _joined_last(x: Tensor, axes: tuple[int, ...], count: int) -> Tensor:
    """`x` with some (negative) axes as one, the last."""
    kept = [a for a in range(x.ndim) if a - x.ndim not in axes]
    turned = permute_dims(x, [*kept, *(a + x.ndim for a in axes)])
    return reshape(turned, (*(x.shape[a] for a in kept), count))


def _place(xp: Any, parts: Any, method: str, count: Any) -> Any:
    """Where the quantile lies among `count` elements in order, counted from 0."""
    if method in _DISCRETE:
        at = _DISCRETE[method](xp, parts, count)
    else:
        a, b = _CONTINUOUS[method]
        at = count * parts + (a + parts * (1 - a - b)) - 1
    return xp.clip(at, 0, xp.maximum(count - 1, 0))


def _of_all(ordered: Tensor, parts: Any, method: str) -> Tensor:
    """The quantiles of rows in order; NaN for a row with a NaN, which is its last then."""
    count, lead = ordered.shape[-1], ordered.ndim - 1
    if isinstance(parts, Tensor):
        at = _place(elementwise, cast(parts, ordered.dtype), method, float(count))
        low, high = cast(floor(at), dtypes.int64), cast(ceil(at), dtypes.int64)
        share = at - floor(at)
    else:
        known = _place(np, parts, method, count)
        low, high = np.floor(known).astype(np.int64), np.ceil(known).astype(np.int64)
        share = asarray(known - low, dtype=ordered.dtype)
    found = _between(take(ordered, low, axis=-1), take(ordered, high, axis=-1), share)
    if parts.ndim:
        found = moveaxis(found, range(lead, found.ndim), range(parts.ndim))
    bad = isnan(ordered[..., -1])
    return where(reshape(bad, (*[1] * parts.ndim, *bad.shape)), math.nan, found)


def _of_numbers(ordered: Tensor, parts: Any, method: str) -> Tensor:
    """The quantiles of what comes before the NaNs in each row."""
    dtype, lead = ordered.dtype, ordered.shape[:-1]
    count = sum(cast(logical_not(isnan(ordered)), dtype), axis=-1, keepdims=True)
    at = _place(elementwise, reshape(asarray(parts, dtype=dtype), (-1,)), method, count)
    low, high = floor(at), ceil(at)
    below = take_along_axis(ordered, cast(low, dtypes.int64))
    above = take_along_axis(ordered, cast(high, dtypes.int64))
    return reshape(moveaxis(_between(below, above, at - low), -1, 0), (*parts.shape, *lead))


def _between(below: Tensor, above: Tensor, share: Tensor) -> Tensor:
    """below + share (above - below); equal neighbours need no arithmetic, which would make NaN of
    infinities."""
    return where(below == above, below, below + (above - below) * share)
