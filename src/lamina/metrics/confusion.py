"""Metrics of the table that counts true classes against predicted ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.base.errors import UsageError
from lamina.metrics.inputs import as_weights, predicted_classes, require_classes
from lamina.metrics.metric import Metric, State, no_examples

AVERAGES = ("binary", "micro", "macro", "weighted", None, "none")


class Confused(Metric):
    """A metric of the confusion matrix; not a metric by itself.

    Args:
        num_classes: how many classes there are; None for as many as occur.
        threshold: where the prediction is a score of class 1, what it must exceed; 0.0 for logits.
        class_axis: the axis of the classes in scores of all classes.
        ignore_index: a class number whose examples count nothing.
    """

    def __init__(
        self,
        num_classes: int | None = None,
        threshold: float = 0.5,
        class_axis: int = 1,
        ignore_index: int | None = None,
    ):
        super().__init__()
        self.num_classes = num_classes
        self.threshold = threshold
        self.class_axis = class_axis
        self.ignore_index = ignore_index

    def measure(self, prediction: Any, target: Any, sample_weight: Any = None) -> State:
        """The weights of the examples of each true class (row) and predicted class (column).

        Args:
            prediction: classes, scores of class 1, or scores of all classes.
            target: the true classes.
            sample_weight: of each example.
        """
        name = type(self).__name__
        found, wanted = predicted_classes(name, prediction, target, self.threshold, self.class_axis)
        weights = as_weights(name, sample_weight, wanted.shape)
        counted = wanted != self.ignore_index
        found, wanted, weights = found[counted], wanted[counted], weights[counted]
        require_classes(name, found, self.num_classes)
        require_classes(name, wanted, self.num_classes)
        occur = 1 + max(found.max(initial=-1), wanted.max(initial=-1))
        size = occur if self.num_classes is None else self.num_classes
        cells = np.bincount(wanted * size + found, weights, size * size)
        return {"counts": cells.reshape(size, size)}

    def join(self, states: Sequence[State]) -> State:
        """The sum of the tables, as large as the largest."""
        size = max(s["counts"].shape[0] for s in states)
        counts = np.zeros((size, size))
        for state in states:
            part = state["counts"]
            counts[: part.shape[0], : part.shape[0]] += part
        return {"counts": counts}

    def counts(self, state: State) -> np.ndarray:
        """The table of a state.

        Raises:
            UsageError: there were no examples.
        """
        if not state["counts"].sum() > 0:
            raise no_examples(type(self).__name__)
        return state["counts"]


class ConfusionMatrix(Confused):
    """The weight of the examples of true class i that were taken for class j, at [i, j].

    Args:
        num_classes: how many classes there are; None for as many as occur.
        normalize: divide by the sums of the rows ("true"), of the columns ("pred") or of everything
            ("all"); an empty row or column stays 0.

    Shapes: `prediction: [*A] or [N, C, *S], target: [*A] or [N, *S] -> float64 [C, C]`

    Source: scikit-learn, `metrics.confusion_matrix`.

    Example:
        >>> from lamina import metrics
        >>> table = metrics.ConfusionMatrix()
        >>> table.update([0, 1, 1], [0, 1, 0])
        >>> table.compute().tolist()
        [[1.0, 1.0], [0.0, 1.0]]
    """

    def __init__(
        self, num_classes: int | None = None, *, normalize: str | None = None, **inputs: Any
    ):
        super().__init__(num_classes, **inputs)
        if normalize not in (None, "true", "pred", "all"):
            facts = [f"given: {normalize!r}", 'there are "true", "pred", "all" and None']
            raise UsageError("confusion_matrix: no such normalisation", facts)
        self.normalize = normalize

    def value(self, state: State) -> np.ndarray:
        """The table."""
        counts = self.counts(state)
        if self.normalize is None:
            return counts
        axis = {"true": 1, "pred": 0, "all": None}[self.normalize]
        return _ratio(counts, np.sum(counts, axis=axis, keepdims=True), 0.0)


class FBeta(Confused):
    """(1 + beta²) * tp / ((1 + beta²) * tp + beta² * fn + fp), the harmonic mean of precision and
    recall that weighs recall beta times as much.

    Args:
        beta: the weight of recall.
        average: "binary" for the class `pos_label`; "micro" counts over all classes; "macro" is the
            mean over the classes and "weighted" that weighed by how often each is true; None for
            an array with one number for each class.
        num_classes: how many classes there are; None for as many as occur. With None, a class that
            neither is nor was predicted is no part of the mean over the classes.
        pos_label: the class that "binary" looks at.
        zero_division: the value of 0 / 0; classes where it is NaN are no part of the mean.
        inputs: `threshold`, `class_axis` and `ignore_index`, as of `ConfusionMatrix`.

    Shapes: `prediction: [*A] or [N, C, *S], target: [*A] or [N, *S] -> a float, or float64 [C]`

    Source: van Rijsbergen 1979, "Information Retrieval"; options of scikit-learn,
    `metrics.fbeta_score`.
    """

    def __init__(
        self,
        beta: float = 1.0,
        *,
        average: str | None = "binary",
        num_classes: int | None = None,
        pos_label: int = 1,
        zero_division: float = 0.0,
        **inputs: Any,
    ):
        super().__init__(num_classes, **inputs)
        if average not in AVERAGES:
            facts = [f"given: {average!r}", f"there are {AVERAGES}"]
            raise UsageError(f"{type(self).__name__}: no such average", facts)
        self.beta = beta
        self.average = average
        self.pos_label = pos_label
        self.zero_division = zero_division

    def value(self, state: State) -> Any:
        """One number, or one for each class."""
        counts = self.counts(state)
        right = np.diag(counts)
        predicted, true = np.sum(counts, axis=0), np.sum(counts, axis=1)
        if self.average == "micro":
            right, predicted, true = (np.sum(x, keepdims=True) for x in (right, predicted, true))
        part, whole = self.fraction(right, predicted, true)
        scores = _ratio(part, whole, self.zero_division)
        if self.average in (None, "none"):
            return scores
        if self.average == "micro":
            return float(scores[0])
        if self.average == "binary":
            return self._of_positive(scores)
        taking_part = (predicted + true > 0) | (self.num_classes is not None)
        weights = true if self.average == "weighted" else taking_part.astype(np.float64)
        return _mean(scores, weights)

    def fraction(
        self, right: np.ndarray, predicted: np.ndarray, true: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Numerator and denominator for each class, of its right, predicted and true examples."""
        if np.isinf(self.beta):
            return right, true
        square = self.beta * self.beta
        return (1.0 + square) * right, square * true + predicted

    def _of_positive(self, scores: np.ndarray) -> float:
        if scores.size > 2 or self.pos_label not in (0, 1):
            raise UsageError(
                f'{type(self).__name__}: average="binary" is for the classes 0 and 1',
                [f"classes: 0 to {scores.size - 1}", f"pos_label: {self.pos_label}"],
                'choose average="micro", "macro", "weighted" or None',
            )
        scores = np.append(scores, [self.zero_division] * (2 - scores.size))
        return float(scores[self.pos_label])


