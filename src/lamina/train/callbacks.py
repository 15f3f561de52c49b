"""Callbacks: what is done beside training, at its start, after steps, at its end."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from lamina.base.errors import CheckError, UsageError

if TYPE_CHECKING:
    from lamina.train.trainer import Trainer

Record = dict[str, float]
"""Numbers of a step by name, with "step" and "epoch" among them."""


class Callback:
    """What a `Trainer` calls; each method does nothing unless a subclass writes it.

    A callback with `state_dict` and `load_state_dict` is part of the checkpoints.
    """

    def on_start(self, trainer: Trainer) -> None:
        """Before the first step, behind resuming."""

    def on_step(self, trainer: Trainer) -> None:
        """After each step."""

    def on_log(self, trainer: Trainer, record: Record) -> None:
        """With each record: every `log_every` steps, and after each evaluation."""

    def on_evaluate(self, trainer: Trainer, record: Record) -> None:
        """After each evaluation; its numbers begin with "val_"."""

    def on_epoch(self, trainer: Trainer) -> None:
        """After each epoch."""

    def on_end(self, trainer: Trainer) -> None:
        """When training ends, also by an error or an interruption."""


class PrintLog(Callback):
    """Prints each record in a line."""

    def on_log(self, trainer: Trainer, record: Record) -> None:
        print("  ".join(f"{name} {_shown(value)}" for name, value in record.items()))


def _shown(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.4g}"


class EarlyStopping(Callback):
    """Stops when a number did not get better in `patience` evaluations in a row.

    Args:
        metric: a name in the records of evaluations, such as "val_loss".
        patience: how many evaluations without a better number are borne.
        mode: "min" or "max": which number is better.
        min_delta: by how much it has to be better.

    Attributes:
        best: the best number so far.
        best_step: and its step.
    """

    def __init__(
        self,
        metric: str = "val_loss",
        patience: int = 5,
        mode: str = "min",
        min_delta: float = 0.0,
    ):
        if mode not in ("min", "max") or patience < 0:
            raise UsageError(
                "EarlyStopping: mode is 'min' or 'max', and patience not negative",
                [f"mode: {mode!r}", f"patience: {patience}"],
            )
        self.metric = metric
        self.patience = patience
        self.mode = mode
        self.min_delta = min_delta
        self.best = math.inf if mode == "min" else -math.inf
        self.best_step = 0
        self.waited = 0

    def on_evaluate(self, trainer: Trainer, record: Record) -> None:
        if self.metric not in record:
            raise UsageError(
                f"EarlyStopping: evaluations give no {self.metric}",
                [f"they give: {', '.join(record)}"],
            )
        value = record[self.metric]
        gain = self.best - value if self.mode == "min" else value - self.best
        if gain > self.min_delta:
            self.best, self.best_step, self.waited = value, trainer.step, 0
            return
        self.waited += 1
        if self.waited > self.patience:
            trainer.stop(f"{self.metric} was best at step {self.best_step}")

    def state_dict(self) -> dict[str, Any]:
        """The best number, its step, and how long it was not beaten."""
        return {"best": self.best, "best_step": self.best_step, "waited": self.waited}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self.best, self.best_step = float(state["best"]), int(state["best_step"])
        self.waited = int(state["waited"])


class StopOnNonFinite(Callback):
    """Ends training with an error as soon as a record holds a NaN or an infinity.

    Records come every `log_every` steps and hold means over these steps, so one bad step is seen
    in the next of them. Nothing is saved behind it: the last checkpoint is from before, unless it
    was written between the bad step and the record.

    Raises:
        CheckError: from `fit`, with the number, its step and the rate of learning.
    """

    def on_log(self, trainer: Trainer, record: Record) -> None:
        for name, value in record.items():
            if not math.isfinite(value):
                raise CheckError(
                    f"training diverged: {name} is {value}",
                    [f"step: {trainer.step}", f"learning rate: {trainer.optimizer.lr:g}"],
                    "lower the learning rate, warm it up, clip gradients (clip_norm), or let "
                    "lm.debug.check name the op that made the first one",
                )


class Every(Callback):
    """Calls `f(trainer)` after every `steps` steps.

    Args:
        steps: how many.
        f: takes the trainer.
    """

    def __init__(self, steps: int, f: Callable[[Any], Any]):
        self.steps = steps
        self.f = f

    def on_step(self, trainer: Trainer) -> None:
        if trainer.step % self.steps == 0:
            self.f(trainer)
