"""Layers that pool to a given number of windows, or everything."""

from __future__ import annotations

from typing import Any, ClassVar

from lamina import functional
from lamina.functional.adaptive_pooling import Targets, targets
from lamina.nn.module import Module
from lamina.tensor import Tensor


class AdaptivePooling(Module):
    """What adaptive means and maxima share; not a layer by itself."""

    axes: ClassVar[int]

    def __init__(self, output_size: Targets):
        super().__init__()
        targets(type(self).__name__, output_size, self.axes)
        whole = output_size is None or isinstance(output_size, int)
        self.output_size = output_size if whole else tuple(output_size)  # type: ignore[arg-type]

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveMean(AdaptivePooling):
    """What AdaptiveAvgPool1d, 2d and 3d share; not a layer by itself."""

    def forward(self, x: Tensor) -> Tensor:
        pool = (
            functional.adaptive_avg_pool1d,
            functional.adaptive_avg_pool2d,
            functional.adaptive_avg_pool3d,
        )[self.axes - 1]
        return pool(x, self.output_size)


class AdaptiveMaximum(AdaptivePooling):
    """What AdaptiveMaxPool1d, 2d and 3d share; not a layer by itself."""

    def __init__(self, output_size: Targets, return_indices: bool = False):
        super().__init__(output_size)
        self.return_indices = return_indices

    def forward(self, x: Tensor) -> Any:
        pool = (
            functional.adaptive_max_pool1d,
            functional.adaptive_max_pool2d,
            functional.adaptive_max_pool3d,
        )[self.axes - 1]
        return pool(x, self.output_size, self.return_indices)


class AdaptiveAvgPool1d(AdaptiveMean):
    """The mean of each of so many windows, which cover a sequence evenly and may overlap.

    Args:
        output_size: windows along each axis, or one number for all; None keeps an axis.

    Shapes: `x: [*B, C, L] -> [*B, C, output_size]`

    Source: PyTorch, `nn.AdaptiveAvgPool1d`.
    """

    axes = 1


class AdaptiveAvgPool2d(AdaptiveMean):
    """The mean of each of so many windows, which cover an image evenly and may overlap.

    Args:
        output_size: windows along each axis, or one number for all; None keeps an axis.

    Shapes: `x: [*B, C, H, W] -> [*B, C, *output_size]`

    Source: PyTorch, `nn.AdaptiveAvgPool2d`.
    """

    axes = 2


class AdaptiveAvgPool3d(AdaptiveMean):
    """The mean of each of so many windows, which cover a volume evenly and may overlap.

    Args:
        output_size: windows along each axis, or one number for all; None keeps an axis.

    Shapes: `x: [*B, C, D, H, W] -> [*B, C, *output_size]`

    Source: PyTorch, `nn.AdaptiveAvgPool3d`.
    """

    axes = 3


class AdaptiveMaxPool1d(AdaptiveMaximum):
    """The maximum of each of so many windows, which cover a sequence evenly and may overlap.

    Args:
        output_size: windows along each axis, or one number for all; None keeps an axis.
        return_indices: give also where the maxima stand, for `MaxUnpool1d`.

    Shapes: `x: [*B, C, L] -> [*B, C, output_size]`

    Source: PyTorch, `nn.AdaptiveMaxPool1d`.
    """

    axes = 1


class AdaptiveMaxPool2d(AdaptiveMaximum):
    """The maximum of each of so many windows, which cover an image evenly and may overlap.

    Args:
        output_size: windows along each axis, or one number for all; None keeps an axis.
        return_indices: give also where the maxima stand, for `MaxUnpool2d`.

    Shapes: `x: [*B, C, H, W] -> [*B, C, *output_size]`

    Source: PyTorch, `nn.AdaptiveMaxPool2d`.
    """

    axes = 2


class AdaptiveMaxPool3d(AdaptiveMaximum):
    """The maximum of each of so many windows, which cover a volume evenly and may overlap.

    Args:
        output_size: windows along each axis, or one number for all; None keeps an axis.
        return_indices: give also where the maxima stand, for `MaxUnpool3d`.

    Shapes: `x: [*B, C, D, H, W] -> [*B, C, *output_size]`

    Source: PyTorch, `nn.AdaptiveMaxPool3d`.
    """

    axes = 3


class GlobalAvgPool(Module):
    """The mean of each channel over all its places.

    Shapes: `x: [B, C, *A] -> [B, C, *(1 for each of A)]`

    Source: Lin, Chen and Yan 2014, "Network in network", section 3.2.
    """

    def forward(self, x: Tensor) -> Tensor:
        return functional.global_avg_pool(x)


class GlobalMaxPool(Module):
    """The maximum of each channel over all its places.

    Shapes: `x: [B, C, *A] -> [B, C, *(1 for each of A)]`

    Source: Lin, Chen and Yan 2014, "Network in network", section 3.2.
    """

    def forward(self, x: Tensor) -> Tensor:
        return functional.global_max_pool(x)
