"""The digit network learns as PyTorch's does: same weights and batches, same losses.

One hundred steps on the embedded digits, and on MNIST where it lies in `LAMINA_DATA/mnist` (by
default `shared/data` beside the repository).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import data, functional, models

torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra: test)")

STEPS = 100
TOLERANCES = {"float64": 1e-9, "float32": 1e-4}
FOLDER = Path(os.environ.get("LAMINA_DATA") or Path(__file__).parents[3] / "shared" / "data")

OPTIMIZERS = {
    "adam": lambda optim, parameters: optim.Adam(parameters, lr=1e-3),
    "momentum": lambda optim, parameters: optim.SGD(parameters, lr=0.02, momentum=0.9),
}


class TorchDigitNet(torch.nn.Module):
    """`lamina.models.DigitNet`, in PyTorch's words."""

    def __init__(self, side: int):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(1, 16, 3, padding=1)
        self.conv2 = torch.nn.Conv2d(16, 32, 3, padding=1)
        self.fc1 = torch.nn.Linear(32 * (side // 4) ** 2, 128)
        self.fc2 = torch.nn.Linear(128, 10)

    def forward(self, x: Any) -> Any:
        x = torch.nn.functional.max_pool2d(torch.relu(self.conv1(x)), 2)
        x = torch.nn.functional.max_pool2d(torch.relu(self.conv2(x)), 2)
        x = torch.relu(self.fc1(x.flatten(1)))
        return self.fc2(x)


def loss_of(model: models.DigitNet, images: Any, labels: Any) -> lm.Tensor:
    return functional.cross_entropy(model(images), labels)


@lm.jit
def step(model: models.DigitNet, optimizer: Any, images: Any, labels: Any) -> lm.Tensor:
    loss, grads = lm.value_and_grad(loss_of)(model, images, labels)
    optimizer.update(model, grads)
    return loss


def batches(split: data.Split, size: int, dtype: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """So many batches as there are steps, going round the data as often as needed."""
    images, labels = split.train_images.astype(dtype), split.train_labels
    return islice(cycle(data.batches(images, labels, size, seed=0)), STEPS)


def compare(split: data.Split, size: int, name: str, dtype: str) -> None:
    torch.manual_seed(0)
    side = split.train_images.shape[-1]
    theirs = TorchDigitNet(side).to(getattr(torch, dtype))
    ours = models.DigitNet(side).astype(dtype)
    ours.load_state_dict(theirs.state_dict())
    our_optimizer = OPTIMIZERS[name](lm.optim, ours)
    their_optimizer = OPTIMIZERS[name](torch.optim, theirs.parameters())
    found, expected = [], []
    for images, labels in batches(split, size, dtype):
        found.append(float(step(ours, our_optimizer, images, labels)))
        their_optimizer.zero_grad()
        logits = theirs(torch.from_numpy(images))
        loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels))
        loss.backward()
        their_optimizer.step()
        expected.append(loss.item())
    assert len(found) == STEPS
    assert expected[-1] < 0.8 * expected[0]  # there was something to follow
    np.testing.assert_allclose(found, expected, rtol=TOLERANCES[dtype])


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_on_the_embedded_digits(name: str, dtype: str) -> None:
    compare(data.digits(), 64, name, dtype)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_on_mnist(name: str, dtype: str) -> None:
    if not (FOLDER / "mnist").is_dir():
        pytest.skip(f"no MNIST in {FOLDER}; LAMINA_DATA names the folder")
    compare(data.mnist(FOLDER / "mnist"), 64, name, dtype)
