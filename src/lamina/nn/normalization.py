"""Normalisation of each example by itself: over trailing axes, groups of channels, neighbours."""

from __future__ import annotations

from typing import Any

import lamina.tensor as lm
from lamina import functional
from lamina.base.errors import UsageError
from lamina.nn.module import Module
from lamina.tensor import Tensor


class LayerNorm(Module):
    """(x - mean) / sqrt(var + eps) * weight + bias, over the trailing `normalized_shape`.

    Shapes: `x: [*B, *normalized_shape]`, unchanged; `weight, bias: [*normalized_shape]`.

    Source: Ba, Kiros, Hinton, "Layer Normalization", 2016.
    """

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        dtype: Any = lm.float32,
    ):
        super().__init__()
        shape = (normalized_shape,) if isinstance(normalized_shape, int) else normalized_shape
        self.normalized_shape = tuple(shape)
        self.eps = eps
        self.weight = lm.ones(self.normalized_shape, dtype=dtype) if elementwise_affine else None
        affine = elementwise_affine and bias
        self.bias = lm.zeros(self.normalized_shape, dtype=dtype) if affine else None

    def forward(self, x: Tensor) -> Tensor:
        return functional.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        affine = self.weight is not None
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={affine}"


class RMSNorm(Module):
    """x / sqrt(mean(x * x) + eps) * weight, over the trailing `normalized_shape`.

    `eps` is the machine epsilon of the dtype when None.

    Shapes: `x: [*B, *normalized_shape]`, unchanged; `weight: [*normalized_shape]`.

    Source: Zhang and Sennrich, "Root Mean Square Layer Normalization", 2019.
    """

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float | None = None,
        elementwise_affine: bool = True,
        dtype: Any = lm.float32,
    ):
        super().__init__()
        shape = (normalized_shape,) if isinstance(normalized_shape, int) else normalized_shape
        self.normalized_shape = tuple(shape)
        self.eps = eps
        self.weight = lm.ones(self.normalized_shape, dtype=dtype) if elementwise_affine else None

    def forward(self, x: Tensor) -> Tensor:
        return functional.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        affine = self.weight is not None
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={affine}"


class GroupNorm(Module):
    """(x - mean) / sqrt(var + eps) * weight + bias, over groups of channels of one example.

    Shapes: `x: [B, num_channels, *S]`, unchanged; `weight, bias: [num_channels]`.

    Source: Wu and He, "Group Normalization", 2018.
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        dtype: Any = lm.float32,
    ):
        super().__init__()
        if num_groups < 1 or num_channels % num_groups:
            raise UsageError(
                "GroupNorm: num_groups must divide num_channels",
                [f"num_groups:   {num_groups}", f"num_channels: {num_channels}"],
            )
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        self.weight = lm.ones((num_channels,), dtype=dtype) if affine else None
        self.bias = lm.zeros((num_channels,), dtype=dtype) if affine else None

    def forward(self, x: Tensor) -> Tensor:
        return functional.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}"


class LocalResponseNorm(Module):
    """x / (k + alpha * mean of x * x over `size` neighbouring channels) ** beta.

    Shapes: `x: [B, C, *S]`, unchanged.

    Source: Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep Convolutional
    Neural Networks", 2012.
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0):
        super().__init__()
        if size < 1:
            raise UsageError("LocalResponseNorm: size is at least 1", [f"size: {size}"])
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, x: Tensor) -> Tensor:
        return functional.local_response_norm(x, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
