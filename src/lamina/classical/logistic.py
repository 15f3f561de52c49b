"""Logistic regression by Newton's method with conjugate gradients."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

import lamina.tensor as lm
from lamina.classical.inputs import features, tensor, weights
from lamina.functional import log_softmax, softmax
from lamina.tensor import Tensor, special

FORCING = 0.5  # conjugate gradients end at this share of the gradient, or at its root
HALVINGS = 30


def labels_of(estimator: Any, y: np.ndarray) -> np.ndarray:
    """Numbers of the classes, which are noted in `classes_`.

    Raises:
        ValueError: there are no two classes.
    """
    check_classification_targets(y)
    estimator.classes_, labels = np.unique(y, return_inverse=True)
    if len(estimator.classes_) < 2:
        raise ValueError(
            f"{type(estimator).__name__}: samples of at least 2 classes are needed, "
            f"but the data contains only one class: {estimator.classes_[0]!r}"
        )
    return labels


def class_weights(given: Any, estimator: Any, labels: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The weight of each sample by its class. Shapes: `[N]`."""
    if given is None:
        return np.ones(len(labels))
    return compute_class_weight(given, classes=estimator.classes_, y=y)[labels]


class LinearClassifier(ClassifierMixin, BaseEstimator):
    """A classifier with a linear score for each class, or one for the second of two."""

    coef_: np.ndarray
    intercept_: np.ndarray
    classes_: np.ndarray

    def decision_function(self, X: Any) -> np.ndarray:
        """The scores. Shapes: `[N, D] -> [N]` for two classes, else `[N, C]`."""
        check_is_fitted(self)
        x = tensor(features(self, X).astype(self.coef_.dtype, copy=False))
        scores = lm.matmul(x, tensor(self.coef_.T)).numpy() + self.intercept_
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def predict(self, X: Any) -> np.ndarray:
        """The class of largest score. Shapes: `[N, D] -> [N]`."""
        scores = self.decision_function(X)
        places = (scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)
        return self.classes_[places]


class LogisticRegression(LinearClassifier):
    """P(c | x) = softmax(W x + b)_c: minimises C sum_i s_i (-log P(y_i | x_i)) + |W|²/2.

    Two classes have one row of W, for the second.

    Args:
        C: the weight of the data against the penalty; inf for no penalty.
        tol: ends when no entry of the gradient of the mean loss is larger.
        fit_intercept: whether there is a b, which is not penalised.
        class_weight: weights by class: a dict, "balanced" or None.
        max_iter: most steps of Newton's method.

    Attributes:
        coef_: W, `[1, D]` for two classes, else `[C, D]`.
        intercept_: b.
        classes_: the labels, sorted.
        n_iter_: steps taken, in an array of one.

    Example:
        >>> from lamina.classical import LogisticRegression
        >>> model = LogisticRegression().fit([[-2.0], [-1.0], [1.0], [2.0]], [0, 0, 1, 1])
        >>> model.predict([[-3.0], [3.0]])
        array([0, 1])

    Source: Nocedal and Wright 2006, "Numerical optimization", section 7.1 (Newton with conjugate
    gradients); scikit-learn's objective.
    """

    def __init__(
        self,
        *,
        C: float = 1.0,
        tol: float = 1e-4,
        fit_intercept: bool = True,
        class_weight: Any = None,
        max_iter: int = 100,
    ):
        self.C = C
        self.tol = tol
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.max_iter = max_iter

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> LogisticRegression:
        """Learn the coefficients. Shapes: `X: [N, D], y: [N], sample_weight: [N]`."""
        given, y = features(self, X, fitting=True, y=y)
        if not self.C > 0.0:
            raise ValueError(f"C={self.C}: above 0")
        labels = labels_of(self, y)
        weight = weights(sample_weight, given)
        weight = weight * class_weights(self.class_weight, self, labels, y).astype(given.dtype)
        loss = _Loss(given, labels, weight, self.C, self.fit_intercept, len(self.classes_))
        found, steps, converged = newton(loss, self.tol, self.max_iter)
        self.n_iter_ = np.array([steps], np.int32)
        if not converged:
            warnings.warn(
                f"{steps} steps did not converge: raise max_iter or tol, or scale the features",
                ConvergenceWarning,
                stacklevel=2,
            )
        table = found.numpy()
        self.coef_ = np.ascontiguousarray(table[:, : given.shape[1]])
        self.intercept_ = (
            table[:, -1].copy() if self.fit_intercept else np.zeros(len(table), given.dtype)
        )
        return self

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """log P(c | x). Shapes: `[N, D] -> [N, C]`."""
        return log_softmax(tensor(self._scores(X)), axis=1).numpy()

    def predict_proba(self, X: Any) -> np.ndarray:
        """P(c | x). Shapes: `[N, D] -> [N, C]`."""
        return softmax(tensor(self._scores(X)), axis=1).numpy()

    def _scores(self, X: Any) -> np.ndarray:
        scores = self.decision_function(X)
        if scores.ndim == 2:
            return scores
        return np.stack([np.zeros_like(scores), scores], axis=1)


