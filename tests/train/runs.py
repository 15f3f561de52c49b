"""A small run whose every number can be compared."""

from __future__ import annotations

from typing import Any

import numpy as np

import lamina as lm
from lamina import data, functional, nn, optim, saving, train
from tests.train.kills import arrays_of

RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 6)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int64) + (X[:, 1] > 0)


class Net(nn.Module):
    """Batch norm and dropout, so that buffers and random numbers take part."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(6, 16)
        self.norm = nn.BatchNorm1d(16)
        self.drop = nn.Dropout(0.25)
        self.out = nn.Linear(16, 3)

    def forward(self, x: Any) -> Any:
        return self.out(self.drop(functional.relu(self.norm(self.hidden(x)))))


def loss_of(model: Net, x: Any, y: Any) -> Any:
    return functional.cross_entropy(model(x), y)


def trainer_of(checkpoints: Any = None, **options: Any) -> train.Trainer:
    """A trainer as new, with weights that are always the same."""
    lm.random.seed(3)
    model = Net()
    schedule = optim.schedules.Cosine(0.02, steps=40, warmup=4)
    if checkpoints is not None and not isinstance(checkpoints, saving.Checkpoints):
        checkpoints = saving.Checkpoints(checkpoints)
    optimizer = optim.AdamW(model, lr=schedule)
    return train.Trainer(model, loss_of, optimizer, checkpoints=checkpoints, **options)


def batches_of(size: int = 8) -> data.Batches:
    return data.Batches(X, Y, size=size, seed=7)


def everything(trainer: train.Trainer) -> dict[str, bytes]:
    """Every number of a trainer's state, as bytes; how fast it was does not count."""
    arrays = arrays_of(trainer.state_dict())
    return {n: a.tobytes() for n, a in arrays.items() if "per_s" not in n}
