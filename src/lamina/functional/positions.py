"""Where a vector stands in a sequence: sines and cosines, added to it or turning it."""

from __future__ import annotations

import math
from typing import Any

from lamina.base.errors import ShapeError, UsageError
from lamina.tensor import Tensor
from lamina.tensor.api import (
    arange,
    asarray,
    concat,
    cos,
    exp,
    expand_dims,
    float32,
    float64,
    reshape,
    sin,
    stack,
)


def sinusoidal_positions(
    length: int, width: int, base: float = 10000.0, dtype: Any = float32
) -> Tensor:
    """p[t, 2i] = sin(t / base^(2i / C)) and p[t, 2i + 1] = cos(t / base^(2i / C)).

    Shapes: `-> [length, width]`, the width C being even.

    Source: Vaswani et al. 2017, "Attention is all you need", section 3.5.
    """
    _require_even("sinusoidal_positions", width)
    angles = rotary_angles(arange(length), width, base, dtype)
    return reshape(stack([sin(angles), cos(angles)], axis=-1), (length, width))


def rotary_angles(
    positions: Any, width: int, base: float = 10000.0, dtype: Any = float32
) -> Tensor:
    """a[..., i] = position / base^(2i / D), for the D / 2 pairs of a vector.

    Shapes: `positions: [*P] -> [*P, width / 2]`

    Source: Su et al. 2021, "RoFormer: enhanced transformer with rotary position embedding".
    """
    _require_even("rotary_angles", width)
    pair = arange(width // 2, dtype=dtype)
    slowness = exp(pair * (-2.0 * math.log(base) / width))
    return expand_dims(asarray(positions, dtype=dtype), axis=-1) * slowness  # type: ignore[operator]


def rotary_embedding(
    x: Any, positions: Any = None, base: float = 10000.0, interleaved: bool = False
) -> Tensor:
    """Each pair of elements of x turned by an angle that grows with its position.

    (a, b) -> (a cos t - b sin t, a sin t + b cos t), so the product of two turned vectors depends
    on the distance between their positions only.

    Args:
        x: vectors of even width, such as the queries or keys of a head.
        positions: of the vectors; 0, 1, ..., T - 1 when None.
        base: of the wave lengths.
        interleaved: pairs are neighbours (2i, 2i + 1), as in RoFormer and the original Llama; else
            they are (i, i + D / 2), as in GPT-NeoX and the Llama of `transformers`.

    Shapes: `x: [*B, T, D], positions: [T], or [*B, T] with axes of size 1 -> [*B, T, D]`

    Raises:
        UsageError: the width is odd.
        ShapeError: there is not one position for each vector.

    Source: Su et al. 2021, "RoFormer: enhanced transformer with rotary position embedding".
    """
    x = asarray(x)
    if x.ndim < 2:
        raise ShapeError("rotary_embedding: no axis of positions", [f"x: {x.type}"])
    places = arange(x.shape[-2]) if positions is None else asarray(positions)
    if places.shape[-1:] != x.shape[-2:-1]:
        raise ShapeError(
            "rotary_embedding: there is not one position for each vector",
            [f"x: {x.type}", f"positions: {places.type}"],
            "x is [*B, T, D] and positions [T]",
        )
    dtype = float64 if x.dtype is float64 else float32
    angles = rotary_angles(places, x.shape[-1], base, dtype)
    return rotate_pairs(x, cos(angles), sin(angles), interleaved)


def rotate_pairs(x: Any, cosine: Any, sine: Any, interleaved: bool = False) -> Tensor:
    """(a, b) -> (a cos - b sin, a sin + b cos) for each pair of x; see `rotary_embedding`.

    Shapes: `x: [*B, T, D], cosine, sine: [*B, T, D / 2] -> [*B, T, D]`
    """
    x = asarray(x)
    half = x.shape[-1] // 2
    cosine, sine = (asarray(t, dtype=x.dtype) for t in (cosine, sine))
    if interleaved:
        pairs = reshape(x, (*x.shape[:-1], half, 2))
        a, b = pairs[..., 0], pairs[..., 1]
        turned = stack([a * cosine - b * sine, a * sine + b * cosine], axis=-1)
        return reshape(turned, x.shape)
    a, b = x[..., :half], x[..., half:]
    return concat([a * cosine - b * sine, a * sine + b * cosine], axis=-1)


def _require_even(name: str, width: int) -> None:
    if width < 2 or width % 2:
        raise UsageError(f"{name}: the width is not even", [f"width: {width}"])
