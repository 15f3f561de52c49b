"""How well scores order the examples: curves over all thresholds, and the areas under them.

These metrics are exact, so they keep the scores of all examples. Equal scores are one threshold.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from lamina.base.errors import UsageError
from lamina.metrics.inputs import as_array, as_classes, as_weights, misfit, require_classes
from lamina.metrics.metric import Kept, State, no_examples

AVERAGES = ("macro", "weighted", "micro", None, "none")


class Curve(NamedTuple):
    """Two rates at each threshold; as a tuple in scikit-learn's order.

    Attributes:
        first: false positive rates (ROC), or precisions.
        second: true positive rates, or recalls.
        thresholds: what a score must reach to count as positive.
    """

    first: np.ndarray
    second: np.ndarray
    thresholds: np.ndarray


class Ranked(Kept):
    """A metric of the order of scores; not a metric by itself."""

    def measure(self, prediction: Any, target: Any, sample_weight: Any = None) -> State:
        """Scores, targets and weights of the examples.

        Args:
            prediction: scores of class 1, `[N]`, or of all classes, `[N, C]`.
            target: true classes, `[N]`, or 0 and 1 for each class an example may have, `[N, C]`.
            sample_weight: of each example.
        """
        name = type(self).__name__
        scores, wanted = as_array(prediction), as_classes(name, target)
        fits = scores.ndim in (1, 2) and wanted.shape in (scores.shape, scores.shape[:1])
        if not fits:
            raise misfit(name, scores, wanted)
        if np.isnan(scores).any():
            raise UsageError(f"{name}: a score is not a number", [f"scores: {scores.shape}"])
        every_class = scores.ndim == 2 and wanted.ndim == 1
        require_classes(name, wanted, scores.shape[1] if every_class else 2)
        weights = as_weights(name, sample_weight, scores.shape[:1])
        return {"scores": scores, "target": wanted, "weights": weights}

    def examples(self, state: State) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Scores, targets and weights of a state.

        Raises:
            UsageError: there are none.
        """
        if not state["weights"].sum() > 0:
            raise no_examples(type(self).__name__)
        return state["scores"], state["target"], state["weights"]


class RocCurve(Ranked):
    """False and true positive rates over all thresholds, from the strictest to the loosest.

    Args:
        drop_intermediate: leave points out that lie on a line between others.

    Shapes: `prediction: [N], target: [N] -> Curve of [P], [P], [P]; for each class with [N, C]`

    Source: scikit-learn, `metrics.roc_curve`. A rate without examples is NaN.
    """

    def __init__(self, *, drop_intermediate: bool = True):
        super().__init__()
        self.drop_intermediate = drop_intermediate

    def value(self, state: State) -> Any:
        """The curve, or one for each class."""
        return _by_class(self._curve, *self.examples(state))

    def _curve(self, scores: np.ndarray, true: np.ndarray, weights: np.ndarray) -> Curve:
        thresholds, hits, misses = _counts(scores, true, weights)
        if self.drop_intermediate and hits.size > 2:
            bends = (np.diff(hits, 2) != 0) | (np.diff(misses, 2) != 0)
            kept = np.concatenate([[True], bends, [True]])
            thresholds, hits, misses = thresholds[kept], hits[kept], misses[kept]
        start = lambda first, x: np.concatenate([[first], x])
        with np.errstate(invalid="ignore"):
            false_rate, true_rate = misses / misses[-1], hits / hits[-1]
        return Curve(start(0.0, false_rate), start(0.0, true_rate), start(np.inf, thresholds))


class PrecisionRecallCurve(Ranked):
    """Precision and recall over all thresholds, from the loosest to the strictest.

    The last point is precision 1 and recall 0, which has no threshold.

    Shapes: `prediction: [N], target: [N] -> Curve of [P + 1], [P + 1], [P]; for each class with
    [N, C]`

    Source: scikit-learn, `metrics.precision_recall_curve`. Without positive examples recall is 1.
    """

    def value(self, state: State) -> Any:
        """The curve, or one for each class."""
        return _by_class(_precision_recall, *self.examples(state))


