"""Convolutions over `[B, *S, C]`, with kernels `[*K, I, O]`."""

from __future__ import annotations

from typing import Any, ClassVar

import lamina.tensor as lm
from lamina import functional
from lamina.base.errors import UsageError
from lamina.keras import activations, initializers
from lamina.keras.layer import Layer
from lamina.keras.layers.shape import channels_last
from lamina.keras.windows import (
    Sizes,
    channels_behind,
    channels_first,
    ends,
    padded,
    padding_of,
    sizes,
)
from lamina.tensor import Tensor

_CONVOLVE = (functional.conv1d, functional.conv2d, functional.conv3d)


def convolved(
    x: Tensor, kernel: Tensor, padding: str, strides: Sizes, dilation: Sizes, groups: int
) -> Tensor:
    """The convolution of `x: [B, *S, C]` with a kernel `[*K, C / groups, O]`."""
    axes = kernel.ndim - 2
    taps = kernel.shape[:-2]
    around = ends(padding, x.shape[1:-1], taps, strides, dilation)
    weight = lm.permute_dims(kernel, (axes + 1, axes, *range(axes)))
    images = channels_first(padded(lm.astype(x, kernel.dtype), around))
    y = _CONVOLVE[axes - 1](images, weight, None, strides, 0, dilation, groups)
    return channels_behind(y)


