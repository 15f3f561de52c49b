"""Images of other sizes: each new element is a weighted sum of a few old ones, axis by axis."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import lamina.tensor.api as lm
from lamina.base.errors import ShapeError, UsageError
from lamina.functional.adaptive_pooling import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
)
from lamina.tensor import Tensor

# How many axes each mode serves.
MODES = {
    "nearest": (1, 2, 3),
    "nearest-exact": (1, 2, 3),
    "area": (1, 2, 3),
    "linear": (1,),
    "bilinear": (2,),
    "trilinear": (3,),
    "bicubic": (2,),
}
Factors = float | Sequence[float]


def interpolate(
    x: Any,
    size: int | Sequence[int] | None = None,
    scale_factor: Factors | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Signals, images or volumes of another size.

    Args:
        x: one, two or three axes behind batch and channels.
        size: of the result, one number or one for each axis.
        scale_factor: how many times as large; instead of `size`.
        mode: "nearest" for the old element at or before the place, "nearest-exact" for the nearest
            one; "linear", "bilinear" or "trilinear" by the number of axes; "bicubic" for images;
            "area" for means as in `adaptive_avg_pool2d`.
        align_corners: whether the first and last elements keep their places, rather than the outer
            edges of the first and last pixel; for the linear and cubic modes.
        recompute_scale_factor: step by the ratio of whole sizes, rather than by `scale_factor`.
        antialias: let as many elements count as become one, for "bilinear" and "bicubic".

    Shapes: `x: [B, C, *A] -> [B, C, *size]`

    Raises:
        ShapeError: x has no or too many such axes, or nothing along one.
        UsageError: not just one of size and scale_factor, or options that the mode does not have.

    Example:
        >>> interpolate(lm.asarray([[[1.0, 2.0]]]), scale_factor=2, mode="linear")
        Tensor([[[1.  , 1.25, 1.75, 2.  ]]], shape=(1, 1, 4), dtype=float32)

    Source: PyTorch, `nn.functional.interpolate`; Keys 1981, "Cubic convolution interpolation".
    """
    x = lm.asarray(x)
    sizes, scales = _request(x, size, scale_factor, mode, align_corners, antialias)
    if mode == "area":
        pool = (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d)[len(sizes) - 1]
        return pool(x, sizes)
    for k, (wanted, scale) in enumerate(zip(sizes, scales, strict=True)):
        axis, n = k + 2, x.shape[k + 2]
        step = n / wanted if scale is None or recompute_scale_factor else 1.0 / scale
        if mode in ("nearest", "nearest-exact"):
            x = _nearest(x, axis, wanted, step, 0.5 if mode == "nearest-exact" else 0.0)
            continue
        if align_corners:
            step = (n - 1) / (wanted - 1) if wanted > 1 else 0.0
        cubic = mode == "bicubic"
        if antialias:
            matrix = _filter(n, wanted, step, bool(align_corners), cubic)
            x = _applied(x, axis, matrix)
        else:
            x = _combined(x, axis, *_taps(n, wanted, step, bool(align_corners), cubic))
    return x


def _request(
    x: Tensor,
    size: Any,
    scale_factor: Any,
    mode: str,
    align_corners: bool | None,
    antialias: bool,
) -> tuple[list[int], list[float | None]]:
    """New sizes and given scales of each axis; requests that contradict themselves are refused."""
    axes = x.ndim - 2
    if mode not in MODES:
        raise UsageError(f"interpolate: no mode {mode!r}", [f"there are: {', '.join(MODES)}"])
    if axes not in MODES[mode] or 0 in x.shape[2:]:
        raise ShapeError(
            f"interpolate: mode {mode!r} does not take such a tensor",
            [f"x: {x.type}", f"axes behind batch and channels: {MODES[mode]}, not empty"],
        )
    if (size is None) == (scale_factor is None):
        raise UsageError(
            "interpolate: give either size or scale_factor",
            [f"size: {size}", f"scale_factor: {scale_factor}"],
        )
    if align_corners and (mode.startswith("nearest") or mode == "area"):
        raise UsageError(f"interpolate: mode {mode!r} aligns no corners", ["align_corners: True"])
    if antialias and mode not in ("bilinear", "bicubic"):
        raise UsageError(
            f"interpolate: mode {mode!r} has no antialias", ["there are: bilinear, bicubic"]
        )
    given = size if scale_factor is None else scale_factor
    numbers = list(given) if isinstance(given, Sequence) else [given] * axes
    if len(numbers) != axes or min(numbers) <= 0:
        raise UsageError(
            "interpolate: sizes and scales are positive, one or one for each axis",
            [f"x: {x.type}", f"given: {given}"],
        )
    if scale_factor is None:
        return [int(n) for n in numbers], [None] * axes
    sizes = [math.floor(n * s) for n, s in zip(x.shape[2:], numbers, strict=True)]
    if min(sizes) < 1:
        raise UsageError("interpolate: nothing is left", [f"x: {x.type}", f"scale: {given}"])
    return sizes, [float(s) for s in numbers]


