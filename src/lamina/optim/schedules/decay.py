"""Rates that fall by steps, by powers, or along a line."""

from __future__ import annotations

from typing import Any

import lamina.tensor as lm
from lamina.base.errors import UsageError
from lamina.base.records import frozen
from lamina.optim.schedules.schedule import Schedule, check
from lamina.tensor import Tensor


@frozen
class Step(Schedule):
    """lr factorⁿ, where n grows by 1 every `every` steps.

    Example:
        >>> [float(Step(0.5, every=2, factor=0.5)(t)) for t in range(5)]
        [0.5, 0.5, 0.25, 0.25, 0.125]
    """

    lr: float
    every: int
    factor: float = 0.1

    def __post_init__(self) -> None:
        check(self, every=1)

    def value(self, t: Tensor) -> Any:
        return self.lr * self.factor ** lm.floor(t / self.every)


@frozen
class MultiStep(Schedule):
    """lr factorⁿ, where n is the number of milestones reached.

    Example:
        >>> [float(MultiStep(0.5, milestones=(1, 3), factor=0.5)(t)) for t in range(4)]
        [0.5, 0.25, 0.25, 0.125]
    """

    lr: float
    milestones: tuple[int, ...]
    factor: float = 0.1

    def __post_init__(self) -> None:
        if not isinstance(self.milestones, tuple) or not self.milestones:  # pyright: ignore
            raise UsageError(
                "MultiStep: milestones are a tuple of steps", [f"milestones: {self.milestones}"]
            )

    def value(self, t: Tensor) -> Any:
        reached = lm.greater_equal(t, lm.asarray(self.milestones, dtype=lm.float64))
        return self.lr * self.factor ** lm.sum(lm.astype(reached, lm.float64))


@frozen
class Exponential(Schedule):
    """lr factorᵗ.

    Example:
        >>> [float(Exponential(1.0, factor=0.5)(t)) for t in range(3)]
        [1.0, 0.5, 0.25]
    """

    lr: float
    factor: float

    def value(self, t: Tensor) -> Any:
        return self.lr * self.factor**t


@frozen
class Linear(Schedule):
    """A line from `lr start` to `lr end` over `steps` steps; it stays there.

    Example:
        >>> [float(Linear(1.0, start=0.5, end=1.0, steps=2)(t)) for t in range(4)]
        [0.5, 0.75, 1.0, 1.0]
    """

    lr: float
    start: float = 1.0 / 3.0
    end: float = 1.0
    steps: int = 5

    def __post_init__(self) -> None:
        check(self, steps=1)

    def value(self, t: Tensor) -> Any:
        done = lm.minimum(t / self.steps, 1.0)
        return self.lr * (self.start + (self.end - self.start) * done)


@frozen
class Polynomial(Schedule):
    """end + (lr - end) (1 - t / steps)^power; it stays at `end`.

    Example:
        >>> [float(Polynomial(1.0, steps=4, power=2.0)(t)) for t in (0, 2, 4, 5)]
        [1.0, 0.25, 0.0, 0.0]
    """

    lr: float
    steps: int
    power: float = 1.0
    end: float = 0.0

    def __post_init__(self) -> None:
        check(self, steps=1)

    def value(self, t: Tensor) -> Any:
        left = 1.0 - lm.minimum(t / self.steps, 1.0)
        return self.end + (self.lr - self.end) * left**self.power


@frozen
class InverseSquareRoot(Schedule):
    """lr t' / warmup for the first `warmup` steps, then lr sqrt(warmup / t'), with t' = t + 1.

    Example:
        >>> [float(InverseSquareRoot(1.0, warmup=4)(t)) for t in (0, 3, 15)]
        [0.25, 1.0, 0.5]

    Source: Vaswani et al., "Attention Is All You Need", NIPS 2017, section 5.3.
    """

    lr: float
    warmup: int

    def __post_init__(self) -> None:
        check(self, warmup=1)

    def value(self, t: Tensor) -> Any:
        share = (t + 1.0) / self.warmup
        return self.lr * lm.minimum(share, 1.0 / lm.sqrt(share))