class _Convolution(Layer):
    """What Conv1D, Conv2D and Conv3D share; not a layer by itself."""

    axes: ClassVar[int]

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        **options: Any,
    ):
        super().__init__(**options)
        name = type(self).__name__
        known = ("valid", "same", "causal") if self.axes == 1 else ("valid", "same")
        self.filters = filters
        self.kernel_size = sizes(kernel_size, self.axes)
        self.strides = sizes(strides, self.axes)
        self.padding = padding_of(name, padding, known)
        self.data_format = channels_last(name, data_format)
        self.dilation_rate = sizes(dilation_rate, self.axes)
        self.groups = groups
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)

    def build(self, input_shape: Any) -> None:
        shape = (*self.kernel_size, input_shape[-1] // self.groups, self.filters)
        self.kernel = self.add_weight(shape, self.kernel_initializer)
        if self.use_bias:
            self.bias = self.add_weight((self.filters,), self.bias_initializer)

    def call(self, x: Tensor) -> Tensor:
        how = (self.padding, self.strides, self.dilation_rate, self.groups)
        y = convolved(x, self.kernel, *how)
        return self.activation(y + self.bias if self.use_bias else y)


class Conv1D(_Convolution):
    """A convolution over sequences; as `Conv2D`, and padding may be "causal", all before.

    Shapes: `x: [B, T, C] -> [B, T', filters]`.
    """

    axes = 1


class Conv2D(_Convolution):
    """A convolution over images.

    Args:
        filters: channels of the output.
        kernel_size, strides, dilation_rate: one number, or one for each axis.
        padding: "valid", or "same" for ceil(size / stride) windows.
        data_format: "channels_last".
        groups: channels are split into so many groups that do not mix.
        activation: a name or a function.
        use_bias: whether there is a bias.
        kernel_initializer, bias_initializer: of the first values.
        options: those of `Layer`.

    Shapes: `x: [B, H, W, C] -> [B, H', W', filters]`; `kernel: [KH, KW, C / groups, filters]`.

    Source: Keras 3, `layers.Conv2D`.
    """

    axes = 2


class Conv3D(_Convolution):
    """A convolution over volumes; as `Conv2D`.

    Shapes: `x: [B, D, H, W, C] -> [B, D', H', W', filters]`.
    """

    axes = 3


class Conv2DTranspose(Layer):
    """The transpose of `Conv2D` in its input, which makes images larger.

    Args:
        filters: channels of the output.
        kernel_size, strides: one number, or one for each axis.
        padding: "valid", or "same" for an output of size times stride.
        data_format: "channels_last".
        activation: a name or a function.
        use_bias: whether there is a bias.
        kernel_initializer, bias_initializer: of the first values.
        options: those of `Layer`.

    Shapes: `x: [B, H, W, C] -> [B, H', W', filters]`; `kernel: [KH, KW, filters, C]`.

    Source: Keras 3, `layers.Conv2DTranspose`.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        **options: Any,
    ):
        super().__init__(**options)
        self.filters = filters
        self.kernel_size = sizes(kernel_size, 2)
        self.strides = sizes(strides, 2)
        self.padding = padding_of("Conv2DTranspose", padding)
        self.data_format = channels_last("Conv2DTranspose", data_format)
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)

    def build(self, input_shape: Any) -> None:
        shape = (*self.kernel_size, self.filters, input_shape[-1])
        self.kernel = self.add_weight(shape, self.kernel_initializer)
        if self.use_bias:
            self.bias = self.add_weight((self.filters,), self.bias_initializer)

    def call(self, x: Tensor) -> Tensor:
        weight = lm.permute_dims(self.kernel, (3, 2, 0, 1))
        images = channels_first(lm.astype(x, self.kernel.dtype))
        full = functional.conv_transpose2d(images, weight, None, self.strides)
        y = channels_behind(self._of_size(full, x.shape[1:3]))
        return self.activation(y + self.bias if self.use_bias else y)

    def _of_size(self, full: Tensor, shape: Sizes) -> Tensor:
        """What the padding leaves of a full transpose, or zeros behind where it is too short."""
        for axis, (n, k, s) in enumerate(zip(shape, self.kernel_size, self.strides, strict=True)):
            more = max(k - s, 0)
            first = more // 2 if self.padding == "same" else 0
            wanted = n * s if self.padding == "same" else n * s + more
            missing = max(first + wanted - full.shape[2 + axis], 0)
            full = lm.pad(full, [(0, missing if a == 2 + axis else 0) for a in range(4)])
            part = [slice(None)] * (2 + axis) + [slice(first, first + wanted)]
            full = full[tuple(part)]
        return full


class DepthwiseConv2D(Layer):
    """A convolution of each channel by itself.

    Args:
        kernel_size, strides, dilation_rate: one number, or one for each axis.
        padding: "valid", or "same" for ceil(size / stride) windows.
        depth_multiplier: outputs M for each channel.
        data_format: "channels_last".
        activation: a name or a function.
        use_bias: whether there is a bias.
        depthwise_initializer, bias_initializer: of the first values.
        options: those of `Layer`.

    Shapes: `x: [B, H, W, C] -> [B, H', W', C * M]`; `kernel: [KH, KW, C, M]`.

    Source: Keras 3, `layers.DepthwiseConv2D`.
    """

    def __init__(
        self,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        **options: Any,
    ):
        super().__init__(**options)
        self.kernel_size = sizes(kernel_size, 2)
        self.strides = sizes(strides, 2)
        self.padding = padding_of("DepthwiseConv2D", padding)
        self.depth_multiplier = depth_multiplier
        self.data_format = channels_last("DepthwiseConv2D", data_format)
        self.dilation_rate = sizes(dilation_rate, 2)
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.depthwise_initializer = initializers.get(depthwise_initializer)
        self.bias_initializer = initializers.get(bias_initializer)

    def build(self, input_shape: Any) -> None:
        channels = input_shape[-1]
        shape = (*self.kernel_size, channels, self.depth_multiplier)
        self.kernel = self.add_weight(shape, self.depthwise_initializer)
        if self.use_bias:
            shape = (channels * self.depth_multiplier,)
            self.bias = self.add_weight(shape, self.bias_initializer)

    def call(self, x: Tensor) -> Tensor:
        how = (self.padding, self.strides, self.dilation_rate)
        y = convolved(x, _by_channel(self.kernel), *how, self.kernel.shape[2])
        return self.activation(y + self.bias if self.use_bias else y)


class SeparableConv2D(Layer):
    """A convolution of each channel by itself, then one of 1 x 1 that mixes them.

    Args:
        filters: channels of the output.
        kernel_size, strides, dilation_rate: one number, or one for each axis.
        padding: "valid", or "same" for ceil(size / stride) windows.
        depth_multiplier: outputs M of the first convolution for each channel.
        data_format: "channels_last".
        activation: a name or a function.
        use_bias: whether there is a bias.
        depthwise_initializer, pointwise_initializer, bias_initializer: of the first values.
        options: those of `Layer`.

    Shapes: `x: [B, H, W, C] -> [B, H', W', filters]`.

    Raises:
        UsageError: the strides differ and there is dilation.

    Source: Keras 3, `layers.SeparableConv2D`.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        **options: Any,
    ):
        super().__init__(**options)
        self.filters = filters
        self.kernel_size = sizes(kernel_size, 2)
        self.strides = sizes(strides, 2)
        self.padding = padding_of("SeparableConv2D", padding)
        self.data_format = channels_last("SeparableConv2D", data_format)
        self.dilation_rate = sizes(dilation_rate, 2)
        if len(set(self.strides)) > 1 and set(self.dilation_rate) != {1}:
            raise UsageError(
                "SeparableConv2D: strides that differ go with no dilation",
                [f"strides: {self.strides}", f"dilation_rate: {self.dilation_rate}"],
            )
        self.depth_multiplier = depth_multiplier
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.depthwise_initializer = initializers.get(depthwise_initializer)
        self.pointwise_initializer = initializers.get(pointwise_initializer)
        self.bias_initializer = initializers.get(bias_initializer)

    def build(self, input_shape: Any) -> None:
        channels, times = input_shape[-1], self.depth_multiplier
        shape = (*self.kernel_size, channels, times)
        self.depthwise_kernel = self.add_weight(shape, self.depthwise_initializer)
        shape = (1, 1, channels * times, self.filters)
        self.pointwise_kernel = self.add_weight(shape, self.pointwise_initializer)
        if self.use_bias:
            self.bias = self.add_weight((self.filters,), self.bias_initializer)

    def call(self, x: Tensor) -> Tensor:
        how = (self.padding, self.strides, self.dilation_rate)
        channels = self.depthwise_kernel.shape[2]
        y = convolved(x, _by_channel(self.depthwise_kernel), *how, channels)
        y = lm.matmul(y, self.pointwise_kernel[0, 0])
        return self.activation(y + self.bias if self.use_bias else y)


def _by_channel(kernel: Tensor) -> Tensor:
    """`[KH, KW, C, M] -> [KH, KW, 1, C * M]`, the kernel of a convolution in C groups."""
    return lm.reshape(kernel, (*kernel.shape[:2], 1, -1))
