"""Layers that put maxima back where they stood."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from lamina import functional
from lamina.functional.windows import Sizes
from lamina.nn.convolution import sizes
from lamina.nn.module import Module
from lamina.tensor import Tensor


class MaxUnpooling(Module):
    """What MaxUnpool1d, 2d and 3d share; not a layer by itself."""

    axes: ClassVar[int]

    def __init__(self, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0):
        super().__init__()
        name = type(self).__name__
        self.kernel_size = sizes(name, "kernel_size", kernel_size, self.axes)
        step = kernel_size if stride is None else stride
        self.stride = sizes(name, "stride", step, self.axes)
        self.padding = sizes(name, "padding", padding, self.axes, least=0)

    def forward(
        self, x: Tensor, indices: Tensor, output_size: Sequence[int] | None = None
    ) -> Tensor:
        put = (functional.max_unpool1d, functional.max_unpool2d, functional.max_unpool3d)
        own = (self.kernel_size, self.stride, self.padding)
        return put[self.axes - 1](x, indices, *own, output_size)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(MaxUnpooling):
    """Each maximum where it stood before `MaxPool1d`, and zeros elsewhere.

    Args:
        kernel_size, stride, padding: what the pooling was given.

    Shapes: `x, indices: [*B, C, X] -> [*B, C, L]`

    Example:
        >>> import lamina as lm
        >>> pool = lm.nn.MaxPool1d(2, return_indices=True)
        >>> lm.nn.MaxUnpool1d(2)(*pool(lm.asarray([[[1.0, 2.0, 4.0, 3.0]]])))
        Tensor([[[0., 2., 4., 0.]]], shape=(1, 1, 4), dtype=float32)

    Source: PyTorch, `nn.MaxUnpool1d`.
    """

    axes = 1


class MaxUnpool2d(MaxUnpooling):
    """Each maximum where it stood before `MaxPool2d`, and zeros elsewhere.

    Args:
        kernel_size, stride, padding: what the pooling was given.

    Shapes: `x, indices: [*B, C, Y, X] -> [*B, C, H, W]`

    Source: PyTorch, `nn.MaxUnpool2d`.
    """

    axes = 2


class MaxUnpool3d(MaxUnpooling):
    """Each maximum where it stood before `MaxPool3d`, and zeros elsewhere.

    Args:
        kernel_size, stride, padding: what the pooling was given.

    Shapes: `x, indices: [*B, C, Z, Y, X] -> [*B, C, D, H, W]`

    Source: PyTorch, `nn.MaxUnpool3d`.
    """

    axes = 3
