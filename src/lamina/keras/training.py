"""What `compile` chooses, what `fit` gives back, and how arrays become batches for a Trainer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import lamina.tensor as lm
from lamina import data, nn, train
from lamina.base.errors import UsageError
from lamina.keras import losses, metrics, optimizers
from lamina.train.callbacks import Record


class History(train.Callback):
    """The numbers of each epoch; `fit` gives one back.

    Args:
        verbose: whether a line is printed for each epoch.
        epochs: how many there will be.

    Attributes:
        history: lists of numbers by name: "loss", the metrics, and those of the validation data
            with "val_" before them. Numbers of the training data are means over the batches.
        epoch: the numbers of the epochs.
    """

    def __init__(self, verbose: bool, epochs: int):
        self.verbose = verbose
        self.epochs = epochs
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []
        self._record: dict[str, float] = {}

    def on_log(self, trainer: train.Trainer, record: Record) -> None:
        """Keep what it says of losses and metrics."""
        beside = ("step", "epoch", "lr", "examples_per_s", "utilisation")
        self._record |= {k: v for k, v in record.items() if k not in beside}

    def on_epoch(self, trainer: train.Trainer) -> None:
        """Close an epoch."""
        self.epoch.append(len(self.epoch))
        for name, value in self._record.items():
            self.history.setdefault(name, []).append(value)
        if self.verbose:
            said = " - ".join(f"{name}: {value:.4f}" for name, value in self._record.items())
            print(f"Epoch {len(self.epoch)}/{self.epochs} - {said}")
        self._record = {}


class Compiled:
    """A model's loss, metrics and optimiser, and the `Trainer` that they make.

    Args:
        model: what is trained; its weights are made already.
        optimizer, loss, measures, jit, options: see `Model.compile`.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Any,
        loss: Any,
        measures: Sequence[Any],
        jit: bool,
        options: dict[str, Any],
    ):
        self.measures, beside = metrics.split(measures)
        self.loss = losses.get(loss)
        self.trainer = train.Trainer(
            model,
            self.loss_of,
            optimizers.get(optimizer)(model),
            metrics=beside,
            jit=jit,
            **options,
        )

    def loss_of(self, model: Any, x: Any, y: Any) -> tuple[lm.Tensor, dict[str, lm.Tensor]]:
        """The loss of a batch, and its metrics."""
        prediction = model(x)
        measures = {name: f(y, prediction) for name, f in self.measures.items()}
        return self.loss(y, prediction), measures

    def fit(
        self, batches: data.Batches, validation: Any, history: History, callbacks: Sequence[Any]
    ) -> None:
        """Train until `history.epochs` more epochs are done."""
        trainer = self.trainer
        trainer.step, trainer.log_every = 0, len(batches)
        trainer.callbacks = [history, *callbacks]
        trainer.fit(batches, epochs=history.epochs, validation=validation)


def batches_of(x: Any, y: Any, size: int, seed: int | None = None) -> data.Batches:
    """Batches of (inputs, targets), the last one as it comes; inputs may be a list of arrays."""
    several = isinstance(x, list | tuple)
    arrays = [_array(part) for part in (x if several else [x])]

    def grouped(batch: tuple[np.ndarray, ...], generator: Any) -> tuple[Any, ...]:
        inputs, rest = batch[: len(arrays)], batch[len(arrays) :]
        return (list(inputs) if several else inputs[0], *rest)

    targets = [] if y is None else [_array(y)]
    count = len(arrays[0])
    return data.Batches(
        *arrays, *targets, size=min(size, count), seed=seed, drop_last=False, transform=grouped
    )


def split_off(x: Any, y: Any, share: float) -> tuple[Any, Any, tuple[Any, Any] | None]:
    """Inputs and targets without their last examples, and those.

    Raises:
        UsageError: the share is not between 0 and 1, or leaves nothing on a side.
    """
    if share == 0.0:
        return x, y, None
    count = len(y)
    kept = int(count * (1.0 - share))
    if not 0.0 < share < 1.0 or not 0 < kept < count:
        raise UsageError(
            "fit: validation_split leaves examples on both sides",
            [f"validation_split: {share}", f"examples: {count}"],
        )

    def part(structure: Any, chosen: slice) -> Any:
        if isinstance(structure, list | tuple):
            return [_array(each)[chosen] for each in structure]
        return _array(structure)[chosen]

    first, last = slice(None, kept), slice(kept, None)
    return part(x, first), _array(y)[first], (part(x, last), _array(y)[last])


def _array(value: Any) -> np.ndarray:
    array = value.numpy() if isinstance(value, lm.Tensor) else np.asarray(value)
    return array.astype(np.float32) if array.dtype == np.float64 else array
