"""Convolutions over one, two and three axes."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import lamina.tensor as lm
from lamina import functional
from lamina.base.errors import UsageError
from lamina.functional.convolution import spatial_padding
from lamina.functional.windows import Sizes, per_axis
from lamina.nn.linear import uniform_fan_in
from lamina.nn.module import Module
from lamina.tensor import Tensor

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


def sizes(name: str, what: str, value: Sizes, axes: int, least: int = 1) -> tuple[int, ...]:
    """The same number for every axis, or one for each; at least `least`."""
    found = per_axis(name, what, value, axes)
    if min(found) < least:
        raise UsageError(f"{name}: {what} is at least {least}", [f"{what}: {value}"])
    return found


def require_groups(name: str, in_channels: int, out_channels: int, groups: int) -> None:
    """Refuse groups that do not divide both numbers of channels."""
    if groups < 1 or in_channels % groups or out_channels % groups:
        raise UsageError(
            f"{name}: groups must divide both numbers of channels",
            [f"channels: {in_channels} -> {out_channels}", f"groups:   {groups}"],
        )


class Convolution(Module):
    """What Conv1d, Conv2d and Conv3d share; not a layer by itself."""

    axes: ClassVar[int]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes | str = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        dtype: Any = lm.float32,
    ):
        super().__init__()
        name = type(self).__name__
        require_groups(name, in_channels, out_channels, groups)
        if padding_mode not in PADDING_MODES:
            raise UsageError(
                f"{name}: no padding_mode {padding_mode!r}",
                [f"there are: {', '.join(PADDING_MODES)}"],
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = sizes(name, "kernel_size", kernel_size, self.axes)
        self.stride = sizes(name, "stride", stride, self.axes)
        self.padding = padding
        if not isinstance(padding, str):
            self.padding = sizes(name, "padding", padding, self.axes, least=0)
        self.dilation = sizes(name, "dilation", dilation, self.axes)
        self.groups = groups
        self.padding_mode = padding_mode
        shape = (out_channels, in_channels // groups, *self.kernel_size)
        fan_in = math.prod(shape[1:])
        self.weight = uniform_fan_in(shape, fan_in, dtype)
        self.bias = uniform_fan_in((out_channels,), fan_in, dtype) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        convolve = (functional.conv1d, functional.conv2d, functional.conv3d)[self.axes - 1]
        padding = self.padding
        if self.padding_mode != "zeros":
            x, padding = functional.pad(x, self._ends(), self.padding_mode), 0
        return convolve(
            x,
            self.weight,
            self.bias,
            stride=self.stride,
            padding=padding,
            dilation=self.dilation,
            groups=self.groups,
        )

    def _ends(self) -> list[int]:
        """The padding as `functional.pad` takes it: pairs, the last axis first."""
        around = spatial_padding(
            f"conv{self.axes}d", self.padding, self.kernel_size, self.stride, self.dilation
        )
        return [n for ends in reversed(around) for n in ends]

    def extra_repr(self) -> str:
        options = {
            "padding": (self.padding, (0,) * self.axes),
            "dilation": (self.dilation, (1,) * self.axes),
            "groups": (self.groups, 1),
            "bias": (self.bias is not None, True),
            "padding_mode": (self.padding_mode, "zeros"),
        }
        return describe(self, options)


def describe(layer: Any, options: dict[str, tuple[Any, Any]]) -> str:
    """The sizes of a convolution, and those options that are not the usual ones."""
    said = (
        f"{layer.in_channels}, {layer.out_channels}, "
        f"kernel_size={layer.kernel_size}, stride={layer.stride}"
    )
    unusual = [f"{n}={value!r}" for n, (value, usual) in options.items() if value != usual]
    return ", ".join([said, *unusual])


class Conv1d(Convolution):
    """Cross-correlation of sequences with learned kernels, plus a bias for each output channel.

    The arguments are those of `Conv2d`, with one number where that takes two.

    Shapes: `x: [B, in_channels, L] -> [B, out_channels, L']` with
    `L' = (L + 2 padding - dilation (kernel - 1) - 1) // stride + 1`;
    `weight: [out_channels, in_channels / groups, k]`, `bias: [out_channels]`.

    Source: PyTorch's names, shapes and initialisation.
    """

    axes = 1


class Conv2d(Convolution):
    """Cross-correlation of images with learned kernels, plus a bias for each output channel.

    Args:
        in_channels: channels of the images.
        out_channels: number of kernels.
        kernel_size: height and width of a kernel; like all sizes here one number, or two.
        stride: step of the window.
        padding: so much on each side; "same" keeps the size of the image, "valid" pads nothing.
        dilation: distance between the elements of a kernel.
        groups: channels are split into so many groups that do not mix; `in_channels` groups make a
            depthwise convolution.
        bias: whether there is one.
        padding_mode: what is put around: "zeros", or "reflect", "replicate" and "circular" as in
            `functional.pad`.
        dtype: of the parameters.

    Shapes: `x: [B, in_channels, H, W] -> [B, out_channels, H', W']` with
    `H' = (H + 2 padding - dilation (kernel - 1) - 1) // stride + 1`;
    `weight: [out_channels, in_channels / groups, kh, kw]`, `bias: [out_channels]`.

    Source: PyTorch's names, shapes and initialisation.
    """

    axes = 2


class Conv3d(Convolution):
    """Cross-correlation of volumes with learned kernels, plus a bias for each output channel.

    The arguments are those of `Conv2d`, with three numbers where that takes two.

    Shapes: `x: [B, in_channels, D, H, W] -> [B, out_channels, D', H', W']` with
    `D' = (D + 2 padding - dilation (kernel - 1) - 1) // stride + 1`;
    `weight: [out_channels, in_channels / groups, kd, kh, kw]`, `bias: [out_channels]`.

    Source: PyTorch's names, shapes and initialisation.
    """

    axes = 3
