"""What the relatives of Adam share: averages of the gradient and of its square."""

from __future__ import annotations

from collections.abc import Sequence

import lamina.tensor as lm
from lamina.base.errors import UsageError
from lamina.optim.group import Group
from lamina.optim.optimizer import Optimizer, Parameters, State
from lamina.optim.rate import Rate
from lamina.tensor import Tensor


class Moments(Optimizer):
    """Keeps m = b1 m + (1-b1) g and v = b2 v + (1-b2) g².

    Attributes:
        betas: the two factors, each in 0..1.
        eps: keeps divisors from 0.
    """

    def __init__(
        self,
        model: Parameters,
        lr: Rate,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
        groups: Sequence[Group],
    ):
        self.betas = checked_betas(type(self).__name__, betas)
        self.eps = eps
        super().__init__(model, lr, weight_decay, groups)

    def initial(self, parameter: Tensor) -> State:
        return {"exp_avg": lm.zeros_like(parameter), "exp_avg_sq": lm.zeros_like(parameter)}

    def moments(self, gradient: Tensor, state: State) -> tuple[Tensor, Tensor]:
        """The averages with this gradient in them."""
        b1, b2 = self.betas
        mean = b1 * state["exp_avg"] + (1.0 - b1) * gradient
        square = b2 * state["exp_avg_sq"] + (1.0 - b2) * (gradient * gradient)
        return mean, square

    def corrections(self) -> tuple[Tensor, Tensor]:
        """1 - b1ᵗ and 1 - b2ᵗ: what the averages lack in the first steps, float64."""
        t = lm.astype(self.steps, lm.float64)
        b1, b2 = self.betas
        return 1.0 - b1**t, 1.0 - b2**t


def checked_betas(owner: str, betas: tuple[float, float]) -> tuple[float, float]:
    """The betas, as a pair.

    Raises:
        UsageError: one of them is not in 0..1.
    """
    if not all(0.0 <= b < 1.0 for b in betas):
        raise UsageError(f"{owner}: betas lie in 0..1", [f"betas: {betas}"])
    b1, b2 = betas
    return b1, b2
