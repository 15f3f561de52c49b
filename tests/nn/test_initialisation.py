"""Initial weights: PyTorch's distributions, and the same ones for the same seed."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import models, nn

UNIFORM: list[tuple[str, Callable[[Any], Any], int]] = [
    ("linear", lambda nn: nn.Linear(300, 400), 300),
    ("conv", lambda nn: nn.Conv2d(32, 512, 3), 32 * 9),
    ("conv in groups", lambda nn: nn.Conv2d(32, 2048, (3, 5), groups=8), 4 * 15),
]


def distance(x: np.ndarray, cdf: Callable[[np.ndarray], np.ndarray]) -> float:
    """The Kolmogorov-Smirnov distance of a sample from a distribution."""
    x = np.sort(x.astype(np.float64).ravel())
    steps = np.arange(len(x) + 1) / len(x)
    expected = cdf(x)
    return float(max(np.max(steps[1:] - expected), np.max(expected - steps[:-1])))


def critical(*counts: int) -> float:
    """The distance that a true sample exceeds once in ten thousand times."""
    return math.sqrt(-0.5 * math.log(0.5e-4) * sum(1 / n for n in counts))


@pytest.mark.parametrize("dtype", [lm.float32, lm.float64], ids=["f32", "f64"])
@pytest.mark.parametrize(
    "make, fan_in", [case[1:] for case in UNIFORM], ids=[c[0] for c in UNIFORM]
)
def test_weights_are_uniform_up_to_the_root_of_the_inputs(
    make: Callable[[Any], Any], fan_in: int, dtype: Any
) -> None:
    lm.random.seed(5)

    class Typed:
        """The layers with this dtype."""

        Linear = staticmethod(lambda *a, **k: nn.Linear(*a, dtype=dtype, **k))
        Conv2d = staticmethod(lambda *a, **k: nn.Conv2d(*a, dtype=dtype, **k))

    bound = 1 / math.sqrt(fan_in)
    for tensor in make(Typed).parameters():
        values = tensor.numpy()
        assert values.dtype == dtype.numpy
        assert np.abs(values).max() <= bound
        cdf = lambda x: (x + bound) / (2 * bound)
        assert distance(values, cdf) < critical(values.size)


@pytest.mark.parametrize("make", [case[1] for case in UNIFORM], ids=[case[0] for case in UNIFORM])
def test_the_same_distribution_as_torch(make: Callable[[Any], Any]) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")
    lm.random.seed(6)
    torch.manual_seed(6)
    for ours, theirs in zip(make(nn).parameters(), make(torch.nn).parameters(), strict=True):
        a, b = ours.numpy().ravel(), np.sort(theirs.detach().numpy().ravel())
        empirical = lambda x, b=b: np.searchsorted(b, x, side="right") / len(b)
        assert distance(a, empirical) < critical(len(a), len(b))


def test_norms_begin_as_the_identity() -> None:
    for layer in (nn.LayerNorm((3, 4)), nn.BatchNorm2d(5)):
        assert (layer.weight.numpy() == 1).all()
        assert (layer.bias.numpy() == 0).all()
    assert (layer.running_mean.numpy() == 0).all()
    assert (layer.running_var.numpy() == 1).all()
    assert int(layer.num_batches_tracked) == 0


def test_a_seed_gives_the_same_weights() -> None:
    def weights(seed: int) -> dict[str, np.ndarray]:
        lm.random.seed(seed)
        return {n: p.numpy() for n, p in models.DigitNet(side=8).named_parameters()}

    first, again, other = weights(3), weights(3), weights(4)
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])
        assert (first[name] != other[name]).any()
    flat = np.concatenate([array.ravel() for array in first.values()])
    assert len(np.unique(flat)) > 0.98 * flat.size  # 23 bits: few coincide
    square = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    assert (square[0].weight.numpy() != square[1].weight.numpy()).all()
