"""What optimisers share: state for each parameter, and an update that works inside `jit`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

import numpy as np

import lamina.tensor as lm
from lamina.base.errors import UsageError
from lamina.runtime import register_node
from lamina.tensor import Tensor


class Parameters(Protocol):
    """What an optimiser needs of a model; every `nn.Module` has it."""

    def named_parameters(self, remove_duplicate: bool = True) -> Iterator[tuple[str, Tensor]]: ...

    def set_parameters(self, new: Mapping[str, Tensor]) -> None: ...


class Optimizer:
    """Updates the parameters of a module from gradients.

    Args:
        model: whose parameters are updated.
        lr: learning rate; may be set at any time, also between jitted steps, without retracing.

    Example:
        >>> import lamina as lm
        >>> model = lm.nn.Linear(2, 1)
        >>> optimizer = lm.optim.SGD(model, lr=0.1)
        >>> def loss_of(model, x): return (model(x) ** 2).mean()
        >>> loss, grads = lm.value_and_grad(loss_of)(model, lm.ones((4, 2)))
        >>> optimizer.update(model, grads)
    """

    def __init__(self, model: Parameters, lr: float):
        if not hasattr(model, "named_parameters"):
            raise UsageError(
                f"{type(self).__name__}: takes the model whose parameters it updates",
                [f"given: {type(model).__name__}"],
                "pass the module itself, not its parameters()",
            )
        self.lr = lr
        self.steps = lm.zeros((), dtype=lm.int64)
        self.state: dict[str, dict[str, Tensor]] = {
            name: self.initial(p) for name, p in model.named_parameters() if p.dtype.is_float
        }

    @property
    def lr(self) -> float:
        """The learning rate."""
        return float(self._lr)

    @lr.setter
    def lr(self, value: float | Tensor) -> None:
        if isinstance(value, Tensor):  # inside `jit`, a rate that follows the steps
            self._lr = lm.astype(value, lm.float64)
            return
        if value < 0:
            raise UsageError(f"{type(self).__name__}: a negative learning rate", [f"lr: {value}"])
        self._lr = lm.asarray(np.array(value, np.float64))  # data, where a number would be an op

    def initial(self, parameter: Tensor) -> dict[str, Tensor]:
        """The state of a parameter before the first step."""
        raise NotImplementedError

    def step(
        self, parameter: Tensor, gradient: Tensor, state: dict[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The new parameter and its new state. `self.steps` already counts this step."""
        raise NotImplementedError

    def update(self, model: Parameters, grads: Parameters) -> None:
        """Move every parameter of `model` by its gradient.

        Args:
            model: the module given at construction, or one of the same structure.
            grads: what `lm.grad` returned for it; parameters without gradient stay.

        Raises:
            UsageError: the module has parameters that this optimiser does not know.
        """
        parameters = dict(model.named_parameters())
        known = dict(grads.named_parameters(remove_duplicate=False))
        gradients = {name: known[name] for name in parameters if name in known}
        unknown = [name for name in gradients if name not in self.state]
        if unknown:
            raise UsageError(
                f"{type(self).__name__}.update: parameters that it was not made for",
                [f"unknown: {', '.join(unknown)}", f"known:   {', '.join(self.state)}"],
                "make the optimizer from this model",
            )
        for name in [name for name in self.state if name not in parameters]:
            del self.state[name]  # the layer was deleted
        self.steps = self.steps + 1
        new: dict[str, Tensor] = {}
        for name, gradient in gradients.items():
            new[name], self.state[name] = self.step(parameters[name], gradient, self.state[name])
        model.set_parameters(new)

    def scalar(self, value: Tensor, like: Tensor) -> Tensor:
        """A 0-d float64 tensor rounded to the parameter's dtype: the arithmetic of PyTorch."""
        return lm.astype(value, like.dtype)


register_node(Optimizer)
