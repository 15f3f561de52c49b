"""Gradients of several batches, added up before a step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import lamina.tensor as lm
from lamina.base.errors import UsageError
from lamina.optim.optimizer import Optimizer, Parameters, State
from lamina.optim.rows import require_whole
from lamina.optim.wrapped import Wrapped


class Accumulation(Wrapped):
    """Updates once for `every` calls, with the mean of their gradients.

    That is the step of one batch `every` times as large, for losses that are means. In between,
    parameters, states and `steps` stay; inside `jit` the branch that updates is then not run.

    Args:
        optimizer: makes the steps.
        model: whose gradients are added up.
        every: how many calls make a step.

    Example:
        >>> import lamina as lm
        >>> model = lm.nn.Linear(2, 1)
        >>> optimizer = lm.optim.Accumulation(lm.optim.Adam(model, lr=0.01), model, every=4)
        >>> grads = lm.grad(lambda model: model(lm.ones((1, 2))).sum())(model)
        >>> for _ in range(8):
        ...     optimizer.update(model, grads)
        >>> int(optimizer.steps)
        2
    """

    def __init__(self, optimizer: Optimizer | Wrapped, model: Parameters, every: int):
        if every < 1:
            raise UsageError("Accumulation: every is at least 1", [f"every: {every}"])
        super().__init__(optimizer)
        self.every = every
        self.count = lm.zeros((), dtype=lm.int64)
        self.sums = {
            name: lm.zeros_like(p, dtype=lm.result_type(p.dtype, lm.float32))
            for name, p in model.named_parameters()
            if p.dtype.is_float
        }

    def update(self, model: Parameters, grads: Parameters | Mapping[str, Any]) -> None:
        """Add the gradients up, and move the parameters when it is time."""
        gradients = self.gradients_of(model, grads)
        require_whole("Accumulation.update", gradients)
        for name, gradient in gradients.items():
            self.sums[name] = self.sums[name] + gradient
        self.count = self.count + 1
        parameters = {n: p for n, p in model.named_parameters() if n in gradients}

        def moved(parameters: State, state: State, sums: State) -> tuple[State, State, State]:
            model.set_parameters(parameters)
            self.optimizer.put(state)
            self.optimizer.update(model, {n: s / self.every for n, s in sums.items()})
            after = dict(model.named_parameters())
            zeros = {n: lm.zeros_like(s) for n, s in sums.items()}
            return {n: after[n] for n in parameters}, self.optimizer.state_dict(), zeros

        def kept(parameters: State, state: State, sums: State) -> tuple[State, State, State]:
            return parameters, state, sums

        sums = {n: self.sums[n] for n in gradients}
        due = lm.equal(self.count % self.every, 0)
        tensors = parameters, self.optimizer.state_dict(), sums
        parameters, state, sums = lm.cond(due, moved, kept, *tensors)
        model.set_parameters(parameters)
        self.optimizer.put(state)
        self.sums.update(sums)
