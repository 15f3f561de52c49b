"""Schedules made of others."""

from __future__ import annotations

from typing import Any

import lamina.tensor as lm
from lamina.base.errors import UsageError
from lamina.base.records import frozen
from lamina.optim.schedules.schedule import Schedule
from lamina.tensor import Tensor


@frozen
class Sequential(Schedule):
    """One schedule after another, each counting from its own start.

    Args:
        schedules: in their order.
        milestones: the steps at which the second, the third, ... begin.

    Example:
        >>> from lamina.optim.schedules import Constant, Exponential
        >>> schedule = Sequential((Constant(1.0), Exponential(0.5, 0.5)), milestones=(2,))
        >>> [float(schedule(t)) for t in range(5)]
        [1.0, 1.0, 0.5, 0.25, 0.125]
    """

    schedules: tuple[Schedule, ...]
    milestones: tuple[int, ...]

    def __post_init__(self) -> None:
        _check_parts("Sequential", self.schedules)
        if len(self.milestones) != len(self.schedules) - 1:
            raise UsageError(
                "Sequential: a milestone stands between two schedules",
                [f"schedules:  {len(self.schedules)}", f"milestones: {self.milestones}"],
            )

    def value(self, t: Tensor) -> Any:
        rate: Any = self.schedules[0](t)
        for schedule, start in zip(self.schedules[1:], self.milestones, strict=True):
            later = lm.greater_equal(t, start)
            rate = lm.where(later, schedule(lm.maximum(t - start, 0.0)), rate)
        return rate


@frozen
class Chained(Schedule):
    """The product of schedules: one of rates, the others of factors, with `lr=1.0`.

    Example:
        >>> from lamina.optim.schedules import Exponential, Linear
        >>> warm = Linear(1.0, start=0.5, end=1.0, steps=2)
        >>> [float(Chained((Exponential(1.0, 0.5), warm))(t)) for t in range(3)]
        [0.5, 0.375, 0.25]
    """

    schedules: tuple[Schedule, ...]

    def __post_init__(self) -> None:
        _check_parts("Chained", self.schedules)

    def value(self, t: Tensor) -> Any:
        rate: Any = 1.0
        for schedule in self.schedules:
            rate = rate * schedule(t)
        return rate


def _check_parts(owner: str, schedules: Any) -> None:
    fits = isinstance(schedules, tuple) and len(schedules) > 0  # pyright: ignore
    if not fits or not all(isinstance(s, Schedule) and hasattr(s, "_values") for s in schedules):  # pyright: ignore
        kinds = [type(s).__name__ for s in schedules]  # pyright: ignore
        raise UsageError(
            f"{owner}: takes a tuple of schedules without state of their own",
            [f"given: {type(schedules).__name__} of {', '.join(kinds) or 'nothing'}"],
        )
