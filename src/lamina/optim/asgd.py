"""Averaged stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Sequence

import lamina.tensor as lm
from lamina.optim.group import Group
from lamina.optim.optimizer import Optimizer, Parameters, Scalars, State
from lamina.optim.rate import Rate
from lamina.tensor import Tensor


class ASGD(Optimizer):
    """p = p (1 - lambd e) - e g  with  e = lr / (1 + lambd lr (t-1))^alpha;  a = a + (p - a) / n.

    a, the state "ax", is the average of the parameters from step t0 + 1 on, of which there are n.
    Weight decay adds `weight_decay p` to the gradient. (PyTorch computes e at the end of the step
    before, so that there a new `lr` counts one step later.)

    Source: Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", 1992.
    """

    def __init__(
        self,
        model: Parameters,
        lr: Rate = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0.0,
        groups: Sequence[Group] = (),
    ):
        self.lambd = lambd
        self.alpha = alpha
        self.t0 = t0
        super().__init__(model, lr, weight_decay, groups)

    def initial(self, parameter: Tensor) -> State:
        return {"ax": lm.zeros_like(parameter)}

    def scalars(self, lr: Tensor, weight_decay: float) -> Scalars:
        before = lm.astype(self.steps, lm.float64) - 1.0
        eta = lr / (1.0 + self.lambd * lr * before) ** self.alpha
        return eta, 1.0 - self.lambd * eta, 1.0 / lm.maximum(before - self.t0, 1.0)

    def step(
        self, parameter: Tensor, gradient: Tensor, state: State, scalars: Scalars
    ) -> tuple[Tensor, State]:
        eta, kept, share = scalars
        parameter = parameter * kept - eta * gradient
        average = state["ax"]
        return parameter, {"ax": average + share * (parameter - average)}
