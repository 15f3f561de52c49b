"""Batch normalisation over vectors, sequences, images and volumes."""

from __future__ import annotations

from typing import ClassVar

from lamina import functional
from lamina.base.errors import ShapeError
from lamina.nn.running_statistics import RunningStatistics
from lamina.tensor import Tensor


class BatchNormalization(RunningStatistics):
    """What BatchNorm1d, BatchNorm2d and BatchNorm3d share; not a layer by itself."""

    ranks: ClassVar[tuple[int, ...]]

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim not in self.ranks or x.shape[1] != self.num_features:
            raise self.other_channels(x)
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
            self.move_statistics(mean, var, count)


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
