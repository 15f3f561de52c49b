"""What layers with running statistics share: their numbers, and how a batch moves them."""

from __future__ import annotations

from typing import Any, ClassVar

import lamina.tensor as lm
from lamina.base.errors import ShapeError
from lamina.nn.module import Module
from lamina.tensor import Tensor


class RunningStatistics(Module):
    """Mean and variance of each channel, kept over batches, and weight and bias to scale by.

    What BatchNorm and InstanceNorm share; not a layer by itself.
    """

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
        tracked = track_running_stats
        mean = lm.zeros((num_features,), dtype=dtype) if tracked else None
        var = lm.ones((num_features,), dtype=dtype) if tracked else None
        batches = lm.zeros((), dtype=lm.int64) if tracked else None
        self.register_buffer("running_mean", mean)
        self.register_buffer("running_var", var)
        self.register_buffer("num_batches_tracked", batches)

    def move_statistics(self, mean: Tensor, var: Tensor, count: int) -> None:
        """Move the running statistics towards those of a batch of `count` values a channel."""
        share: Any = self.momentum
        if share is None:  # the mean over all batches so far
            share = 1.0 / lm.astype(self.num_batches_tracked, self.running_mean.dtype)
        mean, var = lm.stop_gradient(mean), lm.stop_gradient(var) * (count / (count - 1))
        keep = 1.0 - share
        self.running_mean = keep * self.running_mean + share * mean
        self.running_var = keep * self.running_var + share * var

    def other_channels(self, x: Tensor) -> ShapeError:
        """The error of images that the layer was not made for."""
        return ShapeError(
            f"{type(self).__name__}: the images have other channels than the layer",
            [f"x: {x.type}", f"num_features: {self.num_features}"],
            f"x is {self.form}",
        )

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, track_running_stats={self.track_running_stats}"
        )
