"""The optimisers of the training steps: each peer's own, and the formulas for JAX and NumPy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol


class Optimizer(Protocol):
    """How weights move.

    Attributes:
        title: for summaries.
        slots: how many arrays like the weights it keeps.
    """

    @property
    def title(self) -> str: ...

    @property
    def slots(self) -> int: ...

    def lamina(self, model: Any) -> Any:
        """Lamina's, of a model."""
        ...

    def torch(self, parameters: Iterable[Any]) -> Any:
        """PyTorch's fused one."""
        ...

    def moved(self, count: Any, w: Any, g: Any, *slots: Any) -> tuple[Any, ...]:
        """The weight and the slots after step `count`, the first of which is 1."""
        ...


@dataclass(frozen=True)
class Adam:
    """Kingma and Ba 2015, algorithm 1; with decoupled decay, Loshchilov and Hutter 2019."""

    decay: float = 0.0
    rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    slots: int = 2

    @property
    def title(self) -> str:
        return "AdamW" if self.decay else "Adam"

    def lamina(self, model: Any) -> Any:
        import lamina as lm

        kind = getattr(lm.optim, self.title)
        return kind(model, self.rate, self.betas, self.epsilon, self.decay)

    def torch(self, parameters: Iterable[Any]) -> Any:
        import torch

        kind = getattr(torch.optim, self.title)
        return kind(parameters, self.rate, self.betas, self.epsilon, self.decay, fused=True)

    def moved(self, count: Any, w: Any, g: Any, *slots: Any) -> tuple[Any, ...]:
        mean, square = slots
        b1, b2 = self.betas
        mean = b1 * mean + (1 - b1) * g
        square = b2 * square + (1 - b2) * g * g
        step = self.rate / (1 - b1**count)
        correction = (1 - b2**count) ** 0.5
        if self.decay:
            w = (1 - self.rate * self.decay) * w
        return w - step * mean / (square**0.5 / correction + self.epsilon), mean, square


@dataclass(frozen=True)
class SGD:
    """With momentum, as PyTorch has it."""

    rate: float = 1e-2
    momentum: float = 0.9
    slots: int = 1
    title: str = "SGD with momentum"

    def lamina(self, model: Any) -> Any:
        import lamina as lm

        return lm.optim.SGD(model, self.rate, self.momentum)

    def torch(self, parameters: Iterable[Any]) -> Any:
        import torch

        return torch.optim.SGD(parameters, self.rate, self.momentum, fused=True)

    def moved(self, count: Any, w: Any, g: Any, *slots: Any) -> tuple[Any, ...]:
        velocity = self.momentum * slots[0] + g
        return w - self.rate * velocity, velocity


ADAM = Adam()
ADAMW = Adam(decay=1e-2)
MOMENTUM = SGD()
