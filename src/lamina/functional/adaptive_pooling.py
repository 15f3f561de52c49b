"""Pooling to a given number of windows, and over everything.

Window i of o over n places goes from floor(i n / o) to ceil((i + 1) n / o), along each axis for
itself. So means and maxima are taken axis by axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import lamina.tensor.api as lm
from lamina.base.errors import ShapeError, UsageError
from lamina.tensor import Tensor

Targets = int | Sequence[int | None] | None


def adaptive_avg_pool1d(x: Any, output_size: Targets) -> Tensor:
    """The mean of each of so many windows, as in `adaptive_avg_pool2d`.

    Shapes: `x: [*A, L] -> [*A, output_size]`

    Example:
        >>> adaptive_avg_pool1d(lm.asarray([[1.0, 2.0, 3.0]]), 2)
        Tensor([[1.5, 2.5]], shape=(1, 2), dtype=float32)

    Source: PyTorch, `nn.functional.adaptive_avg_pool1d`.
    """
    return _averages(1, x, output_size)


def adaptive_avg_pool2d(x: Any, output_size: Targets) -> Tensor:
    """The mean of each of so many windows, which cover the image evenly and may overlap.

    Args:
        x: images.
        output_size: windows along each axis, or one number for all; None keeps an axis.

    Shapes: `x: [*A, H, W] -> [*A, output_size[0], output_size[1]]`

    Raises:
        ShapeError: there are too few axes, or nothing along one.
        UsageError: a size is below 1, or there are not as many as axes.

    Example:
        >>> adaptive_avg_pool2d(lm.asarray([[1.0, 2.0], [3.0, 6.0]]), 1)
        Tensor([[3.]], shape=(1, 1), dtype=float32)

    Source: PyTorch, `nn.functional.adaptive_avg_pool2d`.
    """
    return _averages(2, x, output_size)


def adaptive_avg_pool3d(x: Any, output_size: Targets) -> Tensor:
    """The mean of each of so many windows, as in `adaptive_avg_pool2d`.

    Shapes: `x: [*A, D, H, W] -> [*A, *output_size]`

    Source: PyTorch, `nn.functional.adaptive_avg_pool3d`.
    """
    return _averages(3, x, output_size)


def adaptive_max_pool1d(x: Any, output_size: Targets, return_indices: bool = False) -> Any:
    """The maximum of each of so many windows, as in `adaptive_max_pool2d`.

    Shapes: `x: [*A, L] -> [*A, output_size]`

    Example:
        >>> adaptive_max_pool1d(lm.asarray([[1, 4, 3]]), 2, return_indices=True)[1]
        Tensor([[1, 1]], shape=(1, 2), dtype=int64)

    Source: PyTorch, `nn.functional.adaptive_max_pool1d`.
    """
    return _maxima(1, x, output_size, return_indices)


def adaptive_max_pool2d(x: Any, output_size: Targets, return_indices: bool = False) -> Any:
    """The maximum of each of so many windows, which cover the image evenly and may overlap.

    Args:
        x: images.
        output_size: windows along each axis, or one number for all; None keeps an axis.
        return_indices: give also where in an image the maxima stand.

    Shapes: `x: [*A, H, W] -> [*A, output_size[0], output_size[1]]`

    Raises:
        ShapeError: there are too few axes, or nothing along one.
        UsageError: a size is below 1, or there are not as many as axes.

    Source: PyTorch, `nn.functional.adaptive_max_pool2d`.
    """
    return _maxima(2, x, output_size, return_indices)


def adaptive_max_pool3d(x: Any, output_size: Targets, return_indices: bool = False) -> Any:
    """The maximum of each of so many windows, as in `adaptive_max_pool2d`.

    Shapes: `x: [*A, D, H, W] -> [*A, *output_size]`

    Source: PyTorch, `nn.functional.adaptive_max_pool3d`.
    """
    return _maxima(3, x, output_size, return_indices)


def global_avg_pool(x: Any) -> Tensor:
    """The mean of each channel over all its places.

    Shapes: `x: [B, C, *A] -> [B, C, *(1 for each of A)]`

    Example:
        >>> global_avg_pool(lm.asarray([[[1.0, 3.0]]]))
        Tensor([[[2.]]], shape=(1, 1, 1), dtype=float32)

    Source: Lin, Chen and Yan 2014, "Network in network", section 3.2.
    """
    x = _with_places("global_avg_pool", x)
    return lm.mean(x, axis=tuple(range(2, x.ndim)), keepdims=True)


def global_max_pool(x: Any) -> Tensor:
    """The maximum of each channel over all its places.

    Shapes: `x: [B, C, *A] -> [B, C, *(1 for each of A)]`

    Example:
        >>> global_max_pool(lm.asarray([[[1.0, 3.0]]]))
        Tensor([[[3.]]], shape=(1, 1, 1), dtype=float32)
    """
    x = _with_places("global_max_pool", x)
    return lm.max(x, axis=tuple(range(2, x.ndim)), keepdims=True)


def _with_places(name: str, x: Any) -> Tensor:
    x = lm.asarray(x)
    if x.ndim < 3:
        raise ShapeError(
            f"{name}: no axes behind the channels", [f"x: {x.type}"], "x is [B, C, *A]"
        )
    return x


def targets(name: str, output_size: Targets, axes: int) -> tuple[int | None, ...]:
    """The number of windows along each axis; None where all places are kept.

    Raises:
        UsageError: a size is below 1, or there are not as many as axes.
    """
    given: Any = output_size
    sizes = (given,) * axes if given is None or isinstance(given, int) else tuple(given)
    if len(sizes) != axes or any(n is not None and n < 1 for n in sizes):
        raise UsageError(
            f"{name}: output_size is one size of at least 1, or one for each of {axes} axes",
            [f"output_size: {output_size}"],
        )
    return sizes


def _sizes(name: str, axes: int, x: Tensor, output_size: Targets) -> tuple[int, ...]:
    wanted = targets(name, output_size, axes)
    if x.ndim < axes or 0 in x.shape[x.ndim - axes :]:
        raise ShapeError(f"{name}: nothing to pool", [f"x: {x.type}", f"axes to pool: {axes}"])
    given = x.shape[x.ndim - axes :]
    return tuple(n if size is None else size for n, size in zip(given, wanted, strict=True))


def _spans(n: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Starts and ends of the windows.  Shapes: `-> [count], [count]`."""
    i = np.arange(count)
    return i * n // count, -(-(i + 1) * n // count)


