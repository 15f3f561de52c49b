"""Linear classifiers by stochastic gradients."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

import lamina.tensor as lm
from lamina.classical.inputs import features, tensor, weights
from lamina.classical.logistic import LinearClassifier, class_weights, labels_of
from lamina.tensor import Tensor, special

CURVATURES = {"hinge": 0.0, "squared_hinge": 2.0, "log_loss": 0.25}  # the largest, by the margin


def losses_and_slopes(kind: str, margin: Tensor) -> tuple[Tensor, Tensor]:
    """Loss and slope by the margin m: hinge max(0, 1 - m), its square, or log(1 + exp(-m))."""
    if kind == "log_loss":
        zero = lm.zeros_like(margin)
        return lm.logaddexp(zero, -margin), -special.expit(-margin)
    short = lm.maximum(1.0 - margin, 0.0)
    if kind == "squared_hinge":
        return short * short, -2.0 * short
    return short, lm.astype(lm.where(margin < 1.0, -1.0, 0.0), margin.dtype)


@lm.jit(static_argnames=("loss", "alpha"))
def learn_pass(
    table: Tensor, total: Tensor, t: Tensor, batches: dict[str, Tensor], loss: str, alpha: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A pass over all batches, one step each.

    Args:
        table: w and, as its last column, b.
        total: the sum of the tables of all steps so far.
        t: the number of the step, from t0 on.
        batches: "x" with a last column of ones (or zeros, for no b), "sign" by class, "weight",
            and "there", which is 0 for rows that fill the last batch up.
        loss, alpha: as in `SGDClassifier`.

    Shapes: `table, total: [C, D + 1], t: []`; `x: [S, B, D + 1], sign: [S, B, C]`, `weight, there:
    [S, B, 1]`. The results are table, total and t after the pass, and the sum of losses.
    """

    def step(carry: Any, batch: dict[str, Tensor]) -> Any:
        table, total, t = carry
        x, sign, weight = batch["x"], batch["sign"], batch["weight"]
        losses, slopes = losses_and_slopes(loss, sign * lm.matmul(x, lm.matrix_transpose(table)))
        pull = lm.matmul(lm.matrix_transpose(weight * slopes * sign), x) / lm.sum(batch["there"])
        size = 1.0 / (alpha * t)
        is_weight = lm.arange(table.shape[1]) < table.shape[1] - 1
        shrink = lm.where(is_weight, lm.maximum(1.0 - size * alpha, 0.0), 1.0)
        moved = table * lm.astype(shrink, table.dtype) - lm.astype(size, table.dtype) * pull
        return (moved, total + moved, t + 1.0), lm.sum(weight * losses)

    (table, total, t), losses = lm.scan(step, (table, total, t), batches)
    return table, total, t, lm.sum(losses)


