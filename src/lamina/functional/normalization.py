"""Activations brought to mean 0 and variance 1."""

from __future__ import annotations

import math
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
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> tuple[Tensor, Tensor, Tensor]:
    """(x - mean) / sqrt(var + eps) * weight + bias for each channel.

    In training mean and var are those of the batch, and the running ones move towards them by
    `momentum` (the variance divided by n - 1); otherwise they are the running ones.

    Returns:
        (y, running_mean, running_var): the statistics to keep for the next call.

    Shapes: `x: [N, C, *S], others: [C] -> [N, C, *S], [C], [C]`

    Source: Ioffe and Szegedy 2015, "Batch normalization"; PyTorch for the running statistics.
    """
    x = asarray(x)
    axes = _channel_axes(x)
    running_mean, running_var = asarray(running_mean), asarray(running_var)
    spread = (x.shape[1], *[1] * (x.ndim - 2))
    centre, variance = batch_statistics(x) if training else (running_mean, running_var)
    if training:
        count = math.prod(x.shape[a] for a in axes)
        unbiased = variance * (count / max(count - 1, 1))
        running_mean = running_mean + momentum * (centre - running_mean)
        running_var = running_var + momentum * (unbiased - running_var)
    scale = rsqrt(variance + eps)
    scale = scale if weight is None else scale * weight
    y = (x - reshape(centre, spread)) * reshape(scale, spread)
    y = y if bias is None else y + reshape(asarray(bias), spread)
    return y, running_mean, running_var
