"""Windows reduced to one number: maximum, mean and power mean."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

import lamina.tensor.api as lm
from lamina.base.errors import ShapeError, UsageError
from lamina.functional.windows import Sizes, per_axis, windows
from lamina.tensor import Tensor


def max_pool1d(
    x: Any,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The maximum of every window, as in `max_pool2d`.

    Shapes: `x: [*A, L] -> [*A, X]`

    Raises:
        ShapeError: the window is larger than the image.
        UsageError: the padding is larger than half a window.

    Example:
        >>> max_pool1d(lm.asarray([[1, 3, 2, 5]]), 2)
        Tensor([[3, 5]], shape=(1, 2), dtype=int64)

    Source: PyTorch, `nn.functional.max_pool1d`.
    """
    return _max_pool(1, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    x: Any,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The maximum of every window.

    Args:
        x: images.
        kernel_size: of the windows; like all sizes here one number, or one for each axis.
        stride: step of the window; `kernel_size` when None.
        padding: places on each side, which count as -inf; at most half a window.
        dilation: distance between the elements of a window.
        ceil_mode: one window more where the last one stops short of the end.
        return_indices: also where in its image the maximum stands, counted through all its axes.

    Returns:
        The maxima, or with `return_indices` the maxima and their places.

    Shapes: `x: [*A, H, W] -> [*A, Y, X]`

    Raises:
        ShapeError: the window is larger than the image.
        UsageError: the padding is larger than half a window.

    Source: PyTorch, `nn.functional.max_pool2d`.
    """
    return _max_pool(2, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(
    x: Any,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The maximum of every window, as in `max_pool2d`.

    Shapes: `x: [*A, D, H, W] -> [*A, Z, Y, X]`

    Raises:
        ShapeError: the window is larger than the image.
        UsageError: the padding is larger than half a window.

    Source: PyTorch, `nn.functional.max_pool3d`.
    """
    return _max_pool(3, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def avg_pool1d(
    x: Any,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of every window, as in `avg_pool2d`.

    Shapes: `x: [*A, L] -> [*A, X]`

    Raises:
        ShapeError: the window is larger than the image.
        UsageError: the padding is larger than half a window.

    Source: PyTorch, `nn.functional.avg_pool1d`.
    """
    return _avg_pool(
        1, x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def avg_pool2d(
    x: Any,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of every window.

    Args:
        x: images.
        kernel_size: of the windows; like all sizes here one number, or one for each axis.
        stride: step of the window; `kernel_size` when None.
        padding: zeros on each side; at most half a window.
        ceil_mode: one window more where the last one stops short of the end.
        count_include_pad: whether zeros of the padding count as elements.
        divisor_override: what sums are divided by, instead of the number of elements.

    Shapes: `x: [*A, H, W] -> [*A, Y, X]`

    Raises:
        ShapeError: the window is larger than the image.
        UsageError: the padding is larger than half a window.

    Source: PyTorch, `nn.functional.avg_pool2d`.
    """
    return _avg_pool(
        2, x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def avg_pool3d(
    x: Any,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of every window, as in `avg_pool2d`.

    Shapes: `x: [*A, D, H, W] -> [*A, Z, Y, X]`

    Raises:
        ShapeError: the window is larger than the image.
        UsageError: the padding is larger than half a window.

    Source: PyTorch, `nn.functional.avg_pool3d`.
    """
    return _avg_pool(
        3, x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def lp_pool1d(
    x: Any,
    norm_type: float,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """The power mean of every window, as in `lp_pool2d`.

    Shapes: `x: [*A, L] -> [*A, X]`

    Raises:
        ShapeError: the window is larger than the image.

    Source: PyTorch, `nn.functional.lp_pool1d`; Gulcehre et al. 2013, "Learned-norm pooling".
    """
    return _lp_pool(1, x, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    x: Any,
    norm_type: float,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """(sum of x ** norm_type) ** (1 / norm_type) of every window; 0 for a negative sum.

    Args:
        x: images.
        norm_type: the exponent; 1 gives sums, a large one the maximum.
        kernel_size: of the windows; one number, or one for each axis.
        stride: step of the window; `kernel_size` when None.
        ceil_mode: one window more where the last one stops short of the end.

    Shapes: `x: [*A, H, W] -> [*A, Y, X]`

    Raises:
        ShapeError: the window is larger than the image.

    Source: PyTorch, `nn.functional.lp_pool2d`; Gulcehre et al. 2013, "Learned-norm pooling".
    """
    return _lp_pool(2, x, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    x: Any,
    norm_type: float,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """The power mean of every window, as in `lp_pool2d`.

    Shapes: `x: [*A, D, H, W] -> [*A, Z, Y, X]`

    Raises:
        ShapeError: the window is larger than the image.

    Source: PyTorch, `nn.functional.lp_pool3d`; Gulcehre et al. 2013, "Learned-norm pooling".
    """
    return _lp_pool(3, x, norm_type, kernel_size, stride, ceil_mode)


@dataclass(frozen=True)
class Plan:
    """Windows of a pooling over the last axes of x.

    Attributes:
        sizes, steps, dilations: of the windows.
        before: padding at the start of each axis.
        after: padding at its end, so many more as `ceil_mode` asks for.
        counts: number of windows along each axis.
    """

    sizes: tuple[int, ...]
    steps: tuple[int, ...]
    dilations: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    counts: tuple[int, ...]

    def seen(self, x: Tensor, filler: float) -> Tensor:
        """The windows, those places outside of x being `filler`: [*A, *counts, *sizes]."""
        ends = list(zip(self.before, self.after, strict=True))
        lead = [(0, 0)] * (x.ndim - len(ends))
        return windows(lm.pad(x, lead + ends, value=filler), self.sizes, self.steps, self.dilations)


def plan(
    name: str,
    axes: int,
    x: Tensor,
    kernel: Sizes,
    stride: Sizes | None,
    padding: Sizes,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
) -> Plan:
    """The windows over the last `axes` axes of x; sizes that cannot be meant are refused."""
    if x.ndim < axes:
        raise ShapeError(f"{name}: too few axes", [f"x: {x.type}", f"axes to pool: {axes}"])
    sizes = per_axis(name, "kernel_size", kernel, axes)
    steps = sizes if stride is None else per_axis(name, "stride", stride, axes)
    dilations = per_axis(name, "dilation", dilation, axes)
    before = per_axis(name, "padding", padding, axes)
    if min(*sizes, *steps, *dilations) < 1 or min(before) < 0:
        raise UsageError(
            f"{name}: kernel_size, stride and dilation are at least 1, padding is at least 0",
            [f"kernel_size: {sizes}, stride: {steps}", f"dilation: {dilations}, padding: {before}"],
        )
    reaches = [(k - 1) * d + 1 for k, d in zip(sizes, dilations, strict=True)]
    if any(2 * p > r for p, r in zip(before, reaches, strict=True)):
        raise UsageError(
            f"{name}: padding is at most half of kernel_size, or windows see nothing else",
            [f"padding:     {padding}", f"kernel_size: {kernel}"],
        )
    counts, after = [], []
    for n, r, s, p in zip(x.shape[x.ndim - axes :], reaches, steps, before, strict=True):
        rest = n + 2 * p - r
        count = rest // s + 1
        if ceil_mode and rest % s and count * s < n + p:  # one window more, if it starts inside
            count += 1
        counts.append(count)
        after.append(p + max(0, (count - 1) * s - rest))
    return Plan(sizes, steps, dilations, before, tuple(after), tuple(counts))


def _max_pool(
    axes: int,
    x: Any,
    kernel_size: Sizes,
    stride: Sizes | None,
    padding: Sizes,
    dilation: Sizes,
    ceil_mode: bool,
    return_indices: bool,
) -> Any:
    x = lm.asarray(x)
    p = plan(f"max_pool{axes}d", axes, x, kernel_size, stride, padding, dilation, ceil_mode)
    lowest = -math.inf if x.dtype.is_float else lm.iinfo(x.dtype).min
    seen = p.seen(x, lowest)
    greatest = lm.max(seen, axis=tuple(range(-axes, 0)))
    return (greatest, _places(p, x, seen)) if return_indices else greatest


def _places(p: Plan, x: Tensor, seen: Tensor) -> Tensor:
    """Where in an image of x the greatest element of each window stands."""
    axes = len(p.sizes)
    flat = lm.reshape(seen, (*seen.shape[: seen.ndim - axes], math.prod(p.sizes)))
    within = lm.argmax(flat, axis=-1)
    place: Any = 0
    for k, n in enumerate(x.shape[x.ndim - axes :]):
        behind = math.prod(p.sizes[k + 1 :])
        offset = within // behind % p.sizes[k] * p.dilations[k]  # type: ignore[operator]
        starts = lm.arange(p.counts[k]) * p.steps[k] - p.before[k]
        place = place * n + offset + lm.reshape(starts, (-1, *[1] * (axes - 1 - k)))
    return place


def _avg_pool(
    axes: int,
    x: Any,
    kernel_size: Sizes,
    stride: Sizes | None,
    padding: Sizes,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Tensor:
    name = f"avg_pool{axes}d"
    x = lm.asarray(x)
    p = plan(name, axes, x, kernel_size, stride, padding, ceil_mode=ceil_mode)
    total = lm.sum(p.seen(x, 0.0), axis=tuple(range(-axes, 0)))
    if divisor_override is not None:
        if divisor_override == 0:
            raise UsageError(f"{name}: divisor_override is 0", ["nothing can be divided by it"])
        return total / divisor_override
    shares = _shares(p, x.shape[x.ndim - axes :], count_include_pad)
    if (shares == shares.flat[0]).all():
        return total * float(shares.flat[0])
    return total * lm.asarray(shares.astype(total.dtype.numpy))


def _shares(p: Plan, sizes: tuple[int, ...], with_padding: bool) -> np.ndarray:
    """One divided by the number of elements that each window counts."""
    shares = np.ones(())
    for n, k, s, low, count in zip(sizes, p.sizes, p.steps, p.before, p.counts, strict=True):
        first, last = (-low, n + low) if with_padding else (0, n)
        starts = np.arange(count) * s - low
        covered = np.minimum(starts + k, last) - np.maximum(starts, first)
        shares = shares[..., None] / covered
    return shares


def _lp_pool(
    axes: int,
    x: Any,
    norm_type: float,
    kernel_size: Sizes,
    stride: Sizes | None,
    ceil_mode: bool,
) -> Tensor:
    name = f"lp_pool{axes}d"
    x = lm.asarray(x)
    p = plan(name, axes, x, kernel_size, stride, 0, ceil_mode=ceil_mode)
    total = lm.sum(p.seen(x**norm_type, 0.0), axis=tuple(range(-axes, 0)))
    # PyTorch takes the mean times the size of a whole window, also at a border that cuts it.
    shares = _shares(p, x.shape[x.ndim - axes :], True) * math.prod(p.sizes)
    if (shares != 1).any():
        total = total * lm.asarray(shares.astype(total.dtype.numpy))
    return lm.where(total > 0, total, 0) ** (1.0 / norm_type)
