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


def pair(n: Pair) -> tuple[int, int]:
    """The same number for height and width, or one for each."""
    return (n, n) if isinstance(n, int) else (n[0], n[1])


def _require_window(name: str, least: dict[str, int], **given: tuple[int, int] | str) -> None:
    """Sizes at least as large as they have to be; padding may be a word."""
    for what, sizes in given.items():
        if not isinstance(sizes, str) and min(sizes) < least.get(what, 1):
            raise UsageError(
                f"{name}: {what} is at least {least.get(what, 1)}", [f"{what}: {sizes}"]
            )


class Conv2d(Module):
    """Cross-correlation with learned kernels, plus a bias for each output channel.

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
        padding: Pair = 0,
        dilation: Pair = 1,
        groups: int = 1,
        bias: bool = True,
        dtype: Any = lm.float32,
    ):
        super().__init__()
        if in_channels % groups or out_channels % groups:
            raise UsageError(
                "Conv2d: groups must divide both numbers of channels",
                [f"channels: {in_channels} -> {out_channels}", f"groups:   {groups}"],
            )
        self.kernel_size = pair(kernel_size)
        self.stride = pair(stride)
        self.padding = pair(padding)
        self.dilation = pair(dilation)
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
        return (
            f"{inner * self.groups}, {out}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"padding={self.padding}"
        )


class MaxPool2d(Module):
    """The largest element of each window; padding counts as minus infinity."""

    def __init__(self, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0):
        super().__init__()
        self.kernel_size = pair(kernel_size)
        self.stride = pair(kernel_size if stride is None else stride)
        self.padding = pair(padding)

    def forward(self, x: Tensor) -> Tensor:
        return functional.max_pool2d(x, self.kernel_size, self.stride, self.padding)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"
