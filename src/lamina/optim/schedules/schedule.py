"""What a schedule is: the learning rate as a function of the steps taken so far."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lamina.tensor as lm
from lamina.base.errors import UsageError
from lamina.base.records import frozen
from lamina.tensor import Tensor


class Schedule:
    """The learning rate of a step, from the number of steps before it.

    Set as the `lr` of an optimiser or a group it is evaluated on the optimiser's `steps`, inside
    the program too, so that no step is traced again. A subclass is a record of numbers with a
    method `value`; being equal to others of the same numbers, it is part of a jitted function's
    signature.

    Example:
        >>> import lamina as lm
        >>> schedule = lm.optim.schedules.Linear(0.1, start=0.5, end=1.0, steps=10)
        >>> [round(float(schedule(t)), 3) for t in (0, 5, 10, 20)]
        [0.05, 0.075, 0.1, 0.1]
        >>> optimizer = lm.optim.SGD(lm.nn.Linear(2, 1), lr=schedule)
        >>> round(optimizer.lr, 3)
        0.05
    """

    def __call__(self, step: int | Tensor) -> Tensor:
        """The rate after `step` steps, 0-d float64.

        Args:
            step: 0 for the first one.
        """
        t = step if isinstance(step, Tensor) else lm.asarray(step, dtype=lm.float64)
        return lm.asarray(self.value(lm.astype(t, lm.float64)), dtype=lm.float64)

    def value(self, t: Tensor) -> Any:
        """The rate after `t` steps, a float64 tensor or a number."""
        raise NotImplementedError


@frozen
class Constant(Schedule):
    """lr factor for the first `steps` steps, then lr.

    Example:
        >>> [float(Constant(0.3, factor=0.5, steps=2)(t)) for t in range(4)]
        [0.15, 0.15, 0.3, 0.3]
    """

    lr: float
    factor: float = 1.0
    steps: int = 0

    def value(self, t: Tensor) -> Any:
        early = lm.astype(lm.less(t, self.steps), lm.float64)
        return self.lr * (self.factor * early + (1.0 - early))


@frozen
class Lambda(Schedule):
    """lr f(t), for a function of one's own.

    Args:
        lr: what the factors multiply.
        f: gives a factor for a 0-d float64 tensor, with operations that `jit` can trace.

    Example:
        >>> [float(Lambda(0.5, lambda t: 0.5**t)(t)) for t in range(3)]
        [0.5, 0.25, 0.125]
    """

    lr: float
    f: Callable[[Tensor], Any]

    def value(self, t: Tensor) -> Any:
        return self.lr * self.f(t)


def check(owner: Schedule, **at_least: float) -> None:
    """Refuse fields below their least value.

    Raises:
        UsageError: one of them is smaller.
    """
    for name, least in at_least.items():
        if getattr(owner, name) < least:
            raise UsageError(
                f"{type(owner).__name__}: {name} is at least {least}",
                [f"{name}: {getattr(owner, name)}"],
            )
