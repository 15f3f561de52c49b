"""Adagrad."""

from __future__ import annotations

from collections.abc import Sequence

import lamina.tensor as lm
from lamina.optim.group import Group
from lamina.optim.optimizer import Optimizer, Parameters, Scalars, State
from lamina.optim.rate import Rate
from lamina.tensor import Tensor


class Adagrad(Optimizer):
    """s = s + g²;  p = p - lr / (1 + (t-1) lr_decay) g / (sqrt(s) + eps).

    Weight decay adds `weight_decay p` to the gradient.

    Source: Duchi, Hazan and Singer, "Adaptive Subgradient Methods", JMLR 2011.
    """

    def __init__(
        self,
        model: Parameters,
        lr: Rate = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        groups: Sequence[Group] = (),
    ):
        self.lr_decay = lr_decay
        self.initial_accumulator_value = initial_accumulator_value
        self.eps = eps
        super().__init__(model, lr, weight_decay, groups)

    def initial(self, parameter: Tensor) -> State:
        return {"sum": lm.full_like(parameter, self.initial_accumulator_value)}

    def scalars(self, lr: Tensor, weight_decay: float) -> Scalars:
        t = lm.astype(self.steps, lm.float64)
        return (lr / (1.0 + (t - 1.0) * self.lr_decay),)

    def step(
        self, parameter: Tensor, gradient: Tensor, state: State, scalars: Scalars
    ) -> tuple[Tensor, State]:
        total = state["sum"] + gradient * gradient
        return parameter - scalars[0] * (gradient / (lm.sqrt(total) + self.eps)), {"sum": total}
