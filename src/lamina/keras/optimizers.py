"""Optimisers by Keras's names and defaults, which make those of `lamina.optim` for a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lamina import nn, optim
from lamina.base.errors import UsageError


@dataclass(frozen=True)
class Optimizer:
    """Settings of an optimiser; `made(model)` is one of `lamina.optim` for the model.

    Attributes:
        learning_rate: a number, or a schedule of `lamina.optim.schedules`.
    """

    learning_rate: Any = 1e-3

    def made(self, model: nn.Module) -> optim.Optimizer:
        """The optimiser of a model."""
        raise NotImplementedError(f"{type(self).__name__} makes none")


@dataclass(frozen=True)
class SGD(Optimizer):
    """Gradient descent, with momentum where it is given."""

    learning_rate: Any = 1e-2
    momentum: float = 0.0
    nesterov: bool = False

    def made(self, model: nn.Module) -> optim.Optimizer:
        return optim.SGD(model, self.learning_rate, self.momentum, nesterov=self.nesterov)


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam. `epsilon` stands behind the correction of the bias here, in Keras before it.

    Example:
        >>> from lamina import keras, nn
        >>> keras.optimizers.Adam(1e-2, beta_1=0.8).made(nn.Linear(2, 1)).betas
        (0.8, 0.999)
    """

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7
    amsgrad: bool = False

    def made(self, model: nn.Module) -> optim.Optimizer:
        betas = (self.beta_1, self.beta_2)
        return optim.Adam(model, self.learning_rate, betas, self.epsilon, amsgrad=self.amsgrad)


@dataclass(frozen=True)
class AdamW(Optimizer):
    """Adam with decoupled weight decay."""

    weight_decay: float = 4e-3
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7

    def made(self, model: nn.Module) -> optim.Optimizer:
        betas = (self.beta_1, self.beta_2)
        return optim.AdamW(model, self.learning_rate, betas, self.epsilon, self.weight_decay)


@dataclass(frozen=True)
class Adamax(Optimizer):
    """Adam by the largest gradient rather than the mean of squares."""

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7

    def made(self, model: nn.Module) -> optim.Optimizer:
        betas = (self.beta_1, self.beta_2)
        return optim.Adamax(model, self.learning_rate, betas, self.epsilon)


@dataclass(frozen=True)
class Nadam(Optimizer):
    """Adam with Nesterov's momentum."""

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7

    def made(self, model: nn.Module) -> optim.Optimizer:
        betas = (self.beta_1, self.beta_2)
        return optim.NAdam(model, self.learning_rate, betas, self.epsilon)


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """Gradients divided by the root of a mean of their squares."""

    rho: float = 0.9
    momentum: float = 0.0
    epsilon: float = 1e-7
    centered: bool = False

    def made(self, model: nn.Module) -> optim.Optimizer:
        return optim.RMSprop(
            model,
            self.learning_rate,
            self.rho,
            self.epsilon,
            momentum=self.momentum,
            centered=self.centered,
        )


@dataclass(frozen=True)
class Lion(Optimizer):
    """The sign of a momentum."""

    beta_1: float = 0.9
    beta_2: float = 0.99

    def made(self, model: nn.Module) -> optim.Optimizer:
        return optim.Lion(model, self.learning_rate, (self.beta_1, self.beta_2))


_CLASSES = (SGD, Adam, AdamW, Adamax, Nadam, RMSprop, Lion)
_NAMED = {kind.__name__.lower(): kind for kind in _CLASSES}

Maker = Callable[[nn.Module], Any]


def get(which: str | Optimizer | Maker) -> Maker:
    """What makes the optimiser of a model, by its name.

    Args:
        which: a name; one of the classes here; or a function of the model, which gives an optimiser
            of `lamina.optim`.

    Raises:
        UsageError: there is none of that name.
    """
    if isinstance(which, Optimizer):
        return which.made
    if callable(which):
        return which
    if which.lower() not in _NAMED:
        raise UsageError(
            f"keras: no optimizer {which!r}",
            [f"there are: {', '.join(_NAMED)}"],
            "or give a function of the model, as lambda model: optim.Muon(model)",
        )
    return _NAMED[which.lower()]().made
