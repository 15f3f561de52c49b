"""Noise while training: elements, channels or whole branches dropped."""

from __future__ import annotations

from typing import ClassVar

from lamina import functional
from lamina.base.errors import ShapeError, UsageError
from lamina.nn.module import Module
from lamina.tensor import Tensor


def require_probability(name: str, p: float) -> float:
    """`p`, if it is a probability."""
    if not 0.0 <= p <= 1.0:
        raise UsageError(f"{name}: p is not a probability", [f"p: {p}"])
    return p


class Dropout(Module):
    """While training, zero each element with probability p and scale the others by 1/(1-p).

    Source: Srivastava et al., "Dropout", JMLR 15, 2014.
    """

    def __init__(self, p: float = 0.5, inplace: bool = False):
        super().__init__()
        self.p = require_probability("Dropout", p)

    def forward(self, x: Tensor) -> Tensor:
        return functional.dropout(x, self.p, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class ChannelDropout(Module):
    """What Dropout1d, Dropout2d and Dropout3d share; not a layer by itself."""

    axes: ClassVar[int]

    def __init__(self, p: float = 0.5, inplace: bool = False):
        super().__init__()
        self.p = require_probability(type(self).__name__, p)

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim not in (self.axes + 1, self.axes + 2):
            raise ShapeError(
                f"{type(self).__name__}: x has another number of axes",
                [f"x: {x.type}", f"axes behind the channels: {self.axes}"],
            )
        return functional.feature_dropout(x, self.p, self.training, axes=self.axes)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class Dropout1d(ChannelDropout):
    """While training, zero whole channels of sequences with probability p, scale the others.

    Shapes: `x: [B, C, T]` or `[C, T]`, unchanged.

    Source: Tompson et al., "Efficient Object Localization Using Convolutional Networks", 2015.
    """

    axes = 1


class Dropout2d(ChannelDropout):
    """While training, zero whole channels of images with probability p, scale the others.

    Shapes: `x: [B, C, H, W]` or `[C, H, W]`, unchanged.

    Source: Tompson et al., "Efficient Object Localization Using Convolutional Networks", 2015.
    """

    axes = 2


class Dropout3d(ChannelDropout):
    """While training, zero whole channels of volumes with probability p, scale the others.

    Shapes: `x: [B, C, D, H, W]` or `[C, D, H, W]`, unchanged.

    Source: Tompson et al., "Efficient Object Localization Using Convolutional Networks", 2015.
    """

    axes = 3


class AlphaDropout(Module):
    """Dropout to the lower limit of a selu, shifted and scaled to keep mean 0 and variance 1.

    Source: Klambauer et al., "Self-Normalizing Neural Networks", 2017.
    """

    def __init__(self, p: float = 0.5, inplace: bool = False):
        super().__init__()
        self.p = require_probability("AlphaDropout", p)

    def forward(self, x: Tensor) -> Tensor:
        return functional.alpha_dropout(x, self.p, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class FeatureAlphaDropout(Module):
    """`AlphaDropout` of whole channels.

    Shapes: `x: [B, C, *S]`, unchanged.

    Source: Klambauer et al., "Self-Normalizing Neural Networks", 2017.
    """

    def __init__(self, p: float = 0.5, inplace: bool = False):
        super().__init__()
        self.p = require_probability("FeatureAlphaDropout", p)

    def forward(self, x: Tensor) -> Tensor:
        return functional.feature_alpha_dropout(x, self.p, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class DropPath(Module):
    """While training, zero whole examples with probability p and scale the others by 1/(1-p).

    It stands at the end of a residual branch, which is then skipped (stochastic depth).

    Shapes: `x: [B, *S]`, unchanged.

    Source: Huang et al., "Deep Networks with Stochastic Depth", 2016.
    """

    def __init__(self, p: float = 0.0):
        super().__init__()
        self.p = require_probability("DropPath", p)

    def forward(self, x: Tensor) -> Tensor:
        return functional.drop_path(x, self.p, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}"
