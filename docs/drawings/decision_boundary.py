"""What a small network says of every point of the plane, before and after training on two moons."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.datasets import make_moons

import lamina as lm
from docs.drawings import style
from lamina import functional, nn, optim

STEPS = (0, 30, 400)


def loss_of(model: nn.Module, points: Any, labels: Any) -> lm.Tensor:
    """Mean binary cross entropy."""
    return functional.binary_cross_entropy_with_logits(model(points)[:, 0], labels)


@lm.jit
def step(model: nn.Module, optimizer: optim.Optimizer, points: Any, labels: Any) -> lm.Tensor:
    """One step of training on all points."""
    loss, gradients = lm.value_and_grad(loss_of)(model, points, labels)
    optimizer.update(model, gradients)
    return loss


def draw() -> Any:
    """A panel for each number of steps."""
    points, labels = make_moons(300, noise=0.15, random_state=0)
    points, labels = points.astype(np.float32), labels.astype(np.float32)
    x, y = np.meshgrid(np.linspace(-1.7, 2.7, 120), np.linspace(-1.2, 1.7, 90))
    plane = np.stack([x, y], axis=-1).reshape(-1, 2).astype(np.float32)
    model = nn.Sequential(
        nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1)
    )
    optimizer = optim.Adam(model, lr=1e-2)

    figure, panels = style.figure(8.5, 2.7, ncols=len(STEPS), sharey=True)
    done = 0
    for panel, wanted in zip(panels, STEPS):
        for _ in range(done, wanted):
            step(model, optimizer, points, labels)
        done = wanted
        says = functional.sigmoid(model(plane)[:, 0]).numpy().reshape(x.shape)
        panel.imshow(
            says,
            cmap="BrBG",
            vmin=0,
            vmax=1,
            alpha=0.7,
            origin="lower",
            extent=(*x[0, [0, -1]], *y[[0, -1], 0]),
            aspect="auto",
        )
        panel.contour(x, y, says, levels=[0.5], colors=style.INK, linewidths=1.2)
        for label, color in ((0, "#8c510a"), (1, "#01665e")):
            chosen = points[labels == label]
            dots = {"s": 11, "color": color, "edgecolors": "white", "linewidths": 0.4}
            panel.scatter(chosen[:, 0], chosen[:, 1], **dots, rasterized=True)
        panel.set(title=f"after {wanted} steps", xticks=[], yticks=[])
    return figure
