"""U-Net: a class for each point of an image, seen from far and from near at once."""

from __future__ import annotations

from typing import Any

import lamina.tensor as lm
from lamina import functional, nn
from lamina.base.errors import ShapeError
from lamina.tensor import Tensor


class DoubleConv(nn.Module):
    """Twice a 3 x 3 convolution, batch norm and ReLU.

    Shapes: `x: [B, inputs, H, W] -> [B, outputs, H, W]`
    """

    def __init__(self, inputs: int, outputs: int, dtype: Any):
        super().__init__()
        self.double_conv = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False, dtype=dtype),
            nn.BatchNorm2d(outputs, dtype=dtype),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False, dtype=dtype),
            nn.BatchNorm2d(outputs, dtype=dtype),
            nn.ReLU(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.double_conv(x)


class Down(nn.Module):
    """Half the side, twice the channels.  Shapes: `x: [B, C, H, W] -> [B, 2 C, H / 2, W / 2]`."""

    def __init__(self, inputs: int, dtype: Any):
        super().__init__()
        self.maxpool_conv = nn.Sequential(
            nn.MaxPool2d(2), DoubleConv(inputs, 2 * inputs, dtype=dtype)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.maxpool_conv(x)


class Up(nn.Module):
    """Twice the side, half the channels, beside what was seen at that size on the way down.

    Shapes: `x: [B, C, h, w], near: [B, C / 2, H, W] -> [B, C / 2, H, W]`, H being 2 h or 2 h + 1.
    """

    def __init__(self, inputs: int, dtype: Any):
        super().__init__()
        self.up = nn.ConvTranspose2d(inputs, inputs // 2, 2, stride=2, dtype=dtype)
        self.conv = DoubleConv(inputs, inputs // 2, dtype)

    def forward(self, x: Tensor, near: Tensor) -> Tensor:
        x = self.up(x)
        rows, columns = (n - m for n, m in zip(near.shape[2:], x.shape[2:]))
        if rows or columns:
            x = functional.pad(x, (0, columns, 0, rows))
        return self.conv(lm.concat([near, x], axis=1))


class OutConv(nn.Module):
    """A 1 x 1 convolution.  Shapes: `x: [B, inputs, H, W] -> [B, outputs, H, W]`."""

    def __init__(self, inputs: int, outputs: int, dtype: Any):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 1, dtype=dtype)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class UNet(nn.Module):
    """Logits of a class for each point of an image.

    Args:
        n_channels: of the images.
        n_classes: number of logits of a point.
        width: channels at full size; each halving doubles them.
        depth: number of halvings.
        dtype: of the parameters.

    Shapes: `x: [B, n_channels, H, W] -> [B, n_classes, H, W]`; the names of parameters are those of
    the widely used Pytorch-UNet.

    Raises:
        ShapeError: the image is smaller than one point after the halvings.

    Example:
        >>> import lamina as lm
        >>> lm.models.UNet(1, 3, width=4, depth=2)(lm.ones((2, 1, 10, 13))).shape
        (2, 3, 10, 13)

    Source: Ronneberger, Fischer and Brox 2015, "U-Net: convolutional networks for biomedical image
    segmentation"; with zeros around images, so that sizes stay, and batch norm.
    """

    def __init__(
        self,
        n_channels: int = 3,
        n_classes: int = 2,
        width: int = 64,
        depth: int = 4,
        dtype: Any = lm.float32,
    ):
        super().__init__()
        self.depth = depth
        self.inc = DoubleConv(n_channels, width, dtype)
        for i in range(depth):
            setattr(self, f"down{i + 1}", Down(width * 2**i, dtype))
        for i in range(depth):
            setattr(self, f"up{i + 1}", Up(width * 2 ** (depth - i), dtype))
        self.outc = OutConv(width, n_classes, dtype)

    def forward(self, x: Tensor) -> Tensor:
        if min(x.shape[2:]) < 2**self.depth:
            raise ShapeError(
                "UNet: the images are too small for so many halvings",
                [f"x: {x.type}", f"depth: {self.depth}"],
            )
        seen = [self.inc(x)]
        for i in range(self.depth):
            seen.append(getattr(self, f"down{i + 1}")(seen[-1]))
        x = seen.pop()
        for i in range(self.depth):
            x = getattr(self, f"up{i + 1}")(x, seen.pop())
        return self.outc(x)