def _averages(axes: int, x: Any, output_size: Targets) -> Tensor:
    x = lm.asarray(x)
    sizes = _sizes(f"adaptive_avg_pool{axes}d", axes, x, output_size)
    for k, count in enumerate(sizes):
        axis = x.ndim - axes + k
        n = x.shape[axis]
        if n % count == 0:
            parts = lm.reshape(x, (*x.shape[:axis], count, n // count, *x.shape[axis + 1 :]))
            x = lm.mean(parts, axis=axis + 1)
            continue
        starts, ends = _spans(n, count)
        places = np.arange(n)
        inside = (places >= starts[:, None]) & (places < ends[:, None])
        shares = lm.asarray((inside / (ends - starts)[:, None]).astype(x.dtype.numpy))  # (count, n)
        x = lm.moveaxis(lm.matmul(lm.moveaxis(x, axis, -1), lm.matrix_transpose(shares)), -1, axis)
    return x


def _maxima(axes: int, x: Any, output_size: Targets, return_indices: bool) -> Any:
    x = lm.asarray(x)
    sizes = _sizes(f"adaptive_max_pool{axes}d", axes, x, output_size)
    lowest: Any = -np.inf if x.dtype.is_float else lm.iinfo(x.dtype).min
    place: Any = None
    stride = 1
    for k in reversed(range(axes)):  # the last axis first: of equal ones the first in a row counts
        axis, count = x.ndim - axes + k, sizes[k]
        n = x.shape[axis]
        starts, ends = _spans(n, count)
        seen = starts[:, None] + np.arange(int((ends - starts).max()))  # (count, longest)
        outside = seen >= ends[:, None]
        taken = np.minimum(seen, n - 1)
        windows = _split(lm.take(x, lm.asarray(taken.ravel()), axis=axis), axis, taken.shape)
        if outside.any():
            mask = outside.reshape(*outside.shape, *[1] * (x.ndim - 1 - axis))
            windows = lm.where(lm.asarray(mask), lm.astype(lm.asarray(lowest), x.dtype), windows)
        if return_indices:
            best: Any = lm.argmax(windows, axis=axis + 1, keepdims=True)
            first = lm.asarray(starts.reshape(-1, *[1] * (x.ndim - 1 - axis)))
            row = lm.squeeze(best, axis=axis + 1) + first
            if place is not None:
                place = lm.take_along_axis(place, row, axis=axis)
            place = row * stride + (0 if place is None else place)
        stride *= n
        x = lm.max(windows, axis=axis + 1)
    return (x, place) if return_indices else x


def _split(x: Tensor, axis: int, shape: tuple[int, ...]) -> Tensor:
    return lm.reshape(x, (*x.shape[:axis], *shape, *x.shape[axis + 1 :]))
