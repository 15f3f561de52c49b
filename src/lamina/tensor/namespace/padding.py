"""Tensors with more elements around them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.base import dtypes
from lamina.base.errors import ShapeError, UsageError
from lamina.graph.ir import emit
from lamina.graph.ops import Pad
from lamina.tensor.conversion import asarray, cast
from lamina.tensor.namespace import reductions
from lamina.tensor.namespace.creation import ones
from lamina.tensor.namespace.elementwise import round, where
from lamina.tensor.namespace.indexing import take
from lamina.tensor.namespace.manipulation import concat
from lamina.tensor.promotion import broadcast_to
from lamina.tensor.tensor import Tensor, alias

_REPEATING = ("edge", "reflect", "symmetric", "wrap")
_SUMMARIES = {
    "maximum": reductions.max,
    "mean": reductions.mean,
    "minimum": reductions.min,
}
_MODES = ("constant", "empty", *_REPEATING, *_SUMMARIES)


def pad(
    x: Any,
    widths: int | Sequence[Any],
    mode: str = "constant",
    *,
    value: bool | int | float = 0,
) -> Tensor:
    """`x` with `widths[i] = (before, after)` more elements along each axis.

    Args:
        x: the tensor.
        widths: one number for all sides, one pair for all axes, or a pair for each axis.
        mode: "constant" for `value`, "edge" for the outermost elements, "reflect" for a mirror on
            them, "symmetric" for a mirror beside them, "wrap" for the other end, "maximum",
            "mean" or "minimum" for that of the axis, "empty" for anything.
        value: the new elements of "constant".

    Raises:
        ShapeError: the widths do not fit, or an axis without elements has nothing to repeat.
        UsageError: there is no such mode.

    Example:
        >>> pad(asarray([1, 2, 3]), 2, "reflect")
        Tensor([3, 2, 1, 2, 3, 2, 1], shape=(7,), dtype=int64)

    Source: NumPy, `pad`.
    """
    x = asarray(x)
    low, high = _pad_widths(widths, x.ndim)
    if mode not in _MODES:
        raise UsageError(f"pad: no mode {mode!r}", [f"there are: {', '.join(_MODES)}"])
    if not any(low) and not any(high):
        return alias(x)
    if mode in ("constant", "empty"):
        return _constant(x, low, high, value)
    for axis, ends in enumerate(zip(low, high, strict=True)):
        if any(ends):
            x = _extended(x, axis, ends, mode)
    return alias(x)


def _constant(x: Tensor, low: tuple[int, ...], high: tuple[int, ...], value: Any) -> Tensor:
    op = Pad(low, high, (0,) * x.ndim)
    if value == 0:
        return emit(op, x)
    inside = emit(op, ones(x.shape, dtype=dtypes.bool_))
    return where(inside, emit(op, x), value)


def _extended(x: Tensor, axis: int, ends: tuple[int, int], mode: str) -> Tensor:
    if not x.shape[axis]:
        raise ShapeError(
            f"pad: axis {axis} has no elements for mode {mode!r}", [f"tensor: {x.type}"]
        )
    if mode in _REPEATING:
        places = np.pad(np.arange(x.shape[axis]), ends, mode=mode)  # type: ignore[call-overload]
        return take(x, asarray(places), axis=axis)
    found = _SUMMARIES[mode](x, axis=axis, keepdims=True)
    filler = cast(round(found) if x.dtype.is_integer else found, x.dtype)
    sides = [broadcast_to(filler, (*x.shape[:axis], n, *x.shape[axis + 1 :])) for n in ends]
    return concat([sides[0], x, sides[1]], axis=axis)


def _pad_widths(widths: Any, rank: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    if isinstance(widths, int):
        pairs = [(widths, widths)] * rank
    elif len(widths) == 2 and all(isinstance(w, int) for w in widths):
        pairs = [tuple(widths)] * rank
    else:
        pairs = [tuple(w) for w in widths]
    if len(pairs) != rank or any(min(p) < 0 for p in pairs):
        raise ShapeError("pad: widths do not fit", [f"axes: {rank}", f"widths: {widths}"])
    return tuple(p[0] for p in pairs), tuple(p[1] for p in pairs)
