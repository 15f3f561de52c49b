"""NAdam."""

from __future__ import annotations

from collections.abc import Sequence

import lamina.tensor as lm
from lamina.optim.group import Group
from lamina.optim.moments import Moments
from lamina.optim.optimizer import Parameters, Scalars, State
from lamina.optim.rate import Rate
from lamina.tensor import Tensor


class NAdam(Moments):
    """Adam with Nesterov's momentum: the step looks one step of m ahead.

    With c_t = b1 (1 - 0.96^(t momentum_decay) / 2) and its product C_t up to t,
    p = p - lr ((1 - c_t) g / (1 - C_t) + c_{t+1} m / (1 - C_{t+1})) / (sqrt(v̂) + eps).
    Weight decay adds `weight_decay p` to the gradient, or with `decoupled_weight_decay` shrinks p
    by `1 - lr weight_decay` before the step.

    Source: Dozat, "Incorporating Nesterov Momentum into Adam", ICLR 2016 workshop.
    """

    def __init__(
        self,
        model: Parameters,
        lr: Rate = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        groups: Sequence[Group] = (),
    ):
        self.momentum_decay = momentum_decay
        self.decoupled = decoupled_weight_decay
        self.mu_product = lm.ones((), dtype=lm.float64)
        super().__init__(model, lr, betas, eps, weight_decay, groups)

    def begin(self) -> None:
        self.mu_product = self.mu_product * self._momentum(0)

    def _momentum(self, ahead: int) -> Tensor:
        t = lm.astype(self.steps, lm.float64) + ahead
        return self.betas[0] * (1.0 - 0.5 * 0.96 ** (t * self.momentum_decay))

    def scalars(self, lr: Tensor, weight_decay: float) -> Scalars:
        now, after = self._momentum(0), self._momentum(1)
        _, second = self.corrections()
        root = lm.sqrt(second)
        of_gradient = lr * root * (1.0 - now) / (1.0 - self.mu_product)
        of_mean = lr * root * after / (1.0 - self.mu_product * after)
        return of_gradient, of_mean, self.eps * root

    def step(
        self, parameter: Tensor, gradient: Tensor, state: State, scalars: Scalars
    ) -> tuple[Tensor, State]:
        of_gradient, of_mean, eps = scalars
        mean, square = self.moments(gradient, state)
        move = (of_gradient * gradient + of_mean * mean) / (lm.sqrt(square) + eps)
        return parameter - move, {"exp_avg": mean, "exp_avg_sq": square}
