"""Linear layers."""

from __future__ import annotations

import math
from typing import Any

import lamina.tensor as lm
from lamina import functional
from lamina.base.errors import ShapeError
from lamina.nn.module import Module
from lamina.tensor import Tensor


def uniform_fan_in(shape: tuple[int, ...], fan_in: int, dtype: Any) -> Tensor:
    """U(-1/sqrt(fan_in), 1/sqrt(fan_in)): PyTorch's default for weights and biases alike."""
    bound = 1.0 / math.sqrt(fan_in) if fan_in else 0.0
    return lm.random.uniform(shape, low=-bound, high=bound, dtype=dtype)


class Linear(Module):
    """y = x Wᵀ + b.

    Shapes: `x: [..., in_features] -> [..., out_features]`; `weight: [out_features, in_features]`,
    `bias: [out_features]`.

    Source: PyTorch's names, shapes and initialisation.
    """

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, dtype: Any = lm.float32
    ):
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.weight = uniform_fan_in((out_features, in_features), in_features, dtype)
        self.bias = uniform_fan_in((out_features,), in_features, dtype) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        bias = self.bias is not None
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={bias}"


class Bilinear(Module):
    """y_k = x1ᵀ A_k x2 + b_k, with one matrix for each output.

    Shapes: `x1: [*B, in1_features], x2: [*B, in2_features] -> [*B, out_features]`;
    `weight: [out_features, in1_features, in2_features]`, `bias: [out_features]`.

    Source: PyTorch's names, shapes and initialisation.
    """

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        dtype: Any = lm.float32,
    ):
        super().__init__()
        self.in1_features = in1_features
        self.in2_features = in2_features
        self.out_features = out_features
        shape = (out_features, in1_features, in2_features)
        self.weight = uniform_fan_in(shape, in1_features, dtype)
        self.bias = uniform_fan_in((out_features,), in1_features, dtype) if bias else None

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return functional.bilinear(x1, x2, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )


class Flatten(Module):
    """Merge the axes from `start_dim` to `end_dim` into one.

    Shapes: `x: [B, *A] -> [B, product of A]` by default.
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1):
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, x: Tensor) -> Tensor:
        first, last = [d + x.ndim if d < 0 else d for d in (self.start_dim, self.end_dim)]
        if not 0 <= first <= last < x.ndim:
            raise ShapeError(
                f"Flatten: no axes from {self.start_dim} to {self.end_dim}", [f"x: {x.type}"]
            )
        merged = math.prod(x.shape[first : last + 1])
        return lm.reshape(x, (*x.shape[:first], merged, *x.shape[last + 1 :]))

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"
