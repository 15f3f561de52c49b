"""The error function and the gamma function with their relatives, one number to one number.

What needs more than one number (beta, incomplete gamma, ...) is written with these, in the room
`tensor/special`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np

from lamina.graph.ir import emit
from lamina.graph.ops.arithmetic import floor
from lamina.graph.ops.comparison import less, select
from lamina.graph.ops.constant import lift
from lamina.graph.ops.transcendental import Transcendental, exp, sin

SPECIAL_COST = 40
TWO_OVER_SQRT_PI = 2.0 / math.sqrt(math.pi)
HALF_SQRT_PI = 0.5 * math.sqrt(math.pi)


def _each(function: Callable[[float], float]) -> Callable[[np.ndarray], np.ndarray]:
    """The function of Python floats on an array, computed in f64."""
    return np.vectorize(function, otypes=[np.float64])


class Special(Transcendental, abstract=True):
    """Takes floating numbers and costs about as much as forty multiplications."""

    kinds = "float"
    cost = SPECIAL_COST


class Erf(Special):
    """y = 2/sqrt(pi) integral from 0 to x of e^(-t^2) dt.  Inputs: floating.  Source: DLMF 7.2."""

    cost = 15

    formula = staticmethod(_each(math.erf))

    def partials(self, x: Any, *, out: Any) -> tuple:
        return (TWO_OVER_SQRT_PI * exp(-(x * x)),)

    def lane(self, s: Any, x: Any) -> Any:
        return s.erf(x)


def erf(x: Any) -> Any:
    """The error function of x."""
    return emit(Erf(), x)


class Erfc(Special):
    """y = 1 - erf(x), exact where it is tiny.  Inputs: floating.  Source: DLMF 7.2."""

    formula = staticmethod(_each(math.erfc))

    def partials(self, x: Any, *, out: Any) -> tuple:
        return (-TWO_OVER_SQRT_PI * exp(-(x * x)),)

    def lane(self, s: Any, x: Any) -> Any:
        return s.erfc(x)


def erfc(x: Any) -> Any:
    """One minus the error function of x."""
    return emit(Erfc(), x)


def _erfinv(x: float) -> float:
    if not -1.0 < x < 1.0:
        return math.copysign(math.inf, x) if abs(x) == 1.0 else math.nan
    if abs(x) > 0.5:
        return math.copysign(_erfcinv(1.0 - abs(x)), x)
    y = NormalDist().inv_cdf(0.5 + 0.5 * x) * math.sqrt(0.5)
    return y - (math.erf(y) - x) * HALF_SQRT_PI * math.exp(y * y)  # relative to a small y


def _erfcinv(q: float) -> float:
    if not 0.0 < q < 2.0:
        return math.copysign(math.inf, 1.0 - q) if q in (0.0, 2.0) else math.nan
    if q > 0.5:
        return _erfinv(1.0 - q)
    return -NormalDist().inv_cdf(0.5 * q) * math.sqrt(0.5)


class Erfinv(Special):
    """y with erf(y) = x; infinite at -1 and 1, NaN beyond.  Inputs: floating.

    Source: DLMF 7.17.
    """

    formula = staticmethod(_each(_erfinv))

    def partials(self, x: Any, *, out: Any) -> tuple:
        return (HALF_SQRT_PI * exp(out * out),)

    def lane(self, s: Any, x: Any) -> Any:
        return s.erfinv(x)


def erfinv(x: Any) -> Any:
    """The inverse of the error function."""
    return emit(Erfinv(), x)


class Erfcinv(Special):
    """y with erfc(y) = x; infinite at 0 and 2, NaN beyond.  Inputs: floating.

    Source: DLMF 7.17.
    """

    formula = staticmethod(_each(_erfcinv))

    def partials(self, x: Any, *, out: Any) -> tuple:
        return (-HALF_SQRT_PI * exp(out * out),)

    def lane(self, s: Any, x: Any) -> Any:
        return s.erfcinv(x)


def erfcinv(x: Any) -> Any:
    """The inverse of the complement of the error function, exact for tiny x."""
    return emit(Erfcinv(), x)


def _lgamma(x: float) -> float:
    if x <= 0.0 and x == math.floor(x):
        return math.inf
    try:
        return math.lgamma(x)
    except OverflowError:
        return math.inf


class Lgamma(Special):
    """y = ln |gamma(x)|, infinite at 0, -1, -2, ...  Inputs: floating.  Source: DLMF 5.2."""

    formula = staticmethod(_each(_lgamma))

    def partials(self, x: Any, *, out: Any) -> tuple:
        return (digamma(x),)

    def lane(self, s: Any, x: Any) -> Any:
        return s.lgamma(x)


def lgamma(x: Any) -> Any:
    """The natural logarithm of |gamma(x)|."""
    return emit(Lgamma(), x)


def _digamma(x: float) -> float:
    if x == 0.0:
        return math.copysign(math.inf, -x)
    if math.isnan(x) or x == -math.inf or (x < 0.0 and x == math.floor(x)):
        return math.nan
    if x < 0.0:
        turn = math.pi * (x - round(x))
        return _digamma(1.0 - x) - math.pi * math.cos(turn) / math.sin(turn)
    shift = 0.0
    while x < 12.0:
        shift += 1.0 / x
        x += 1.0
    square = 1.0 / (x * x)
    series = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12)
    tail = sum(c * square ** (k + 1) for k, c in enumerate(series))
    return math.log(x) - 0.5 / x - tail - shift


class Digamma(Special):
    """y = d/dx ln |gamma(x)|, NaN at -1, -2, ...  Inputs: floating.  Source: DLMF 5.2, 5.11."""

    formula = staticmethod(_each(_digamma))

    def partials(self, x: Any, *, out: Any) -> tuple:
        return (trigamma(x),)

    def lane(self, s: Any, x: Any) -> Any:
        return s.digamma(x)


def digamma(x: Any) -> Any:
    """The derivative of the logarithm of the gamma function."""
    return emit(Digamma(), x)


def trigamma(x: Any) -> Any:
    """The derivative of digamma: ten terms of sum 1/(x + k)^2, then their Euler-Maclaurin rest.

    Source: DLMF 5.15; for x < 0 by reflection.
    """
    zero = lift(0.0, x)
    negative = less(x, zero)
    mirrored = select(negative, 1.0 - x, x)
    plain = _trigamma_positive(mirrored)
    turn = math.pi * (x - floor(x))
    sine = sin(select(negative, turn, lift(1.0, x)))
    return select(negative, (math.pi**2) / (sine * sine) - plain, plain)


def _trigamma_positive(x: Any) -> Any:
    total = 1.0 / (x * x)
    for k in range(1, 10):
        shifted = x + float(k)
        total = total + 1.0 / (shifted * shifted)
    inverse = 1.0 / (x + 10.0)
    square = inverse * inverse
    tail = lift(7 / 6, x)  # Bernoulli numbers
    for coefficient in (-691 / 2730, 5 / 66, -1 / 30, 1 / 42, -1 / 30, 1 / 6):
        tail = tail * square + coefficient
    return total + inverse * (1.0 + 0.5 * inverse + square * tail)
