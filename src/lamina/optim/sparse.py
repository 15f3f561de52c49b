"""Optimisers of tables of which each batch sees a few rows."""

from __future__ import annotations

from collections.abc import Sequence

import lamina.tensor as lm
from lamina.optim.group import Group
from lamina.optim.moments import Moments
from lamina.optim.optimizer import Optimizer, Parameters, Scalars, State
from lamina.optim.rate import Rate
from lamina.tensor import Tensor


class SparseAdam(Moments):
    """Adam of the rows that have a gradient: p = p - lr c m / (sqrt(v) + eps).

    c is sqrt(1 - b2ᵗ) / (1 - b1ᵗ), where t counts all steps. Rows whose gradient is all 0, or that
    a `RowGradient` does not mention, keep their moments.

    Source: PyTorch's optimiser of this name, after Kingma and Ba, ICLR 2015.
    """

    def __init__(
        self,
        model: Parameters,
        lr: Rate = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        groups: Sequence[Group] = (),
    ):
        super().__init__(model, lr, betas, eps, 0.0, groups)

    def scalars(self, lr: Tensor, weight_decay: float) -> Scalars:
        first, second = self.corrections()
        return (lr * lm.sqrt(second) / first,)

    def step(
        self, parameter: Tensor, gradient: Tensor, state: State, scalars: Scalars
    ) -> tuple[Tensor, State]:
        seen = lm.not_equal(gradient, 0.0)
        if gradient.ndim > 1:
            seen = lm.any(seen, axis=tuple(range(1, gradient.ndim)), keepdims=True)
        mean, square = self.moments(gradient, state)
        moved = parameter - scalars[0] * (mean / (lm.sqrt(square) + self.eps))
        return lm.where(seen, moved, parameter), {
            "exp_avg": lm.where(seen, mean, state["exp_avg"]),
            "exp_avg_sq": lm.where(seen, square, state["exp_avg_sq"]),
        }


class RowAdagrad(Optimizer):
    """Adagrad with one number for each row: s = s + mean(g²);  p = p - lr g / (sqrt(s) + eps).

    The mean is that of the row, so the state of a table [V, D] is V numbers. Rows without gradient
    stay. Weight decay adds `weight_decay p` to the gradient.

    Source: Gupta, Bengio and Weston, "Training Highly Multiclass Classifiers", JMLR 2014, and
    the "exact row-wise Adagrad" of FBGEMM.
    """

    def __init__(
        self,
        model: Parameters,
        lr: Rate = 1e-2,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        groups: Sequence[Group] = (),
    ):
        self.eps = eps
        super().__init__(model, lr, weight_decay, groups)

    def initial(self, parameter: Tensor) -> State:
        ones = (1,) * (parameter.ndim - 1)
        return {"sum": lm.zeros((*parameter.shape[:1], *ones), dtype=parameter.dtype)}

    def step(
        self, parameter: Tensor, gradient: Tensor, state: State, scalars: Scalars
    ) -> tuple[Tensor, State]:
        square = gradient * gradient
        if gradient.ndim > 1:
            square = lm.mean(square, axis=tuple(range(1, gradient.ndim)), keepdims=True)
        total = state["sum"] + square
        return parameter - scalars[0] * (gradient / (lm.sqrt(total) + self.eps)), {"sum": total}
