"""MobileNetV2: depthwise convolutions between thin layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lamina.tensor as lm
from lamina import functional, nn
from lamina.tensor import Tensor

# Widening, channels, blocks and stride of each stage.
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


class InvertedResidual(nn.Module):
    """Widen by 1 x 1, filter each channel by 3 x 3, narrow by 1 x 1; added to x if that fits.

    Shapes: `x: [B, inputs, H, W] -> [B, outputs, H / stride, W / stride]`
    """

    def __init__(self, inputs: int, outputs: int, stride: int, expand: int, dtype: Any):
        super().__init__()
        self.adds = stride == 1 and inputs == outputs
        width = inputs * expand
        wider = [] if expand == 1 else [_layer(inputs, width, 1, 1, 1, dtype)]
        self.conv = nn.Sequential(
            *wider,
            _layer(width, width, 3, stride, width, dtype),
            _conv(width, outputs, 1, 1, 1, dtype),
            nn.BatchNorm2d(outputs, dtype=dtype),
        )

    def forward(self, x: Tensor) -> Tensor:
        return lm.add(x, self.conv(x)) if self.adds else self.conv(x)


class MobileNetV2(nn.Module):
    """A classifier of images for small machines.

    Args:
        num_classes: number of logits.
        width_mult: how many times the channels; the results are multiples of 8.
        stages: widening, channels, blocks and stride of each stage.
        dropout: before the last linear map.
        dtype: of the parameters.

    Shapes: `x: [B, 3, H, W] -> [B, num_classes]`; names and shapes of parameters are those of
    `torchvision`.

    Example:
        >>> import lamina as lm
        >>> net = lm.models.MobileNetV2(5, 0.25, stages=((1, 16, 1, 1), (6, 24, 1, 2))).eval()
        >>> net(lm.ones((1, 3, 16, 16))).shape
        (1, 5)

    Source: Sandler et al. 2018, "MobileNetV2: inverted residuals and linear bottlenecks", table 2.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        width_mult: float = 1.0,
        stages: Sequence[tuple[int, int, int, int]] = STAGES,
        dropout: float = 0.2,
        dtype: Any = lm.float32,
    ):
        super().__init__()
        inputs = _multiple_of_8(32 * width_mult)
        last = _multiple_of_8(1280 * max(1.0, width_mult))
        layers: list[nn.Module] = [_layer(3, inputs, 3, 2, 1, dtype)]
        for expand, channels, count, stride in stages:
            outputs = _multiple_of_8(channels * width_mult)
            for k in range(count):
                step = 1 if k else stride
                layers.append(InvertedResidual(inputs, outputs, step, expand, dtype))
                inputs = outputs
        layers.append(_layer(inputs, last, 1, 1, 1, dtype))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(last, num_classes, dtype=dtype)
        )
        out: Any = self.classifier[1]
        out.weight = nn.init.normal(out.weight, std=0.01)
        out.bias = nn.init.zeros(out.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.global_avg_pool(self.features(x))  # (B, C, 1, 1)
        return self.classifier(lm.reshape(x, x.shape[:2]))


def _multiple_of_8(channels: float) -> int:
    """The nearest multiple of 8 that takes at most a tenth away."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def _conv(inputs: int, outputs: int, size: int, stride: int, groups: int, dtype: Any) -> nn.Conv2d:
    layer = nn.Conv2d(
        inputs, outputs, size, stride, size // 2, groups=groups, bias=False, dtype=dtype
    )
    layer.weight = nn.init.kaiming_normal(layer.weight, mode="fan_out")
    return layer


def _layer(
    inputs: int, outputs: int, size: int, stride: int, groups: int, dtype: Any
) -> nn.Sequential:
    convolution = _conv(inputs, outputs, size, stride, groups, dtype)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs, dtype=dtype), nn.ReLU6())
