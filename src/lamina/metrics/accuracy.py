"""How often the predicted class is the true one."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.base.errors import UsageError
from lamina.metrics.inputs import (
    as_classes,
    as_weights,
    class_scores,
    predicted_classes,
    require_classes,
)
from lamina.metrics.metric import State, Summed, share


class Accuracy(Summed):
    """right / all: the share of examples whose predicted class is the true one.

    Args:
        threshold: where the prediction is a score of class 1, what it must exceed; 0.0 for logits.
        class_axis: the axis of the classes in scores of all classes; -1 for [B, T, C].
        ignore_index: a class number whose examples count nothing.

    Shapes: `prediction: [*A] or [N, C, *S], target: [*A] or [N, *S] -> a float`

    Source: scikit-learn, `metrics.accuracy_score`.

    Example:
        >>> from lamina import metrics
        >>> accuracy = metrics.Accuracy()
        >>> accuracy.update([[0.1, 0.9], [0.8, 0.2]], [1, 1])
        >>> accuracy.update([0, 1], [0, 1])
        >>> accuracy.compute()
        0.75
    """

    def __init__(
        self, *, threshold: float = 0.5, class_axis: int = 1, ignore_index: int | None = None
    ):
        super().__init__()
        self.threshold = threshold
        self.class_axis = class_axis
        self.ignore_index = ignore_index

    def measure(self, prediction: Any, target: Any, sample_weight: Any = None) -> State:
        """Weights of right examples and of all.

        Args:
            prediction: classes, scores of class 1, or scores of all classes.
            target: the true classes.
            sample_weight: of each example.
        """
        found, wanted = predicted_classes(
            "accuracy", prediction, target, self.threshold, self.class_axis
        )
        weights = as_weights("accuracy", sample_weight, wanted.shape)
        weights = np.where(wanted == self.ignore_index, 0.0, weights)
        return {"right": np.sum(weights * (found == wanted)), "total": np.sum(weights)}

    def value(self, state: State) -> float:
        """The share."""
        return share("accuracy", state["right"], state["total"])


class TopKAccuracy(Summed):
    """The share of examples whose true class has one of the k largest scores.

    Of equal scores those of lower classes come first, so that k = 1 is the accuracy. A score that
    is not a number is never among the largest.

    Args:
        k: how many classes may be named.
        class_axis: the axis of the classes in the scores.
        ignore_index: a class number whose examples count nothing.

    Shapes: `prediction: [N, C, *S], target: [N, *S] -> a float`

    Source: scikit-learn, `metrics.top_k_accuracy_score`.
    """

    def __init__(self, k: int = 5, *, class_axis: int = 1, ignore_index: int | None = None):
        super().__init__()
        if k < 1:
            raise UsageError("top_k_accuracy: k is at least 1", [f"given: {k}"])
        self.k = k
        self.class_axis = class_axis
        self.ignore_index = ignore_index

    def measure(self, prediction: Any, target: Any, sample_weight: Any = None) -> State:
        """Weights of right examples and of all.

        Args:
            prediction: scores of all classes.
            target: the true classes.
            sample_weight: of each example.
        """
        name = "top_k_accuracy"
        wanted = as_classes(name, target)
        scores = class_scores(name, prediction, wanted, self.class_axis)
        weights = as_weights(name, sample_weight, wanted.shape)
        counted = wanted != self.ignore_index
        wanted, scores, weights = wanted[counted], scores[counted], weights[counted]
        require_classes(name, wanted, scores.shape[-1])
        own = np.take_along_axis(scores, wanted[:, None], axis=1)
        earlier = np.arange(scores.shape[-1]) < wanted[:, None]
        rank = np.sum((scores > own) | ((scores == own) & earlier), axis=1)
        right = (rank < self.k) & ~np.isnan(own[:, 0])
        return {"right": np.sum(weights * right), "total": np.sum(weights)}

    def value(self, state: State) -> float:
        """The share."""
        return share("top_k_accuracy", state["right"], state["total"])


def accuracy(
    prediction: Any,
    target: Any,
    *,
    sample_weight: Any = None,
    threshold: float = 0.5,
    class_axis: int = 1,
    ignore_index: int | None = None,
) -> float:
    """`Accuracy` of the given examples.

    Example:
        >>> from lamina import metrics
        >>> metrics.accuracy([0, 2, 1, 1], [0, 1, 1, 1])
        0.75
    """
    metric = Accuracy(threshold=threshold, class_axis=class_axis, ignore_index=ignore_index)
    return metric.of(prediction, target, sample_weight)


def top_k_accuracy(
    prediction: Any,
    target: Any,
    k: int = 5,
    *,
    sample_weight: Any = None,
    class_axis: int = 1,
    ignore_index: int | None = None,
) -> float:
    """`TopKAccuracy` of the given examples.

    Example:
        >>> from lamina import metrics
        >>> metrics.top_k_accuracy([[0.5, 0.2, 0.3], [0.1, 0.2, 0.7]], [2, 0], k=2)
        0.5
    """
    metric = TopKAccuracy(k, class_axis=class_axis, ignore_index=ignore_index)
    return metric.of(prediction, target, sample_weight)
