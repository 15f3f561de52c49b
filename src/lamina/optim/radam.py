"""RAdam."""

from __future__ import annotations

from collections.abc import Sequence

import lamina.tensor as lm
from lamina.optim.group import Group
from lamina.optim.moments import Moments
from lamina.optim.optimizer import Parameters, Scalars, State
from lamina.optim.rate import Rate
from lamina.tensor import Tensor

_TRUSTED = 5.0  # gradients' worth of variance, below which it is not used


class RAdam(Moments):
    """Adam whose first steps do not trust the variance: p = p - lr m̂ until v has seen enough.

    With r = 2 / (1 - b2) - 1 and r_t = r - 2 t b2ᵗ / (1 - b2ᵗ), the step from r_t > 5 on is Adam's,
    times sqrt((r_t - 4) (r_t - 2) r / ((r - 4) (r - 2) r_t)); eps is added to sqrt(v). Weight decay
    adds `weight_decay p` to the gradient, or with `decoupled_weight_decay` shrinks p first.

    Source: Liu et al., "On the Variance of the Adaptive Learning Rate and Beyond", ICLR 2020.
    """

    def __init__(
        self,
        model: Parameters,
        lr: Rate = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
        groups: Sequence[Group] = (),
    ):
        self.decoupled = decoupled_weight_decay
        super().__init__(model, lr, betas, eps, weight_decay, groups)

    def _length(self) -> Tensor:
        """How many gradients the variance is an average of, about."""
        t = lm.astype(self.steps, lm.float64)
        _, second = self.corrections()
        return 2.0 / (1.0 - self.betas[1]) - 1.0 - 2.0 * t * (1.0 - second) / second

    def scalars(self, lr: Tensor, weight_decay: float) -> Scalars:
        first, second = self.corrections()
        longest = 2.0 / (1.0 - self.betas[1]) - 1.0
        length = lm.maximum(self._length(), _TRUSTED)
        scale = (longest - 4.0) * (longest - 2.0) / longest
        rectified = lm.sqrt((length - 4.0) * (length - 2.0) / (scale * length))
        plain = lr / first
        return plain, plain * rectified * lm.sqrt(second)

    def step(
        self, parameter: Tensor, gradient: Tensor, state: State, scalars: Scalars
    ) -> tuple[Tensor, State]:
        plain, adaptive = scalars
        mean, square = self.moments(gradient, state)
        trusted = lm.greater(self._length(), _TRUSTED)
        factor = lm.where(trusted, adaptive / (lm.sqrt(square) + self.eps), plain)
        return parameter - factor * mean, {"exp_avg": mean, "exp_avg_sq": square}
