"""Errors of predicted numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.base.errors import ShapeError, UsageError
from lamina.metrics.inputs import as_weights, paired
from lamina.metrics.metric import Metric, State, Summed, no_examples

LEAST = float(np.finfo(np.float64).eps)
"""What the mean percentage error divides by at least, as in scikit-learn."""


def _columns(name: str, prediction: Any, target: Any) -> tuple[np.ndarray, np.ndarray]:
    x, y = paired(name, prediction, target)
    if x.ndim not in (1, 2):
        facts = [f"predictions: {x.shape}"]
        raise ShapeError(f"{name}: numbers are [N], or [N, D] for D of each example", facts)
    return (x, y) if x.ndim == 2 else (x[:, None], y[:, None])


class MeanError(Summed):
    """A mean over the examples and over the numbers of each; not a metric by itself."""

    def measure(self, prediction: Any, target: Any, sample_weight: Any = None) -> State:
        """Sums of weighted errors, for each column, and of weights.

        Args:
            prediction: numbers, `[N]` or `[N, D]`.
            target: the true ones, of the same shape.
            sample_weight: of each example.
        """
        name = type(self).__name__
        x, y = _columns(name, prediction, target)
        weights = as_weights(name, sample_weight, x.shape[:1])
        return {"sum": weights @ self.error(x, y), "total": np.sum(weights)}

    def error(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The error of each number."""
        raise NotImplementedError

    def value(self, state: State) -> float:
        """The mean."""
        return float(np.mean(self.means(state)))

    def means(self, state: State) -> np.ndarray:
        """The mean of each column.

        Raises:
            UsageError: there were no examples.
        """
        if not state["total"] > 0:
            raise no_examples(type(self).__name__)
        return state["sum"] / state["total"]