class AUROC(Ranked):
    """The area under the ROC curve: how likely a positive example has a larger score than a
    negative one, ties counting half. NaN where there are no positive or no negative examples.

    Args:
        average: of several classes: "macro" is their mean, "weighted" the mean weighed by how often
            each is true, "micro" takes all pairs of example and class for one problem; None for an
            array.
        multi_class: "ovr" tells each class from all others, "ovo" from each other one (Hand and
            Till; "macro" or "weighted").

    Shapes: `prediction: [N], target: [N]; or [N, C] and [N] or [N, C] -> a float, or float64 [C]`

    Source: Hanley and McNeil 1982, "The meaning and use of the area under a receiver operating
    characteristic (ROC) curve"; Hand and Till 2001 for "ovo"; scikit-learn,
    `metrics.roc_auc_score`.
    """

    def __init__(self, *, average: str | None = "macro", multi_class: str = "ovr"):
        super().__init__()
        _require_average("auroc", average)
        if multi_class not in ("ovr", "ovo"):
            facts = [f"given: {multi_class!r}", 'there are "ovr" and "ovo"']
            raise UsageError("auroc: no such multi_class", facts)
        if multi_class == "ovo" and average not in ("macro", "weighted"):
            facts = [f"average: {average!r}"]
            raise UsageError('auroc: "ovo" takes the average "macro" or "weighted"', facts)
        self.average = average
        self.multi_class = multi_class

    def value(self, state: State) -> Any:
        """The area."""
        scores, target, weights = self.examples(state)
        if scores.ndim == 2 and target.ndim == 1 and self.multi_class == "ovo":
            return self._of_pairs(scores, target, weights)
        return _averaged(_area, scores, target, weights, self.average)

    def _of_pairs(self, scores: np.ndarray, target: np.ndarray, weights: np.ndarray) -> float:
        areas, shares = [], []
        for a, b in combinations(range(scores.shape[1]), 2):
            either = (target == a) | (target == b)
            part, s, w = target[either], scores[either], weights[either]
            areas.append((_area(s[:, a], part == a, w) + _area(s[:, b], part == b, w)) / 2.0)
            shares.append(np.sum(w))
        even = self.average == "macro"
        return float(np.average(areas, weights=None if even else shares))


class AveragePrecision(Ranked):
    """The sum of (recall[i] - recall[i - 1]) * precision[i] over the thresholds, strictest first.

    NaN where there are no positive examples.

    Args:
        average: of several classes, as of `AUROC`.

    Shapes: `prediction: [N], target: [N]; or [N, C] and [N] or [N, C] -> a float, or float64 [C]`

    Source: scikit-learn, `metrics.average_precision_score`.
    """

    def __init__(self, *, average: str | None = "macro"):
        super().__init__()
        _require_average("average_precision", average)
        self.average = average

    def value(self, state: State) -> Any:
        """The average precision."""
        return _averaged(_precision_of_ranks, *self.examples(state), self.average)