def _nearest(x: Tensor, axis: int, wanted: int, step: float, shift: float) -> Tensor:
    n = x.shape[axis]
    if wanted % n == 0 and step == n / wanted:  # copies side by side
        front, back = x.shape[:axis], x.shape[axis + 1 :]
        copies = lm.broadcast_to(lm.expand_dims(x, axis=axis + 1), (*front, n, wanted // n, *back))
        return lm.reshape(copies, (*front, wanted, *back))
    wide = np.float64 if x.dtype == lm.float64 else np.float32  # PyTorch rounds as the elements do
    places = np.floor((np.arange(wanted, dtype=wide) + wide(shift)) * wide(step))
    return lm.take(x, lm.asarray(np.minimum(places.astype(np.int64), n - 1)), axis=axis)


def _taps(
    n: int, wanted: int, step: float, align_corners: bool, cubic: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Which old elements make up each new one, and their weights.  Shapes: `-> [taps, wanted]`."""
    i = np.arange(wanted)
    centre = i * step if align_corners else (i + 0.5) * step - 0.5
    if not cubic:
        centre = np.maximum(centre, 0.0)
    first = np.floor(centre)
    near, weight = (-1, 0, 1, 2) if cubic else (0, 1), _cubic(-0.75) if cubic else _tent
    offsets = np.array(near)[:, None]
    places = np.clip(first + offsets, 0, n - 1).astype(np.int64)
    return places, weight(np.abs(centre - first - offsets))


def _combined(x: Tensor, axis: int, places: np.ndarray, weights: np.ndarray) -> Tensor:
    """The weighted sum of a few elements along an axis."""
    shape = (-1, *[1] * (x.ndim - 1 - axis))
    dtype = x.dtype.numpy
    total: Any = None
    for place, weight in zip(places, weights, strict=True):
        term: Any = lm.take(x, lm.asarray(place), axis=axis)
        term = term * lm.asarray(weight.astype(dtype).reshape(shape))
        total = term if total is None else total + term
    return total


def _filter(n: int, wanted: int, step: float, align_corners: bool, cubic: bool) -> np.ndarray:
    """The weights of all old elements for each new one.  Shapes: `-> [wanted, n]`."""
    i = np.arange(wanted)
    centre = i * step + 0.5 if align_corners else (i + 0.5) * step
    stretch = max(step, 1.0)
    reach = (2.0 if cubic else 1.0) * stretch
    low = np.maximum(np.trunc(centre - reach + 0.5), 0.0)[:, None]
    high = np.minimum(np.trunc(centre + reach + 0.5), n)[:, None]
    places = np.arange(n)
    distance = np.abs(places + 0.5 - centre[:, None]) / stretch
    weights = (_cubic(-0.5) if cubic else _tent)(distance)
    weights = np.where((places >= low) & (places < high), weights, 0.0)
    return weights / weights.sum(axis=1, keepdims=True)


def _applied(x: Tensor, axis: int, matrix: np.ndarray) -> Tensor:
    turned = lm.moveaxis(x, axis, -1)
    made = lm.matmul(turned, lm.asarray(matrix.T.astype(x.dtype.numpy)))
    return lm.moveaxis(made, -1, axis)


def _tent(distance: np.ndarray) -> np.ndarray:
    return np.maximum(1.0 - distance, 0.0)


def _cubic(a: float) -> Callable[[np.ndarray], np.ndarray]:
    """Keys' kernel with slope a at distance 1."""

    def weight(d: np.ndarray) -> np.ndarray:
        near = ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0
        far = ((d - 5.0) * d + 8.0) * d * a - 4.0 * a
        return np.where(d <= 1.0, near, np.where(d < 2.0, far, 0.0))

    return weight
