"""Normalisation layers."""

from __future__ import annotations

from typing import Any

import lamina.tensor as lm
from lamina import functional
from lamina.base.errors import ShapeError
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


class BatchNorm2d(Module):
    """Normalise each channel over the batch and the image.

    While training, by the batch's statistics, which also move the running ones:
    `running = (1 - momentum) running + momentum batch`, with the unbiased variance. In evaluation
    mode, by the running ones.

    Shapes: `x: [B, num_features, H, W]`, unchanged.
    Source: Ioffe and Szegedy, "Batch Normalization", 2015; PyTorch's conventions.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        dtype: Any = lm.float32,
    ):
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.weight = lm.ones((num_features,), dtype=dtype) if affine else None
        self.bias = lm.zeros((num_features,), dtype=dtype) if affine else None
        tracked = track_running_stats
        mean = lm.zeros((num_features,), dtype=dtype) if tracked else None
        var = lm.ones((num_features,), dtype=dtype) if tracked else None
        self.register_buffer("running_mean", mean)
        self.register_buffer("running_var", var)
        self.register_buffer(
            "num_batches_tracked", lm.zeros((), dtype=lm.int64) if tracked else None
        )

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != 4 or x.shape[1] != self.num_features:
            raise ShapeError(
                "BatchNorm2d: the images have other channels than the layer",
                [f"x: {x.type}", f"num_features: {self.num_features}"],
                "x is [B, num_features, H, W]",
            )
        if not self.training and self.running_mean is not None:
            mean, var = self.running_mean, self.running_var
        else:
            mean, var = functional.batch_statistics(x)
            if self.training:
                self._track(x, mean, var)
        return functional.batch_norm(x, mean, var, self.weight, self.bias, self.eps)

    def _track(self, x: Tensor, mean: Tensor, var: Tensor) -> None:
        count = x.size // self.num_features
        if count < 2:
            raise ShapeError(
                "BatchNorm2d: one value for each channel has no variance to learn from",
                [f"x: {x.type}"],
                "train on more images at a time, or call eval()",
            )
        if self.running_mean is None:
            return
        unbiased = lm.stop_gradient(var) * (count / (count - 1))
        keep = 1.0 - self.momentum
        self.running_mean = keep * self.running_mean + self.momentum * lm.stop_gradient(mean)
        self.running_var = keep * self.running_var + self.momentum * unbiased
        self.num_batches_tracked = self.num_batches_tracked + 1

    def extra_repr(self) -> str:
        affine, tracked = self.weight is not None, self.running_mean is not None
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={affine}, track_running_stats={tracked}"
        )
