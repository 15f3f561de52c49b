"""Functions between layers: softmax, relu, gelu and their family."""

from __future__ import annotations

import math
from typing import Any

from lamina.base.errors import UsageError
from lamina.tensor import Tensor
from lamina.tensor.api import (
    asarray,
    erf,
    exp,
    log,
    log1p,
    max,
    stop_gradient,
    sum,
    tanh,
    where,
    zeros,
)


def softmax(x: Any, axis: int = -1) -> Tensor:
    """exp(x - m) / sum(exp(x - m)) along `axis`, where m = max(x).

    Shapes: `x: [*A] -> [*A]`

    Source: Bridle 1990, "Probabilistic interpretation of feedforward classification outputs".
    """
    x = asarray(x)
    shifted = exp(x - _steady_max(x, axis))
    return shifted / sum(shifted, axis=axis, keepdims=True)


def log_softmax(x: Any, axis: int = -1) -> Tensor:
    """x - m - log(sum(exp(x - m))) along `axis`, where m = max(x).

    Shapes: `x: [*A] -> [*A]`

    Source: as softmax, in logarithms.
    """
    x = asarray(x)
    shifted = x - _steady_max(x, axis)
    return shifted - log(sum(exp(shifted), axis=axis, keepdims=True))


def logsumexp(x: Any, axis: int = -1, *, keepdims: bool = False) -> Tensor:
    """m + log(sum(exp(x - m))) along `axis`, where m = max(x).

    Shapes: `x: [*A, N, *B] -> [*A, *B]`

    Source: Blanchard, Higham and Higham 2021, "Accurately computing the log-sum-exp".
    """
    x = asarray(x)
    m = _steady_max(x, axis)
    result = m + log(sum(exp(x - m), axis=axis, keepdims=True))
    return result if keepdims else result.squeeze(axis)  # type: ignore[attr-defined]


def _steady_max(x: Tensor, axis: int) -> Tensor:
    """The maximum, as a constant shift; 0 where it is infinite, against inf - inf."""
    if x.ndim and x.shape[axis] == 0:  # nothing to shift
        return zeros((), dtype=x.dtype)
    m = max(x, axis=axis, keepdims=True)
    return stop_gradient(where(abs(m) < math.inf, m, 0.0))


def gelu(x: Any, approximate: str = "none") -> Tensor:
    """x * Phi(x) = x * (1 + erf(x / sqrt(2))) / 2.  Shapes: `[*A] -> [*A]`.

    Args:
        x: the input.
        approximate: "none", or "tanh" for x * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3))) / 2.

    Source: Hendrycks and Gimpel 2016, "Gaussian error linear units".
    """
    x = asarray(x)
    if approximate not in ("none", "tanh"):
        raise UsageError(f"gelu: no approximation {approximate!r}", ['there are "none" and "tanh"'])
    if approximate == "tanh":
        inner = math.sqrt(2.0 / math.pi) * (x + 0.044715 * (x * x * x))
        return 0.5 * x * (1.0 + tanh(inner))
    return 0.5 * x * (1.0 + erf(x * math.sqrt(0.5)))


def sigmoid(x: Any) -> Tensor:
    """1 / (1 + exp(-x)), as (1 + tanh(x / 2)) / 2: no overflow.  Shapes: `[*A] -> [*A]`.

    Source: Verhulst 1845 for the logistic function.
    """
    return 0.5 + 0.5 * tanh(0.5 * asarray(x))


def silu(x: Any) -> Tensor:
    """x * sigmoid(x).  Shapes: `[*A] -> [*A]`.

    Source: Elfwing, Uchibe and Doya 2017, "Sigmoid-weighted linear units".
    """
    x = asarray(x)
    return x * sigmoid(x)


def softplus(x: Any, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta x)) / beta = max(x, 0) + log1p(exp(-|beta x|)) / beta.

    Args:
        x: the input.
        beta: how sharp the bend at 0 is.
        threshold: where beta x is larger, the result is x.

    Shapes: `[*A] -> [*A]`

    Source: Dugas et al. 2000, "Incorporating second-order functional knowledge".
    """
    x = asarray(x)
    scaled = x if beta == 1 else x * beta
    tail = log1p(exp(where(scaled > 0, -scaled, scaled)))
    bent = where(x > 0, x, 0) + (tail if beta == 1 else tail / beta)
    return where(scaled > threshold, x, bent)


def softmin(x: Any, axis: int = -1) -> Tensor:
    """softmax(-x) along `axis`.  Shapes: `[*A] -> [*A]`.  Source: as softmax."""
    return softmax(-asarray(x), axis)


def logsigmoid(x: Any) -> Tensor:
    """log(sigmoid(x)) = -softplus(-x).  Shapes: `[*A] -> [*A]`.  Source: as softplus."""
    return -softplus(-asarray(x))


def mish(x: Any) -> Tensor:
    """x * tanh(softplus(x)).  Shapes: `[*A] -> [*A]`.

    Source: Misra 2019, "Mish: a self regularized non-monotonic activation function".
    """
    x = asarray(x)
    return x * tanh(softplus(x))


def softsign(x: Any) -> Tensor:
    """x / (1 + |x|).  Shapes: `[*A] -> [*A]`.

    Source: Bergstra et al. 2009, "Quadratic polynomials learn better image features".
    """
    x = asarray(x)
    return x / (1.0 + abs(x))


def tanhshrink(x: Any) -> Tensor:
    """x - tanh(x).  Shapes: `[*A] -> [*A]`.  Source: PyTorch."""
    x = asarray(x)
    return x - tanh(x)
