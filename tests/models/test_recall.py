"""A long dependency: what was said first has to be repeated after forty steps of noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import functional, nn, optim

STEPS = 40
WIDTH = 24


class Recall(nn.Module):
    """Which of four symbols came first, from the last output of a recurrent layer."""

    def __init__(self, layer: nn.Module):
        super().__init__()
        self.layer = layer
        self.out = nn.Linear(WIDTH, 4)

    def forward(self, x: Any) -> Any:
        y, _ = self.layer(functional.one_hot(x, 8))
        return self.out(y[:, -1])


def sequences(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """A symbol from 0 to 3, then noise of 4 to 7; and the symbol."""
    x = rng.integers(4, 8, (count, STEPS))
    x[:, 0] = rng.integers(0, 4, count)
    return x, x[:, 0].copy()


@lm.jit
def step(model: nn.Module, optimizer: optim.Optimizer, x: Any, first: Any) -> Any:
    def loss_of(model: nn.Module) -> Any:
        return functional.cross_entropy(model(x), first)

    loss, grads = lm.value_and_grad(loss_of)(model)
    optimizer.update(model, grads)
    return loss


def share_recalled(layer: nn.Module, seed: int) -> float:
    """On new sequences, after 300 steps of training."""
    rng = np.random.default_rng(seed)
    model = Recall(layer)
    optimizer = optim.Adam(model, lr=0.01)
    for _ in range(300):
        step(model, optimizer, *sequences(rng, 64))
    x, first = sequences(rng, 500)
    return float((model(x).numpy().argmax(axis=1) == first).mean())


@pytest.mark.parametrize("seed", [0, 2])
def test_an_lstm_recalls_and_a_plain_network_does_not(seed: int) -> None:
    lm.random.seed(seed)
    lstm = nn.LSTM(8, WIDTH, batch_first=True)
    place = np.arange(4 * WIDTH) // WIDTH
    lstm.bias_hh_l0 = lm.asarray(np.where(place == 1, 5.0, 0.0).astype(np.float32))  # remembers
    assert share_recalled(lstm, seed) > 0.99
    assert share_recalled(nn.RNN(8, WIDTH, batch_first=True), seed) < 0.7