class MeanSquaredError(MeanError):
    """The mean of (prediction - target)².  Source: scikit-learn, `metrics.mean_squared_error`."""

    def error(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The squared gap."""
        return (x - y) ** 2


class RootMeanSquaredError(MeanSquaredError):
    """The root of the mean of (prediction - target)²; of several columns the mean of their roots.

    Source: scikit-learn, `metrics.root_mean_squared_error`.
    """

    def value(self, state: State) -> float:
        """The root."""
        return float(np.mean(np.sqrt(self.means(state))))


class MeanAbsoluteError(MeanError):
    """The mean of |prediction - target|.  Source: scikit-learn, `metrics.mean_absolute_error`."""

    def error(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The gap."""
        return np.abs(x - y)


class MeanAbsolutePercentageError(MeanError):
    """The mean of |prediction - target| / |target|, as a share: 0.1 is ten percent.

    A target of 0 counts as 2.2e-16, so that the result is huge rather than infinite.

    Source: scikit-learn, `metrics.mean_absolute_percentage_error`.
    """

    def error(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The gap in terms of the target."""
        return np.abs(x - y) / np.maximum(np.abs(y), LEAST)


class Explained(Metric):
    """How much of the spread of the targets is explained; not a metric by itself.

    Args:
        multioutput: of several columns: "uniform_average" is their mean, "variance_weighted" the
            mean weighed by how much the targets spread, "raw_values" an array.
    """

    def __init__(self, *, multioutput: str = "uniform_average"):
        super().__init__()
        if multioutput not in ("uniform_average", "variance_weighted", "raw_values"):
            facts = [f"given: {multioutput!r}"]
            raise UsageError(f"{type(self).__name__}: no such multioutput", facts)
        self.multioutput = multioutput

    def measure(self, prediction: Any, target: Any, sample_weight: Any = None) -> State:
        """Means and sums of squared deviations, of the targets and of the errors.

        Args:
            prediction: numbers, `[N]` or `[N, D]`.
            target: the true ones, of the same shape.
            sample_weight: of each example.
        """
        name = type(self).__name__
        x, y = _columns(name, prediction, target)
        weights = as_weights(name, sample_weight, x.shape[:1])
        values = np.stack([y, y - x])  # [2, N, D]
        start = values[:, :1].sum(axis=1)  # of what is shifted, the mean of equal numbers is exact
        total = np.sum(weights)
        shifted = values - start[:, None]
        mean = np.einsum("n,knd->kd", weights, shifted) / (total if total > 0 else 1.0)
        spread = np.einsum("n,knd->kd", weights, (shifted - mean[:, None]) ** 2)
        return {
            "total": total,
            "examples": np.sum(weights > 0),
            "mean": start + mean,
            "spread": spread,
        }

    def join(self, states: Sequence[State]) -> State:
        """Means and squared deviations of all (Chan, Golub and LeVeque 1979)."""
        first, *others = states
        for other in others:
            total = first["total"] + other["total"]
            share = other["total"] / total if total > 0 else 0.0
            gap = other["mean"] - first["mean"]
            first = {
                "total": total,
                "examples": first["examples"] + other["examples"],
                "mean": first["mean"] + gap * share,
                "spread": first["spread"] + other["spread"] + gap**2 * share * first["total"],
            }
        return first

    def value(self, state: State) -> Any:
        """1 - unexplained / spread; where nothing spreads 1 if nothing is left, else 0."""
        if not state["total"] > 0:
            raise no_examples(type(self).__name__)
        spread, left = state["spread"][0], self.unexplained(state)
        if state["examples"] < 2:
            left = np.full_like(left, np.nan)
        flat = np.where(left == 0, 1.0, np.where(np.isnan(left), np.nan, 0.0))
        scores = np.where(spread > 0, 1.0 - left / np.where(spread > 0, spread, 1.0), flat)
        if self.multioutput == "raw_values":
            return scores
        weighed = self.multioutput == "variance_weighted" and spread.any()
        return float(np.average(scores, weights=spread if weighed else None))

    def unexplained(self, state: State) -> np.ndarray:
        """What the predictions leave over, for each column."""
        raise NotImplementedError


class R2(Explained):
    """1 - sum of (target - prediction)² / sum of (target - mean target)²; NaN of one example.

    Source: scikit-learn, `metrics.r2_score`.

    Example:
        >>> from lamina import metrics
        >>> score = metrics.R2()
        >>> score.update([2.5, 0.0], [3.0, -0.5])
        >>> score.update([2.0, 8.0], [2.0, 7.0])
        >>> round(score.compute(), 4)
        0.9486
    """

    def unexplained(self, state: State) -> np.ndarray:
        """The sum of squared errors."""
        return state["spread"][1] + state["total"] * state["mean"][1] ** 2


class ExplainedVariance(Explained):
    """1 - variance of the errors / variance of the targets: `R2` of predictions without their bias.

    Source: scikit-learn, `metrics.explained_variance_score`.
    """

    def unexplained(self, state: State) -> np.ndarray:
        """The sum of squared deviations of the errors."""
        return state["spread"][1]


def mean_squared_error(prediction: Any, target: Any, *, sample_weight: Any = None) -> float:
    """`MeanSquaredError` of the given examples.

    Example:
        >>> from lamina import metrics
        >>> metrics.mean_squared_error([1.0, 2.0], [1.0, 4.0])
        2.0
    """
    return MeanSquaredError().of(prediction, target, sample_weight)


def root_mean_squared_error(prediction: Any, target: Any, *, sample_weight: Any = None) -> float:
    """`RootMeanSquaredError` of the given examples."""
    return RootMeanSquaredError().of(prediction, target, sample_weight)


def mean_absolute_error(prediction: Any, target: Any, *, sample_weight: Any = None) -> float:
    """`MeanAbsoluteError` of the given examples."""
    return MeanAbsoluteError().of(prediction, target, sample_weight)


def mean_absolute_percentage_error(
    prediction: Any, target: Any, *, sample_weight: Any = None
) -> float:
    """`MeanAbsolutePercentageError` of the given examples."""
    return MeanAbsolutePercentageError().of(prediction, target, sample_weight)


def r2_score(prediction: Any, target: Any, *, sample_weight: Any = None, **options: Any) -> Any:
    """`R2` of the given examples."""
    return R2(**options).of(prediction, target, sample_weight)


def explained_variance(
    prediction: Any, target: Any, *, sample_weight: Any = None, **options: Any
) -> Any:
    """`ExplainedVariance` of the given examples."""
    return ExplainedVariance(**options).of(prediction, target, sample_weight)
