"""Dropout of elements, channels and examples: what is dropped, how often, what stays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import nn
from tests.nn.test_errors import message

SHAPES = {
    "Dropout": (40, 50, 3),
    "Dropout1d": (40, 50, 3),
    "Dropout2d": (40, 50, 2, 2),
    "Dropout3d": (40, 50, 2, 1, 2),
    "DropPath": (2000, 2, 2),
}
UNITS = {"Dropout": 3, "Dropout1d": 2, "Dropout2d": 2, "Dropout3d": 2, "DropPath": 1}


@pytest.mark.parametrize("kind", SHAPES)
def test_whole_units_are_dropped(kind: str) -> None:
    lm.random.seed(1)
    layer, x = getattr(nn, kind)(0.25), lm.ones(SHAPES[kind])
    y = layer(x).numpy()
    units = y.reshape(*y.shape[: UNITS[kind]], -1)
    assert (units == units[..., :1]).all()
    assert set(np.unique(y)) == {0, np.float32(1 / 0.75)}
    assert (units == 0).mean() == pytest.approx(0.25, abs=0.04)
    assert (layer.eval()(x).numpy() == 1).all()
    assert (getattr(nn, kind)(1.0)(x).numpy() == 0).all()


@pytest.mark.parametrize("kind", ["AlphaDropout", "FeatureAlphaDropout"])
def test_mean_and_variance_stay(kind: str) -> None:
    lm.random.seed(2)
    x = lm.random.normal((400, 100, 2))
    layer = getattr(nn, kind)(0.3)
    y = layer(x).numpy()
    assert y.mean() == pytest.approx(0.0, abs=0.02)
    assert y.var() == pytest.approx(1.0, abs=0.03)
    changed = y == np.median(y[y < -1])  # the value of what was dropped
    assert changed.mean() == pytest.approx(0.3, abs=0.02)
    whole = (changed[..., 0] == changed[..., 1]).all()
    assert whole == (kind == "FeatureAlphaDropout")
    np.testing.assert_array_equal(layer.eval()(x).numpy(), x.numpy())


def test_noise_is_new_at_every_call_of_a_program() -> None:
    step = lm.jit(lambda layer, x: layer(x))
    layer, x = nn.Dropout2d(0.5), lm.ones((8, 16, 1, 1))
    assert (step(layer, x).numpy() != step(layer, x).numpy()).any()


MESSAGES = [
    (lambda: nn.DropPath(-0.1), "UsageError: DropPath: p is not a probability\n  p: -0.1"),
    (lambda: nn.Dropout3d(2), "UsageError: Dropout3d: p is not a probability\n  p: 2"),
    (
        lambda: nn.Dropout2d()(lm.ones((2, 2))),
        "ShapeError: Dropout2d: x has another number of axes\n"
        "  x: f32[2,2]\n  axes behind the channels: 2",
    ),
]


@pytest.mark.parametrize("f, expected", MESSAGES, ids=[said.split("\n")[0] for _, said in MESSAGES])
def test_message(f: Any, expected: str) -> None:
    assert message(f) == expected
