"""Support vector machines with kernels, by the dual problem."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

import lamina.tensor as lm
from lamina.classical.inputs import features, squared_distances, tensor, weights
from lamina.classical.logistic import class_weights, labels_of
from lamina.tensor import Tensor, linalg

FLATTEST = 1e-12  # curvature along a pair of samples is taken to be no smaller


@lm.jit
def minimise_dual(
    kernel: Tensor, sign: Tensor, box: Tensor, tol: Tensor, most: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The dual problem of two classes: min α Q α / 2 - sum α over 0 <= α <= box, sign·α = 0.

    Q is the kernel times the signs of row and column. Every step moves the pair of samples that
    violates the optimality conditions most in the first and promises the most in the second.

    Args:
        kernel: of each pair of samples.
        sign: 1 and -1, the classes.
        box: the largest α of each sample.
        tol: the largest violation that may be left.
        most: the largest number of steps.

    Shapes: `kernel: [N, N], sign: [N], box: [N], tol: [], most: [] -> [N], [], []`: α, the
    intercept, and the steps.

    Source: Fan, Chen and Lin 2005, "Working set selection using second order information for
    training support vector machines", algorithm 2.
    """
    diagonal = linalg.diagonal(kernel)

    def ends(alpha: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """How much each sample wants to move, and who may move up and down."""
        below, above = alpha < box, alpha > 0.0
        positive = sign > 0.0
        pull = -sign * gradient
        up = lm.where(positive, below, above)
        down = lm.where(positive, above, below)
        return pull, up, down

    def violated(state: Any) -> Tensor:
        alpha, gradient, step = state
        pull, up, down = ends(alpha, gradient)
        most_up = lm.max(lm.where(up, pull, -math.inf))
        least_down = lm.min(lm.where(down, pull, math.inf))
        return (most_up - least_down > tol) & (step < most)

    def move(state: Any) -> Any:
        alpha, gradient, step = state
        pull, up, down = ends(alpha, gradient)
        i = lm.argmax(lm.where(up, pull, -math.inf))
        row = lm.take(kernel, i, axis=0)
        top = lm.take(pull, i)
        gap = top - pull
        bend = lm.maximum(lm.take(diagonal, i) + diagonal - 2.0 * row, FLATTEST)
        gain = lm.where(down & (gap > 0.0), gap * gap / bend, -math.inf)
        j = lm.argmax(gain)
        room_up = lm.where(sign > 0.0, box - alpha, alpha)
        room_down = lm.where(sign > 0.0, alpha, box - alpha)
        room = lm.minimum(lm.take(room_up, i), lm.take(room_down, j))
        size = lm.minimum(lm.take(gap, j) / lm.take(bend, j), room)
        places = lm.arange(alpha.shape[0])
        toward = lm.where(places == i, size, 0.0) - lm.where(places == j, size, 0.0)
        moved = lm.clip(alpha + sign * toward, 0.0, box)
        change = sign * size * (row - lm.take(kernel, j, axis=0))
        return moved, gradient + change, step + 1

    start = (lm.zeros_like(box), -lm.ones_like(box), lm.zeros_like(most))
    alpha, gradient, step = lm.while_loop(violated, move, start)
    pull, up, down = ends(alpha, gradient)
    free = up & down
    count = lm.sum(free.astype(box.dtype))
    middle = (lm.max(lm.where(up, pull, -math.inf)) + lm.min(lm.where(down, pull, math.inf))) / 2.0
    average = lm.sum(lm.where(free, pull, 0.0)) / lm.maximum(count, 1.0)
    return alpha, lm.where(count > 0.0, average, middle), step


class SVC(ClassifierMixin, BaseEstimator):
    """A support vector machine: the classes of each pair are parted by
    sign(sum_i α_i y_i k(x_i, x) + b) with the widest margin; the pairs then vote.

    Args:
        C: the price of a sample on the wrong side of its margin.
        kernel: "rbf" exp(-γ|x - z|²), "linear" x·z, "poly" (γ x·z + coef0)^degree, "sigmoid"
            tanh(γ x·z + coef0), or a function of two matrices.
        degree, gamma, coef0: of the kernel. gamma may be "scale" (1 over features times variance)
            or "auto" (1 over features).
        tol: of the optimality conditions.
        class_weight: C by class: a dict, "balanced" or None.
        max_iter: most steps for a pair of classes; -1 for no limit.

    Attributes:
        support_, support_vectors_: places and rows of the samples with an α above 0.
        dual_coef_: α_i y_i for each pair of classes, `[P, S]`; y is 1 for the second of a pair when
            there are two classes, else for the first.
        intercept_: b, `[P]`.
        n_iter_: steps, `[P]`.

    Example:
        >>> from lamina.classical import SVC
        >>> SVC(kernel="linear").fit([[-2.0], [-1.0], [1.0], [2.0]], [0, 0, 1, 1]).support_
        array([1, 2])

    Source: Cortes and Vapnik 1995, "Support-vector networks"; scikit-learn's interface.
    """

    classes_: np.ndarray

    def __init__(
        self,
        *,
        C: float = 1.0,
        kernel: str | Callable[[Any, Any], Any] = "rbf",
        degree: int = 3,
        gamma: Any = "scale",
        coef0: float = 0.0,
        tol: float = 1e-3,
        class_weight: Any = None,
        max_iter: int = -1,
    ):
        self.C = C
        self.kernel = kernel
        self.degree = degree
        self.gamma = gamma
        self.coef0 = coef0
        self.tol = tol
        self.class_weight = class_weight
        self.max_iter = max_iter

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> SVC:
        """Learn the support vectors. Shapes: `X: [N, D], y: [N], sample_weight: [N]`."""
        given, y = features(self, X, fitting=True, y=y)
        if not self.C > 0.0:
            raise ValueError(f"C={self.C}: above 0")
        given = given.astype(np.float64)
        weight = weights(sample_weight, given)
        counted = np.flatnonzero(weight > 0.0)
        given, y, weight = given[counted], y[counted], weight[counted]
        labels = labels_of(self, y)
        box = self.C * weight
        box = box * class_weights(self.class_weight, self, labels, y)
        self._gamma = self._gamma_of(given)
        gram = self._gram(given, given)
        pairs = list(itertools.combinations(range(len(self.classes_)), 2))
        solved = [self._pair(gram, labels, box, pair) for pair in pairs]
        coefficients = np.stack([c for c, _, _ in solved])
        support = np.flatnonzero((coefficients != 0.0).any(axis=0))
        self.support_, self.support_vectors_ = counted[support], given[support]
        self.dual_coef_ = coefficients[:, support]
        self.intercept_ = np.array([b for _, b, _ in solved])
        self.n_iter_ = np.array([n for _, _, n in solved], np.int64)
        if self.max_iter >= 0 and (self.n_iter_ >= self.max_iter).any():
            warnings.warn(
                f"{self.max_iter} steps did not converge: raise max_iter, or scale the features",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    def _pair(
        self, gram: np.ndarray, labels: np.ndarray, box: np.ndarray, pair: tuple[int, int]
    ) -> tuple[np.ndarray, float, int]:
        """α y of every sample, the intercept and the steps.

        All pairs are padded to one size by samples whose α has no room, for one program.
        """
        rows = np.flatnonzero((labels == pair[0]) | (labels == pair[1]))
        largest = int(np.sort(np.bincount(labels))[-2:].sum())
        padded = np.concatenate([rows, np.repeat(rows[:1], largest - len(rows))])
        positive = pair[1] if len(self.classes_) == 2 else pair[0]
        sign = np.where(labels[padded] == positive, 1.0, -1.0)
        room = box[padded]
        room[len(rows) :] = 0.0
        most = np.iinfo(np.int64).max if self.max_iter < 0 else self.max_iter
        alpha, intercept, steps = minimise_dual(
            tensor(gram[np.ix_(padded, padded)]),
            tensor(sign),
            tensor(room),
            lm.asarray(float(self.tol), dtype=lm.float64),
            lm.asarray(int(most), dtype=lm.int64),
        )
        coefficients = np.zeros(len(labels))
        coefficients[rows] = (alpha.numpy() * sign)[: len(rows)]
        return coefficients, float(intercept), int(steps)

    def _gamma_of(self, given: np.ndarray) -> float:
        if isinstance(self.gamma, str) and self.gamma == "scale":
            spread = float(given.var())
            return 1.0 / (given.shape[1] * spread) if spread > 0.0 else 1.0
        if isinstance(self.gamma, str) and self.gamma == "auto":
            return 1.0 / given.shape[1]
        if isinstance(self.gamma, str) or not self.gamma >= 0.0:
            raise ValueError(f'gamma: "scale", "auto" or a number of at least 0: {self.gamma!r}')
        return float(self.gamma)

    def _gram(self, x: np.ndarray, z: np.ndarray) -> np.ndarray:
        """k(x_i, z_j). Shapes: `[N, D], [M, D] -> [N, M]`."""
        if callable(self.kernel):
            return np.asarray(self.kernel(x, z), dtype=np.float64)
        left, right = tensor(x), tensor(z)
        if self.kernel == "rbf":
            return lm.exp(-self._gamma * squared_distances(left, right)).numpy()
        product = lm.matmul(left, lm.matrix_transpose(right))
        if self.kernel == "linear":
            return product.numpy()
        if self.kernel == "poly":
            return ((self._gamma * product + self.coef0) ** self.degree).numpy()
        if self.kernel == "sigmoid":
            return lm.tanh(self._gamma * product + self.coef0).numpy()
        raise ValueError(
            f'kernel: "rbf", "linear", "poly", "sigmoid" or a function, not {self.kernel!r}'
        )

    def _pair_scores(self, X: Any) -> np.ndarray:
        """Shapes: `[N, D] -> [N, P]`."""
        check_is_fitted(self)
        x = features(self, X).astype(np.float64)
        gram = tensor(self._gram(x, self.support_vectors_))
        return lm.matmul(gram, tensor(self.dual_coef_.T)).numpy() + self.intercept_

    def decision_function(self, X: Any) -> np.ndarray:
        """How far on the side of each class: votes of the pairs, and less than half a vote by
        how sure they are. Shapes: `[N, D] -> [N]` for two classes, else `[N, C]`."""
        scores = self._pair_scores(X)
        count = len(self.classes_)
        if count == 2:
            return scores[:, 0]
        votes, sure = np.zeros((len(scores), count)), np.zeros((len(scores), count))
        for p, (a, b) in enumerate(itertools.combinations(range(count), 2)):
            votes[:, a] += scores[:, p] > 0.0
            votes[:, b] += scores[:, p] <= 0.0
            sure[:, a] += scores[:, p]
            sure[:, b] -= scores[:, p]
        return votes + sure / (3.0 * (np.abs(sure) + 1.0))

    def predict(self, X: Any) -> np.ndarray:
        """The class with the most votes. Shapes: `[N, D] -> [N]`."""
        scores = self.decision_function(X)
        places = (scores > 0.0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)
        return self.classes_[places]
