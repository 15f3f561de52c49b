"""How good predicted probabilities are."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.base.errors import UsageError
from lamina.metrics.inputs import (
    as_array,
    as_classes,
    as_weights,
    class_scores,
    require_classes,
)
from lamina.metrics.metric import State, Summed, share


class LogLoss(Summed):
    """The mean of -log(predicted probability of the true class).

    Args:
        from_logits: take the prediction for scores whose softmax (or, with one score for an
            example, sigmoid) is the probabilities.
        class_axis: the axis of the classes.
        ignore_index: a class number whose examples count nothing.

    A probability of 0 counts as the spacing of its dtype at 1, as scikit-learn has it.

    Shapes: `prediction: [N, C, *S], target: [N, *S]; or probabilities of class 1, both [*A]`

    Source: scikit-learn, `metrics.log_loss`.
    """

    def __init__(
        self, *, from_logits: bool = False, class_axis: int = 1, ignore_index: int | None = None
    ):
        super().__init__()
        self.from_logits = from_logits
        self.class_axis = class_axis
        self.ignore_index = ignore_index

    def measure(self, prediction: Any, target: Any, sample_weight: Any = None) -> State:
        """Sums of weighted losses and of weights.

        Args:
            prediction: probabilities or scores.
            target: the true classes.
            sample_weight: of each example.
        """
        name = "log_loss"
        wanted = as_classes(name, target)
        weights = as_weights(name, sample_weight, wanted.shape)
        counted = wanted != self.ignore_index
        scores = _columns(name, prediction, wanted, self.class_axis, self.from_logits)[counted]
        wanted, weights = wanted[counted], weights[counted]
        require_classes(name, wanted, scores.shape[-1])
        logs = _log_softmax(scores) if self.from_logits else _logs(name, scores)
        losses = -np.take_along_axis(logs, wanted[:, None], axis=1)[:, 0]
        return {"sum": np.sum(weights * losses), "total": np.sum(weights)}

    def value(self, state: State) -> float:
        """The mean."""
        return share("log_loss", state["sum"], state["total"])


class Perplexity(LogLoss):
    """exp(mean of -log(predicted probability of the true word)), of the scores of a language model.

    Args:
        class_axis: the axis of the words; the last one, as models of language give them.
        ignore_index: a word, as for padding, that is not counted.

    Shapes: `prediction: [*A, V], target: [*A] -> a float`

    Source: Jelinek et al., "Perplexity: a measure of the difficulty of speech recognition tasks",
    1977.

    Example:
        >>> from lamina import metrics
        >>> metrics.perplexity([[0.0, 0.0, 0.0, 0.0]], [2])  # as if it chose one of four words
        4.0
    """

    def __init__(self, *, class_axis: int = -1, ignore_index: int | None = None):
        super().__init__(from_logits=True, class_axis=class_axis, ignore_index=ignore_index)

    def value(self, state: State) -> float:
        """The perplexity."""
        with np.errstate(over="ignore"):
            return float(np.exp(share("perplexity", state["sum"], state["total"])))


class Brier(Summed):
    """The mean squared distance of predicted probabilities from 0 and 1.

    (p - y)² for one probability, of class 1; for all classes the sum of (p[k] - [k is true])²,
    which for two classes is twice as much.

    Args:
        scale_by_half: halve the sum over the classes, so that it is from 0 to 1.
        class_axis: the axis of the classes.

    Shapes: `prediction: [N, C, *S], target: [N, *S]; or probabilities of class 1, both [*A]`

    Source: Brier, "Verification of forecasts expressed in terms of probability", 1950.
    """

    def __init__(self, *, scale_by_half: bool = False, class_axis: int = 1):
        super().__init__()
        self.scale_by_half = scale_by_half
        self.class_axis = class_axis

    def measure(self, prediction: Any, target: Any, sample_weight: Any = None) -> State:
        """Sums of weighted distances and of weights.

        Args:
            prediction: probabilities.
            target: the true classes.
            sample_weight: of each example.
        """
        wanted = as_classes("brier", target)
        weights = as_weights("brier", sample_weight, wanted.shape)
        scores = _columns("brier", prediction, wanted, self.class_axis, False)
        _require_probabilities("brier", scores)
        require_classes("brier", wanted, scores.shape[-1])
        gaps = scores - (wanted[..., None] == np.arange(scores.shape[-1]))
        halved = self.scale_by_half or as_array(prediction).ndim == wanted.ndim
        squares = np.sum(gaps * gaps, axis=-1) * (0.5 if halved else 1.0)
        return {"sum": np.sum(weights * squares), "total": np.sum(weights)}

    def value(self, state: State) -> float:
        """The mean."""
        return share("brier", state["sum"], state["total"])


def _columns(
    name: str, prediction: Any, target: np.ndarray, class_axis: int, from_logits: bool
) -> np.ndarray:
    """A column for each class; those of class 0 are made where only class 1 has scores."""
    x = as_array(prediction)
    x = x if x.dtype.kind == "f" else x.astype(np.float64)
    if x.shape != target.shape:
        return class_scores(name, x, target, class_axis)
    return np.stack([np.zeros_like(x) if from_logits else 1.0 - x, x], axis=-1)


def _log_softmax(scores: np.ndarray) -> np.ndarray:
    x = scores.astype(np.float64)
    x = x - np.max(x, axis=-1, keepdims=True, initial=-np.inf)
    return x - np.log(np.sum(np.exp(x), axis=-1, keepdims=True))


def _logs(name: str, probabilities: np.ndarray) -> np.ndarray:
    _require_probabilities(name, probabilities)
    least = np.finfo(probabilities.dtype).eps
    return np.log(np.clip(probabilities.astype(np.float64), least, 1.0 - least))


def _require_probabilities(name: str, p: np.ndarray) -> None:
    close = np.allclose(np.sum(p, axis=-1), 1.0, rtol=0, atol=1e-3)
    if close and (p >= 0).all() and (p <= 1).all():
        return
    raise UsageError(
        f"{name}: the predictions are not probabilities",
        [f"from {p.min()} to {p.max()}", "each example's are from 0 to 1 and have the sum 1"],
        "apply softmax first, or sigmoid to the score of class 1",
    )


def log_loss(prediction: Any, target: Any, *, sample_weight: Any = None, **options: Any) -> float:
    """`LogLoss` of the given examples.

    Example:
        >>> from lamina import metrics
        >>> round(metrics.log_loss([[0.9, 0.1], [0.5, 0.5]], [0, 1]), 3)
        0.399
    """
    return LogLoss(**options).of(prediction, target, sample_weight)


def perplexity(prediction: Any, target: Any, *, sample_weight: Any = None, **options: Any) -> float:
    """`Perplexity` of the given examples."""
    return Perplexity(**options).of(prediction, target, sample_weight)


def brier_score(
    prediction: Any, target: Any, *, sample_weight: Any = None, **options: Any
) -> float:
    """`Brier` of the given examples.

    Example:
        >>> from lamina import metrics
        >>> metrics.brier_score([0.5, 1.0], [1, 1])
        0.125
    """
    return Brier(**options).of(prediction, target, sample_weight)
