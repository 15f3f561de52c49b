"""What stands around another optimiser."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamina.optim.optimizer import Gradients, Optimizer, Parameters
from lamina.optim.rate import Rate
from lamina.optim.state import Stateful
from lamina.tensor import Tensor


class Wrapped(Stateful):
    """An optimiser around another one, whose rate and groups are its own.

    Attributes:
        optimizer: the one inside.
    """

    def __init__(self, optimizer: Optimizer | Wrapped):
        self.optimizer = optimizer

    @property
    def lr(self) -> float:
        """The learning rate of the next step."""
        return self.optimizer.lr

    @lr.setter
    def lr(self, value: Rate) -> None:
        self.optimizer.lr = value

    @property
    def rate(self) -> Tensor:
        """The learning rate of the next step, a 0-d float64 tensor, also inside `jit`."""
        return self.optimizer.rate

    @property
    def schedule(self) -> Any:
        """The schedule that `lr` was set to, or None where it was a number."""
        return self.optimizer.schedule

    @property
    def steps(self) -> Tensor:
        """How many updates there were of the optimiser inside."""
        return self.optimizer.steps

    def gradients_of(self, model: Parameters, grads: Any) -> Gradients:
        """The gradients by name of parameter, checked."""
        return self.optimizer.gradients_of(model, grads)

    def update(self, model: Parameters, grads: Parameters | Mapping[str, Any]) -> None:
        """Move the parameters of `model`, as `Optimizer.update` does."""
        raise NotImplementedError
