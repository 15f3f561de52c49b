"""The error function, the normal distribution, and their inverses."""

from __future__ import annotations

import math
from typing import Any

from lamina.graph import ops
from lamina.graph.ir import emit
from lamina.tensor.namespace.elementwise import log, log1p, maximum, where
from lamina.tensor.special.wide import in_float64, polynomial, reals
from lamina.tensor.tensor import Tensor


def erf(x: Any, /) -> Tensor:
    """2/sqrt(pi) times the integral of exp(-t^2) from 0 to x.  Shapes: `[*A] -> [*A]`.

    Example:
        >>> erf(0.5)
        Tensor(0.5204999, shape=(), dtype=float32)

    Source: DLMF 7.2.
    """
    return emit(ops.Erf(), *reals("erf", x))


def erfc(x: Any, /) -> Tensor:
    """1 - erf(x), exact where it is tiny.  Shapes: `[*A] -> [*A]`.

    Example:
        >>> erfc(5.0)
        Tensor(1.5374597e-12, shape=(), dtype=float32)

    Source: DLMF 7.2.
    """
    return emit(ops.Erfc(), *reals("erfc", x))


def erfinv(x: Any, /) -> Tensor:
    """The y with erf(y) = x; infinite at -1 and 1, NaN beyond.  Shapes: `[*A] -> [*A]`.

    Example:
        >>> erfinv(0.5)
        Tensor(0.47693628, shape=(), dtype=float32)

    Source: DLMF 7.17.
    """
    return emit(ops.Erfinv(), *reals("erfinv", x))


def erfcinv(x: Any, /) -> Tensor:
    """The y with erfc(y) = x; infinite at 0 and 2, NaN beyond.  Shapes: `[*A] -> [*A]`.

    Example:
        >>> erfcinv(1e-30)
        Tensor(8.14862, shape=(), dtype=float32)

    Source: DLMF 7.17.
    """
    return emit(ops.Erfcinv(), *reals("erfcinv", x))


@in_float64
def ndtr(x: Any, /) -> Tensor:
    """Phi(x) = erfc(-x / sqrt(2)) / 2, the normal distribution.  Shapes: `[*A] -> [*A]`.

    Example:
        >>> ndtr(-1.0)
        Tensor(0.15865526, shape=(), dtype=float32)

    Source: DLMF 7.2 and 7.20.
    """
    return 0.5 * erfc(x * -math.sqrt(0.5))


@in_float64
def ndtri(p: Any, /) -> Tensor:
    """The x with ndtr(x) = p; infinite at 0 and 1, NaN beyond.  Shapes: `[*A] -> [*A]`.

    Example:
        >>> ndtri(0.975)
        Tensor(1.959964, shape=(), dtype=float32)

    Source: DLMF 7.17.
    """
    return erfcinv(2.0 * p) * -math.sqrt(2.0)


ASYMPTOTIC_BELOW = -30.0
HALF_LOG_TWO_PI = 0.5 * math.log(2.0 * math.pi)


@in_float64
def log_ndtr(x: Any, /) -> Tensor:
    """log(ndtr(x)), also where ndtr(x) is 0 or 1 as a number.  Shapes: `[*A] -> [*A]`.

    Example:
        >>> log_ndtr(-100.0)
        Tensor(-5005.524, shape=(), dtype=float32)

    Source: DLMF 7.12 for x below -30.
    """
    right = log1p(-ndtr(-maximum(x, 0.0)))
    middle = log(ndtr(where((x > ASYMPTOTIC_BELOW) & (x < 1.0), x, 0.0)))
    far = where(x > ASYMPTOTIC_BELOW, ASYMPTOTIC_BELOW, x)
    series = polynomial(1.0 / (far * far), (0.0, -1.0, 3.0, -15.0, 105.0, -945.0))
    left = -0.5 * far * far - log(-far) - HALF_LOG_TWO_PI + log1p(series)
    return where(x < 1.0, where(x > ASYMPTOTIC_BELOW, middle, left), right)
