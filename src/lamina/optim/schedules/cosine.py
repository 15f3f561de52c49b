"""Rates that fall along half a cosine, once or again and again."""

from __future__ import annotations

import math
from typing import Any

import lamina.tensor as lm
from lamina.base.errors import UsageError
from lamina.base.records import frozen
from lamina.optim.schedules.schedule import Schedule, check
from lamina.tensor import Tensor


def half_cosine(start: Any, end: Any, done: Tensor) -> Tensor:
    """From `start` at 0 to `end` at 1, flat at both ends."""
    return end + (start - end) * 0.5 * (1.0 + lm.cos(math.pi * done))


@frozen
class Cosine(Schedule):
    """A line from `lr start` to `lr` over `warmup` steps, then half a cosine down to `end`.

    Args:
        lr: the highest rate.
        steps: how many there are, those of the warm-up included; after them the rate is `end`.
        warmup: how many of them warm up.
        start: the share of `lr` at the first step of the warm-up.
        end: the last rate.

    Example:
        >>> schedule = Cosine(1.0, steps=8, warmup=2, end=0.1)
        >>> [round(float(schedule(t)), 3) for t in (0, 1, 2, 5, 8, 9)]
        [0.0, 0.5, 1.0, 0.55, 0.1, 0.1]

    Source: Loshchilov and Hutter, "SGDR", ICLR 2017, without restarts.
    """

    lr: float
    steps: int
    warmup: int = 0
    start: float = 0.0
    end: float = 0.0

    def __post_init__(self) -> None:
        check(self, warmup=0, steps=self.warmup + 1)

    def value(self, t: Tensor) -> Any:
        done = lm.clip((t - self.warmup) / (self.steps - self.warmup), 0.0, 1.0)
        falling = half_cosine(self.lr, self.end, done)
        if not self.warmup:
            return falling
        rising = self.lr * (self.start + (1.0 - self.start) * t / self.warmup)
        return lm.where(lm.less(t, self.warmup), rising, falling)


@frozen
class WarmRestarts(Schedule):
    """Half a cosine from `lr` to `end`, which starts again after `period` steps.

    Args:
        lr: the rate at each start.
        period: steps of the first cosine.
        factor: how many times as long each one is as that before.
        end: the rate that each one comes down to.

    Example:
        >>> [round(float(WarmRestarts(1.0, period=2, factor=2)(t)), 3) for t in range(7)]
        [1.0, 0.5, 1.0, 0.854, 0.5, 0.146, 1.0]

    Source: Loshchilov and Hutter, "SGDR", ICLR 2017, equation 5.
    """

    lr: float
    period: int
    factor: int = 1
    end: float = 0.0

    def __post_init__(self) -> None:
        check(self, period=1, factor=1)
        if self.factor != int(self.factor):
            raise UsageError("WarmRestarts: factor is a whole number", [f"factor: {self.factor}"])

    def value(self, t: Tensor) -> Any:
        periods = t / self.period
        if self.factor == 1:
            return half_cosine(self.lr, self.end, periods - lm.floor(periods))
        grown = periods * (self.factor - 1) + 1.0  # factorⁿ at the n-th restart
        n = lm.floor(lm.log(grown) / math.log(self.factor))
        n = n + lm.greater_equal(grown, self.factor ** (n + 1.0))  # the logarithm is rounded
        n = n - lm.less(grown, float(self.factor) ** n)
        length = float(self.factor) ** n
        done = (periods - (length - 1.0) / (self.factor - 1)) / length
        return half_cosine(self.lr, self.end, done)
