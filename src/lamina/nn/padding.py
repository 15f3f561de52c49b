"""Layers that put elements around a tensor: numbers, mirrors, edges, the other end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from lamina import functional
from lamina.base.errors import UsageError
from lamina.nn.module import Module
from lamina.tensor import Tensor

Ends = int | Sequence[int]


class Padding(Module):
    """What the layers of this file share; not a layer by itself."""

    axes: ClassVar[int]
    mode: ClassVar[str]

    def __init__(self, padding: Ends):
        super().__init__()
        count = 2 * self.axes
        ends = (padding,) * count if isinstance(padding, int) else tuple(padding)
        if len(ends) != count:
            raise UsageError(
                f"{type(self).__name__}: padding has {len(ends)} numbers, not {count}",
                [f"padding: {padding}"],
                "give one number, or (left, right) of the last axis and so on",
            )
        self.padding = ends
        self.value = 0.0

    def forward(self, x: Tensor) -> Tensor:
        return functional.pad(x, self.padding, self.mode, self.value)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class NumberPadding(Padding):
    """What the constant paddings share; not a layer by itself."""

    mode = "constant"

    def __init__(self, padding: Ends, value: float):
        super().__init__(padding)
        self.value = value

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(NumberPadding):
    """A sequence with one number around it.

    Args:
        padding: (left, right); one number for all.
            Negative numbers take elements away.
        value: the number.

    Shapes: `x: [*B, L] -> [*B, left + L + right]`

    Source: PyTorch, `nn.ConstantPad1d`.
    """

    axes = 1


class ConstantPad2d(NumberPadding):
    """A image with one number around it.

    Args:
        padding: (left, right, top, bottom); one number for all.
            Negative numbers take elements away.
        value: the number.

    Shapes: `x: [*B, H, W] -> [*B, top + H + bottom, left + W + right]`

    Source: PyTorch, `nn.ConstantPad2d`.
    """

    axes = 2


class ConstantPad3d(NumberPadding):
    """A volume with one number around it.

    Args:
        padding: (left, right, top, bottom, front, back); one number for all.
            Negative numbers take elements away.
        value: the number.

    Shapes: `x: [*B, D, H, W] -> [*B, front + D + back, top + H + bottom, left + W + right]`

    Source: PyTorch, `nn.ConstantPad3d`.
    """

    axes = 3


class ZeroPad1d(Padding):
    """A sequence with zeros around it.

    Args:
        padding: (left, right); one number for all.
            Negative numbers take elements away.

    Shapes: `x: [*B, L] -> [*B, left + L + right]`

    Source: PyTorch, `nn.ZeroPad1d`.
    """

    axes = 1
    mode = "constant"


class ZeroPad2d(Padding):
    """A image with zeros around it.

    Args:
        padding: (left, right, top, bottom); one number for all.
            Negative numbers take elements away.

    Shapes: `x: [*B, H, W] -> [*B, top + H + bottom, left + W + right]`

    Source: PyTorch, `nn.ZeroPad2d`.
    """

    axes = 2
    mode = "constant"


class ZeroPad3d(Padding):
    """A volume with zeros around it.

    Args:
        padding: (left, right, top, bottom, front, back); one number for all.
            Negative numbers take elements away.

    Shapes: `x: [*B, D, H, W] -> [*B, front + D + back, top + H + bottom, left + W + right]`

    Source: PyTorch, `nn.ZeroPad3d`.
    """

    axes = 3
    mode = "constant"


class ReflectionPad1d(Padding):
    """A sequence with its mirror image, without the outermost elements around it.

    Args:
        padding: (left, right); one number for all.
            Negative numbers take elements away.

    Shapes: `x: [*B, L] -> [*B, left + L + right]`

    Source: PyTorch, `nn.ReflectionPad1d`.
    """

    axes = 1
    mode = "reflect"


class ReflectionPad2d(Padding):
    """A image with its mirror image, without the outermost elements around it.

    Args:
        padding: (left, right, top, bottom); one number for all.
            Negative numbers take elements away.

    Shapes: `x: [*B, H, W] -> [*B, top + H + bottom, left + W + right]`

    Source: PyTorch, `nn.ReflectionPad2d`.
    """

    axes = 2
    mode = "reflect"


class ReflectionPad3d(Padding):
    """A volume with its mirror image, without the outermost elements around it.

    Args:
        padding: (left, right, top, bottom, front, back); one number for all.
            Negative numbers take elements away.

    Shapes: `x: [*B, D, H, W] -> [*B, front + D + back, top + H + bottom, left + W + right]`

    Source: PyTorch, `nn.ReflectionPad3d`.
    """

    axes = 3
    mode = "reflect"


class ReplicationPad1d(Padding):
    """A sequence with copies of its outermost elements around it.

    Args:
        padding: (left, right); one number for all.
            Negative numbers take elements away.

    Shapes: `x: [*B, L] -> [*B, left + L + right]`

    Source: PyTorch, `nn.ReplicationPad1d`.
    """

    axes = 1
    mode = "replicate"


class ReplicationPad2d(Padding):
    """A image with copies of its outermost elements around it.

    Args:
        padding: (left, right, top, bottom); one number for all.
            Negative numbers take elements away.

    Shapes: `x: [*B, H, W] -> [*B, top + H + bottom, left + W + right]`

    Source: PyTorch, `nn.ReplicationPad2d`.
    """

    axes = 2
    mode = "replicate"


class ReplicationPad3d(Padding):
    """A volume with copies of its outermost elements around it.

    Args:
        padding: (left, right, top, bottom, front, back); one number for all.
            Negative numbers take elements away.

    Shapes: `x: [*B, D, H, W] -> [*B, front + D + back, top + H + bottom, left + W + right]`

    Source: PyTorch, `nn.ReplicationPad3d`.
    """

    axes = 3
    mode = "replicate"


class CircularPad1d(Padding):
    """A sequence with what stands at its other end around it.

    Args:
        padding: (left, right); one number for all.
            Negative numbers take elements away.

    Shapes: `x: [*B, L] -> [*B, left + L + right]`

    Source: PyTorch, `nn.CircularPad1d`.
    """

    axes = 1
    mode = "circular"


class CircularPad2d(Padding):
    """A image with what stands at its other end around it.

    Args:
        padding: (left, right, top, bottom); one number for all.
            Negative numbers take elements away.

    Shapes: `x: [*B, H, W] -> [*B, top + H + bottom, left + W + right]`

    Source: PyTorch, `nn.CircularPad2d`.
    """

    axes = 2
    mode = "circular"


class CircularPad3d(Padding):
    """A volume with what stands at its other end around it.

    Args:
        padding: (left, right, top, bottom, front, back); one number for all.
            Negative numbers take elements away.

    Shapes: `x: [*B, D, H, W] -> [*B, front + D + back, top + H + bottom, left + W + right]`

    Source: PyTorch, `nn.CircularPad3d`.
    """

    axes = 3
    mode = "circular"
