"""Tensors from nothing: constants, ranges, the identity.

Source for all: Python array API 2024.12, "Creation functions".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lamina.base import dtypes
from lamina.base.dtypes import DType
from lamina.base.errors import UsageError
from lamina.graph.ops import Iota
from lamina.tensor.conversion import asarray, cast, full_of, scalar_dtype, sizes_of
from lamina.tensor.promotion import broadcast_to, is_number
from lamina.tensor.tensor import Tensor, nullary


def full(shape: int | Sequence[int], fill_value: Any, *, dtype: Any = None) -> Tensor:
    """`fill_value` repeated; a Python number or a tensor of rank 0."""
    if is_number(fill_value):
        chosen = scalar_dtype(fill_value) if dtype is None else dtypes.dtype(dtype)
        return full_of(fill_value, chosen, sizes_of(shape))
    value = asarray(fill_value)
    chosen = value.dtype if dtype is None else dtypes.dtype(dtype)
    return broadcast_to(cast(value, chosen), sizes_of(shape))


def zeros(shape: int | Sequence[int], *, dtype: Any = None) -> Tensor:
    """Zeros, float32 when not told otherwise."""
    return full_of(0, dtypes.dtype(dtype or dtypes.float32), sizes_of(shape))


def ones(shape: int | Sequence[int], *, dtype: Any = None) -> Tensor:
    """Ones, float32 when not told otherwise."""
    return full_of(1, dtypes.dtype(dtype or dtypes.float32), sizes_of(shape))


def empty(shape: int | Sequence[int], *, dtype: Any = None) -> Tensor:
    """A tensor whose elements do not matter; they are zeros."""
    return zeros(shape, dtype=dtype)


def full_like(x: Any, fill_value: Any, *, dtype: Any = None) -> Tensor:
    """`fill_value` repeated to the shape and dtype of `x`."""
    like = asarray(x)
    return full(like.shape, fill_value, dtype=like.dtype if dtype is None else dtype)


def zeros_like(x: Any, *, dtype: Any = None) -> Tensor:
    """Zeros with the shape and dtype of `x`."""
    return full_like(x, 0, dtype=dtype)


def ones_like(x: Any, *, dtype: Any = None) -> Tensor:
    """Ones with the shape and dtype of `x`."""
    return full_like(x, 1, dtype=dtype)


def empty_like(x: Any, *, dtype: Any = None) -> Tensor:
    """A tensor like `x` whose elements do not matter; they are zeros."""
    return zeros_like(x, dtype=dtype)


def arange(
    start: int | float, stop: int | float | None = None, step: int | float = 1, *, dtype: Any = None
) -> Tensor:
    """start, start + step, ... below `stop`; with one argument, from 0 below it.

    Example:
        >>> arange(3)
        Tensor([0, 1, 2], shape=(3,), dtype=int64)
    """
    if stop is None:
        start, stop = 0, start
    if step == 0:
        raise UsageError("arange: the step is 0", [f"start: {start}", f"stop:  {stop}"])
    count = max(0, math.ceil((stop - start) / step))
    if dtype is None:
        whole = all(isinstance(v, int) for v in (start, stop, step))
        chosen = dtypes.int64 if whole else dtypes.float32
    else:
        chosen = dtypes.dtype(dtype)
    return _ramp(count, start, step, chosen)


def _ramp(count: int, start: float, step: float, dtype: DType) -> Tensor:
    counted = dtype.part
    if dtype.is_float and dtype.bits < 32:
        counted = dtypes.float32
    ramp = nullary(Iota(count, counted))
    if step != 1:
        ramp = ramp * step
    if start != 0:
        ramp = ramp + start
    return cast(ramp, dtype)


def linspace(
    start: complex, stop: complex, /, num: int, *, dtype: Any = None, endpoint: bool = True
) -> Tensor:
    """`num` evenly spaced numbers from `start` to `stop`; the last is `stop` if `endpoint`.

    Example:
        >>> linspace(0.0, 1.0, 3)
        Tensor([0. , 0.5, 1. ], shape=(3,), dtype=float32)
    """
    (num,) = sizes_of(num)
    default = scalar_dtype(start + stop + 0.0)
    chosen = default if dtype is None else dtypes.dtype(dtype)
    gaps = num - 1 if endpoint else num
    step = (stop - start) / gaps if gaps > 0 else 0.0
    wide = dtypes.float64 if chosen.part.bits == 64 else dtypes.float32
    index = nullary(Iota(num, wide))
    ramp = index * step + start
    if endpoint and num > 1:
        from_end = stop - ((num - 1) - index) * step  # exact at both ends
        ramp = _choose(index < num / 2, ramp, from_end)
    return cast(ramp, chosen)


def _choose(condition: Tensor, x: Tensor, y: Tensor) -> Tensor:
    from lamina.tensor.namespace.elementwise import where

    return where(condition, x, y)


def eye(n_rows: int, n_cols: int | None = None, /, *, k: int = 0, dtype: Any = None) -> Tensor:
    """Ones on diagonal `k` and zeros elsewhere.

    Shapes: -> [n_rows, n_cols]
    """
    columns = n_rows if n_cols is None else n_cols
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
    rows, columns = x.shape[-2:]
    row = arange(rows).reshape((rows, 1)) + k  # type: ignore[attr-defined]
    column = arange(columns)
    return _choose(column <= row if lower else column >= row, x, zeros_like(x))
