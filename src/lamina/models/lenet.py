"""LeNet-5: the first convolutional network that read digits for a living."""

from __future__ import annotations

from typing import Any

import lamina.tensor as lm
from lamina import functional, nn
from lamina.base.errors import ShapeError
from lamina.tensor import Tensor

_LEAST_SIDE = 16  # leaves one place after the second pooling


class LeNet(nn.Module):
    """A classifier of small images: two convolutions with pooling, three linear layers.

    Args:
        num_classes: number of logits.
        side: height and width of the images. Those of 28 are seen with two rows of zeros around
            them, as the paper has it; the pictures there are 32 x 32.
        in_channels: of the images.
        classic: tanh and means as in the paper, in place of ReLU and maxima.
        dtype: of the parameters.

    Shapes: `x: [B, in_channels, side, side] -> [B, num_classes]`; the names of parameters are those
    of PyTorch's tutorial.

    Raises:
        ShapeError: the images are too small, or have another size than the model is made for.

    Example:
        >>> import lamina as lm
        >>> lm.models.LeNet()(lm.ones((2, 1, 28, 28))).shape
        (2, 10)

    Source: LeCun, Bottou, Bengio and Haffner 1998, "Gradient-based learning applied to document
    recognition". The second convolution sees all maps, where theirs had a table of connections,
    pooling has no weights, and the last layer is linear in place of radial.
    """

    def __init__(
        self,
        num_classes: int = 10,
        side: int = 28,
        in_channels: int = 1,
        classic: bool = False,
        dtype: Any = lm.float32,
    ):
        super().__init__()
        if side < _LEAST_SIDE:
            raise ShapeError(
                "LeNet: the images are too small for two convolutions of 5 x 5 and two poolings",
                [f"side:  {side}", f"least: {_LEAST_SIDE}"],
            )
        self.side = side
        self.classic = classic
        padding = 2 if side == 28 else 0
        self.conv1 = nn.Conv2d(in_channels, 6, 5, padding=padding, dtype=dtype)
        self.conv2 = nn.Conv2d(6, 16, 5, dtype=dtype)
        left = ((side + 2 * padding - 4) // 2 - 4) // 2
        self.fc1 = nn.Linear(16 * left * left, 120, dtype=dtype)
        self.fc2 = nn.Linear(120, 84, dtype=dtype)
        self.fc3 = nn.Linear(84, num_classes, dtype=dtype)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2:] != (self.side, self.side):
            raise ShapeError(
                "LeNet: the images have another size than the model is made for",
                [f"x: {x.type}", f"side: {self.side}"],
            )
        bend = functional.tanh if self.classic else functional.relu
        pool = functional.avg_pool2d if self.classic else functional.max_pool2d
        x = pool(bend(self.conv1(x)), 2)  # (B, 6, 14, 14) for images of 28 or 32
        x = pool(bend(self.conv2(x)), 2)  # (B, 16, 5, 5)
        x = bend(self.fc1(lm.reshape(x, (x.shape[0], -1))))
        return self.fc3(bend(self.fc2(x)))