class SGDClassifier(LinearClassifier):
    """A linear support vector machine, or logistic regression, by stochastic gradients: minimises
    mean_i s_i loss(y_i (w x_i + b)) + alpha |w|²/2, each class against the others.

    Args:
        loss: "hinge" (a support vector machine), "squared_hinge" or "log_loss".
        alpha: the weight of the penalty. Steps are 1 / (alpha (t0 + t)).
        fit_intercept: whether there is a b.
        max_iter: most passes over the samples.
        tol: ends when the loss of a pass stays above the best minus this, `n_iter_no_change` times.
        n_iter_no_change: see `tol`.
        batch_size: samples a step.
        average: whether the coefficients are the mean over the steps of all passes but the first.
        class_weight: weights by class: a dict, "balanced" or None.
        random_state: a seed or a NumPy RandomState.

    Attributes:
        coef_: `[1, D]` for two classes, else `[C, D]`.
        intercept_, classes_, n_iter_: as elsewhere.
        t_: steps taken.

    Example:
        >>> from lamina.classical import SGDClassifier
        >>> model = SGDClassifier(random_state=0).fit([[-2.0], [-1.0], [1.0], [2.0]], [0, 0, 1, 1])
        >>> model.predict([[-3.0], [3.0]])
        array([0, 1])

    Source: Shalev-Shwartz et al. 2007, "Pegasos"; t0 by Bottou 2010, "Large-scale machine learning
    with stochastic gradient descent".
    """

    def __init__(
        self,
        loss: str = "hinge",
        *,
        alpha: float = 1e-4,
        fit_intercept: bool = True,
        max_iter: int = 1000,
        tol: float | None = 1e-3,
        n_iter_no_change: int = 5,
        batch_size: int = 16,
        average: bool = False,
        class_weight: Any = None,
        random_state: Any = None,
    ):
        self.loss = loss
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.batch_size = batch_size
        self.average = average
        self.class_weight = class_weight
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> SGDClassifier:
        """Learn the coefficients. Shapes: `X: [N, D], y: [N], sample_weight: [N]`."""
        given, y = features(self, X, fitting=True, y=y)
        self._check()
        labels = labels_of(self, y)
        weight = weights(sample_weight, given)
        weight = weight * class_weights(self.class_weight, self, labels, y).astype(given.dtype)
        count = len(self.classes_)
        signs = np.where(np.eye(count, dtype=bool)[labels], 1.0, -1.0).astype(given.dtype)
        signs = signs[:, 1:] if count == 2 else signs
        ones = np.full((len(given), 1), float(self.fit_intercept), given.dtype)
        x = np.concatenate([given, ones], axis=1)
        table = self._learn({"x": x, "sign": signs, "weight": weight[:, None]})
        self.coef_ = np.ascontiguousarray(table[:, :-1])
        self.intercept_ = table[:, -1].copy()
        return self

    def _check(self) -> None:
        if self.loss not in CURVATURES:
            raise ValueError(f"loss: one of {tuple(CURVATURES)}, not {self.loss!r}")
        if not self.alpha > 0.0:
            raise ValueError(f"alpha={self.alpha}: above 0")

    def _learn(self, rows: dict[str, np.ndarray]) -> np.ndarray:
        """The table of w and b after all passes."""
        random, count = check_random_state(self.random_state), len(rows["x"])
        shape = rows["sign"].shape[1], rows["x"].shape[1]
        table = total = lm.zeros(shape, dtype=tensor(rows["x"][:0]).dtype)
        first = lm.asarray(self._first_step(rows), dtype=lm.float64)
        t, steps = first, -(-count // self.batch_size)
        best, since, passes, summed = math.inf, 0, 0, 0
        while passes < self.max_iter and since < self.n_iter_no_change:
            batches = self._batches(rows, random.permutation(count), steps)
            table, total, t, loss = learn_pass(table, total, t, batches, self.loss, self.alpha)
            passes, summed = passes + 1, summed + steps
            if passes == 1:
                total, summed = lm.zeros_like(total), 0
            mean = float(loss) / count
            since = since + 1 if self.tol is not None and mean >= best - self.tol else 0
            best = min(best, mean)
        if self.tol is not None and since < self.n_iter_no_change:
            warnings.warn(
                f"{self.max_iter} passes did not converge: raise max_iter or tol",
                ConvergenceWarning,
                stacklevel=3,
            )
        self.n_iter_, self.t_ = passes, passes * steps
        return (total / float(summed) if self.average and summed else table).numpy()

    def _batches(
        self, rows: dict[str, np.ndarray], order: np.ndarray, steps: int
    ) -> dict[str, Tensor]:
        """The rows in this order, by steps; rows without weight fill the last batch up."""
        room = steps * self.batch_size
        filled = np.concatenate([order, np.repeat(order[:1], room - len(order))])
        made = {name: a[filled] for name, a in rows.items()}
        made["there"] = np.ones((room, 1), rows["x"].dtype)
        for name in ("weight", "there"):
            made[name][len(order) :] = 0.0
        shape = steps, self.batch_size
        return {name: tensor(a.reshape(*shape, -1)) for name, a in made.items()}

    def _first_step(self, rows: dict[str, np.ndarray]) -> float:
        """t0: the first step moves a typical weight to where the loss is flat, not beyond, and no
        step is longer than the curvature of the loss allows."""
        typical = math.sqrt(1.0 / math.sqrt(self.alpha))
        _, slope = losses_and_slopes(self.loss, lm.asarray(-typical))
        steepest = float(np.max(rows["weight"][:, 0] * np.sum(rows["x"] ** 2, axis=1)))
        curvature = CURVATURES[self.loss] * steepest
        return max(max(1.0, abs(float(slope))) / typical, curvature) / self.alpha