def _counts(
    scores: np.ndarray, true: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each different score, from the largest down, and the weights of the positive and negative
    examples that reach it."""
    order = np.argsort(-scores, kind="stable")
    scores, true, weights = scores[order], true[order].astype(bool), weights[order]
    taking_part = weights > 0
    scores, true, weights = scores[taking_part], true[taking_part], weights[taking_part]
    last = np.concatenate([scores[1:] != scores[:-1], [True]]) if scores.size else []
    ends = np.flatnonzero(last)
    hits, misses = np.cumsum(weights * true)[ends], np.cumsum(weights * ~true)[ends]
    return scores[ends], hits, misses


def _area(scores: np.ndarray, true: np.ndarray, weights: np.ndarray) -> float:
    _, hits, misses = _counts(scores, true, weights)
    if not hits.size or hits[-1] == 0 or misses[-1] == 0:
        return float("nan")
    steps = np.diff(misses, prepend=0.0)
    heights = hits + np.concatenate([[0.0], hits[:-1]])
    return float(np.sum(steps * heights) / (2.0 * hits[-1] * misses[-1]))


def _precision_recall(scores: np.ndarray, true: np.ndarray, weights: np.ndarray) -> Curve:
    thresholds, hits, misses = _counts(scores, true, weights)
    precision = hits / (hits + misses)
    recall = hits / hits[-1] if hits[-1] > 0 else np.ones_like(hits)
    join = lambda x, end: np.concatenate([x[::-1], [end]])
    return Curve(join(precision, 1.0), join(recall, 0.0), thresholds[::-1])


def _precision_of_ranks(scores: np.ndarray, true: np.ndarray, weights: np.ndarray) -> float:
    _, hits, misses = _counts(scores, true, weights)
    if not hits.size or hits[-1] == 0:
        return float("nan")
    return float(np.sum(np.diff(hits, prepend=0.0) * hits / (hits + misses)) / hits[-1])


def _marks(scores: np.ndarray, target: np.ndarray) -> np.ndarray:
    """0 and 1 for each class of each example."""
    if target.ndim == 2:
        return target
    return (target[:, None] == np.arange(scores.shape[1])).astype(np.int64)


def _by_class(curve: Any, scores: np.ndarray, target: np.ndarray, weights: np.ndarray) -> Any:
    if scores.ndim == 1:
        return curve(scores, target, weights)
    return [curve(s, t, weights) for s, t in zip(scores.T, _marks(scores, target).T)]


def _averaged(
    measure: Any, scores: np.ndarray, target: np.ndarray, weights: np.ndarray, average: str | None
) -> Any:
    if scores.ndim == 1:
        return measure(scores, target, weights)
    marks = _marks(scores, target)
    if average == "micro":
        return measure(scores.ravel(), marks.ravel(), np.repeat(weights, scores.shape[1]))
    found = np.array([measure(s, t, weights) for s, t in zip(scores.T, marks.T)])
    if average in (None, "none"):
        return found
    return float(np.average(found, weights=weights @ marks if average == "weighted" else None))


def _require_average(name: str, average: str | None) -> None:
    if average not in AVERAGES:
        facts = [f"given: {average!r}", f"there are {AVERAGES}"]
        raise UsageError(f"{name}: no such average", facts)


def roc_curve(
    prediction: Any, target: Any, *, sample_weight: Any = None, drop_intermediate: bool = True
) -> Any:
    """`RocCurve` of the given examples.

    Example:
        >>> from lamina import metrics
        >>> curve = metrics.roc_curve([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
        >>> false_rate, true_rate, thresholds = curve
        >>> false_rate.tolist(), true_rate.tolist()
        ([0.0, 0.0, 0.5, 0.5, 1.0], [0.0, 0.5, 0.5, 1.0, 1.0])
    """
    return RocCurve(drop_intermediate=drop_intermediate).of(prediction, target, sample_weight)


def precision_recall_curve(prediction: Any, target: Any, *, sample_weight: Any = None) -> Any:
    """`PrecisionRecallCurve` of the given examples.

    Example:
        >>> from lamina import metrics
        >>> precision, recall, _ = metrics.precision_recall_curve([0.1, 0.4, 0.8], [0, 1, 1])
        >>> precision.round(2).tolist(), recall.tolist()
        ([0.67, 1.0, 1.0, 1.0], [1.0, 1.0, 0.5, 0.0])
    """
    return PrecisionRecallCurve().of(prediction, target, sample_weight)


def auroc(prediction: Any, target: Any, *, sample_weight: Any = None, **options: Any) -> Any:
    """`AUROC` of the given examples.

    Example:
        >>> from lamina import metrics
        >>> metrics.auroc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
        0.75
    """
    return AUROC(**options).of(prediction, target, sample_weight)


def average_precision(
    prediction: Any, target: Any, *, sample_weight: Any = None, **options: Any
) -> Any:
    """`AveragePrecision` of the given examples.

    Example:
        >>> from lamina import metrics
        >>> round(metrics.average_precision([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]), 4)
        0.8333
    """
    return AveragePrecision(**options).of(prediction, target, sample_weight)
