"""Resilient propagation."""

from __future__ import annotations

from collections.abc import Sequence

import lamina.tensor as lm
from lamina.optim.group import Group
from lamina.optim.optimizer import Optimizer, Parameters, Scalars, State
from lamina.optim.rate import Rate
from lamina.tensor import Tensor


class Rprop(Optimizer):
    """p = p - sign(g) s, where s grows while g keeps its sign and shrinks when it turns.

    s starts at the learning rate and is multiplied by `etas[1]` or `etas[0]`, within `step_sizes`.
    Where the sign has turned, the parameter stays for a step. For whole data sets, not for batches.

    Source: Riedmiller and Braun, "A direct adaptive method for faster backpropagation learning",
    1993.
    """

    def __init__(
        self,
        model: Parameters,
        lr: Rate = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50.0),
        groups: Sequence[Group] = (),
    ):
        self.etas = tuple(etas)
        self.step_sizes = tuple(step_sizes)
        super().__init__(model, lr, 0.0, groups)

    def initial(self, parameter: Tensor) -> State:
        return {"prev": lm.zeros_like(parameter), "step_size": lm.zeros_like(parameter)}

    def step(
        self, parameter: Tensor, gradient: Tensor, state: State, scalars: Scalars
    ) -> tuple[Tensor, State]:
        shrink, grow = self.etas
        agreement = gradient * state["prev"]
        turned = lm.less(agreement, 0.0)
        size = lm.where(lm.equal(self.steps, 1), scalars[0], state["step_size"])
        size = lm.where(lm.greater(agreement, 0.0), grow * size, size)
        size = lm.clip(lm.where(turned, shrink * size, size), *self.step_sizes)
        gradient = lm.where(turned, 0.0, gradient)
        return parameter - lm.sign(gradient) * size, {"prev": gradient, "step_size": size}
