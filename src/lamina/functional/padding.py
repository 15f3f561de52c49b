"""Elements put around a tensor: zeros, mirrors, edges, the other end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina.base.errors import ShapeError, UsageError
from lamina.tensor import Tensor
from lamina.tensor.api import asarray, broadcast_to, concat, flip
from lamina.tensor.api import pad as pad_axes

MODES = ("constant", "reflect", "replicate", "circular")


def pad(x: Any, pad: Sequence[int], mode: str = "constant", value: float = 0.0) -> Tensor:
    """`x` with more elements at the ends of its last axes.

    Args:
        x: the tensor.
        pad: (left, right) of the last axis, then of the one before it, and so on. Negative numbers
            take elements away.
        mode: "constant" for `value`, "reflect" for a mirror on the outermost elements, "replicate"
            for copies of them, "circular" for the other end.
        value: of the new elements, in mode "constant".

    Shapes: `x: [*A, H, W] -> [*A, top + H + bottom, left + W + right]` for four numbers.

    Raises:
        ShapeError: there are more pairs than axes, or an axis is too short to mirror or go round.
        UsageError: the numbers are no pairs, or there is no such mode.

    Example:
        >>> pad(asarray([1, 2, 3]), (2, 1), "reflect")
        Tensor([3, 2, 1, 2, 3, 2], shape=(6,), dtype=int64)

    Source: PyTorch, `nn.functional.pad`.
    """
    x = asarray(x)
    numbers = [int(n) for n in pad]
    if mode not in MODES:
        raise UsageError(f"pad: no mode {mode!r}", [f"there are: {', '.join(MODES)}"])
    if len(numbers) % 2:
        raise UsageError(
            "pad: the numbers are not pairs", [f"pad: {tuple(pad)}"], "give two for each axis"
        )
    if len(numbers) // 2 > x.ndim:
        raise ShapeError("pad: more pairs than axes", [f"x: {x.type}", f"pad: {tuple(pad)}"])
    for k in range(len(numbers) // 2):
        x = _cropped(x, x.ndim - 1 - k, numbers[2 * k], numbers[2 * k + 1])
    ends = [(0, 0)] * x.ndim
    for k in range(len(numbers) // 2):
        ends[x.ndim - 1 - k] = (max(numbers[2 * k], 0), max(numbers[2 * k + 1], 0))
    if mode == "constant":
        return pad_axes(x, ends, value=value)
    for axis, (low, high) in enumerate(ends):
        x = _extended(x, axis, low, high, mode)
    return x


def _cropped(x: Tensor, axis: int, low: int, high: int) -> Tensor:
    if low >= 0 and high >= 0:
        return x
    n = x.shape[axis]
    start, stop = max(-low, 0), n + min(high, 0)
    if start > stop:
        raise ShapeError(
            f"pad: axis {axis} has fewer elements than are taken away",
            [f"x: {x.type}", f"pad: {(low, high)}"],
        )
    return _part(x, axis, start, stop)


def _part(x: Tensor, axis: int, start: int, stop: int) -> Tensor:
    return x[(*[slice(None)] * axis, slice(start, stop))]


def _extended(x: Tensor, axis: int, low: int, high: int, mode: str) -> Tensor:
    if low == high == 0:
        return x
    n = x.shape[axis]
    most = {"reflect": n - 1, "circular": n, "replicate": low + high if n else 0}[mode]
    if max(low, high) > most:
        raise ShapeError(
            f"pad: axis {axis} is too short for mode {mode!r}",
            [f"x: {x.type}", f"pad: {(low, high)}, at most {most}"],
            'pad less, or use "replicate" or "constant"',
        )
    if mode == "circular":
        before, after = _part(x, axis, n - low, n), _part(x, axis, 0, high)
    elif mode == "reflect":
        before = flip(_part(x, axis, 1, low + 1), axis=axis)
        after = flip(_part(x, axis, n - 1 - high, n - 1), axis=axis)
    else:
        before = _copies(_part(x, axis, 0, 1), axis, low)
        after = _copies(_part(x, axis, n - 1, n), axis, high)
    return concat([part for part in (before, x, after) if part.shape[axis]], axis=axis)


def _copies(edge: Tensor, axis: int, count: int) -> Tensor:
    return broadcast_to(edge, (*edge.shape[:axis], count, *edge.shape[axis + 1 :]))
