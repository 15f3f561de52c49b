"""Activations brought to mean 0 and variance 1."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import lamina.tensor.api as lm
from lamina.base.dims import Dim
from lamina.base.errors import ShapeError, UsageError
from lamina.functional.windows import windows
from lamina.tensor import Tensor, linalg
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
    axes = _last_axes("layer_norm", x, normalized_shape)
    y = _standardised(x, axes, eps)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def rms_norm(
    x: Any,
    normalized_shape: int | Sequence[int],
    weight: Any = None,
    eps: float | None = None,
) -> Tensor:
    """x / sqrt(mean(x * x) + eps) * weight over the last axes.

    Args:
        x: activations.
        normalized_shape: sizes of the last axes.
        weight: a scale for each of their elements.
        eps: keeps the root away from 0; the machine epsilon of the dtype when None.

    Shapes: `x: [*B, *N], weight: [*N] -> [*B, *N]`

    Source: Zhang and Sennrich 2019, "Root mean square layer normalization".
    """
    x = asarray(x)
    axes = _last_axes("rms_norm", x, normalized_shape)
    eps = float(lm.finfo(x.dtype).eps) if eps is None else eps
    y = x * rsqrt(mean(x * x, axis=axes, keepdims=True) + eps)
    return y if weight is None else y * weight


def _last_axes(name: str, x: Tensor, normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    one = isinstance(normalized_shape, int | Dim)
    sizes = (normalized_shape,) if one else tuple(normalized_shape)
    if x.shape[-len(sizes) :] != sizes:
        raise ShapeError(
            f"{name}: the last axes are not the normalized shape",
            [f"x: {x.type}", f"normalized_shape: {sizes}"],
        )
    return tuple(range(-len(sizes), 0))


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


def group_norm(
    x: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias over groups of channels of one example.

    Args:
        x: activations.
        num_groups: neighbouring channels are put into so many groups.
        weight: scale of each channel.
        bias: shift of each channel.
        eps: keeps the root away from 0.

    Shapes: `x: [N, C, *S], weight: [C], bias: [C] -> [N, C, *S]`

    Raises:
        ShapeError: the groups do not divide the channels.

    Source: Wu and He 2018, "Group normalization".
    """
    x = asarray(x)
    if x.ndim < 2 or num_groups < 1 or x.shape[1] % num_groups:
        raise ShapeError(
            "group_norm: the groups do not divide the channels",
            [f"x: {x.type}", f"num_groups: {num_groups}"],
            "x is [N, C, ...]",
        )
    members = x.shape[1] // num_groups
    grouped = reshape(x, (x.shape[0], num_groups, members * math.prod(x.shape[2:])))
    y = reshape(_standardised(grouped, (-1,), eps), x.shape)
    return _affine(y, weight, bias)


def instance_statistics(x: Any) -> tuple[Tensor, Tensor]:
    """Mean and variance (divided by n) of each channel of each example.

    Shapes: `x: [N, C, *S] -> [N, C], [N, C]`
    """
    x = asarray(x)
    axes = tuple(range(2, x.ndim))
    centre = mean(x, axis=axes, keepdims=True)
    gap = x - centre
    return reshape(centre, x.shape[:2]), mean(gap * gap, axis=axes)


def instance_norm(x: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias for each channel of each example.

    Shapes: `x: [N, C, *S], weight: [C], bias: [C] -> [N, C, *S]`

    Raises:
        ShapeError: there are no axes to normalise over.

    Source: Ulyanov, Vedaldi and Lempitsky 2016, "Instance normalization".
    """
    x = asarray(x)
    if x.ndim < 3:
        raise ShapeError(
            "instance_norm: no axes to normalise over", [f"x: {x.type}"], "x is [N, C, ...]"
        )
    y = _standardised(x, tuple(range(2, x.ndim)), eps)
    return _affine(y, weight, bias)


def _affine(y: Tensor, weight: Any, bias: Any) -> Tensor:
    """A scale and a shift for each channel."""
    spread = (y.shape[1], *[1] * (y.ndim - 2))
    y = y if weight is None else y * reshape(asarray(weight), spread)
    return y if bias is None else y + reshape(asarray(bias), spread)


def local_response_norm(
    x: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """x / (k + alpha * mean of x * x over `size` neighbouring channels) ** beta.

    Missing neighbours at the ends count as 0.

    Shapes: `x: [N, C, *S] -> [N, C, *S]`

    Raises:
        ShapeError: there is no channel axis.
        UsageError: there are no neighbours.

    Source: Krizhevsky, Sutskever and Hinton 2012, "ImageNet classification with deep convolutional
    neural networks", section 3.3.
    """
    x = asarray(x)
    if x.ndim < 3:
        raise ShapeError(
            "local_response_norm: x has no channels of a sequence or an image",
            [f"x: {x.type}"],
            "x is [N, C, ...]",
        )
    if size < 1:
        raise UsageError("local_response_norm: size is at least 1", [f"size: {size}"])
    squares = reshape(x * x, (*x.shape[:2], math.prod(x.shape[2:])))
    around = [(0, 0), (size // 2, (size - 1) // 2), (0, 0)]
    seen = windows(lm.pad(squares, around), (size, 1), (1, 1), (1, 1))
    means = reshape(lm.sum(seen, axis=(-2, -1)), x.shape) * (1.0 / size)
    return x / (means * alpha + k) ** beta


def normalize(x: Any, p: float = 2.0, axis: int = 1, eps: float = 1e-12) -> Tensor:
    """x / max(norm of x along `axis`, eps), the norm being (sum of |x| ** p) ** (1 / p).

    Shapes: `[*A] -> [*A]`

    Example:
        >>> normalize(asarray([[3.0, 4.0]]))
        Tensor([[0.6, 0.8]], shape=(1, 2), dtype=float32)

    Source: PyTorch, `nn.functional.normalize`.
    """
    x = asarray(x)
    return x / lm.maximum(linalg.vector_norm(x, axis=axis, keepdims=True, ord=p), eps)
