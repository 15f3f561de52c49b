"""LAMB."""

from __future__ import annotations

from collections.abc import Sequence

import lamina.tensor as lm
from lamina.optim.group import Group
from lamina.optim.moments import Moments
from lamina.optim.optimizer import Parameters, Scalars, State
from lamina.optim.rate import Rate
from lamina.tensor import Tensor


class LAMB(Moments):
    """p = p - lr |p| / |u| u  with  u = m̂ / (sqrt(v̂) + eps) + weight_decay p.

    Adam for large batches: each parameter moves by a share of its own norm. Where one of the two
    norms is 0, their quotient is 1.

    Source: You et al., "Large Batch Optimization for Deep Learning", ICLR 2020, algorithm 2.
    """

    decays_itself = True
    by_rows = False

    def __init__(
        self,
        model: Parameters,
        lr: Rate = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.01,
        groups: Sequence[Group] = (),
    ):
        super().__init__(model, lr, betas, eps, weight_decay, groups)

    def scalars(self, lr: Tensor, weight_decay: float) -> Scalars:
        first, second = self.corrections()
        root = lm.sqrt(second)
        return lr, root / first, self.eps * root, lm.zeros_like(lr) + weight_decay

    def step(
        self, parameter: Tensor, gradient: Tensor, state: State, scalars: Scalars
    ) -> tuple[Tensor, State]:
        lr, scale, eps, weight_decay = scalars
        mean, square = self.moments(gradient, state)
        move = scale * (mean / (lm.sqrt(square) + eps)) + weight_decay * parameter
        size, length = norm(parameter), norm(move)
        moves = lm.logical_and(lm.greater(size, 0.0), lm.greater(length, 0.0))
        trust = lm.where(moves, size / lm.where(moves, length, 1.0), 1.0)
        new = {"exp_avg": mean, "exp_avg_sq": square}
        return parameter - lr * lm.astype(trust, parameter.dtype) * move, new


def norm(x: Tensor) -> Tensor:
    """The Euclidean norm of all numbers, 0-d."""
    return lm.sqrt(lm.sum(x * x))
