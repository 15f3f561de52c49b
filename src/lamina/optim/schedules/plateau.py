"""A rate that falls when a measure stops to improve."""

from __future__ import annotations

from typing import Any

import numpy as np

import lamina.tensor as lm
from lamina.base.errors import UsageError
from lamina.optim.schedules.schedule import Schedule
from lamina.optim.state import Stateful
from lamina.tensor import Tensor


class Plateau(Schedule, Stateful):
    """lr, multiplied by `factor` when `observe` saw no improvement more than `patience` times.

    It is not a function of the steps but of what it has seen: its state is saved with the
    optimiser that it is the rate of.

    Args:
        lr: the first rate.
        mode: "min" where lower is better, "max" where higher is.
        factor: what the rate is multiplied by.
        patience: how many observations in a row may be no better than the best.
        threshold: what counts as better: by this share of the best, or with
            `threshold_mode="abs"` by this much.
        cooldown: how many observations after a reduction are not counted.
        min_lr: the rate does not fall below it.
        eps: reductions by less than this are left out.

    Example:
        >>> import lamina as lm
        >>> plateau = lm.optim.schedules.Plateau(1.0, factor=0.5, patience=1)
        >>> optimizer = lm.optim.SGD(lm.nn.Linear(2, 1), lr=plateau)
        >>> for loss in (3.0, 2.0, 2.0, 2.0):
        ...     plateau.observe(loss)
        >>> optimizer.lr
        0.5
    """

    def __init__(
        self,
        lr: float,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float = 0.0,
        eps: float = 1e-8,
    ):
        if mode not in ("min", "max") or threshold_mode not in ("rel", "abs"):
            raise UsageError(
                "Plateau: mode is min or max, threshold_mode is rel or abs",
                [f"mode: {mode!r}", f"threshold_mode: {threshold_mode!r}"],
            )
        if not 0.0 <= factor < 1.0:
            raise UsageError("Plateau: factor lies in 0..1", [f"factor: {factor}"])
        self.mode = mode
        self.factor = factor
        self.patience = patience
        self.threshold = threshold
        self.threshold_mode = threshold_mode
        self.cooldown = cooldown
        self.min_lr = min_lr
        self.eps = eps
        self.rate = _data(lr, np.float64)
        self.best = _data(np.inf if mode == "min" else -np.inf, np.float64)
        self.bad = _data(0, np.int64)
        self.cooling = _data(0, np.int64)

    def value(self, t: Tensor) -> Any:
        return self.rate

    def observe(self, measure: float | Tensor) -> None:
        """Note a measure, usually once an epoch; also inside `jit`, of an argument.

        Args:
            measure: one number, such as the loss on data that is not trained on.
        """
        seen = lm.asarray(measure, dtype=lm.float64)
        better = self._is_better(seen)
        self.best = lm.where(better, seen, self.best)
        bad = lm.where(better, 0, self.bad + 1)
        cooled = lm.greater(self.cooling, 0)
        cooling = lm.where(cooled, self.cooling - 1, self.cooling)
        bad = lm.where(cooled, 0, bad)
        falls = lm.greater(bad, self.patience)
        lower = lm.maximum(self.rate * self.factor, self.min_lr)
        changes = lm.logical_and(falls, lm.greater(self.rate - lower, self.eps))
        self.rate = lm.where(changes, lower, self.rate)
        self.cooling = lm.where(falls, self.cooldown, cooling)
        self.bad = lm.where(falls, 0, bad)

    def _is_better(self, seen: Tensor) -> Tensor:
        sign = 1.0 if self.mode == "min" else -1.0
        if self.threshold_mode == "rel":
            return lm.less(sign * seen, sign * self.best * (1.0 - sign * self.threshold))
        return lm.less(sign * seen, sign * self.best - self.threshold)


def _data(value: float, dtype: Any) -> Tensor:
    return lm.asarray(np.array(value, dtype))  # data, where a number would be an op
