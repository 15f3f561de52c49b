"""The digit network learns as PyTorch's does: same weights and batches, same losses.

One hundred steps on the embedded digits, and on MNIST where it lies in `LAMINA_DATA/mnist` (by
default `shared/data` beside the repository).

In float32 an activation may lie so near the kink of ReLU that rounding decides its side; from then
on two trajectories part, PyTorch's own in float32 and float64 too. So three initial weights are
tried in float32, and the middle one of the three differences counts.
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

BATCH = 32
STEPS = 100
TOLERANCES = {"float64": 1e-9, "float32": 1e-4}
FOLDER = Path(os.environ.get("LAMINA_DATA") or Path(__file__).parents[3] / "shared" / "data")

OPTIMIZERS = {
    "adam": lambda optim, parameters: optim.Adam(parameters, lr=5e-4),
    "momentum": lambda optim, parameters: optim.SGD(parameters, lr=0.01, momentum=0.9),
}


@pytest.fixture(autouse=True)
def one_torch_thread() -> Iterator[None]:
    """Two pools of threads that both wait by spinning slow each other down."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


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


def batches(split: data.Split, dtype: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """So many batches as there are steps, going round the data as often as needed."""
    images, labels = split.train_images.astype(dtype), split.train_labels
    return islice(cycle(data.batches(images, labels, BATCH, seed=0)), STEPS)


def losses(split: data.Split, name: str, dtype: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Of Lamina and of PyTorch, from the weights that PyTorch draws for `seed`."""
    torch.manual_seed(seed)
    side = split.train_images.shape[-1]
    theirs = TorchDigitNet(side).to(getattr(torch, dtype))
    ours = models.DigitNet(side).astype(dtype)
    ours.load_state_dict(theirs.state_dict())
    our_optimizer = OPTIMIZERS[name](lm.optim, ours)
    their_optimizer = OPTIMIZERS[name](torch.optim, theirs.parameters())
    found, expected = [], []
    for images, labels in batches(split, dtype):
        found.append(float(step(ours, our_optimizer, images, labels)))
        their_optimizer.zero_grad()
        logits = theirs(torch.from_numpy(images))
        loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels))
        loss.backward()
        their_optimizer.step()
        expected.append(loss.item())
    return np.array(found), np.array(expected)


def compare(split: data.Split, name: str, dtype: str) -> None:
    differences = []
    for seed in range(1 if dtype == "float64" else 3):
        found, expected = losses(split, name, dtype, seed)
        assert len(found) == STEPS
        assert expected[-10:].mean() < 0.99 * expected[:10].mean()  # there was something to follow
        differences.append(np.max(np.abs(found / expected - 1)))
    assert np.median(differences) < TOLERANCES[dtype], differences


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_on_the_embedded_digits(name: str, dtype: str) -> None:
    compare(data.digits(), name, dtype)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_on_mnist(name: str, dtype: str) -> None:
    if not (FOLDER / "mnist").is_dir():
        pytest.skip(f"no MNIST in {FOLDER}; LAMINA_DATA names the folder")
    compare(data.mnist(FOLDER / "mnist"), name, dtype)