class F1(FBeta):
    """2 * tp / (2 * tp + fn + fp), the harmonic mean of precision and recall.

    Options are those of `FBeta`.

    Example:
        >>> from lamina import metrics
        >>> f1 = metrics.F1(average="macro")
        >>> f1.update([0, 1, 2, 2], [0, 1, 1, 2])
        >>> round(f1.compute(), 4)
        0.7778
    """

    def __init__(self, **options: Any):
        super().__init__(1.0, **options)


class Precision(FBeta):
    """tp / (tp + fp): how many of the examples taken for a class are of it.

    Options are those of `FBeta`.

    Source: scikit-learn, `metrics.precision_score`.
    """

    def __init__(self, **options: Any):
        super().__init__(0.0, **options)


class Recall(FBeta):
    """tp / (tp + fn): how many of the examples of a class are found.

    Options are those of `FBeta`.

    Source: scikit-learn, `metrics.recall_score`.
    """

    def __init__(self, **options: Any):
        super().__init__(np.inf, **options)


class BalancedAccuracy(Confused):
    """The mean of the recalls of the classes that occur.

    Args:
        adjusted: shift and scale it so that guessing gives 0 and no mistake 1;
            NaN where one class occurs.
        inputs: `num_classes`, `threshold`, `class_axis`, `ignore_index`, as of `ConfusionMatrix`.

    Source: scikit-learn, `metrics.balanced_accuracy_score`.
    """

    def __init__(self, *, adjusted: bool = False, **inputs: Any):
        super().__init__(**inputs)
        self.adjusted = adjusted

    def value(self, state: State) -> float:
        """The mean recall."""
        counts = self.counts(state)
        true = np.sum(counts, axis=1)
        occur = true > 0
        mean = float(np.mean(np.diag(counts)[occur] / true[occur]))
        if not self.adjusted:
            return mean
        guessed = 1.0 / np.sum(occur)
        return float("nan") if guessed == 1.0 else (mean - guessed) / (1.0 - guessed)


class MatthewsCorrelation(Confused):
    """The correlation of the true and the predicted classes, from -1 to 1; 0 if one is constant.

    (c * s - sum of p[k] * t[k]) / sqrt((s² - sum of p[k]²) * (s² - sum of t[k]²)), with c right
    ones of s examples, of which p[k] were taken for class k and t[k] are of it.

    Source: Gorodkin, "Comparing two K-category assignments by a K-category correlation
    coefficient", 2004.
    """

    def value(self, state: State) -> float:
        """The correlation."""
        counts = self.counts(state)
        predicted, true = np.sum(counts, axis=0), np.sum(counts, axis=1)
        right, total = np.trace(counts), np.sum(counts)
        spread = (total**2 - predicted @ predicted) * (total**2 - true @ true)
        return float((right * total - predicted @ true) / np.sqrt(spread)) if spread > 0 else 0.0


