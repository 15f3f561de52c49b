"""Convolution and pooling over images `[B, C, H, W]`."""

from __future__ import annotations

import math
from typing import Any

import lamina.tensor as lm
from lamina import functional
from lamina.base.errors import UsageError
from lamina.nn.linear import uniform_fan_in
from lamina.nn.module import Module
from lamina.tensor import Tensor

Pair = int | tuple[int, int]


def pair(name: str, what: str, n: Pair, least: int = 1) -> tuple[int, int]:
    """The same number for height and width, or one for each; at least `least`."""
    sizes = (n, n) if isinstance(n, int) else (int(n[0]), int(n[1]))
    if min(sizes) < least:
        raise UsageError(f"{name}: {what} is at least {least}", [f"{what}: {n}"])
    return sizes


class Conv2d(Module):
    """Cross-correlation with learned kernels, plus a bias for each output channel.

    Args:
        in_channels: channels of the images.
        out_channels: number of kernels.
        kernel_size: height and width of a kernel; like all sizes here one number, or two.
        stride: step of the window.
        padding: zeros on each side; "same" keeps the size of the image, "valid" pads nothing.
        dilation: distance between the elements of a kernel.
        groups: channels are split into so many groups that do not mix.
        bias: whether there is one.
        dtype: of the parameters.

    Shapes: `x: [B, in_channels, H, W] -> [B, out_channels, H', W']` with
    `H' = (H + 2 padding - dilation (kernel - 1) - 1) // stride + 1`;
    `weight: [out_channels, in_channels / groups, kh, kw]`, `bias: [out_channels]`.

    Source: PyTorch's names, shapes and initialisation.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair | str = 0,
        dilation: Pair = 1,
        groups: int = 1,
        bias: bool = True,
        dtype: Any = lm.float32,
    ):
        super().__init__()
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise UsageError(
                "Conv2d: groups must divide both numbers of channels",
                [f"channels: {in_channels} -> {out_channels}", f"groups:   {groups}"],
            )
        self.kernel_size = pair("Conv2d", "kernel_size", kernel_size)
        self.stride = pair("Conv2d", "stride", stride)
        self.padding = padding
        if not isinstance(padding, str):
            self.padding = pair("Conv2d", "padding", padding, least=0)
        self.dilation = pair("Conv2d", "dilation", dilation)
        self.groups = groups
        shape = (out_channels, in_channels // groups, *self.kernel_size)
        fan_in = math.prod(shape[1:])
        self.weight = uniform_fan_in(shape, fan_in, dtype)
        self.bias = uniform_fan_in((out_channels,), fan_in, dtype) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return functional.conv2d(
            x,
            self.weight,
            self.bias,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
        )

    def extra_repr(self) -> str:
        out, inner = self.weight.shape[:2]
        said = f"{inner * self.groups}, {out}, kernel_size={self.kernel_size}, stride={self.stride}"
        options = {
            "padding": (self.padding, (0, 0)),
            "dilation": (self.dilation, (1, 1)),
            "groups": (self.groups, 1),
            "bias": (self.bias is not None, True),
        }
        unusual = [f"{n}={value!r}" for n, (value, usual) in options.items() if value != usual]
        return ", ".join([said, *unusual])


class MaxPool2d(Module):
    """The largest element of each window; padding counts as minus infinity.

    Where several elements of a window are the largest, they share its gradient evenly (PyTorch
    gives it to the first).

    Shapes: `x: [B, C, H, W] -> [B, C, H', W']` with `H' = (H + 2 padding - kernel) // stride + 1`.

    Source: PyTorch's names.
    """

    def __init__(self, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0):
        super().__init__()
        self.kernel_size = pair("MaxPool2d", "kernel_size", kernel_size)
        step = kernel_size if stride is None else stride
        self.stride = pair("MaxPool2d", "stride", step)
        self.padding = pair("MaxPool2d", "padding", padding, least=0)
        if any(2 * p > k for p, k in zip(self.padding, self.kernel_size, strict=True)):
            raise UsageError(
                "MaxPool2d: padding is at most half of kernel_size, or windows see nothing else",
                [f"padding:     {padding}", f"kernel_size: {kernel_size}"],
            )

    def forward(self, x: Tensor) -> Tensor:
        return functional.max_pool2d(x, self.kernel_size, self.stride, self.padding)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"
