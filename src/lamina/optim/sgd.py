"""Stochastic gradient descent."""

from __future__ import annotations

import lamina.tensor as lm
from lamina.base.errors import UsageError
from lamina.optim.optimizer import Optimizer, Parameters
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
        lr: float = 1e-3,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        dampening: float = 0.0,
    ):
        if nesterov and (momentum <= 0 or dampening != 0):
            raise UsageError(
                "SGD: Nesterov momentum needs a momentum and no dampening",
                [f"momentum:  {momentum}", f"dampening: {dampening}"],
            )
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.nesterov = nesterov
        self.dampening = dampening
        super().__init__(model, lr)

    def initial(self, parameter: Tensor) -> dict[str, Tensor]:
        return {"momentum_buffer": lm.zeros_like(parameter)} if self.momentum else {}

    def step(
        self, parameter: Tensor, gradient: Tensor, state: dict[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        if self.weight_decay:
            gradient = gradient + self.weight_decay * parameter
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
        return parameter - self.scalar(self._lr, parameter) * gradient, state
