"""Images read at any places: grids of coordinates, and what stands there."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

import lamina.tensor.api as lm
from lamina.base.errors import ShapeError, UsageError
from lamina.tensor import Tensor

MODES = ("bilinear", "nearest", "bicubic")
PADDINGS = ("zeros", "border", "reflection")


def affine_grid(theta: Any, size: Sequence[int], align_corners: bool = False) -> Tensor:
    """The places that an affine map gives the pixels of an image: θ (x, y, 1).

    Args:
        theta: the maps.
        size: of the images, `[B, C, H, W]` or `[B, C, D, H, W]`.
        align_corners: whether -1 and 1 are the centres of the outermost pixels, or their edges.

    Shapes: `theta: [B, 2, 3] -> [B, H, W, 2]`, or `[B, 3, 4] -> [B, D, H, W, 3]`.

    Raises:
        ShapeError: maps and size do not fit together.

    Example:
        >>> affine_grid(lm.asarray([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]), (1, 1, 1, 2))[0, 0]
        Tensor([[-0.5,  0. ],
                [ 0.5,  0. ]], shape=(2, 2), dtype=float32)

    Source: Jaderberg et al. 2015, "Spatial transformer networks"; PyTorch.
    """
    theta, places = lm.asarray(theta), tuple(size)[2:]
    axes = len(places)
    if axes not in (2, 3) or theta.shape != (size[0], axes, axes + 1):
        raise ShapeError(
            "affine_grid: maps and size do not fit together",
            [f"theta: {theta.type}", f"size: {tuple(size)}"],
            "theta is [B, 2, 3] for size [B, C, H, W], [B, 3, 4] for [B, C, D, H, W]",
        )
    lines = [_line(n, align_corners) for n in reversed(places)]
    around = np.meshgrid(*reversed(lines), indexing="ij")
    base = np.stack([*reversed(around), np.ones(places)], axis=-1).reshape(-1, axes + 1)
    moved = lm.matmul(lm.asarray(base.astype(theta.dtype.numpy)), lm.matrix_transpose(theta))
    return lm.reshape(moved, (size[0], *places, axes))


def _line(n: int, align_corners: bool) -> np.ndarray:
    if align_corners:
        return np.linspace(-1.0, 1.0, n) if n > 1 else np.zeros(n)
    return (2.0 * np.arange(n) + 1.0) / n - 1.0


def grid_sample(
    x: Any,
    grid: Any,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """What stands at the places of a grid, between the pixels as well.

    Args:
        x: images or volumes.
        grid: places (x, y) or (x, y, z), each axis going from -1 to 1.
        mode: "bilinear" (for volumes trilinear), "nearest", or for images "bicubic".
        padding_mode: what is outside: "zeros", "border" for the nearest pixel, "reflection" for the
            mirrored image.
        align_corners: whether -1 and 1 are the centres of the outermost pixels, or their edges.

    Shapes: `x: [B, C, H, W], grid: [B, Y, X, 2] -> [B, C, Y, X]`, or
    `x: [B, C, D, H, W], grid: [B, Z, Y, X, 3] -> [B, C, Z, Y, X]`.

    Raises:
        ShapeError: images and grid do not fit together.
        UsageError: there is no such mode.

    Example:
        >>> image = lm.asarray([[[[1.0, 3.0]]]])
        >>> grid_sample(image, lm.asarray([[[[0.0, 0.0]]]]))
        Tensor([[[[2.]]]], shape=(1, 1, 1, 1), dtype=float32)

    Source: Jaderberg et al. 2015, "Spatial transformer networks"; PyTorch.
    """
    x, grid = lm.asarray(x), lm.asarray(grid)
    axes = x.ndim - 2
    if mode not in MODES or padding_mode not in PADDINGS or (mode == "bicubic" and axes != 2):
        raise UsageError(
            f"grid_sample: no mode {mode!r} with {padding_mode!r} over {axes} axes",
            [f"modes: {', '.join(MODES)}; bicubic for images", f"padding: {', '.join(PADDINGS)}"],
        )
    fits = axes in (2, 3) and grid.ndim == x.ndim and 0 not in x.shape[2:]
    if not fits or grid.shape[0] != x.shape[0] or grid.shape[-1] != axes:
        raise ShapeError(
            "grid_sample: images and grid do not fit together",
            [f"x: {x.type}", f"grid: {grid.type}"],
            "grid is [B, Y, X, 2] for [B, C, H, W], [B, Z, Y, X, 3] for [B, C, D, H, W]",
        )
    aligned = bool(align_corners)
    where = [  # for each axis of x, its coordinate in pixels: [B, *places]
        _pixels(grid[..., axes - 1 - k], x.shape[2 + k], aligned) for k in range(axes)
    ]
    if mode != "bicubic":
        where = [_inside(p, x.shape[2 + k], padding_mode, aligned) for k, p in enumerate(where)]
    if mode == "nearest":
        taps = [[(lm.round(p), None)] for p in where]
    else:
        taps = [_cubic_taps(p) if mode == "bicubic" else _linear_taps(p) for p in where]
    total: Any = None
    for corner in itertools.product(*taps):
        places = [place for place, _ in corner]
        if mode == "bicubic":
            places = [
                _inside(p, x.shape[2 + k], padding_mode, aligned) for k, p in enumerate(places)
            ]
        term = _read(x, places, padding_mode == "zeros")
        for _, weight in corner:
            term = term if weight is None else term * lm.expand_dims(weight, axis=1)
        total = term if total is None else total + term
    return total


def _pixels(place: Any, n: int, align_corners: bool) -> Any:
    """From -1 ... 1 to numbers of pixels."""
    return (place + 1.0) * ((n - 1) / 2.0) if align_corners else ((place + 1.0) * n - 1.0) / 2.0


def _inside(place: Any, n: int, padding_mode: str, align_corners: bool) -> Any:
    """Places outside of the image moved onto its border, or mirrored there."""
    if padding_mode == "zeros":
        return place
    if padding_mode == "reflection":
        low, span = (0.0, n - 1.0) if align_corners else (-0.5, float(n))
        if span == 0.0:
            return place * 0.0
        away = lm.abs(place - low)
        turns = lm.floor(away / span)
        rest: Any = away - turns * span
        place = lm.where(lm.equal(lm.remainder(turns, 2.0), 0.0), rest + low, span - rest + low)
    return lm.clip(place, 0.0, n - 1.0)


def _linear_taps(place: Any) -> list[tuple[Any, Any]]:
    first: Any = lm.floor(place)
    rest = place - first
    return [(first, 1.0 - rest), (first + 1.0, rest)]


def _cubic_taps(place: Any) -> list[tuple[Any, Any]]:
    """Keys' kernel with a = -0.75."""
    first: Any = lm.floor(place)
    t = place - first
    a = -0.75
    taps = []
    for offset, d in ((-1.0, t + 1.0), (0.0, t), (1.0, 1.0 - t), (2.0, 2.0 - t)):
        if offset in (0.0, 1.0):
            weight = ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0
        else:
            weight = ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a
        taps.append((first + offset, weight))
    return taps


def _read(x: Tensor, places: list[Any], zeros: bool) -> Any:
    """x at whole places, and zeros or the border outside.

    Shapes: `x: [B, C, *A], places: [B, *P] for each of A -> [B, C, *P]`.
    """
    batch, channels, *sizes = x.shape
    shape = places[0].shape[1:]
    index: Any = 0
    inside: Any = None
    for place, n in zip(places, sizes, strict=True):
        kept = lm.clip(place, 0.0, n - 1.0)
        held = lm.equal(kept, place)
        inside = held if inside is None else lm.logical_and(inside, held)
        index = index * n + lm.astype(lm.stop_gradient(kept), lm.int64)
    flat = lm.reshape(x, (batch, channels, math.prod(sizes)))
    spread = lm.broadcast_to(lm.reshape(index, (batch, 1, -1)), (batch, channels, math.prod(shape)))
    found: Any = lm.reshape(lm.take_along_axis(flat, spread, axis=2), (batch, channels, *shape))
    return lm.where(lm.expand_dims(inside, axis=1), found, 0.0) if zeros else found
