"""A small convolutional network for pictures of digits."""

from __future__ import annotations

from typing import Any

import lamina.tensor as lm
from lamina import functional, nn
from lamina.tensor import Tensor


class DigitNet(nn.Module):
    """Two convolutions with pooling, two linear layers: logits of ten digits.

    Shapes: `x: [B, 1, side, side] -> [B, 10]`.

    Source: the shape of LeCun et al., "Gradient-based learning applied to document recognition",
    1998, with ReLU, 3 x 3 kernels and max pooling.
    """

    def __init__(self, side: int = 28, hidden: int = 128, dtype: Any = lm.float32):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1, dtype=dtype)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1, dtype=dtype)
        self.fc1 = nn.Linear(32 * (side // 4) ** 2, hidden, dtype=dtype)
        self.fc2 = nn.Linear(hidden, 10, dtype=dtype)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.max_pool2d(functional.relu(self.conv1(x)), 2)  # (B, 16, side/2, side/2)
        x = functional.max_pool2d(functional.relu(self.conv2(x)), 2)  # (B, 32, side/4, side/4)
        x = functional.relu(self.fc1(lm.reshape(x, (x.shape[0], self.fc1.in_features))))
        return self.fc2(x)
