"""The mean of numbers that are already there, such as losses of batches."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.metrics.inputs import as_array, as_weights
from lamina.metrics.metric import State, Summed, share


class Mean(Summed):
    """sum(w * x) / sum(w): the mean of all numbers given, as of the losses of batches.

    Example:
        >>> from lamina import metrics
        >>> loss = metrics.Mean()
        >>> loss.update(2.0, sample_weight=64)  # the mean loss of 64 examples
        >>> loss.update(1.0, sample_weight=16)
        >>> loss.compute()
        1.8
    """

    def measure(self, values: Any, sample_weight: Any = None) -> State:
        """Sums of the numbers and of their weights.

        Args:
            values: one number or many.
            sample_weight: how many examples each stands for.
        """
        numbers = as_array(values).astype(np.float64)
        weights = as_weights("mean", sample_weight, numbers.shape)
        return {"sum": np.sum(weights * numbers), "total": np.sum(weights)}

    def value(self, state: State) -> float:
        """The mean."""
        return share("mean", state["sum"], state["total"])
