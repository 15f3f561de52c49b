"""Noise while training."""

from __future__ import annotations

from typing import Any

import lamina.tensor as lm
from lamina import functional
from lamina.keras.layer import Layer
from lamina.tensor import Tensor


class Dropout(Layer):
    """While training, elements are 0 with probability `rate`, and the others grow to match.

    Args:
        rate: the probability.
        noise_shape: of what is drawn: 1 for axes whose elements share their fate, None for the size
            of the axis; one draw for each element when None.
        options: those of `Layer`.
    """

    def __init__(self, rate: float, noise_shape: Any = None, **options: Any):
        super().__init__(**options)
        self.rate = rate
        self.noise_shape = None if noise_shape is None else tuple(noise_shape)

    def call(self, x: Tensor) -> Tensor:
        if self.noise_shape is None or not self.training:
            return functional.dropout(x, self.rate, self.training)
        sizes = zip(self.noise_shape, x.shape, strict=True)
        drawn = lm.ones(tuple(n if n is not None else own for n, own in sizes), dtype=x.dtype)
        return x * functional.dropout(drawn, self.rate, True)


class _SpatialDropout(Layer):
    """Whole channels of an example are 0; not a layer by itself."""

    axes: int

    def __init__(self, rate: float, **options: Any):
        super().__init__(**options)
        self.rate = rate

    def call(self, x: Tensor) -> Tensor:
        first = lm.moveaxis(x, -1, 1)
        dropped = functional.feature_dropout(first, self.rate, self.training, self.axes)
        return lm.moveaxis(dropped, 1, -1)


class SpatialDropout1D(_SpatialDropout):
    """`Dropout` of whole channels.  Shapes: `x: [B, T, C]`, unchanged.

    Args:
        rate: the probability.
        options: those of `Layer`.
    """

    axes = 1


class SpatialDropout2D(_SpatialDropout):
    """`Dropout` of whole channels.  Shapes: `x: [B, H, W, C]`, unchanged.

    Args:
        rate: the probability.
        options: those of `Layer`.
    """

    axes = 2


class GaussianNoise(Layer):
    """While training, normal noise is added.

    Args:
        stddev: its deviation.
        options: those of `Layer`.
    """

    def __init__(self, stddev: float, **options: Any):
        super().__init__(**options)
        self.stddev = stddev

    def call(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        return x + self.stddev * lm.random.normal(x.shape, dtype=x.dtype)
