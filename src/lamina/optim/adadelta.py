"""Adadelta."""

from __future__ import annotations

from collections.abc import Sequence

import lamina.tensor as lm
from lamina.optim.group import Group
from lamina.optim.optimizer import Optimizer, Parameters, Scalars, State
from lamina.optim.rate import Rate
from lamina.tensor import Tensor


class Adadelta(Optimizer):
    """p = p - lr d  with  d = sqrt((u + eps) / (v + eps)) g.

    v and u are averages of g² and of the earlier d²: v = rho v + (1-rho) g², then u likewise.

    Weight decay adds `weight_decay p` to the gradient.

    Source: Zeiler, "ADADELTA: An Adaptive Learning Rate Method", 2012, algorithm 1.
    """

    def __init__(
        self,
        model: Parameters,
        lr: Rate = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        groups: Sequence[Group] = (),
    ):
        self.rho = rho
        self.eps = eps
        super().__init__(model, lr, weight_decay, groups)

    def initial(self, parameter: Tensor) -> State:
        return {"square_avg": lm.zeros_like(parameter), "acc_delta": lm.zeros_like(parameter)}

    def step(
        self, parameter: Tensor, gradient: Tensor, state: State, scalars: Scalars
    ) -> tuple[Tensor, State]:
        square = self.rho * state["square_avg"] + (1.0 - self.rho) * (gradient * gradient)
        moved = state["acc_delta"]
        delta = lm.sqrt(moved + self.eps) / lm.sqrt(square + self.eps) * gradient
        moved = self.rho * moved + (1.0 - self.rho) * (delta * delta)
        return parameter - scalars[0] * delta, {"square_avg": square, "acc_delta": moved}
