"""Logarithms and logistic functions that keep their digits at the edges."""

from __future__ import annotations

import math
from typing import Any

from lamina.tensor.namespace.elementwise import exp, isnan, log, log1p, where
from lamina.tensor.special.wide import in_float64, reals
from lamina.tensor.tensor import Tensor


def xlogy(x: Any, y: Any, /) -> Tensor:
    """x log(y), which is 0 for x = 0 unless y is NaN.  Shapes: `[*A], [*A] -> [*A]`.

    Example:
        >>> xlogy(0.0, 0.0)
        Tensor(0., shape=(), dtype=float32)

    Source: SciPy, `special.xlogy`.
    """
    x, y = reals("xlogy", x, y)
    zero = (x == 0.0) & ~((y > 0.0) & (y < math.inf)) & ~isnan(y)  # elsewhere the slope is log(y)
    return where(zero, 0.0, x * log(where(zero, 1.0, y)))


def xlog1py(x: Any, y: Any, /) -> Tensor:
    """x log(1 + y), which is 0 for x = 0 unless y is NaN.  Shapes: `[*A], [*A] -> [*A]`.

    Example:
        >>> xlog1py(0.0, -1.0)
        Tensor(0., shape=(), dtype=float32)

    Source: SciPy, `special.xlog1py`.
    """
    x, y = reals("xlog1py", x, y)
    zero = (x == 0.0) & ~((y > -1.0) & (y < math.inf)) & ~isnan(y)
    return where(zero, 0.0, x * log1p(where(zero, 0.0, y)))


def entr(x: Any, /) -> Tensor:
    """-x log(x), which is 0 at 0 and -inf below.  Shapes: `[*A] -> [*A]`.

    Example:
        >>> entr(0.5)
        Tensor(0.34657359, shape=(), dtype=float32)

    Source: Shannon 1948, "A mathematical theory of communication".
    """
    (x,) = reals("entr", x)
    return where(x < 0.0, -math.inf, -xlogy(x, where(x < 0.0, 1.0, x)))


@in_float64
def logit(p: Any, /) -> Tensor:
    """log(p / (1 - p)), the inverse of expit.  Shapes: `[*A] -> [*A]`.

    Example:
        >>> logit(0.75)
        Tensor(1.0986123, shape=(), dtype=float32)

    Source: Berkson 1944, "Application of the logistic function to bio-assay".
    """
    middle = abs(p - 0.5) < 0.25
    inside = where(middle, p, 0.5)
    return where(middle, log1p((2.0 * inside - 1.0) / (1.0 - inside)), log(p) - log1p(-p))


def expit(x: Any, /) -> Tensor:
    """1 / (1 + exp(-x)), the logistic function.  Shapes: `[*A] -> [*A]`.

    Example:
        >>> expit(0.0)
        Tensor(0.5, shape=(), dtype=float32)

    Source: Verhulst 1845 for the logistic function.
    """
    (x,) = reals("expit", x)
    shrunk = exp(where(x < 0.0, x, -x))  # not -|x|, whose slope at 0 is 0
    return where(x < 0.0, shrunk, 1.0) / (1.0 + shrunk)


def softplus(x: Any, /) -> Tensor:
    """log(1 + exp(x)), without overflow.  Shapes: `[*A] -> [*A]`.

    Example:
        >>> softplus(1000.0)
        Tensor(1000., shape=(), dtype=float32)

    Source: Dugas et al. 2000, "Incorporating second-order functional knowledge".
    """
    (x,) = reals("softplus", x)
    positive = x > 0.0
    return where(positive, x, 0.0) + log1p(exp(where(positive, -x, x)))


def log_expit(x: Any, /) -> Tensor:
    """log(expit(x)) = -softplus(-x).  Shapes: `[*A] -> [*A]`.

    Example:
        >>> log_expit(-1000.0)
        Tensor(-1000., shape=(), dtype=float32)

    Source: as expit, in logarithms.
    """
    (x,) = reals("log_expit", x)
    return -softplus(-x)
