"""Instance normalisation over sequences, images and volumes."""

from __future__ import annotations

from typing import Any, ClassVar

import lamina.tensor as lm
from lamina import functional
from lamina.base.errors import ShapeError
from lamina.nn.running_statistics import RunningStatistics
from lamina.tensor import Tensor


class InstanceNormalization(RunningStatistics):
    """What InstanceNorm1d, InstanceNorm2d and InstanceNorm3d share; not a layer by itself."""

    axes: ClassVar[int]

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        dtype: Any = lm.float32,
    ):
        super().__init__(num_features, eps, momentum, affine, track_running_stats, dtype)

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim == self.axes + 1:
            one = lm.reshape(x, (1, *x.shape))
            return lm.reshape(self.forward(one), x.shape)
        if x.ndim != self.axes + 2 or (self.affine and x.shape[1] != self.num_features):
            raise self.other_channels(x)
        if not self.training and self.running_mean is not None:
            mean, var = self.running_mean, self.running_var
            return functional.batch_norm(x, mean, var, self.weight, self.bias, self.eps)
        count = x.size // max(1, x.shape[0] * x.shape[1])
        if self.training and count < 2:
            raise ShapeError(
                f"{type(self).__name__}: one value for each channel has no variance",
                [f"x: {x.type}"],
                "normalise larger images, or call eval()",
            )
        if self.training and self.running_mean is not None:
            means, variances = functional.instance_statistics(x)
            if self.momentum is None:  # PyTorch leaves the count alone, and needs none otherwise
                self.num_batches_tracked = self.num_batches_tracked + 1
            self.move_statistics(lm.mean(means, axis=0), lm.mean(variances, axis=0), count)
        return functional.instance_norm(x, self.weight, self.bias, self.eps)


class InstanceNorm1d(InstanceNormalization):
    """`InstanceNorm2d` for sequences.

    Shapes: `x: [B, num_features, T]` or `[num_features, T]`, unchanged.
    """

    axes = 1
    form = "[B, num_features, T]"


class InstanceNorm2d(InstanceNormalization):
    """(x - mean) / sqrt(var + eps) * weight + bias, for each channel of each image.

    Args:
        num_features: channels.
        eps: keeps the root away from 0.
        momentum: weight of a new batch in the running statistics; None for the mean over all.
        affine: whether there are weight and bias.
        track_running_stats: whether running statistics, means over the images of a batch, are kept
            while training and serve in evaluation mode.
        dtype: of the parameters.

    Shapes: `x: [B, num_features, H, W]` or `[num_features, H, W]`, unchanged.

    Source: Ulyanov, Vedaldi and Lempitsky, "Instance Normalization", 2016; PyTorch's conventions.
    """

    axes = 2
    form = "[B, num_features, H, W]"


class InstanceNorm3d(InstanceNormalization):
    """`InstanceNorm2d` for volumes.

    Shapes: `x: [B, num_features, D, H, W]` or `[num_features, D, H, W]`, unchanged.
    """

    axes = 3
    form = "[B, num_features, D, H, W]"
