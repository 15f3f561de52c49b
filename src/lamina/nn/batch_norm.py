"""Batch normalisation over vectors, sequences, images and volumes."""

from __future__ import annotations

from typing import Any, ClassVar

import lamina.tensor as lm
from lamina import functional
from lamina.base.errors import ShapeError
from lamina.nn.module import Module
from lamina.tensor import Tensor


class BatchNormalization(Module):
    """What BatchNorm1d, BatchNorm2d and BatchNorm3d share; not a layer by itself."""

    ranks: ClassVar[tuple[int, ...]]
    form: ClassVar[str]

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        dtype: Any = lm.float32,
    ):
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        self.weight = lm.ones((num_features,), dtype=dtype) if affine else None
        self.bias = lm.zeros((num_features,), dtype=dtype) if affine else None
        register_statistics(self, num_features, track_running_stats, dtype)

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim not in self.ranks or x.shape[1] != self.num_features:
            raise ShapeError(
                f"{type(self).__name__}: the images have other channels than the layer",
                [f"x: {x.type}", f"num_features: {self.num_features}"],
                f"x is {self.form}",
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
                f"{type(self).__name__}: one value for each channel has no variance to learn from",
                [f"x: {x.type}"],
                "train on more images at a time, or call eval()",
            )
        if self.running_mean is not None:
            self.num_batches_tracked = self.num_batches_tracked + 1
            move_statistics(self, mean, var, count)

    def extra_repr(self) -> str:
        return describe(self)


def register_statistics(layer: Module, count: int, tracked: bool, dtype: Any) -> None:
    """Buffers for the running statistics of `count` channels, or None where not tracked."""
    mean = lm.zeros((count,), dtype=dtype) if tracked else None
    var = lm.ones((count,), dtype=dtype) if tracked else None
    batches = lm.zeros((), dtype=lm.int64) if tracked else None
    layer.register_buffer("running_mean", mean)
    layer.register_buffer("running_var", var)
    layer.register_buffer("num_batches_tracked", batches)


def move_statistics(layer: Any, mean: Tensor, var: Tensor, count: int) -> None:
    """Move the running statistics towards those of a batch of `count` values a channel."""
    share: Any = layer.momentum
    if share is None:  # the mean over all batches so far
        share = 1.0 / lm.astype(layer.num_batches_tracked, layer.running_mean.dtype)
    mean, var = lm.stop_gradient(mean), lm.stop_gradient(var) * (count / (count - 1))
    keep = 1.0 - share
    layer.running_mean = keep * layer.running_mean + share * mean
    layer.running_var = keep * layer.running_var + share * var


def describe(layer: Any) -> str:
    """The sizes of a layer with running statistics."""
    return (
        f"{layer.num_features}, eps={layer.eps}, momentum={layer.momentum}, "
        f"affine={layer.affine}, track_running_stats={layer.track_running_stats}"
    )


class BatchNorm1d(BatchNormalization):
    """`BatchNorm2d` for vectors and sequences.

    Shapes: `x: [B, num_features]` or `[B, num_features, T]`, unchanged.
    """

    ranks = (2, 3)
    form = "[B, num_features] or [B, num_features, T]"


class BatchNorm2d(BatchNormalization):
    """(x - mean) / sqrt(var + eps) * weight + bias, for each channel over batch and image.

    While training, by the batch's statistics, which also move the running ones:
    `running = (1 - momentum) running + momentum batch`, with the unbiased variance. In evaluation
    mode, by the running ones.

    Args:
        num_features: channels.
        eps: keeps the root away from 0.
        momentum: weight of a new batch; None for the mean over all batches so far.
        affine: whether there are weight and bias.
        track_running_stats: whether there are running statistics; without them the batch's serve
            in evaluation mode too.
        dtype: of the parameters.

    Shapes: `x: [B, num_features, H, W]`, unchanged.

    Source: Ioffe and Szegedy, "Batch Normalization", 2015; PyTorch's conventions.
    """

    ranks = (4,)
    form = "[B, num_features, H, W]"


class BatchNorm3d(BatchNormalization):
    """`BatchNorm2d` for volumes.

    Shapes: `x: [B, num_features, D, H, W]`, unchanged.
    """

    ranks = (5,)
    form = "[B, num_features, D, H, W]"
