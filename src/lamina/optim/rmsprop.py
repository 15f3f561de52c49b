"""RMSprop."""

from __future__ import annotations

from collections.abc import Sequence

import lamina.tensor as lm
from lamina.optim.group import Group
from lamina.optim.optimizer import Optimizer, Parameters, Scalars, State
from lamina.optim.rate import Rate
from lamina.tensor import Tensor


class RMSprop(Optimizer):
    """v = alpha v + (1-alpha) g²;  p = p - lr g / (sqrt(v) + eps).

    `centered` takes the variance, v less the square of the average gradient; with momentum the
    quotient is added to a velocity, b = momentum b + g / (sqrt(v) + eps) and p = p - lr b. Weight
    decay adds `weight_decay p` to the gradient.

    Source: Tieleman and Hinton, "Lecture 6.5", COURSERA 2012; Graves, "Generating Sequences With
    Recurrent Neural Networks", 2013, equations 38-45, for the centered form.
    """

    def __init__(
        self,
        model: Parameters,
        lr: Rate = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        groups: Sequence[Group] = (),
    ):
        self.alpha = alpha
        self.eps = eps
        self.momentum = momentum
        self.centered = centered
        super().__init__(model, lr, weight_decay, groups)

    def initial(self, parameter: Tensor) -> State:
        kept = ["square_avg", *["grad_avg"] * self.centered]
        kept += ["momentum_buffer"] if self.momentum else []
        return {name: lm.zeros_like(parameter) for name in kept}

    def step(
        self, parameter: Tensor, gradient: Tensor, state: State, scalars: Scalars
    ) -> tuple[Tensor, State]:
        (lr,) = scalars
        alpha = self.alpha
        square = alpha * state["square_avg"] + (1.0 - alpha) * (gradient * gradient)
        new = {"square_avg": square}
        if self.centered:
            mean = alpha * state["grad_avg"] + (1.0 - alpha) * gradient
            new["grad_avg"] = mean
            square = square - mean * mean
        move = gradient / (lm.sqrt(square) + self.eps)
        if self.momentum:
            move = new["momentum_buffer"] = self.momentum * state["momentum_buffer"] + move
        return parameter - lr * move, new
