"""The digit network: sizes, names, and what it makes of odd images."""

from __future__ import annotations

import numpy as np
import pytest

import lamina as lm
from lamina import functional, models


def test_names_and_sizes() -> None:
    shapes = {name: p.shape for name, p in models.DigitNet(side=28).named_parameters()}
    assert shapes == {
        "conv1.weight": (16, 1, 3, 3),
        "conv1.bias": (16,),
        "conv2.weight": (32, 16, 3, 3),
        "conv2.bias": (32,),
        "fc1.weight": (128, 1568),
        "fc1.bias": (128,),
        "fc2.weight": (10, 128),
        "fc2.bias": (10,),
    }


@pytest.mark.parametrize("side", [4, 7, 8, 10, 28])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_logits(side: int, count: int) -> None:
    model = models.DigitNet(side, hidden=16)
    images = np.random.default_rng(0).random((count, 1, side, side), np.float32)
    logits = lm.jit(lambda model, x: model(x))(model, images)
    assert logits.shape == (count, 10)
    np.testing.assert_allclose(logits.numpy(), model(lm.asarray(images)).numpy(), atol=1e-5)


def test_float64() -> None:
    model = models.DigitNet(side=8, hidden=16, dtype=lm.float64)
    images = np.random.default_rng(0).random((2, 1, 8, 8))
    loss, grads = lm.value_and_grad(
        lambda model, x: functional.cross_entropy(model(x), lm.asarray([3, 1]))
    )(model, images)
    assert loss.dtype is lm.float64
    assert all(bar.dtype is lm.float64 for _, bar in grads.named_parameters())
    assert all(np.abs(bar.numpy()).max() > 0 for _, bar in grads.named_parameters())


def test_gradients_of_each_image() -> None:
    """vmap of grad gives, for each image, what grad gives for it alone."""
    lm.random.seed(0)
    model = models.DigitNet(side=8, hidden=16)
    rng = np.random.default_rng(0)
    images, labels = rng.random((5, 1, 1, 8, 8), np.float32), rng.integers(0, 10, (5, 1))

    def bar(x: lm.Tensor, label: lm.Tensor) -> lm.Tensor:
        loss = lambda model, x: functional.cross_entropy(model(x), label)
        return lm.grad(loss)(model, x).conv2.weight

    together = lm.jit(lm.vmap(bar))(images, labels).numpy()
    for i in range(5):
        alone = bar(lm.asarray(images[i]), lm.asarray(labels[i])).numpy()
        np.testing.assert_allclose(together[i], alone, rtol=1e-4, atol=1e-6)
