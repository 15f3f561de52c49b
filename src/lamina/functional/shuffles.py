"""Channels and pixels put in other places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina.base.errors import ShapeError, UsageError
from lamina.tensor import Tensor
from lamina.tensor.api import asarray, permute_dims, reshape, swapaxes


def pixel_shuffle(x: Any, upscale_factor: int) -> Tensor:
    """Channels spread over the pixels of a larger image.

    Args:
        x: images.
        upscale_factor: r.

    Shapes: `x: [*B, C r², H, W] -> [*B, C, H r, W r]`

    Raises:
        ShapeError: the channels are no multiple of r².

    Example:
        >>> pixel_shuffle(asarray([[[1]], [[2]], [[3]], [[4]]]), 2)
        Tensor([[[1, 2],
                 [3, 4]]], shape=(1, 2, 2), dtype=int64)

    Source: Shi et al. 2016, "Real-time single image and video super-resolution"; PyTorch.
    """
    x, r = asarray(x), _factor("pixel_shuffle", "upscale_factor", upscale_factor)
    if x.ndim < 3 or x.shape[-3] % (r * r):
        raise ShapeError(
            f"pixel_shuffle: the channels are no multiple of {r * r}", [f"x: {x.type}"]
        )
    *lead, channels, rows, columns = x.shape
    x = reshape(x, (*lead, channels // (r * r), r, r, rows, columns))
    k = len(lead)
    x = permute_dims(x, (*range(k), k, k + 3, k + 1, k + 4, k + 2))
    return reshape(x, (*lead, channels // (r * r), rows * r, columns * r))


def pixel_unshuffle(x: Any, downscale_factor: int) -> Tensor:
    """Pixels gathered in channels of a smaller image: the inverse of `pixel_shuffle`.

    Args:
        x: images.
        downscale_factor: r.

    Shapes: `x: [*B, C, H r, W r] -> [*B, C r², H, W]`

    Raises:
        ShapeError: height or width is no multiple of r.

    Example:
        >>> pixel_unshuffle(asarray([[[1, 2], [3, 4]]]), 2).shape
        (4, 1, 1)

    Source: PyTorch, `nn.functional.pixel_unshuffle`.
    """
    x, r = asarray(x), _factor("pixel_unshuffle", "downscale_factor", downscale_factor)
    if x.ndim < 3 or x.shape[-2] % r or x.shape[-1] % r:
        raise ShapeError(
            f"pixel_unshuffle: height or width is no multiple of {r}", [f"x: {x.type}"]
        )
    *lead, channels, rows, columns = x.shape
    x = reshape(x, (*lead, channels, rows // r, r, columns // r, r))
    k = len(lead)
    x = permute_dims(x, (*range(k), k, k + 2, k + 4, k + 1, k + 3))
    return reshape(x, (*lead, channels * r * r, rows // r, columns // r))


def channel_shuffle(x: Any, groups: int) -> Tensor:
    """Channels dealt out over groups: channel j of group i becomes channel i of group j.

    Args:
        x: images, or anything with channels behind the batch.
        groups: how many.

    Shapes: `x: [B, C, *A]`, unchanged.

    Raises:
        ShapeError: the groups do not divide the channels.

    Example:
        >>> channel_shuffle(asarray([[1, 2, 3, 4]]), 2)
        Tensor([[1, 3, 2, 4]], shape=(1, 4), dtype=int64)

    Source: Zhang et al. 2018, "ShuffleNet"; PyTorch.
    """
    x, g = asarray(x), _factor("channel_shuffle", "groups", groups)
    if x.ndim < 2 or x.shape[1] % g:
        raise ShapeError(
            f"channel_shuffle: {g} groups do not divide the channels", [f"x: {x.type}"]
        )
    parts = reshape(x, (x.shape[0], g, x.shape[1] // g, *x.shape[2:]))
    return reshape(swapaxes(parts, 1, 2), x.shape)


def unflatten(x: Any, dim: int, sizes: Sequence[int]) -> Tensor:
    """One axis split into several.

    Args:
        x: the tensor.
        dim: which axis.
        sizes: of the new ones; one may be -1.

    Shapes: `x: [*A, N, *C] -> [*A, *sizes, *C]`

    Raises:
        ShapeError: there is no such axis, or it has another number of elements.

    Example:
        >>> unflatten(asarray([[1, 2, 3, 4]]), 1, (2, -1)).shape
        (1, 2, 2)

    Source: PyTorch, `Tensor.unflatten`.
    """
    x = asarray(x)
    axis = dim + x.ndim if dim < 0 else dim
    known = 1
    for n in sizes:
        known *= n if n != -1 else 1
    size = x.shape[axis] if 0 <= axis < x.ndim else 0
    open_sizes = sum(n == -1 for n in sizes)
    fits = 0 <= axis < x.ndim and known > 0 and open_sizes < 2
    if not fits or (size % known if open_sizes else size != known):
        raise ShapeError(
            f"unflatten: axis {dim} cannot be split into {tuple(sizes)}", [f"x: {x.type}"]
        )
    new = [size // known if n == -1 else n for n in sizes]
    return reshape(x, (*x.shape[:axis], *new, *x.shape[axis + 1 :]))


def _factor(name: str, what: str, value: int) -> int:
    if value < 1:
        raise UsageError(f"{name}: {what} is at least 1", [f"{what}: {value}"])
    return value
