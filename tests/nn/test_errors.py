"""What users get wrong with layers and modules: whole messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import models, nn
from lamina.base.errors import LaminaError
from lamina.base.spans import at


def message(f: Callable[[], Any]) -> str:
    with at(None), pytest.raises(LaminaError) as caught:
        f()
    return f"{type(caught.value).__name__}: {caught.value}".split("\n  at ")[0]


class NoInit(nn.Module):
    def __init__(self) -> None:
        self.scale = lm.ones((2,))

    def forward(self, x: Any) -> Any:
        return x


class InTuple(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gains = (lm.ones((2,)), lm.ones((3,)))


LINEAR = nn.Linear(2, 2)

MESSAGES: list[tuple[Callable[[], Any], str]] = [
    (
        lambda: nn.Linear(3, 2)(lm.ones((4, 5))),
        "ShapeError: linear: the input has another number of features than the weight takes\n"
        "  x: f32[4,5]\n"
        "  weight: f32[2,3]\n"
        "  help: check the layer sizes",
    ),
    (
        lambda: nn.Conv2d(3, 4, 3)(lm.ones((2, 1, 8, 8))),
        "ShapeError: conv2d: the image and the filters do not fit\n"
        "  x: f32[2,1,8,8]\n"
        "  weight: f32[4,3,3,3]\n"
        "  groups: 1\n"
        "  help: x is [N, C, H, W] and weight [O, C / groups, KH, KW]",
    ),
    (
        lambda: nn.Conv2d(1, 1, 5, padding=1)(lm.ones((1, 1, 2, 9))),
        "ShapeError: windows: the window is larger than the image\n"
        "  image: f32[1,1,4,11]\n"
        "  window: (5, 5)\n"
        "  help: pad the image, or take a smaller kernel",
    ),
    (
        lambda: nn.MaxPool2d(4)(lm.ones((1, 1, 3, 3))),
        "ShapeError: windows: the window is larger than the image\n"
        "  image: f32[1,1,3,3]\n"
        "  window: (4, 4)\n"
        "  help: pad the image, or take a smaller kernel",
    ),
    (
        lambda: nn.Conv2d(3, 4, 1, groups=2),
        "UsageError: Conv2d: groups must divide both numbers of channels\n"
        "  channels: 3 -> 4\n"
        "  groups:   2",
    ),
    (
        lambda: nn.Conv2d(4, 4, 1, groups=0),
        "UsageError: Conv2d: groups must divide both numbers of channels\n"
        "  channels: 4 -> 4\n"
        "  groups:   0",
    ),
    (
        lambda: nn.Conv2d(1, 1, (3, 0)),
        "UsageError: Conv2d: kernel_size is at least 1\n  kernel_size: (3, 0)",
    ),
    (lambda: nn.Conv2d(1, 1, 3, stride=0), "UsageError: Conv2d: stride is at least 1\n  stride: 0"),
    (
        lambda: nn.Conv2d(1, 1, 3, dilation=0),
        "UsageError: Conv2d: dilation is at least 1\n  dilation: 0",
    ),
    (
        lambda: nn.Conv2d(1, 1, 3, padding=(0, -1)),
        "UsageError: Conv2d: padding is at least 0\n  padding: (0, -1)",
    ),
    (
        lambda: nn.Conv2d(1, 1, 3, stride=2, padding="same")(lm.ones((1, 1, 4, 4))),
        'UsageError: conv2d: padding "same" needs stride 1\n  stride: (2, 2)',
    ),
    (
        lambda: nn.Conv2d(1, 1, 3, padding="full")(lm.ones((1, 1, 4, 4))),
        'UsageError: conv2d: no padding "full"\n  there are "same" and "valid"',
    ),
    (
        lambda: nn.MaxPool2d(2, padding=2),
        "UsageError: MaxPool2d: padding is at most half of kernel_size, "
        "or windows see nothing else\n"
        "  padding:     2\n"
        "  kernel_size: 2",
    ),
    (
        lambda: nn.MaxPool2d(2, stride=0),
        "UsageError: MaxPool2d: stride is at least 1\n  stride: 0",
    ),
    (
        lambda: nn.BatchNorm2d(3)(lm.ones((4, 3))),
        "ShapeError: BatchNorm2d: the images have other channels than the layer\n"
        "  x: f32[4,3]\n"
        "  num_features: 3\n"
        "  help: x is [B, num_features, H, W]",
    ),
    (
        lambda: nn.BatchNorm2d(3)(lm.ones((1, 3, 1, 1))),
        "ShapeError: BatchNorm2d: one value for each channel has no variance to learn from\n"
        "  x: f32[1,3,1,1]\n"
        "  help: train on more images at a time, or call eval()",
    ),
    (
        lambda: nn.LayerNorm((3, 4))(lm.ones((2, 4))),
        "ShapeError: layer_norm: the last axes are not the normalized shape\n"
        "  x: f32[2,4]\n"
        "  normalized_shape: (3, 4)",
    ),
    (
        lambda: nn.Flatten(2, 1)(lm.ones((4, 3, 2))),
        "ShapeError: Flatten: no axes from 2 to 1\n  x: f32[4,3,2]",
    ),
    (
        lambda: nn.GELU("sigmoid"),
        'UsageError: GELU: no approximation \'sigmoid\'\n  there are "none" and "tanh"',
    ),
    (lambda: nn.Dropout(1.5), "UsageError: Dropout: p is not a probability\n  p: 1.5"),
    (
        lambda: models.DigitNet(side=8)(lm.ones((1, 1, 28, 28))),
        "ShapeError: reshape: 1568 elements do not fill (1, 128)\n"
        "  tensor: f32[1,32,7,7]\n"
        "  wanted: (1, 128)\n"
        "  help: the sizes must multiply to the number of elements; "
        "-1 stands for the one that fits",
    ),
    (
        lambda: list(NoInit().parameters()),
        "UsageError: NoInit: used before Module.__init__ ran\n"
        "  attribute: _buffer_names\n"
        "  help: call super().__init__() first in __init__",
    ),
    (
        lambda: list(InTuple().parameters()),
        "UsageError: Module: gains.0 is a tensor in a tuple, where nothing can take its place\n"
        "  tensor: f32[2]\n"
        "  help: keep parameters in a list or a dict",
    ),
    (
        lambda: LINEAR.load_state_dict({"weight": np.ones((2, 2)), "wieght": np.ones(2)}),
        "UsageError: load_state_dict: the names differ from those of Linear\n"
        "  missing: bias\n"
        "  unknown: wieght\n"
        "  help: check the model's sizes and layers, or pass strict=False",
    ),
    (
        lambda: LINEAR.load_state_dict({"weight": np.ones((2, 3)), "bias": np.ones(2)}),
        "ShapeError: load_state_dict: weight has another shape\n"
        "  module: f32[2,2]\n"
        "  state:  f64[2,3]\n"
        "  help: check the model's sizes",
    ),
    (
        lambda: LINEAR.load_state_dict({"weight": np.ones((2, 2), int), "bias": np.ones(2)}),
        "DTypeError: load_state_dict: weight has another kind of dtype\n"
        "  module: f32[2,2]\n"
        "  state:  i64[2,2]\n"
        "  help: convert the state first",
    ),
    (
        lambda: LINEAR.set_parameters({"wieght": lm.ones((2, 2))}),
        "UsageError: set_parameters: Linear has no such parameters\n"
        "  unknown: wieght\n"
        "  known:   weight, bias",
    ),
]


@pytest.mark.parametrize("f, expected", MESSAGES, ids=[said.split("\n")[0] for _, said in MESSAGES])
def test_message(f: Callable[[], Any], expected: str) -> None:
    assert message(f) == expected


def test_nothing_is_loaded_unless_everything_fits() -> None:
    layer = nn.Linear(2, 2)
    weight = layer.weight
    message(lambda: layer.load_state_dict({"weight": np.ones((2, 2)), "bias": np.ones(3)}))
    assert layer.weight is weight


def test_a_module_without_forward() -> None:
    with pytest.raises(NotImplementedError, match=r"^Module has no forward$"):
        nn.Module()(1)


def test_an_attribute_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match=r"^'Linear' has no attribute 'wieght'$"):
        LINEAR.wieght
