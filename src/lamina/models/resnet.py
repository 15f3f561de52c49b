"""ResNet: convolutions whose results are added to what they were given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lamina.tensor as lm
from lamina import functional, nn
from lamina.tensor import Tensor


class BasicBlock(nn.Module):
    """relu(x + conv(relu(conv(x)))), each convolution with its batch norm.

    Shapes: `x: [B, inputs, H, W] -> [B, width, H / stride, W / stride]`
    """

    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int, dtype: Any):
        super().__init__()
        self.conv1 = _conv(inputs, width, 3, stride, dtype)
        self.bn1 = nn.BatchNorm2d(width, dtype=dtype)
        self.conv2 = _conv(width, width, 3, 1, dtype)
        self.bn2 = nn.BatchNorm2d(width, dtype=dtype)
        self.downsample = _shortcut(inputs, width, stride, dtype)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return functional.relu(lm.add(y, x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """As `BasicBlock`, with a 3 x 3 convolution of few channels between two of 1 x 1.

    The stride is that of the 3 x 3 convolution.

    Shapes: `x: [B, inputs, H, W] -> [B, 4 width, H / stride, W / stride]`
    """

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int, dtype: Any):
        super().__init__()
        outputs = self.expansion * width
        self.conv1 = _conv(inputs, width, 1, 1, dtype)
        self.bn1 = nn.BatchNorm2d(width, dtype=dtype)
        self.conv2 = _conv(width, width, 3, stride, dtype)
        self.bn2 = nn.BatchNorm2d(width, dtype=dtype)
        self.conv3 = _conv(width, outputs, 1, 1, dtype)
        self.bn3 = nn.BatchNorm2d(outputs, dtype=dtype)
        self.downsample = _shortcut(inputs, outputs, stride, dtype)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.bn1(self.conv1(x)))
        y = functional.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return functional.relu(lm.add(y, x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    """A classifier of images.

    Args:
        block: `BasicBlock` or `Bottleneck`.
        depths: blocks in each stage; from stage to stage the image halves.
        num_classes: number of logits.
        width: channels of the first stage; each stage has twice those of the one before.
        dtype: of the parameters.

    Shapes: `x: [B, 3, H, W] -> [B, num_classes]`; names and shapes of parameters are those of
    `torchvision`.

    Example:
        >>> import lamina as lm
        >>> net = lm.models.ResNet(lm.models.BasicBlock, (1, 1), num_classes=5, width=4).eval()
        >>> net(lm.ones((1, 3, 16, 16))).shape
        (1, 5)

    Source: He et al. 2016, "Deep residual learning for image recognition".
    """

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        depths: Sequence[int],
        num_classes: int = 1000,
        width: int = 64,
        dtype: Any = lm.float32,
    ):
        super().__init__()
        self.conv1 = _conv(3, width, 7, 2, dtype)
        self.bn1 = nn.BatchNorm2d(width, dtype=dtype)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        inputs = width
        self._stages = tuple(f"layer{i + 1}" for i in range(len(depths)))
        for i, (name, depth) in enumerate(zip(self._stages, depths, strict=True)):
            narrow = width * 2**i
            blocks = []
            for k in range(depth):
                blocks.append(block(inputs, narrow, 2 if i and not k else 1, dtype))
                inputs = narrow * block.expansion
            setattr(self, name, nn.Sequential(*blocks))
        self.fc = nn.Linear(inputs, num_classes, dtype=dtype)

    def features(self, x: Tensor) -> Tensor:
        """What the last stage gives, before the mean.

        Shapes: `x: [B, 3, H, W] -> [B, C, H / 32, W / 32]` for four stages.
        """
        x = functional.relu(self.bn1(self.conv1(x)))
        x = self.maxpool(x)  # (B, width, H/4, W/4)
        for name in self._stages:
            x = getattr(self, name)(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        x = functional.global_avg_pool(self.features(x))  # (B, C, 1, 1)
        return self.fc(lm.reshape(x, x.shape[:2]))


def resnet18(num_classes: int = 1000, dtype: Any = lm.float32) -> ResNet:
    """ResNet of 18 layers; arguments and shapes as in `ResNet`."""
    return ResNet(BasicBlock, (2, 2, 2, 2), num_classes, dtype=dtype)


def resnet34(num_classes: int = 1000, dtype: Any = lm.float32) -> ResNet:
    """ResNet of 34 layers; arguments and shapes as in `ResNet`."""
    return ResNet(BasicBlock, (3, 4, 6, 3), num_classes, dtype=dtype)


def resnet50(num_classes: int = 1000, dtype: Any = lm.float32) -> ResNet:
    """ResNet of 50 layers, with bottlenecks; arguments and shapes as in `ResNet`."""
    return ResNet(Bottleneck, (3, 4, 6, 3), num_classes, dtype=dtype)


def _conv(inputs: int, outputs: int, size: int, stride: int, dtype: Any) -> nn.Conv2d:
    layer = nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False, dtype=dtype)
    layer.weight = nn.init.kaiming_normal(layer.weight, mode="fan_out", nonlinearity="relu")
    return layer


def _shortcut(inputs: int, outputs: int, stride: int, dtype: Any) -> nn.Sequential | None:
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(
        _conv(inputs, outputs, 1, stride, dtype), nn.BatchNorm2d(outputs, dtype=dtype)
    )
