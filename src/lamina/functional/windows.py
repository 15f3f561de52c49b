"""Sliding windows over the last axes, which convolutions and pooling are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina.base.errors import ShapeError, UsageError
from lamina.graph.ir import emit
from lamina.graph.ops import Fold, Window
from lamina.tensor import Tensor
from lamina.tensor.api import asarray, moveaxis, reshape
from lamina.tensor.api import pad as pad_axes

Sizes = int | Sequence[int]


def per_axis(name: str, what: str, value: Sizes, axes: int) -> tuple[int, ...]:
    """One number for all axes, or one for each of them.

    Raises:
        UsageError: there are more or fewer numbers than axes.
    """
    if isinstance(value, int):
        return (value,) * axes
    sizes = tuple(int(n) for n in value)
    if len(sizes) == 1:
        return sizes * axes
    if len(sizes) != axes:
        raise UsageError(
            f"{name}: {what} has {len(sizes)} numbers for {axes} axes",
            [f"{what}: {value}"],
            "give one number, or one for each axis",
        )
    return sizes


def windows(x: Tensor, sizes: Sequence[int], steps: Sequence[int], dilations: Sequence[int]) -> Any:
    """Every place of a sliding window over the last axes.

    Shapes: `x: [*A, H, W] -> [*A, Y, X, KH, KW]` for two sizes, and so on.

    Raises:
        ShapeError: the window is larger than the image.
    """
    reach = tuple((k - 1) * d + 1 for k, d in zip(sizes, dilations, strict=True))
    count = len(sizes)
    if x.ndim < count or any(n < r for n, r in zip(x.shape[-count:], reach, strict=True)):
        raise ShapeError(
            "windows: the window is larger than the image",
            [f"image: {x.type}", f"window: {reach}"],
            "pad the image, or take a smaller kernel",
        )
    return emit(Window(tuple(sizes), tuple(steps), tuple(dilations)), x)


def unfold(
    x: Any, kernel_size: Sizes, dilation: Sizes = 1, padding: Sizes = 0, stride: Sizes = 1
) -> Tensor:
    """The windows of an image as columns (im2col).

    Args:
        x: images.
        kernel_size: height and width of a window; like all sizes here one number, or two.
        dilation: distance between the elements of a window.
        padding: zeros on each side.
        stride: step of the window.

    Shapes: `x: [*B, C, H, W] -> [*B, C KH KW, L]`, where L is the number of windows.

    Raises:
        ShapeError: the window is larger than the image.

    Example:
        >>> unfold(asarray([[[1, 2, 3], [4, 5, 6]]]), 2)
        Tensor([[1, 2],
                [2, 3],
                [4, 5],
                [5, 6]], shape=(4, 2), dtype=int64)

    Source: PyTorch, `nn.functional.unfold`.
    """
    x = asarray(x)
    if x.ndim not in (3, 4):
        raise ShapeError("unfold: not images", [f"x: {x.type}"], "x is [B, C, H, W] or [C, H, W]")
    kernel, steps, dilations, sides = _plan("unfold", kernel_size, stride, dilation, padding)
    padded = pad_axes(x, [(0, 0)] * (x.ndim - 2) + [(p, p) for p in sides])
    seen = moveaxis(windows(padded, kernel, steps, dilations), (-2, -1), (-4, -3))
    lead, (channels, *_), (rows, columns) = x.shape[:-3], x.shape[-3:], seen.shape[-2:]
    return reshape(seen, (*lead, channels * kernel[0] * kernel[1], rows * columns))


def fold(
    x: Any,
    output_size: Sizes,
    kernel_size: Sizes,
    dilation: Sizes = 1,
    padding: Sizes = 0,
    stride: Sizes = 1,
) -> Tensor:
    """Columns summed back into images: the transpose of `unfold` (col2im).

    Args:
        x: columns.
        output_size: height and width of the images.
        kernel_size, dilation, padding, stride: what `unfold` was given.

    Shapes: `x: [*B, C KH KW, L] -> [*B, C, H, W]`

    Raises:
        ShapeError: an image of that size has other columns.

    Source: PyTorch, `nn.functional.fold`.
    """
    x = asarray(x)
    kernel, steps, dilations, sides = _plan("fold", kernel_size, stride, dilation, padding)
    size = per_axis("fold", "output_size", output_size, 2)
    full = tuple(n + 2 * p for n, p in zip(size, sides, strict=True))
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    rows, columns = ((n - r) // s + 1 for n, r, s in zip(full, reach, steps, strict=True))
    elements = kernel[0] * kernel[1]
    fits = x.ndim in (2, 3) and min(rows, columns) > 0 and x.shape[-1] == rows * columns
    if not fits or x.shape[-2] % elements:
        raise ShapeError(
            "fold: these are not the columns of such images",
            [
                f"x: {x.type}",
                f"columns: a multiple of {elements} elements, {max(rows, 0)} x {max(columns, 0)}",
            ],
            "give the sizes that unfold was given",
        )
    channels = x.shape[-2] // elements
    seen = reshape(x, (*x.shape[:-2], channels, *kernel, rows, columns))
    summed = emit(Fold(full, kernel, steps, dilations), moveaxis(seen, (-4, -3), (-2, -1)))
    inside = [slice(p, p + n) for p, n in zip(sides, size, strict=True)]
    return summed[(..., *inside)]


def _plan(name: str, kernel: Sizes, stride: Sizes, dilation: Sizes, padding: Sizes) -> Any:
    """Kernel, steps, dilations and padding of two axes; sizes that cannot be meant are refused."""
    given = {"kernel_size": kernel, "stride": stride, "dilation": dilation, "padding": padding}
    found = []
    for what, value in given.items():
        sizes, least = per_axis(name, what, value, 2), int(what != "padding")
        if min(sizes) < least:
            raise UsageError(f"{name}: {what} is at least {least}", [f"{what}: {value}"])
        found.append(sizes)
    return found
