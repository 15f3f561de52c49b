"""Layers that compute nothing: they pass on, split axes, and put pixels elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina import functional
from lamina.nn.module import Module
from lamina.tensor import Tensor


class Identity(Module):
    """What it is given; further arguments of the constructor are ignored.

    Source: PyTorch, `nn.Identity`.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__()

    def forward(self, x: Any) -> Any:
        return x


class Unflatten(Module):
    """One axis split into several; the opposite of `Flatten`.

    Shapes: `x: [*A, N, *C] -> [*A, *unflattened_size, *C]`

    Source: PyTorch, `nn.Unflatten`.
    """

    def __init__(self, dim: int, unflattened_size: Sequence[int]):
        super().__init__()
        self.dim = dim
        self.unflattened_size = tuple(unflattened_size)

    def forward(self, x: Tensor) -> Tensor:
        return functional.unflatten(x, self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"


class PixelShuffle(Module):
    """Channels spread over the pixels of a larger image.

    Shapes: `x: [*B, C r², H, W] -> [*B, C, H r, W r]`

    Source: PyTorch, `nn.PixelShuffle`.
    """

    def __init__(self, upscale_factor: int):
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, x: Tensor) -> Tensor:
        return functional.pixel_shuffle(x, self.upscale_factor)

    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """Pixels gathered in channels of a smaller image.

    Shapes: `x: [*B, C, H r, W r] -> [*B, C r², H, W]`

    Source: PyTorch, `nn.PixelUnshuffle`.
    """

    def __init__(self, downscale_factor: int):
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, x: Tensor) -> Tensor:
        return functional.pixel_unshuffle(x, self.downscale_factor)

    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"


class ChannelShuffle(Module):
    """Channels dealt out over groups.

    Shapes: `x: [B, C, *A]`, unchanged.

    Source: PyTorch, `nn.ChannelShuffle`.
    """

    def __init__(self, groups: int):
        super().__init__()
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        return functional.channel_shuffle(x, self.groups)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"
