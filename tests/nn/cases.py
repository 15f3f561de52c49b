"""Layers to test, written once: the names of `lamina.nn` are those of `torch.nn`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Case:
    """A layer and the shape of its input.

    Attributes:
        name: what is special about it.
        make: the layer, given `lamina.nn` or `torch.nn`.
        shape: of the input.
        ties: whether equal inputs occur, where PyTorch shares a gradient out otherwise.
    """

    name: str
    make: Callable[[Any], Any]
    shape: tuple[int, ...]
    ties: bool = False

    def input(self, dtype: str) -> np.ndarray:
        """The same numbers at every call; with ties, few different ones."""
        x = np.random.default_rng(7).standard_normal(self.shape)
        return (np.round(x) if self.ties else x).astype(dtype)


def small_net(nn: Any) -> Any:
    """Every kind of layer that draws no random numbers, in one."""
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.LayerNorm(4 * 3 * 4),
        nn.Linear(4 * 3 * 4, 6),
        nn.GELU(),
        nn.Linear(6, 5),
        nn.Tanh(),
    )


CASES = (
    Case("linear", lambda nn: nn.Linear(4, 3), (5, 4)),
    Case("linear without bias", lambda nn: nn.Linear(4, 3, bias=False), (2, 5, 4)),
    Case("linear on a vector", lambda nn: nn.Linear(4, 3), (4,)),
    Case("linear to one number", lambda nn: nn.Linear(4, 1), (1, 4)),
    Case("conv", lambda nn: nn.Conv2d(3, 4, 3), (2, 3, 7, 6)),
    Case("conv padded", lambda nn: nn.Conv2d(3, 4, 3, padding=1), (2, 3, 7, 6)),
    Case("conv with stride", lambda nn: nn.Conv2d(3, 4, 3, stride=2, padding=1), (2, 3, 8, 7)),
    Case(
        "conv, all sizes in pairs",
        lambda nn: nn.Conv2d(3, 4, (3, 2), stride=(1, 2), padding=(2, 0), dilation=(2, 3)),
        (2, 3, 9, 11),
    ),
    Case("conv in groups", lambda nn: nn.Conv2d(4, 6, 3, groups=2, padding=1), (2, 4, 5, 6)),
    Case(
        "conv by channel",
        lambda nn: nn.Conv2d(4, 8, 3, groups=4, stride=2, bias=False),
        (1, 4, 7, 6),
    ),
    Case("conv of one pixel", lambda nn: nn.Conv2d(3, 5, 1), (2, 3, 4, 4)),
    Case("conv of the whole image", lambda nn: nn.Conv2d(2, 3, (4, 5)), (3, 2, 4, 5)),
    Case("conv larger than the image", lambda nn: nn.Conv2d(2, 3, 5, padding=2), (1, 2, 3, 2)),
    Case(
        "conv same",
        lambda nn: nn.Conv2d(3, 5, 3, padding="same", dilation=2),
        (2, 3, 9, 8),
    ),
    Case("conv valid", lambda nn: nn.Conv2d(3, 5, 2, padding="valid"), (2, 3, 4, 4)),
    Case("conv of one image", lambda nn: nn.Conv2d(3, 5, 3), (3, 5, 4)),
    Case("relu", lambda nn: nn.ReLU(), (3, 4)),
    Case("gelu", lambda nn: nn.GELU(), (3, 4)),
    Case("gelu by tanh", lambda nn: nn.GELU(approximate="tanh"), (3, 4)),
    Case("tanh", lambda nn: nn.Tanh(), (3, 4)),
    Case("pool", lambda nn: nn.MaxPool2d(2), (2, 3, 6, 5)),
    Case("pool overlapping", lambda nn: nn.MaxPool2d(3, stride=2, padding=1), (2, 3, 6, 7)),
    Case(
        "pool, all sizes in pairs",
        lambda nn: nn.MaxPool2d((2, 3), stride=(1, 2), padding=(1, 0)),
        (2, 3, 6, 7),
    ),
    Case("pool with ties", lambda nn: nn.MaxPool2d(2), (2, 3, 6, 6), ties=True),
    Case("flatten", lambda nn: nn.Flatten(), (2, 3, 4)),
    Case("flatten some axes", lambda nn: nn.Flatten(0, -2), (2, 3, 4)),
    Case("layer norm", lambda nn: nn.LayerNorm(5), (2, 3, 5)),
    Case("layer norm over two axes", lambda nn: nn.LayerNorm((3, 5), eps=1e-3), (2, 3, 5)),
    Case("layer norm, plain", lambda nn: nn.LayerNorm(5, elementwise_affine=False), (2, 3, 5)),
    Case("layer norm without bias", lambda nn: nn.LayerNorm([5], bias=False), (2, 3, 5)),
    Case("batch norm", lambda nn: nn.BatchNorm2d(3), (4, 3, 5, 4)),
    Case(
        "batch norm, plain",
        lambda nn: nn.BatchNorm2d(3, eps=1e-3, affine=False, momentum=0.3),
        (4, 3, 5, 4),
    ),
    Case(
        "batch norm without memory",
        lambda nn: nn.BatchNorm2d(3, track_running_stats=False),
        (4, 3, 5, 4),
    ),
    Case("batch norm of one image", lambda nn: nn.BatchNorm2d(3), (1, 3, 2, 1)),
    Case("batch norm, evaluating", lambda nn: nn.BatchNorm2d(3).eval(), (4, 3, 5, 4)),
    Case("dropout, evaluating", lambda nn: nn.Dropout(0.5).eval(), (3, 4)),
    Case("dropout of nothing", lambda nn: nn.Dropout(0.0), (3, 4)),
    Case("dropout of everything", lambda nn: nn.Dropout(1.0), (3, 4)),
    Case("sequence", small_net, (3, 1, 6, 8)),
)
