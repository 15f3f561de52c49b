"""Activations brought to mean 0 and variance 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina.base.errors import ShapeError
from lamina.tensor import Tensor
from lamina.tensor.api import asarray, mean, reshape, rsqrt


def layer_norm(
    x: Any,
    normalized_shape: int | Sequence[int],
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean(x)) / sqrt(var(x) + eps) * weight + bias over the last axes.

    Shapes: `x: [*B, *N], weight: [*N], bias: [*N] -> [*B, *N]`

    Source: Ba, Kiros and Hinton 2016, "Layer normalization".
    """
    x = asarray(x)
    sizes = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if x.shape[-len(sizes) :] != sizes:
        raise ShapeError(
            "layer_norm: the last axes are not the normalized shape",
            [f"x: {x.type}", f"normalized_shape: {sizes}"],
        )
    y = _standardised(x, tuple(range(-len(sizes), 0)), eps)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def rms_norm(x: Any, weight: Any = None, eps: float = 1e-6) -> Tensor:
    """x / sqrt(mean(x * x) + eps) * weight over the last axis.

    Shapes: `x: [*B, N], weight: [N] -> [*B, N]`

    Source: Zhang and Sennrich 2019, "Root mean square layer normalization".
    """
    x = asarray(x)
    y = x * rsqrt(mean(x * x, axis=-1, keepdims=True) + eps)
    return y if weight is None else y * weight


def _standardised(x: Tensor, axes: tuple[int, ...], eps: float) -> Tensor:
    gap = x - mean(x, axis=axes, keepdims=True)
    return gap * rsqrt(mean(gap * gap, axis=axes, keepdims=True) + eps)


def _channel_axes(x: Tensor) -> tuple[int, ...]:
    if x.ndim < 2:
        raise ShapeError("batch_norm: no channel axis", [f"x: {x.type}"], "x is [N, C, ...]")
    return (0, *range(2, x.ndim))


def batch_statistics(x: Any) -> tuple[Tensor, Tensor]:
    """Mean and variance (divided by n) of each channel.

    Shapes: `x: [N, C, *S] -> [C], [C]`
    """
    x = asarray(x)
    axes = _channel_axes(x)
    centre = mean(x, axis=axes, keepdims=True)
    gap = x - centre
    return reshape(centre, (x.shape[1],)), mean(gap * gap, axis=axes)


def batch_norm(
    x: Any,
    centre: Any,
    variance: Any,
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
) -> Tensor:
    """(x - centre) / sqrt(variance + eps) * weight + bias for each channel.

    Args:
        x: activations.
        centre: mean of each channel, of the batch (`batch_statistics`) or a running one.
        variance: likewise.
        weight: scale of each channel.
        bias: shift of each channel.
        eps: keeps the root away from 0.

    Shapes: `x: [N, C, *S], others: [C] -> [N, C, *S]`

    Source: Ioffe and Szegedy 2015, "Batch normalization".
    """
    x = asarray(x)
    spread = (x.shape[1], *[1] * (len(_channel_axes(x)) - 1))
    scale = rsqrt(asarray(variance) + eps)
    scale = scale if weight is None else scale * weight
    y = (x - reshape(centre, spread)) * reshape(scale, spread)
    return y if bias is None else y + reshape(bias, spread)
