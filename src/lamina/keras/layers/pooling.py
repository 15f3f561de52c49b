"""Windows of `[B, *S, C]` reduced to one number."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import lamina.tensor as lm
from lamina import functional
from lamina.keras.layer import Layer
from lamina.keras.layers.shape import channels_last
from lamina.keras.windows import (
    channels_behind,
    channels_first,
    ends,
    padded,
    padding_of,
    sizes,
)
from lamina.tensor import Tensor

_MAX = (functional.max_pool1d, functional.max_pool2d, functional.max_pool3d)
_MEAN = (functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d)


class _Pooling(Layer):
    """What all pooling layers with windows share; not a layer by itself."""

    axes: ClassVar[int]

    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        **options: Any,
    ):
        super().__init__(**options)
        self.pool_size = sizes(pool_size, self.axes)
        self.strides = self.pool_size if strides is None else sizes(strides, self.axes)
        self.padding = padding_of(type(self).__name__, padding)
        self.data_format = channels_last(type(self).__name__, data_format)

    def _ends(self, x: Tensor) -> list[tuple[int, int]]:
        once = (1,) * self.axes
        return ends(self.padding, x.shape[1:-1], self.pool_size, self.strides, once)


class _MaxPooling(_Pooling):
    """The largest element of each window; not a layer by itself."""

    def call(self, x: Tensor) -> Tensor:
        images = channels_first(padded(x, self._ends(x), -math.inf))
        return channels_behind(_MAX[self.axes - 1](images, self.pool_size, self.strides))


class _MeanPooling(_Pooling):
    """The mean of each window, of what lies inside of the image; not a layer by itself."""

    def call(self, x: Tensor) -> Tensor:
        around = self._ends(x)
        total = self._means(padded(x, around))
        if not any(map(any, around)):
            return total
        inside = lm.ones((1, *x.shape[1:-1], 1), dtype=x.dtype)
        return total / self._means(padded(inside, around))

    def _means(self, x: Tensor) -> Tensor:
        pool = _MEAN[self.axes - 1]
        return channels_behind(pool(channels_first(x), self.pool_size, self.strides))


class MaxPooling1D(_MaxPooling):
    """`MaxPooling2D` over sequences.  Shapes: `x: [B, T, C] -> [B, T', C]`."""

    axes = 1


class MaxPooling2D(_MaxPooling):
    """The largest element of each window.

    Args:
        pool_size: of the windows; one number, or one for each axis.
        strides: steps of the windows; `pool_size` when None.
        padding: "valid", or "same" for ceil(size / stride) windows.
        data_format: "channels_last".
        options: those of `Layer`.

    Shapes: `x: [B, H, W, C] -> [B, H', W', C]`.

    Source: Keras 3, `layers.MaxPooling2D`.
    """

    axes = 2


class MaxPooling3D(_MaxPooling):
    """`MaxPooling2D` over volumes.  Shapes: `x: [B, D, H, W, C] -> [B, D', H', W', C]`."""

    axes = 3


class AveragePooling1D(_MeanPooling):
    """`AveragePooling2D` over sequences.  Shapes: `x: [B, T, C] -> [B, T', C]`."""

    axes = 1


class AveragePooling2D(_MeanPooling):
    """The mean of each window; padding does not count.  The arguments are those of `MaxPooling2D`.

    Shapes: `x: [B, H, W, C] -> [B, H', W', C]`.

    Source: Keras 3, `layers.AveragePooling2D`.
    """

    axes = 2


class AveragePooling3D(_MeanPooling):
    """`AveragePooling2D` over volumes.  Shapes: `x: [B, D, H, W, C] -> [B, D', H', W', C]`."""

    axes = 3


class _GlobalPooling(Layer):
    """All places of an example reduced to one; not a layer by itself.

    Args:
        data_format: "channels_last".
        keepdims: keep the axes, with size 1.
        options: those of `Layer`.
    """

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **options: Any):
        super().__init__(**options)
        self.data_format = channels_last(type(self).__name__, data_format)
        self.keepdims = keepdims


class _GlobalMean(_GlobalPooling):
    """The mean over all places; not a layer by itself."""

    def call(self, x: Tensor) -> Tensor:
        return lm.mean(x, axis=tuple(range(1, x.ndim - 1)), keepdims=self.keepdims)


class _GlobalMax(_GlobalPooling):
    """The largest of all places; not a layer by itself."""

    def call(self, x: Tensor) -> Tensor:
        return lm.max(x, axis=tuple(range(1, x.ndim - 1)), keepdims=self.keepdims)


class GlobalAveragePooling1D(_GlobalMean):
    """The mean over time.  Shapes: `x: [B, T, C] -> [B, C]`."""


class GlobalAveragePooling2D(_GlobalMean):
    """The mean over an image.  Shapes: `x: [B, H, W, C] -> [B, C]`."""


class GlobalMaxPooling1D(_GlobalMax):
    """The largest element over time.  Shapes: `x: [B, T, C] -> [B, C]`."""


class GlobalMaxPooling2D(_GlobalMax):
    """The largest element of an image.  Shapes: `x: [B, H, W, C] -> [B, C]`."""
