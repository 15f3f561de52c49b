"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Sequence

import lamina.tensor as lm
from lamina.base.errors import UsageError
from lamina.optim.group import Group
from lamina.optim.optimizer import Optimizer, Parameters, Scalars, State
from lamina.optim.rate import Rate
from lamina.tensor import Tensor


class SGD(Optimizer):
    """v = momentum v + g;  p = p - lr v  (Nesterov: p = p - lr (g + momentum v)).

    Weight decay adds `weight_decay p` to the gradient.

    Source: Sutskever et al., "On the importance of initialization and momentum", ICML 2013;
    PyTorch's form of it (the learning rate is outside of the velocity).
    """

    def __init__(
        self,
        model: Parameters,
        lr: Rate = 1e-3,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        dampening: float = 0.0,
        groups: Sequence[Group] = (),
    ):
        if nesterov and (momentum <= 0 or dampening != 0):
            raise UsageError(
                "SGD: Nesterov momentum needs a momentum and no dampening",
                [f"momentum:  {momentum}", f"dampening: {dampening}"],
            )
        self.momentum = momentum
        self.nesterov = nesterov
        self.dampening = dampening
        super().__init__(model, lr, weight_decay, groups)

    def initial(self, parameter: Tensor) -> State:
        return {"momentum_buffer": lm.zeros_like(parameter)} if self.momentum else {}

    def step(
        self, parameter: Tensor, gradient: Tensor, state: State, scalars: Scalars
    ) -> tuple[Tensor, State]:
        (lr,) = scalars
        if self.momentum:
            buffer = state["momentum_buffer"]
            if self.dampening:
                first = lm.equal(self.steps, 1)
                damped = (1.0 - self.dampening) * gradient
                buffer = lm.where(first, gradient, self.momentum * buffer + damped)
            else:
                buffer = self.momentum * buffer + gradient
            state = {"momentum_buffer": buffer}
            gradient = gradient + self.momentum * buffer if self.nesterov else buffer
        return parameter - lr * gradient, state
