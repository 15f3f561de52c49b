"""Maxima put back where they stood."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import lamina.tensor.api as lm
from lamina.base.errors import ShapeError
from lamina.functional.windows import Sizes, per_axis
from lamina.tensor import Tensor


def max_unpool1d(
    x: Any,
    indices: Any,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """`max_unpool2d` with one axis.

    Shapes: `x, indices: [*A, X] -> [*A, L]`

    Example:
        >>> max_unpool1d(lm.asarray([[3, 5]]), lm.asarray([[1, 3]]), 2)
        Tensor([[0, 3, 0, 5]], shape=(1, 4), dtype=int64)

    Source: PyTorch, `nn.functional.max_unpool1d`.
    """
    return _unpool(1, x, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    x: Any,
    indices: Any,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Each maximum where it stood before `max_pool2d`, and zeros elsewhere.

    Args:
        x: maxima.
        indices: their places in an image, from `max_pool2d(..., return_indices=True)`.
        kernel_size, stride, padding: what the pooling was given.
        output_size: height and width of the image, or its whole shape; what the pooling of whole
            windows came from when None.

    Shapes: `x, indices: [*A, Y, X] -> [*A, H, W]` with `H = (Y - 1) stride - 2 padding + kernel`.

    Raises:
        ShapeError: maxima and places differ in shape, or `output_size` is no such size.

    Source: Zeiler, Taylor and Fergus 2011, "Adaptive deconvolutional networks"; PyTorch.
    """
    return _unpool(2, x, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    x: Any,
    indices: Any,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """`max_unpool2d` with one axis more.

    Shapes: `x, indices: [*A, Z, Y, X] -> [*A, D, H, W]`

    Source: PyTorch, `nn.functional.max_unpool3d`.
    """
    return _unpool(3, x, indices, kernel_size, stride, padding, output_size)


def _unpool(
    axes: int,
    x: Any,
    indices: Any,
    kernel_size: Sizes,
    stride: Sizes | None,
    padding: Sizes,
    output_size: Sequence[int] | None,
) -> Tensor:
    name = f"max_unpool{axes}d"
    x, indices = lm.asarray(x), lm.asarray(indices)
    if x.ndim < axes or x.shape != indices.shape:
        raise ShapeError(
            f"{name}: one place for each maximum is needed",
            [f"x: {x.type}", f"indices: {indices.type}"],
        )
    kernel = per_axis(name, "kernel_size", kernel_size, axes)
    steps = kernel if stride is None else per_axis(name, "stride", stride, axes)
    sides = per_axis(name, "padding", padding, axes)
    lead, counts = x.shape[: x.ndim - axes], x.shape[x.ndim - axes :]
    size = tuple((n - 1) * s - 2 * p + k for n, s, p, k in zip(counts, steps, sides, kernel))
    if output_size is not None:
        wanted = tuple(output_size)[-axes:]
        whole = len(output_size) in (axes, x.ndim)
        if not whole or any(abs(w - n) >= s for w, n, s in zip(wanted, size, steps)):
            raise ShapeError(
                f"{name}: pooling of such an image gives other windows",
                [f"output_size: {tuple(output_size)}", f"usual size: {size}, within {steps}"],
            )
        size = wanted
    flat = (*lead, math.prod(counts))
    empty = lm.zeros((*lead, math.prod(size)), dtype=x.dtype)
    filled = lm.put_along_axis(empty, lm.reshape(indices, flat), lm.reshape(x, flat), axis=-1)
    return lm.reshape(filled, (*lead, *size))
