"""Layers that only move elements."""

from __future__ import annotations

from typing import Any

import lamina.tensor as lm
from lamina import functional
from lamina.base.errors import UsageError
from lamina.keras.layer import Layer
from lamina.tensor import Tensor

Pair = tuple[int, int]


class Flatten(Layer):
    """All of an example in one axis.  Shapes: `x: [B, *A] -> [B, N]`."""

    def call(self, x: Tensor) -> Tensor:
        return lm.reshape(x, (x.shape[0], -1)) if x.ndim > 1 else lm.expand_dims(x, axis=1)


class Reshape(Layer):
    """An example in another shape.

    Args:
        target_shape: without the batch; one size may be -1.
        options: those of `Layer`.
    """

    def __init__(self, target_shape: Any, **options: Any):
        super().__init__(**options)
        self.target_shape = tuple(target_shape)

    def call(self, x: Tensor) -> Tensor:
        return lm.reshape(x, (x.shape[0], *self.target_shape))


class Permute(Layer):
    """The axes of an example in another order.

    Args:
        dims: axes, counted from 1, in their new order.
        options: those of `Layer`.
    """

    def __init__(self, dims: Any, **options: Any):
        super().__init__(**options)
        self.dims = tuple(dims)

    def call(self, x: Tensor) -> Tensor:
        return lm.permute_dims(x, (0, *self.dims))


class RepeatVector(Layer):
    """A vector again and again.  Shapes: `x: [B, C] -> [B, n, C]`.

    Args:
        n: how often.
        options: those of `Layer`.
    """

    def __init__(self, n: int, **options: Any):
        super().__init__(**options)
        self.n = n

    def call(self, x: Tensor) -> Tensor:
        return lm.broadcast_to(x[:, None, :], (x.shape[0], self.n, x.shape[1]))


class ZeroPadding1D(Layer):
    """Zeros around sequences.  Shapes: `x: [B, T, C] -> [B, left + T + right, C]`.

    Args:
        padding: one number, or (left, right).
        options: those of `Layer`.
    """

    def __init__(self, padding: Any = 1, **options: Any):
        super().__init__(**options)
        self.padding = _pair(padding)

    def call(self, x: Tensor) -> Tensor:
        return lm.pad(x, [(0, 0), self.padding, (0, 0)])


class ZeroPadding2D(Layer):
    """Zeros around images.

    Shapes: `x: [B, H, W, C] -> [B, top + H + bottom, left + W + right, C]`.

    Args:
        padding: one number, (height, width), or ((top, bottom), (left, right)).
        data_format: "channels_last".
        options: those of `Layer`.
    """

    def __init__(self, padding: Any = 1, data_format: str | None = None, **options: Any):
        super().__init__(**options)
        self.data_format = channels_last("ZeroPadding2D", data_format)
        height, width = _pair(padding) if isinstance(padding, int) else padding
        self.padding = (_pair(height), _pair(width))

    def call(self, x: Tensor) -> Tensor:
        return lm.pad(x, [(0, 0), *self.padding, (0, 0)])


class UpSampling2D(Layer):
    """Images made larger.  Shapes: `x: [B, H, W, C] -> [B, H * size[0], W * size[1], C]`.

    Args:
        size: by how much; one number, or one for each axis.
        data_format: "channels_last".
        interpolation: "nearest" or "bilinear".
        options: those of `Layer`.
    """

    def __init__(
        self,
        size: Any = 2,
        data_format: str | None = None,
        interpolation: str = "nearest",
        **options: Any,
    ):
        super().__init__(**options)
        self.size = _pair(size)
        self.data_format = channels_last("UpSampling2D", data_format)
        if interpolation not in ("nearest", "bilinear"):
            raise UsageError(
                f"UpSampling2D: no interpolation {interpolation!r}",
                ['there are "nearest" and "bilinear"'],
            )
        self.interpolation = interpolation

    def call(self, x: Tensor) -> Tensor:
        images = lm.moveaxis(x, -1, 1)
        factors = tuple(float(n) for n in self.size)
        larger = functional.interpolate(images, None, factors, self.interpolation)
        return lm.moveaxis(larger, 1, -1)


def channels_last(name: str, data_format: str | None) -> str:
    """The order of axes of the layers here.

    Raises:
        UsageError: another one is asked for.
    """
    if data_format not in (None, "channels_last"):
        raise UsageError(
            f"{name}: images here are [B, H, W, C]",
            [f"data_format: {data_format!r}"],
            "move the channels to the last axis; lamina.nn has them second",
        )
    return "channels_last"


def _pair(value: Any) -> Pair:
    one, other = (value, value) if isinstance(value, int) else value
    return int(one), int(other)
