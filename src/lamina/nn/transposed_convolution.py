"""Transposed convolutions over one, two and three axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import lamina.tensor as lm
from lamina import functional
from lamina.base.errors import ShapeError, UsageError
from lamina.functional.windows import Sizes
from lamina.nn.convolution import describe, require_groups, sizes
from lamina.nn.linear import uniform_fan_in
from lamina.nn.module import Module
from lamina.tensor import Tensor


class TransposedConvolution(Module):
    """What ConvTranspose1d, ConvTranspose2d and ConvTranspose3d share; not a layer by itself."""

    axes: ClassVar[int]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes = 0,
        output_padding: Sizes = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Sizes = 1,
        padding_mode: str = "zeros",
        dtype: Any = lm.float32,
    ):
        super().__init__()
        name = type(self).__name__
        require_groups(name, in_channels, out_channels, groups)
        if padding_mode != "zeros":
            raise UsageError(f"{name}: no padding_mode {padding_mode!r}", ['there is "zeros"'])
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = sizes(name, "kernel_size", kernel_size, self.axes)
        self.stride = sizes(name, "stride", stride, self.axes)
        self.padding = sizes(name, "padding", padding, self.axes, least=0)
        self.output_padding = sizes(name, "output_padding", output_padding, self.axes, least=0)
        self.dilation = sizes(name, "dilation", dilation, self.axes)
        self.groups = groups
        shape = (in_channels, out_channels // groups, *self.kernel_size)
        fan_in = math.prod(shape[1:])  # as PyTorch counts it: by the second axis
        self.weight = uniform_fan_in(shape, fan_in, dtype)
        self.bias = uniform_fan_in((out_channels,), fan_in, dtype) if bias else None

    def forward(self, x: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """The transposed convolution of x.

        Args:
            x: images.
            output_size: of the result, in place of `output_padding`; of its spatial axes, or of
                all. Several sizes have the same convolution when the stride is above 1.
        """
        convolve = (
            functional.conv_transpose1d,
            functional.conv_transpose2d,
            functional.conv_transpose3d,
        )[self.axes - 1]
        return convolve(
            x,
            self.weight,
            self.bias,
            stride=self.stride,
            padding=self.padding,
            output_padding=self._output_padding(x, output_size),
            groups=self.groups,
            dilation=self.dilation,
        )

    def _output_padding(self, x: Tensor, output_size: Sequence[int] | None) -> tuple[int, ...]:
        if output_size is None:
            return self.output_padding
        wanted = tuple(output_size)[-self.axes :]
        least = tuple(
            (n - 1) * s - 2 * p + d * (k - 1) + 1
            for n, s, p, d, k in zip(
                x.shape[-self.axes :],
                self.stride,
                self.padding,
                self.dilation,
                self.kernel_size,
                strict=True,
            )
        )
        more = tuple(w - n for w, n in zip(wanted, least, strict=False))
        if len(more) != self.axes or any(m < 0 or m >= s for m, s in zip(more, self.stride)):
            raise ShapeError(
                f"{type(self).__name__}: this size cannot come out",
                [
                    f"output_size: {wanted}",
                    f"possible:    from {least} to {_most(least, self.stride)}",
                ],
            )
        return more

    def extra_repr(self) -> str:
        options = {
            "padding": (self.padding, (0,) * self.axes),
            "dilation": (self.dilation, (1,) * self.axes),
            "output_padding": (self.output_padding, (0,) * self.axes),
            "groups": (self.groups, 1),
            "bias": (self.bias is not None, True),
        }
        return describe(self, options)


def _most(least: tuple[int, ...], stride: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n + s - 1 for n, s in zip(least, stride, strict=True))


class ConvTranspose1d(TransposedConvolution):
    """The transpose of `Conv1d` in its input, with parameters of its own.

    The arguments are those of `ConvTranspose2d`, with one number where that takes two.

    Shapes: `x: [B, in_channels, L] -> [B, out_channels, L']`;
    `weight: [in_channels, out_channels / groups, k]`, `bias: [out_channels]`.

    Source: PyTorch's names, shapes and initialisation.
    """

    axes = 1


class ConvTranspose2d(TransposedConvolution):
    """The transpose of `Conv2d` in its input, with parameters of its own: it makes images larger.

    Args:
        in_channels: channels of the images.
        out_channels: channels of the result.
        kernel_size: height and width of a kernel; like all sizes here one number, or two.
        stride: distance in the result between neighbours of the image.
        padding: so many elements are cut off at each side of the result.
        output_padding: so many elements are put on again behind.
        groups: channels are split into so many groups that do not mix.
        bias: whether there is one.
        dilation: distance between the elements of a kernel.
        padding_mode: "zeros"; there is no other.
        dtype: of the parameters.

    Shapes: `x: [B, in_channels, H, W] -> [B, out_channels, H', W']` with
    `H' = (H - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1`;
    `weight: [in_channels, out_channels / groups, kh, kw]`, `bias: [out_channels]`.

    Source: PyTorch's names, shapes and initialisation.
    """

    axes = 2


class ConvTranspose3d(TransposedConvolution):
    """The transpose of `Conv3d` in its input, with parameters of its own.

    The arguments are those of `ConvTranspose2d`, with three numbers where that takes two.

    Shapes: `x: [B, in_channels, D, H, W] -> [B, out_channels, D', H', W']`;
    `weight: [in_channels, out_channels / groups, kd, kh, kw]`, `bias: [out_channels]`.

    Source: PyTorch's names, shapes and initialisation.
    """

    axes = 3
