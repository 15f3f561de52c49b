"""Adamax."""

from __future__ import annotations

from collections.abc import Sequence

import lamina.tensor as lm
from lamina.optim.group import Group
from lamina.optim.moments import checked_betas
from lamina.optim.optimizer import Optimizer, Parameters, Scalars, State
from lamina.optim.rate import Rate
from lamina.tensor import Tensor


class Adamax(Optimizer):
    """m = b1 m + (1-b1) g;  u = max(b2 u, |g| + eps);  p = p - lr m̂ / u.

    Weight decay adds `weight_decay p` to the gradient.

    Source: Kingma and Ba, "Adam", ICLR 2015, algorithm 2.
    """

    def __init__(
        self,
        model: Parameters,
        lr: Rate = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        groups: Sequence[Group] = (),
    ):
        self.betas = checked_betas(type(self).__name__, betas)
        self.eps = eps
        super().__init__(model, lr, weight_decay, groups)

    def initial(self, parameter: Tensor) -> State:
        return {"exp_avg": lm.zeros_like(parameter), "exp_inf": lm.zeros_like(parameter)}

    def scalars(self, lr: Tensor, weight_decay: float) -> Scalars:
        t = lm.astype(self.steps, lm.float64)
        return (lr / (1.0 - self.betas[0] ** t),)

    def step(
        self, parameter: Tensor, gradient: Tensor, state: State, scalars: Scalars
    ) -> tuple[Tensor, State]:
        b1, b2 = self.betas
        mean = b1 * state["exp_avg"] + (1.0 - b1) * gradient
        largest = lm.maximum(b2 * state["exp_inf"], lm.abs(gradient) + self.eps)
        return parameter - scalars[0] * (mean / largest), {"exp_avg": mean, "exp_inf": largest}
