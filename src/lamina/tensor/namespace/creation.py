"""Tensors from nothing: constants, ranges, the identity.

Source for all: Python array API 2024.12, "Creation functions".
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Sequence
from typing import Any

from lamina.base import dtypes
from lamina.base.dims import Dim, larger
from lamina.base.dtypes import DType
from lamina.base.errors import ShapeError, UsageError
from lamina.graph.ops import Iota
from lamina.tensor.conversion import asarray, cast, full_of, on_device, scalar_dtype, sizes_of
from lamina.tensor.promotion import broadcast_to, is_number
from lamina.tensor.tensor import Tensor, nullary


def full(
    shape: int | Sequence[int], fill_value: Any, *, dtype: Any = None, device: str | None = None
) -> Tensor:
    """`fill_value` repeated; a Python number or a tensor of rank 0."""
    on_device("full", device)
    if is_number(fill_value):
        chosen = scalar_dtype(fill_value) if dtype is None else dtypes.dtype(dtype)
        return full_of(fill_value, chosen, sizes_of(shape))
    value = asarray(fill_value)
    chosen = value.dtype if dtype is None else dtypes.dtype(dtype)
    return broadcast_to(cast(value, chosen), sizes_of(shape))


def zeros(shape: int | Sequence[int], *, dtype: Any = None, device: str | None = None) -> Tensor:
    """Zeros, float32 when not told otherwise."""
    on_device("zeros", device)
    return full_of(0, dtypes.dtype(dtype or dtypes.float32), sizes_of(shape))


def ones(shape: int | Sequence[int], *, dtype: Any = None, device: str | None = None) -> Tensor:
    """Ones, float32 when not told otherwise."""
    on_device("ones", device)
    return full_of(1, dtypes.dtype(dtype or dtypes.float32), sizes_of(shape))


def empty(shape: int | Sequence[int], *, dtype: Any = None, device: str | None = None) -> Tensor:
    """A tensor whose elements do not matter; they are zeros."""
    return zeros(shape, dtype=dtype, device=device)


def full_like(
    x: Any, /, fill_value: Any, *, dtype: Any = None, device: str | None = None
) -> Tensor:
    """`fill_value` repeated to the shape and dtype of `x`."""
    like = asarray(x)
    chosen = like.dtype if dtype is None else dtype
    return full(like.shape, fill_value, dtype=chosen, device=device)


def zeros_like(x: Any, /, *, dtype: Any = None, device: str | None = None) -> Tensor:
    """Zeros with the shape and dtype of `x`."""
    return full_like(x, 0, dtype=dtype, device=device)


def ones_like(x: Any, /, *, dtype: Any = None, device: str | None = None) -> Tensor:
    """Ones with the shape and dtype of `x`."""
    return full_like(x, 1, dtype=dtype, device=device)


def empty_like(x: Any, /, *, dtype: Any = None, device: str | None = None) -> Tensor:
    """A tensor like `x` whose elements do not matter; they are zeros."""
    return zeros_like(x, dtype=dtype, device=device)


def arange(
    start: int | float,
    /,
    stop: int | float | None = None,
    step: int | float = 1,
    *,
    dtype: Any = None,
    device: str | None = None,
) -> Tensor:
    """start, start + step, ... below `stop`; with one argument, from 0 below it.

    Example:
        >>> arange(3)
        Tensor([0, 1, 2], shape=(3,), dtype=int64)
    """
    on_device("arange", device)
    first, end = (0, start) if stop is None else (start, stop)
    if step == 0:
        raise UsageError("arange: the step is 0", [f"start: {first}", f"stop:  {end}"])
    symbolic = Dim in map(type, (first, end))
    whole = all(isinstance(v, int | Dim) for v in (first, end, step))
    if symbolic and whole:
        count = larger((end - first + step - (1 if step > 0 else -1)) // step, 0)
    elif whole:
        count = len(range(first, end, step))  # type: ignore[arg-type]
    else:
        count = max(0, math.ceil((end - first) / step))
    default = dtypes.int64 if whole else dtypes.float32
    return _ramp(count, first, step, default if dtype is None else dtypes.dtype(dtype))


def _ramp(count: int, start: float, step: float, dtype: DType) -> Tensor:
    """start + i * step: floats are rounded once, integers wrap so that steps may be negative."""
    if Dim in map(type, (count, start)):
        ramp = nullary(Iota(count, dtypes.int64))
    elif dtype.is_inexact or not (isinstance(start, int) and isinstance(step, int)):
        ramp = nullary(Iota(count, dtypes.float64))
    else:
        ramp = nullary(Iota(count, dtype))
        start, step = _wrapped(start, dtype), _wrapped(step if count > 1 else 1, dtype)
    if step != 1:
        ramp = ramp * step
    if start != 0:
        ramp = ramp + start
    return cast(ramp, dtype)


def _wrapped(value: int, dtype: DType) -> int:
    """`value` modulo 2^bits, in the range of `dtype`."""
    low = -(1 << (dtype.bits - 1)) if dtype.kind == "int" else 0
    return (value - low) % (1 << dtype.bits) + low


def linspace(
    start: complex,
    stop: complex,
    /,
    num: int,
    *,
    dtype: Any = None,
    device: str | None = None,
    endpoint: bool = True,
) -> Tensor:
    """`num` evenly spaced numbers from `start` to `stop`; the last is `stop` if `endpoint`.

    Example:
        >>> linspace(0.0, 1.0, 3)
        Tensor([0. , 0.5, 1. ], shape=(3,), dtype=float32)
    """
    on_device("linspace", device)
    (num,) = sizes_of(num)
    chosen = scalar_dtype(start + stop + 0.0) if dtype is None else dtypes.dtype(dtype)
    gaps = max(num - 1 if endpoint else num, 1)
    step = stop / gaps - start / gaps if cmath.isinf(stop - start) else (stop - start) / gaps
    index = nullary(Iota(num, dtypes.float64))
    from_start = index * step + start
    from_end = stop - (gaps - index) * step  # exact at both ends
    ramp = _choose(index < (gaps + 1) / 2, from_start, from_end)
    return cast(_floor(ramp) if chosen.is_integer else ramp, chosen)


def _floor(x: Tensor) -> Tensor:
    from lamina.tensor.namespace.elementwise import floor

    return floor(x)


def _choose(condition: Tensor, x: Tensor, y: Tensor) -> Tensor:
    from lamina.tensor.namespace.elementwise import where

    return where(condition, x, y)


def eye(
    n_rows: int,
    n_cols: int | None = None,
    /,
    *,
    k: int = 0,
    dtype: Any = None,
    device: str | None = None,
) -> Tensor:
    """Ones on diagonal `k` and zeros elsewhere.

    Shapes: -> [n_rows, n_cols]
    """
    on_device("eye", device)
    columns = n_rows if n_cols is None else n_cols
    k = min(max(k, -n_rows), columns)  # any further there are only zeros, and int64 may end
    row = arange(n_rows).reshape((n_rows, 1))  # type: ignore[attr-defined]
    chosen = dtypes.float32 if dtype is None else dtypes.dtype(dtype)
    return cast(arange(columns) == row + k, chosen)


def tril(x: Any, /, *, k: int = 0) -> Tensor:
    """The lower triangle of the last two axes, zeros above diagonal `k`."""
    return _triangle(asarray(x), k, lower=True)


def triu(x: Any, /, *, k: int = 0) -> Tensor:
    """The upper triangle of the last two axes, zeros below diagonal `k`."""
    return _triangle(asarray(x), k, lower=False)


def _triangle(x: Tensor, k: int, lower: bool) -> Tensor:
    if x.ndim < 2:
        name = "tril" if lower else "triu"
        raise ShapeError(f"{name}: a matrix has two axes or more", [f"tensor: {x.type}"])
    rows, columns = x.shape[-2:]
    k = min(max(k, -rows), columns)
    row = arange(rows).reshape((rows, 1)) + k  # type: ignore[attr-defined]
    column = arange(columns)
    return _choose(column <= row if lower else column >= row, x, zeros_like(x))