class CohenKappa(Confused):
    """1 - observed disagreement / disagreement expected by chance; NaN where none is expected.

    Args:
        weights: what taking class i for class j costs: 1 (None), |i - j| ("linear") or (i - j)²
            ("quadratic").
        inputs: `num_classes`, `threshold`, `class_axis`, `ignore_index`, as of `ConfusionMatrix`.

    Source: Cohen, "A coefficient of agreement for nominal scales", 1960, and 1968 for weights.
    """

    def __init__(self, *, weights: str | None = None, **inputs: Any):
        super().__init__(**inputs)
        if weights not in (None, "linear", "quadratic"):
            facts = [f"given: {weights!r}", 'there are "linear", "quadratic" and None']
            raise UsageError("cohen_kappa: no such weights", facts)
        self.weights = weights

    def value(self, state: State) -> float:
        """The agreement."""
        counts = self.counts(state)
        gap = np.abs(np.subtract.outer(*[np.arange(counts.shape[0])] * 2)).astype(np.float64)
        cost = {None: (gap > 0).astype(np.float64), "linear": gap, "quadratic": gap * gap}
        chance = np.outer(np.sum(counts, axis=1), np.sum(counts, axis=0)) / np.sum(counts)
        expected = np.sum(cost[self.weights] * chance)
        if expected == 0:
            return float("nan")
        return 1.0 - float(np.sum(cost[self.weights] * counts) / expected)


def _ratio(part: np.ndarray, whole: np.ndarray, zero_division: float) -> np.ndarray:
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1.0), zero_division)


def _mean(scores: np.ndarray, weights: np.ndarray) -> float:
    defined = ~np.isnan(scores)
    total = np.sum(weights[defined])
    if not defined.any():
        return float("nan")
    if not total > 0:  # none of the classes that are defined has a true example
        return float(np.mean(scores[defined]))
    return float(np.sum((scores * weights)[defined]) / total)


def confusion_matrix(
    prediction: Any, target: Any, *, sample_weight: Any = None, **options: Any
) -> np.ndarray:
    """`ConfusionMatrix` of the given examples.

    Example:
        >>> from lamina import metrics
        >>> metrics.confusion_matrix([0, 2, 1], [0, 1, 1], normalize="true").tolist()
        [[1.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.0, 0.0, 0.0]]
    """
    return ConfusionMatrix(**options).of(prediction, target, sample_weight)


def precision(prediction: Any, target: Any, *, sample_weight: Any = None, **options: Any) -> Any:
    """`Precision` of the given examples.

    Example:
        >>> from lamina import metrics
        >>> metrics.precision([1, 1, 0, 1], [1, 0, 0, 1], average=None).tolist()
        [1.0, 0.6666666666666666]
    """
    return Precision(**options).of(prediction, target, sample_weight)


def recall(prediction: Any, target: Any, *, sample_weight: Any = None, **options: Any) -> Any:
    """`Recall` of the given examples.

    Example:
        >>> from lamina import metrics
        >>> metrics.recall([0.9, 0.2, 0.7], [1, 1, 0])  # scores of class 1, above 0.5 or not
        0.5
    """
    return Recall(**options).of(prediction, target, sample_weight)


def f1_score(prediction: Any, target: Any, *, sample_weight: Any = None, **options: Any) -> Any:
    """`F1` of the given examples.

    Example:
        >>> from lamina import metrics
        >>> metrics.f1_score([1, 1, 0, 1], [1, 0, 0, 1])
        0.8
    """
    return F1(**options).of(prediction, target, sample_weight)


def fbeta_score(
    prediction: Any, target: Any, beta: float, *, sample_weight: Any = None, **options: Any
) -> Any:
    """`FBeta` of the given examples.

    Example:
        >>> from lamina import metrics
        >>> round(metrics.fbeta_score([1, 1, 0, 1], [1, 0, 0, 1], 2.0), 4)
        0.9091
    """
    return FBeta(beta, **options).of(prediction, target, sample_weight)


def balanced_accuracy(
    prediction: Any, target: Any, *, sample_weight: Any = None, **options: Any
) -> float:
    """`BalancedAccuracy` of the given examples.

    Example:
        >>> from lamina import metrics
        >>> metrics.balanced_accuracy([0, 0, 0, 0], [0, 0, 0, 1])
        0.5
    """
    return BalancedAccuracy(**options).of(prediction, target, sample_weight)


def matthews_correlation(
    prediction: Any, target: Any, *, sample_weight: Any = None, **options: Any
) -> float:
    """`MatthewsCorrelation` of the given examples.

    Example:
        >>> from lamina import metrics
        >>> round(metrics.matthews_correlation([1, 0, 1, 1], [1, 1, 1, 0]), 4)
        -0.3333
    """
    return MatthewsCorrelation(**options).of(prediction, target, sample_weight)


def cohen_kappa(
    prediction: Any, target: Any, *, sample_weight: Any = None, **options: Any
) -> float:
    """`CohenKappa` of the given examples.

    Example:
        >>> from lamina import metrics
        >>> metrics.cohen_kappa([0, 1, 1, 0], [0, 1, 0, 0])
        0.5
    """
    return CohenKappa(**options).of(prediction, target, sample_weight)
