"""Activations and dropout as layers."""

from __future__ import annotations

from lamina import functional
from lamina.base.errors import UsageError
from lamina.nn.module import Module
from lamina.tensor import Tensor


class ReLU(Module):
    """max(x, 0)."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x)


class GELU(Module):
    """x Φ(x); `approximate="tanh"` for the tanh form.

    Source: Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016.
    """

    def __init__(self, approximate: str = "none"):
        super().__init__()
        if approximate not in ("none", "tanh"):
            raise UsageError(
                f"GELU: no approximation {approximate!r}", ['there are "none" and "tanh"']
            )
        self.approximate = approximate

    def forward(self, x: Tensor) -> Tensor:
        return functional.gelu(x, approximate=self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class Tanh(Module):
    """tanh(x)."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.tanh(x)


class Dropout(Module):
    """While training, zero each element with probability p and scale the others by 1/(1-p).

    Source: Srivastava et al., "Dropout", JMLR 15, 2014.
    """

    def __init__(self, p: float = 0.5):
        super().__init__()
        if not 0.0 <= p <= 1.0:
            raise UsageError("Dropout: p is not a probability", [f"p: {p}"])
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        return functional.dropout(x, self.p, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}"
