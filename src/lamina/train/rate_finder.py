"""A sweep over learning rates, to find one to begin with."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina import nn, optim, saving
from lamina.base.errors import UsageError
from lamina.tensor import random
from lamina.train.step import Step

_SMOOTHING = 0.9  # of the loss: the share of what was before
_BLOWN_UP = 4.0  # times the best loss, where the sweep ends


@dataclass(frozen=True)
class RateSweep:
    """The losses of a sweep.

    Attributes:
        rates: learning rates, rising by the same factor from step to step.
        losses: the loss before the step at each rate, smoothed.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]

    @property
    def suggestion(self) -> float:
        """The rate at which the loss fell fastest with the logarithm of the rate."""
        if len(self.rates) < 4:
            raise UsageError(
                "find_rate: the loss grew from the start",
                [f"rates tried: {', '.join(f'{rate:.3g}' for rate in self.rates)}"],
                "begin with a lower rate",
            )
        slopes = np.gradient(np.array(self.losses), np.log(self.rates))
        return self.rates[int(np.argmin(slopes))]

    def plot(self, path: str | os.PathLike[str]) -> None:
        """Draw the losses over the rates into a picture. Needs the extra `plot`.

        Raises:
            UsageError: matplotlib is not installed.
        """
        try:
            from matplotlib.backends.backend_agg import FigureCanvasAgg
            from matplotlib.figure import Figure
        except ImportError:
            raise UsageError(
                "RateSweep.plot: matplotlib is not installed",
                ["it draws the picture"],
                "pip install lamina[plot]",
            ) from None
        figure = Figure(figsize=(6, 4), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        axes.semilogx(self.rates, self.losses)
        axes.axvline(self.suggestion, linestyle="--", label=f"steepest: {self.suggestion:.2g}")
        axes.set_xlabel("learning rate")
        axes.set_ylabel("loss")
        axes.legend()
        figure.savefig(path)


def find_rate(
    model: nn.Module,
    loss_of: Callable[..., Any],
    optimizer: optim.Optimizer,
    batches: Iterable[Any],
    *,
    low: float = 1e-6,
    high: float = 10.0,
    steps: int = 100,
) -> RateSweep:
    """Train with a rate that rises from `low` to `high`, until the loss blows up.

    Afterwards the model, the optimiser, the random state and the batches are as they were.

    Args:
        model: is moved meanwhile.
        loss_of: as for `Trainer`.
        optimizer: made of the model.
        batches: looped over as often as needed.
        low: the first learning rate.
        high: the last one.
        steps: how many rates are tried at most.

    Raises:
        UsageError: the rates do not rise, or there are no batches.

    Example:
        >>> import lamina as lm
        >>> model = lm.nn.Linear(4, 1)
        >>> batch = (lm.random.normal((32, 4)), lm.random.normal((32, 1)))
        >>> def loss_of(model, x, y): return ((model(x) - y) ** 2).mean()
        >>> sweep = find_rate(model, loss_of, lm.optim.SGD(model), [batch])
        >>> 1e-3 < sweep.suggestion < 1
        True

    Source: Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017.
    """
    if not 0 < low < high or steps < 2:
        raise UsageError(
            "find_rate: rates rise from low to high in at least 2 steps",
            [f"low: {low}, high: {high}", f"steps: {steps}"],
        )
    schedule = getattr(optimizer, "schedule", None)
    objects: dict[str, Any] = {"model": model, "random": random.default}
    objects |= {"optimizer": optimizer}
    if hasattr(batches, "state_dict"):
        objects["batches"] = batches
    before = saving.copied(saving.state_of(objects))
    try:
        return _swept(Step(loss_of), model, optimizer, batches, low, high, steps)
    finally:
        if schedule is not None:
            optimizer.lr = schedule
        saving.put_back(objects, before)


def _swept(
    step: Step, model: Any, optimizer: Any, batches: Any, low: float, high: float, steps: int
) -> RateSweep:
    rates: list[float] = []
    losses: list[float] = []
    best, mean = math.inf, 0.0
    given = _endless(batches)
    for i in range(steps):
        optimizer.lr = low * (high / low) ** (i / (steps - 1))
        rate = optimizer.lr
        loss = float(step(model, optimizer, next(given))["loss"])
        mean = _SMOOTHING * mean + (1 - _SMOOTHING) * loss
        smooth = mean / (1 - _SMOOTHING ** (i + 1))
        if not math.isfinite(loss) or smooth > _BLOWN_UP * best:
            break
        best = min(best, smooth)
        rates.append(rate)
        losses.append(smooth)
    return RateSweep(tuple(rates), tuple(losses))


def _endless(batches: Iterable[Any]) -> Any:
    for _ in itertools.count():
        empty = True
        for batch in batches:
            empty = False
            yield batch
        if empty:
            raise UsageError("find_rate: there are no batches", [f"{type(batches).__name__}"])
