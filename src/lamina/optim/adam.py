"""Adam and AdamW."""

from __future__ import annotations

from collections.abc import Sequence

import lamina.tensor as lm
from lamina.optim.group import Group
from lamina.optim.moments import Moments
from lamina.optim.optimizer import Parameters, Scalars, State
from lamina.optim.rate import Rate
from lamina.tensor import Tensor


class Adam(Moments):
    """m = b1 m + (1-b1) g;  v = b2 v + (1-b2) g²;  p = p - lr m̂ / (sqrt(v̂) + eps).

    m̂ and v̂ are m and v divided by 1 - b1ᵗ and 1 - b2ᵗ; the root of the second is taken out of the
    fraction, which leaves one division an element. Weight decay adds `weight_decay p` to the
    gradient. With `amsgrad` the largest v so far stands in place of v.

    Source: Kingma and Ba, "Adam", ICLR 2015, algorithm 1; Reddi et al., "On the convergence of
    Adam and beyond", ICLR 2018.
    """

    def __init__(
        self,
        model: Parameters,
        lr: Rate = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        groups: Sequence[Group] = (),
    ):
        self.amsgrad = amsgrad
        super().__init__(model, lr, betas, eps, weight_decay, groups)

    def initial(self, parameter: Tensor) -> State:
        state = super().initial(parameter)
        return state | {"max_exp_avg_sq": lm.zeros_like(parameter)} if self.amsgrad else state

    def scalars(self, lr: Tensor, weight_decay: float) -> Scalars:
        first, second = self.corrections()
        root = lm.sqrt(second)
        return lr * root / first, self.eps * root

    def step(
        self, parameter: Tensor, gradient: Tensor, state: State, scalars: Scalars
    ) -> tuple[Tensor, State]:
        step_size, eps = scalars
        mean, square = self.moments(gradient, state)
        new = {"exp_avg": mean, "exp_avg_sq": square}
        if self.amsgrad:
            square = new["max_exp_avg_sq"] = lm.maximum(state["max_exp_avg_sq"], square)
        return parameter - step_size * (mean / (lm.sqrt(square) + eps)), new


class AdamW(Adam):
    """Adam with decoupled weight decay: p = p (1 - lr weight_decay) before the step.

    Source: Loshchilov and Hutter, "Decoupled Weight Decay Regularization", ICLR 2019.
    """

    decoupled = True

    def __init__(
        self,
        model: Parameters,
        lr: Rate = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        groups: Sequence[Group] = (),
    ):
        super().__init__(model, lr, betas, eps, weight_decay, amsgrad, groups)
