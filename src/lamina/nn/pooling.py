"""Pooling over one, two and three axes."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from lamina import functional
from lamina.base.errors import UsageError
from lamina.functional.windows import Sizes
from lamina.nn.convolution import sizes
from lamina.nn.module import Module
from lamina.tensor import Tensor


class MaxPooling(Module):
    """What MaxPool1d, MaxPool2d and MaxPool3d share; not a layer by itself."""

    axes: ClassVar[int]

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ):
        super().__init__()
        name = type(self).__name__
        self.kernel_size = sizes(name, "kernel_size", kernel_size, self.axes)
        step = kernel_size if stride is None else stride
        self.stride = sizes(name, "stride", step, self.axes)
        self.padding = sizes(name, "padding", padding, self.axes, least=0)
        self.dilation = sizes(name, "dilation", dilation, self.axes)
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode
        reach = [(k - 1) * d + 1 for k, d in zip(self.kernel_size, self.dilation, strict=True)]
        require_half(name, self.padding, reach, padding, kernel_size)

    def forward(self, x: Tensor) -> Any:
        pool = (functional.max_pool1d, functional.max_pool2d, functional.max_pool3d)[self.axes - 1]
        return pool(
            x,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            ceil_mode=self.ceil_mode,
            return_indices=self.return_indices,
        )

    def extra_repr(self) -> str:
        said = f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"
        dilated = set(self.dilation) != {1}
        said += f", dilation={self.dilation}" if dilated else ""
        return said + (", ceil_mode=True" if self.ceil_mode else "")


def require_half(name: str, padding: Any, reach: Any, given: Sizes, kernel_size: Sizes) -> None:
    """Refuse a padding that whole windows fit into."""
    if any(2 * p > r for p, r in zip(padding, reach, strict=True)):
        raise UsageError(
            f"{name}: padding is at most half of kernel_size, or windows see nothing else",
            [f"padding:     {given}", f"kernel_size: {kernel_size}"],
        )


class MaxPool1d(MaxPooling):
    """The largest element of each window of a sequence; `MaxPool2d` with one axis.

    Shapes: `x: [B, C, L] -> [B, C, L']`.

    Source: PyTorch's names.
    """

    axes = 1


class MaxPool2d(MaxPooling):
    """The largest element of each window; padding counts as minus infinity.

    Where several elements of a window are the largest, they share its gradient evenly (PyTorch
    gives it to the first).

    Args:
        kernel_size: of the windows; like all sizes here one number, or one for each axis.
        stride: step of the window; `kernel_size` when None.
        padding: places on each side; at most half a window.
        dilation: distance between the elements of a window.
        return_indices: give also where the maxima stand, for `MaxUnpool2d`.
        ceil_mode: one window more where the last one stops short of the end.

    Shapes: `x: [B, C, H, W] -> [B, C, H', W']` with
    `H' = (H + 2 padding - dilation (kernel - 1) - 1) // stride + 1`.

    Source: PyTorch's names.
    """

    axes = 2


class MaxPool3d(MaxPooling):
    """The largest element of each window of a volume; `MaxPool2d` with one axis more.

    Shapes: `x: [B, C, D, H, W] -> [B, C, D', H', W']`.

    Source: PyTorch's names.
    """

    axes = 3


class MeanPooling(Module):
    """What AvgPool1d, AvgPool2d and AvgPool3d share; not a layer by itself."""

    axes: ClassVar[int]

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ):
        super().__init__()
        name = type(self).__name__
        self.kernel_size = sizes(name, "kernel_size", kernel_size, self.axes)
        step = kernel_size if stride is None else stride
        self.stride = sizes(name, "stride", step, self.axes)
        self.padding = sizes(name, "padding", padding, self.axes, least=0)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override
        require_half(name, self.padding, self.kernel_size, padding, kernel_size)
        if divisor_override == 0:
            raise UsageError(f"{name}: divisor_override is 0", ["nothing can be divided by it"])

    def forward(self, x: Tensor) -> Tensor:
        pool = (functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d)[self.axes - 1]
        return pool(
            x,
            self.kernel_size,
            self.stride,
            self.padding,
            ceil_mode=self.ceil_mode,
            count_include_pad=self.count_include_pad,
            divisor_override=self.divisor_override,
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(MeanPooling):
    """The mean of each window of a sequence; `AvgPool2d` with one axis.

    Shapes: `x: [B, C, L] -> [B, C, L']`.

    Source: PyTorch's names.
    """

    axes = 1


class AvgPool2d(MeanPooling):
    """The mean of each window.

    Args:
        kernel_size: of the windows; like all sizes here one number, or one for each axis.
        stride: step of the window; `kernel_size` when None.
        padding: zeros on each side; at most half a window.
        ceil_mode: one window more where the last one stops short of the end.
        count_include_pad: whether zeros of the padding count as elements.
        divisor_override: what sums are divided by, instead of the number of elements.

    Shapes: `x: [B, C, H, W] -> [B, C, H', W']` with `H' = (H + 2 padding - kernel) // stride + 1`.

    Source: PyTorch's names.
    """

    axes = 2


class AvgPool3d(MeanPooling):
    """The mean of each window of a volume; `AvgPool2d` with one axis more.

    Shapes: `x: [B, C, D, H, W] -> [B, C, D', H', W']`.

    Source: PyTorch's names.
    """

    axes = 3


class PowerPooling(Module):
    """What LPPool1d, LPPool2d and LPPool3d share; not a layer by itself."""

    axes: ClassVar[int]

    def __init__(
        self,
        norm_type: float,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        ceil_mode: bool = False,
    ):
        super().__init__()
        name = type(self).__name__
        if norm_type == 0 or not math.isfinite(norm_type):
            raise UsageError(f"{name}: no mean has this exponent", [f"norm_type: {norm_type}"])
        self.norm_type = norm_type
        self.kernel_size = sizes(name, "kernel_size", kernel_size, self.axes)
        step = kernel_size if stride is None else stride
        self.stride = sizes(name, "stride", step, self.axes)
        self.ceil_mode = ceil_mode

    def forward(self, x: Tensor) -> Tensor:
        pool = (functional.lp_pool1d, functional.lp_pool2d, functional.lp_pool3d)[self.axes - 1]
        return pool(x, self.norm_type, self.kernel_size, self.stride, self.ceil_mode)

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}, ceil_mode={self.ceil_mode}"
        )


class LPPool1d(PowerPooling):
    """(sum of x ** norm_type) ** (1 / norm_type) of each window.

    Args:
        norm_type: the exponent; 1 gives sums, a large one the maximum.
        kernel_size: of the windows; one number, or one for each axis.
        stride: step of the window; `kernel_size` when None.
        ceil_mode: one window more where the last one stops short of the end.

    Shapes: `x: [B, C, L] -> [B, C, L']`.

    Source: PyTorch's names; Gulcehre et al. 2013, "Learned-norm pooling".
    """

    axes = 1


class LPPool2d(PowerPooling):
    """(sum of x ** norm_type) ** (1 / norm_type) of each window.

    Args:
        norm_type: the exponent; 1 gives sums, a large one the maximum.
        kernel_size: of the windows; one number, or one for each axis.
        stride: step of the window; `kernel_size` when None.
        ceil_mode: one window more where the last one stops short of the end.

    Shapes: `x: [B, C, H, W] -> [B, C, H', W']`.

    Source: PyTorch's names; Gulcehre et al. 2013, "Learned-norm pooling".
    """

    axes = 2


class LPPool3d(PowerPooling):
    """(sum of x ** norm_type) ** (1 / norm_type) of each window.

    Args:
        norm_type: the exponent; 1 gives sums, a large one the maximum.
        kernel_size: of the windows; one number, or one for each axis.
        stride: step of the window; `kernel_size` when None.
        ceil_mode: one window more where the last one stops short of the end.

    Shapes: `x: [B, C, D, H, W] -> [B, C, D', H', W']`.

    Source: PyTorch's names; Gulcehre et al. 2013, "Learned-norm pooling".
    """

    axes = 3
