"""How many kernels an update takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import functional, nn, optim
from lamina.optim import schedules


def net() -> Any:
    return nn.Sequential(nn.Linear(24, 16), nn.ReLU(), nn.Linear(16, 16), nn.Linear(16, 4))


def loss_of(model: Any, x: Any, y: Any) -> lm.Tensor:
    return functional.mse_loss(model(x), y)


def kernels(f: Any, *arguments: Any) -> int:
    return len(lm.jit(f).program(*arguments).record.kernels)


@pytest.mark.parametrize(
    "make",
    [
        lambda m: optim.SGD(m, momentum=0.9),
        lambda m: optim.AdamW(m, lr=schedules.Cosine(0.1, 100, warmup=10)),
        lambda m: optim.Lion(m, groups=[optim.no_decay()]),
        lambda m: optim.RMSprop(m),
    ],
)
def test_an_update_is_part_of_the_kernels_of_the_gradients(make: Callable[[Any], Any]) -> None:
    """What the parameters share takes one kernel or two; by itself an update has one for each."""
    model, x, y = net(), np.ones((8, 24), np.float32), np.ones((8, 4), np.float32)
    optimizer = make(model)
    before = kernels(lambda m, x, y: lm.value_and_grad(loss_of)(m, x, y), model, x, y)

    def step(model: Any, optimizer: Any, x: Any, y: Any) -> lm.Tensor:
        loss, grads = lm.value_and_grad(loss_of)(model, x, y)
        optimizer.update(model, grads)
        return loss

    assert kernels(step, model, optimizer, x, y) <= before + 2
    alone = lambda model, optimizer, grads: optimizer.update(model, grads)
    assert kernels(alone, model, optimizer, model.copy()) <= len(list(model.parameters())) + 2
