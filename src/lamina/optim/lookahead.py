"""Lookahead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import lamina.tensor as lm
from lamina.base.errors import UsageError
from lamina.optim.optimizer import Optimizer, Parameters
from lamina.optim.wrapped import Wrapped
from lamina.tensor import Tensor


class Lookahead(Wrapped):
    """Every `every` steps: slow = slow + alpha (p - slow);  p = slow.

    The optimiser inside explores from the slow weights, which then go part of its way.

    Args:
        optimizer: makes the steps in between; its states stay as they are.
        model: whose parameters are the first slow weights.
        every: how many steps it makes.
        alpha: the part of the way.

    Example:
        >>> import lamina as lm
        >>> model = lm.nn.Linear(2, 1)
        >>> optimizer = lm.optim.Lookahead(lm.optim.Adam(model, lr=0.01), model, every=5)
        >>> grads = lm.grad(lambda model: model(lm.ones((1, 2))).sum())(model)
        >>> optimizer.update(model, grads)

    Source: Zhang et al., "Lookahead Optimizer: k steps forward, 1 step back", NeurIPS 2019,
    algorithm 1.
    """

    def __init__(
        self,
        optimizer: Optimizer | Wrapped,
        model: Parameters,
        every: int = 5,
        alpha: float = 0.5,
    ):
        if every < 1 or not 0.0 < alpha <= 1.0:
            raise UsageError(
                "Lookahead: every is at least 1, alpha lies in 0..1",
                [f"every: {every}", f"alpha: {alpha}"],
            )
        super().__init__(optimizer)
        self.every = every
        self.alpha = alpha
        self.slow = {  # tensors of their own: shared with the model they were another signature
            name: lm.asarray(p, copy=True)
            for name, p in model.named_parameters()
            if p.dtype.is_float
        }

    def update(self, model: Parameters, grads: Parameters | Mapping[str, Any]) -> None:
        self.optimizer.update(model, grads)
        due = lm.equal(self.steps % self.every, 0)
        new: dict[str, Tensor] = {}
        for name, fast in model.named_parameters():
            if name in self.slow:
                slow = self.slow[name]
                self.slow[name] = lm.where(due, slow + self.alpha * (fast - slow), slow)
                new[name] = lm.where(due, self.slow[name], fast)
        model.set_parameters(new)
