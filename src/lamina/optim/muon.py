"""Muon."""

from __future__ import annotations

import math
from collections.abc import Sequence

import lamina.tensor as lm
from lamina.base.errors import UsageError
from lamina.optim.group import Group
from lamina.optim.lamb import norm
from lamina.optim.optimizer import Optimizer, Parameters, Scalars, State
from lamina.optim.rate import Rate
from lamina.tensor import Tensor


class Muon(Optimizer):
    """p = p (1 - lr weight_decay) - lr s O(b), the momentum b with its singular values made 1.

    O is `ns_steps` of a Newton-Schulz iteration, x = a x + (b x xᵀ + c (x xᵀ)²) x, which takes
    the singular values to about 1 and needs products only. Axes after the first count as one. It
    is for the matrices inside of a network; embeddings, the last layer, biases and scales belong
    to another optimiser, as in the example.

    Args:
        lr: rate; it is multiplied by s.
        momentum: b = momentum b + (1 - momentum) g.
        nesterov: O of (1 - momentum) g + momentum b in place of b.
        ns_coefficients: a, b, c.
        eps: keeps the norm from 0.
        adjust_lr: s of a matrix of m by n: "original", sqrt(max(1, m / n)), or
            "match_rms_adamw", 0.2 sqrt(max(m, n)), for rates and decays that were found for AdamW.

    PyTorch iterates in bfloat16; here the dtype is the parameter's.

    Example:
        >>> import lamina as lm
        >>> model = lm.nn.Sequential(lm.nn.Linear(4, 8), lm.nn.Linear(8, 2))
        >>> inner = lambda name, p: name == "0.weight"
        >>> outer = lambda name, p: not inner(name, p)
        >>> muon = lm.optim.Muon(model, 0.02, groups=[lm.optim.Group(outer, frozen=True)])
        >>> adam = lm.optim.AdamW(model, 3e-4, groups=[lm.optim.Group(inner, frozen=True)])
        >>> grads = lm.grad(lambda model: model(lm.ones((1, 4))).sum())(model)
        >>> for optimizer in (muon, adam):
        ...     optimizer.update(model, grads)

    Source: Jordan, "Muon: An optimizer for hidden layers in neural networks", 2024; Liu et al.,
    "Muon is Scalable for LLM Training", 2025, for the second `adjust_lr`.
    """

    decoupled = True
    by_rows = False

    def __init__(
        self,
        model: Parameters,
        lr: Rate = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr: str = "original",
        groups: Sequence[Group] = (),
    ):
        if adjust_lr not in ("original", "match_rms_adamw"):
            raise UsageError(
                f"Muon: no adjust_lr {adjust_lr!r}",
                ["there are: 'original', 'match_rms_adamw'"],
            )
        self.momentum = momentum
        self.nesterov = nesterov
        self.ns_coefficients = tuple(ns_coefficients)
        self.eps = eps
        self.ns_steps = ns_steps
        self.adjust_lr = adjust_lr
        super().__init__(model, lr, weight_decay, groups)
        named = dict(model.named_parameters())
        small = [name for name in self.state if named[name].ndim < 2]
        if small:
            raise UsageError(
                "Muon: parameters that are no matrices",
                [f"parameters: {', '.join(small)}"],
                "freeze them with a Group and update them with another optimizer",
            )

    def initial(self, parameter: Tensor) -> State:
        return {"momentum_buffer": lm.zeros_like(parameter)}

    def step(
        self, parameter: Tensor, gradient: Tensor, state: State, scalars: Scalars
    ) -> tuple[Tensor, State]:
        share = 1.0 - self.momentum
        buffer = self.momentum * state["momentum_buffer"] + share * gradient
        move = share * gradient + self.momentum * buffer if self.nesterov else buffer
        rows = parameter.shape[0]
        matrix = lm.reshape(move, (rows, parameter.size // rows))
        a, b, c = self.ns_coefficients
        move = orthogonal(matrix, (a, b, c), self.ns_steps, self.eps) * self._adjustment(matrix)
        move = lm.reshape(move, parameter.shape)
        return parameter - scalars[0] * move, {"momentum_buffer": buffer}

    def _adjustment(self, matrix: Tensor) -> float:
        m, n = matrix.shape
        if self.adjust_lr == "original":
            return math.sqrt(max(1.0, m / n))
        return 0.2 * math.sqrt(max(m, n))


def orthogonal(
    x: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float
) -> Tensor:
    """About U Vᵀ for x = U S Vᵀ, by Newton-Schulz steps.

    Shapes: x: [m, n] -> [m, n].
    """
    a, b, c = coefficients
    tall = x.shape[0] > x.shape[1]
    x = lm.matrix_transpose(x) if tall else x
    x = x / lm.maximum(norm(x), eps)
    for _ in range(steps):
        gram = lm.matmul(x, lm.matrix_transpose(x))
        x = a * x + lm.matmul(b * gram + c * lm.matmul(gram, gram), x)
    return lm.matrix_transpose(x) if tall else x
