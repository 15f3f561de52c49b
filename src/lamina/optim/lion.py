"""Lion."""

from __future__ import annotations

from collections.abc import Sequence

import lamina.tensor as lm
from lamina.optim.group import Group
from lamina.optim.moments import checked_betas
from lamina.optim.optimizer import Optimizer, Parameters, Scalars, State
from lamina.optim.rate import Rate
from lamina.tensor import Tensor


class Lion(Optimizer):
    """p = p (1 - lr weight_decay) - lr sign(b1 m + (1-b1) g);  m = b2 m + (1-b2) g.

    Every number moves by the rate itself, so rates are about a tenth of Adam's, and weight decay
    ten times as much. One state for each parameter.

    Source: Chen et al., "Symbolic Discovery of Optimization Algorithms", NeurIPS 2023, program 1.
    """

    decoupled = True

    def __init__(
        self,
        model: Parameters,
        lr: Rate = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        groups: Sequence[Group] = (),
    ):
        self.betas = checked_betas("Lion", betas)
        super().__init__(model, lr, weight_decay, groups)

    def initial(self, parameter: Tensor) -> State:
        return {"exp_avg": lm.zeros_like(parameter)}

    def step(
        self, parameter: Tensor, gradient: Tensor, state: State, scalars: Scalars
    ) -> tuple[Tensor, State]:
        b1, b2 = self.betas
        mean = state["exp_avg"]
        direction = lm.sign(b1 * mean + (1.0 - b1) * gradient)
        return parameter - scalars[0] * direction, {"exp_avg": b2 * mean + (1.0 - b2) * gradient}
