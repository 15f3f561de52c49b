"""Where a decoder looks that has learned to write a sequence backwards."""

from __future__ import annotations

from typing import Any

import numpy as np

import lamina as lm
from docs.drawings import style
from lamina import functional, nn, optim

LENGTH, SYMBOLS, STEPS = 10, 12, 400


class Reverser(nn.Module):
    """One layer of attention from places of the result to symbols of the input."""

    def __init__(self, width: int = 48):
        super().__init__()
        self.symbols = nn.Embedding(SYMBOLS, width)
        self.places = nn.Embedding(LENGTH, width)
        self.attention = nn.MultiheadAttention(width, 1, batch_first=True)
        self.out = nn.Linear(width, SYMBOLS)

    def forward(self, text: Any) -> tuple[lm.Tensor, lm.Tensor]:
        """Logits of each place, and how it looks at the input."""
        places = self.places(lm.arange(LENGTH)) + lm.zeros((text.shape[0], 1, 1))
        keys = self.symbols(text) + places
        mixed, weights = self.attention(places, keys, keys, need_weights=True)
        return self.out(mixed), weights


def loss_of(model: Reverser, text: Any) -> lm.Tensor:
    """Mean cross entropy of the reversed text."""
    logits, _ = model(text)
    return functional.cross_entropy(
        lm.reshape(logits, (-1, SYMBOLS)), lm.reshape(lm.flip(text, axis=1), (-1,))
    )


@lm.jit
def step(model: Reverser, optimizer: optim.Optimizer, text: Any) -> lm.Tensor:
    """One step of training."""
    loss, gradients = lm.value_and_grad(loss_of)(model, text)
    optimizer.update(model, gradients)
    return loss


def draw() -> Any:
    """The weights before and after training, for one sequence."""
    rng = np.random.default_rng(0)
    model = Reverser()
    optimizer = optim.Adam(model, lr=1e-2)
    text = rng.integers(SYMBOLS, size=(1, LENGTH))
    letters = ["ABCDEFGHIJKL"[i] for i in text[0]]
    looks = [model(text)[1].numpy()[0]]
    for _ in range(STEPS):
        step(model, optimizer, rng.integers(SYMBOLS, size=(64, LENGTH)))
    logits, weights = model(text)
    looks.append(weights.numpy()[0])
    written = ["ABCDEFGHIJKL"[i] for i in logits.numpy()[0].argmax(axis=-1)]

    made, panels = style.figure(7.0, 3.4, ncols=2)
    for panel, look, rows, title in zip(
        panels, looks, (["?"] * LENGTH, written), ("before training", f"after {STEPS} steps")
    ):
        panel.imshow(look, cmap="BuGn", vmin=0, vmax=1)
        panel.set_xticks(range(LENGTH), letters)
        panel.set_yticks(range(LENGTH), rows)
        panel.set(title=title, xlabel="read", ylabel="written")
    return made