class _Loss:
    """The mean loss with its penalty, its gradient, and products with its Hessian."""

    def __init__(
        self,
        given: np.ndarray,
        labels: np.ndarray,
        weight: np.ndarray,
        c: float,
        intercept: bool,
        classes: int,
    ):
        self.binary = classes == 2
        ones = np.ones((len(given), int(intercept)), given.dtype)
        self.x = tensor(np.concatenate([given, ones], axis=1))
        total = float(weight.sum())
        self.weight = tensor((weight / total)[:, None])
        wanted = np.eye(classes, dtype=given.dtype)[labels]
        self.wanted = tensor(wanted[:, 1:] if self.binary else wanted)
        ridge = np.full(self.x.shape[1], 1.0 / (c * total), given.dtype)
        ridge[given.shape[1] :] = 0.0
        self.ridge = tensor(ridge)
        self.start = lm.zeros((1 if self.binary else classes, self.x.shape[1]), dtype=self.x.dtype)

    def scores(self, table: Tensor) -> Tensor:
        return lm.matmul(self.x, lm.matrix_transpose(table))

    def value(self, table: Tensor) -> float:
        scores = self.scores(table)
        if self.binary:
            each = lm.logaddexp(scores, lm.zeros_like(scores)) - self.wanted * scores
        else:
            each = -lm.sum(self.wanted * log_softmax(scores, axis=1), axis=1, keepdims=True)
        return float(lm.sum(self.weight * each) + 0.5 * lm.sum(self.ridge * table * table))

    def gradient(self, table: Tensor) -> tuple[Tensor, Tensor]:
        """The gradient, and the probabilities from which the Hessian follows."""
        scores = self.scores(table)
        chance = special.expit(scores) if self.binary else softmax(scores, axis=1)
        apart = self.weight * (chance - self.wanted)
        return lm.matmul(lm.matrix_transpose(apart), self.x) + self.ridge * table, chance

    def curved(self, chance: Tensor, along: Tensor) -> Tensor:
        """The Hessian times a table."""
        across = self.scores(along)
        if self.binary:
            pulled = chance * (1.0 - chance) * across
        else:
            pulled = chance * (across - lm.sum(chance * across, axis=1, keepdims=True))
        return lm.matmul(lm.matrix_transpose(self.weight * pulled), self.x) + self.ridge * along


def newton(loss: _Loss, tol: float, most: int) -> tuple[Tensor, int, bool]:
    """The minimum of a convex loss, the steps taken, and whether the gradient came below `tol`."""
    table = loss.start
    value = loss.value(table)
    for step in range(most):
        gradient, chance = loss.gradient(table)
        if float(lm.max(lm.abs(gradient))) <= tol:
            return table, step, True
        direction = conjugate_gradients(loss, chance, gradient)
        slope = float(lm.sum(direction * gradient))
        size = 1.0
        for _ in range(HALVINGS):
            moved = table + size * direction
            then = loss.value(moved)
            if then <= value + 1e-4 * size * slope:
                break
            size *= 0.5
        else:
            return table, step, True  # rounding hides what is left
        table, value = moved, then
    return table, most, float(lm.max(lm.abs(loss.gradient(table)[0]))) <= tol


def conjugate_gradients(loss: _Loss, chance: Tensor, gradient: Tensor) -> Tensor:
    """d with H d = -gradient, to a share of the gradient that falls with it."""
    found = lm.zeros_like(gradient)
    left = -gradient
    along, square = left, float(lm.sum(left * left))
    enough = min(FORCING, square**0.25) ** 2 * square
    for _ in range(20 * int(np.prod(gradient.shape))):
        curved = loss.curved(chance, along)
        bend = float(lm.sum(along * curved))
        if bend <= 0.0:
            break
        size = square / bend
        found = found + size * along
        left = left - size * curved
        before, square = square, float(lm.sum(left * left))
        if square <= enough:
            break
        along = left + (square / before) * along
    return found if float(lm.sum(found * gradient)) < 0.0 else -gradient
