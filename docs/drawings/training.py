"""The example of the front page: loss of each step and accuracy after each pass over the digits."""

from __future__ import annotations

from typing import Any

import numpy as np

import lamina as lm
from docs.drawings import style
from lamina import data, functional, nn, optim

EPOCHS = 20


def loss_of(model: nn.Module, images: Any, labels: Any) -> lm.Tensor:
    """Mean cross entropy of a batch."""
    return functional.cross_entropy(model(images), labels)


@lm.jit
def step(model: nn.Module, optimizer: optim.Optimizer, images: Any, labels: Any) -> lm.Tensor:
    """One step of training."""
    loss, gradients = lm.value_and_grad(loss_of)(model, images, labels)
    optimizer.update(model, gradients)
    return loss


def draw() -> Any:
    """Two panels."""
    digits = data.digits()
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = optim.Adam(model, lr=2e-3)
    losses, accuracies = [], []
    for epoch in range(EPOCHS):
        batches = data.batches(digits.train_images, digits.train_labels, 64, seed=epoch)
        losses += [float(step(model, optimizer, *batch)) for batch in batches]
        found = model(digits.test_images).argmax(axis=1).numpy()
        accuracies.append(100 * np.mean(found == digits.test_labels))

    figure, (left, right) = style.figure(7.5, 2.8, ncols=2)
    left.semilogy(losses)
    left.set(title="loss of each training step", xlabel="step")
    right.plot(range(1, EPOCHS + 1), accuracies, color=style.ORANGE, marker="o", markersize=3)
    right.set(title="test accuracy in %", xlabel="passes over the data", xticks=[1, 5, 10, 15, 20])
    right.annotate(
        f"{accuracies[-1]:.1f} %",
        (EPOCHS, accuracies[-1]),
        xytext=(0, -16),
        textcoords="offset points",
        ha="right",
    )
    return figure
