"""Adam and AdamW."""

from __future__ import annotations

import lamina.tensor as lm
from lamina.base.errors import UsageError
from lamina.optim.optimizer import Optimizer, Parameters
from lamina.tensor import Tensor


class Adam(Optimizer):
    """m = b1 m + (1-b1) g;  v = b2 v + (1-b2) g²;  p = p - lr m̂ / (sqrt(v̂) + eps).

    m̂ and v̂ are m and v divided by 1 - b1ᵗ and 1 - b2ᵗ; the root of the second is taken out of the
    fraction, which leaves one division an element. Weight decay adds `weight_decay p` to the
    gradient.

    Source: Kingma and Ba, "Adam", ICLR 2015, algorithm 1.
    """

    decoupled = False

    def __init__(
        self,
        model: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ):
        if not all(0.0 <= b < 1.0 for b in betas):
            raise UsageError(f"{type(self).__name__}: betas lie in 0..1", [f"betas: {betas}"])
        self.betas = tuple(betas)
        self.eps = eps
        self.weight_decay = weight_decay
        super().__init__(model, lr)

    def initial(self, parameter: Tensor) -> dict[str, Tensor]:
        return {"exp_avg": lm.zeros_like(parameter), "exp_avg_sq": lm.zeros_like(parameter)}

    def step(
        self, parameter: Tensor, gradient: Tensor, state: dict[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        b1, b2 = self.betas
        t = lm.astype(self.steps, lm.float64)
        correction = lm.sqrt(1.0 - b2**t)
        step_size = self.scalar(self._lr * correction / (1.0 - b1**t), parameter)
        eps = self.scalar(self.eps * correction, parameter)
        if self.weight_decay:
            if self.decoupled:
                kept = self.scalar(1.0 - self._lr * self.weight_decay, parameter)
                parameter = parameter * kept
            else:
                gradient = gradient + self.weight_decay * parameter
        mean = b1 * state["exp_avg"] + (1.0 - b1) * gradient
        square = b2 * state["exp_avg_sq"] + (1.0 - b2) * (gradient * gradient)
        parameter = parameter - step_size * (mean / (lm.sqrt(square) + eps))
        return parameter, {"exp_avg": mean, "exp_avg_sq": square}


class AdamW(Adam):
    """Adam with decoupled weight decay: p = p (1 - lr weight_decay) before the step.

    Source: Loshchilov and Hutter, "Decoupled Weight Decay Regularization", ICLR 2019.
    """

    decoupled = True

    def __init__(
        self,
        model: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ):
        super().__init__(model, lr, betas, eps, weight_decay)
