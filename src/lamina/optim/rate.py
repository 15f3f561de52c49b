"""A learning rate: a number that is data of the program, or a schedule of the steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import lamina.tensor as lm
from lamina.base.errors import UsageError
from lamina.tensor import Tensor

Schedule = Callable[[Tensor], Any]
Rate = float | Tensor | Schedule


def as_rate(owner: str, value: Rate) -> Tensor | Schedule:
    """A rate as it is kept: a 0-d float64 tensor, or the schedule as it is.

    Args:
        owner: whose rate it is, for the error.
        value: a number; a tensor, as inside `jit`; a function of the steps taken so far.

    Raises:
        UsageError: the number is negative.
    """
    if isinstance(value, Tensor):
        return lm.astype(value, lm.float64)
    if callable(value):
        return value
    if not value >= 0:
        raise UsageError(f"{owner}: a negative learning rate", [f"lr: {value}"])
    return lm.asarray(np.array(value, np.float64))  # data, where a number would be an op


def rate_at(rate: Tensor | Schedule, steps: Tensor) -> Tensor:
    """The rate of the step after `steps` others, 0-d float64."""
    if isinstance(rate, Tensor):
        return rate
    return lm.asarray(rate(steps), dtype=lm.float64)
