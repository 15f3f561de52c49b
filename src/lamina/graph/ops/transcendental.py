"""Powers, exponentials, circular and hyperbolic functions.

Derivatives at the edge of a domain are the limits (infinite, as in JAX and PyTorch): sqrt at 0,
log at 0, asin at 1. Outside the domain they are NaN like the function.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.graph.ir import emit
from lamina.graph.ops.comparison import equal, greater_equal, select
from lamina.graph.ops.complex import real
from lamina.graph.ops.constant import lift, splat_value
from lamina.graph.ops.elementwise import INEXACT, NUMBERS, Elementwise
from lamina.graph.ops.logic import and_

TRANSCENDENTAL_COST = 15


class Transcendental(Elementwise, abstract=True):
    """Takes floating or complex numbers and costs about as much as fifteen multiplications."""

    kinds = INEXACT
    cost = TRANSCENDENTAL_COST


class Power(Transcendental):
    """z = x^y.  Inputs: two of one dtype.  Source: IEEE 754-2019, 9.2 (pow).

    Integers wrap; a negative exponent gives 0 except for x = 1 and -1. In x the derivative is
    y x^(y-1), 0 where y = 0. In y it is z log x, 0 where x = 0 and y >= 0, NaN where x < 0.
    """

    arity = 2
    kinds = NUMBERS

    @staticmethod
    def formula(x: Any, y: Any) -> Any:
        return np.power(x, y) if x.dtype.kind in "fc" else _integer_power(x, y)

    def partials(self, x: Any, y: Any, *, out: Any) -> tuple:
        return _power_in_base(x, y), _power_in_exponent(x, y, out)

    def lane(self, s: Any, x: Any, y: Any) -> Any:
        return s.power(x, y)


def _integer_power(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    negative = y < 0
    alternating = np.where(y % 2 == 0, 1, -1)
    signed = x.dtype.kind == "i"
    inverse = np.where(x == 1, 1, np.where(signed & (x == x.dtype.type(0) - 1), alternating, 0))
    plain = np.power(x, np.where(negative, 0, y).astype(y.dtype))
    return np.where(negative, inverse.astype(x.dtype), plain)


def _power_in_base(x: Any, y: Any) -> Any:
    exponent = splat_value(y)
    if exponent == 0.0:
        return None
    if exponent == 1.0:
        return 1.0
    if exponent is not None:
        return exponent * (x if exponent == 2.0 else power(x, lift(exponent - 1.0, x)))
    zero, one = lift(0.0, y), lift(1.0, y)
    flat = equal(y, zero)
    return select(flat, zero, y * power(x, select(flat, one, y - one)))


def _power_in_exponent(x: Any, y: Any, out: Any) -> Any:
    zero, one = lift(0.0, x), lift(1.0, x)
    flat = and_(equal(x, zero), greater_equal(real(y), real(zero)))
    return select(flat, zero, out * log(select(flat, one, x)))


def power(x: Any, y: Any) -> Any:
    """x to the power of y."""
    return emit(Power(), x, y)


class Atan2(Transcendental):
    """z = the angle of the point (y, x), in (-pi, pi].  Inputs: two floating, y first.

    Source: IEEE 754-2019, 9.2 (atan2).  The derivative at the origin is NaN.
    """

    arity = 2
    kinds = "float"
    formula = staticmethod(np.arctan2)

    def partials(self, y: Any, x: Any, *, out: Any) -> tuple:
        square = x * x + y * y
        return x / square, -(y / square)

    def lane(self, s: Any, y: Any, x: Any) -> Any:
        return s.atan2(y, x)


def atan2(y: Any, x: Any) -> Any:
    """The angle of the point (x, y) from the positive x axis."""
    return emit(Atan2(), y, x)


class Sqrt(Transcendental):
    """y = x^(1/2).  Inputs: floating or complex.  Source: IEEE 754-2019, 5.4.1."""

    cost = 6
    formula = staticmethod(np.sqrt)

    def partials(self, x: Any, *, out: Any) -> tuple:
        return (0.5 / out,)

    def lane(self, s: Any, x: Any) -> Any:
        return s.sqrt(x)


def sqrt(x: Any) -> Any:
    """The square root of x."""
    return emit(Sqrt(), x)


def _rsqrt(x: np.ndarray) -> np.ndarray:
    return 1 / np.sqrt(x)


class Rsqrt(Transcendental):
    """y = x^(-1/2).  Inputs: floating or complex.  Source: IEEE 754-2019, 9.2."""

    cost = 6
    formula = staticmethod(_rsqrt)

    def partials(self, x: Any, *, out: Any) -> tuple:
        return (-0.5 * (out / x),)

    def lane(self, s: Any, x: Any) -> Any:
        return s.rsqrt(x)


def rsqrt(x: Any) -> Any:
    """One over the square root of x."""
    return emit(Rsqrt(), x)


class Exp(Transcendental):
    """y = e^x.  Inputs: floating or complex.  Source: DLMF 4.2."""

    formula = staticmethod(np.exp)

    def partials(self, x: Any, *, out: Any) -> tuple:
        return (out,)

    def lane(self, s: Any, x: Any) -> Any:
        return s.exp(x)


def exp(x: Any) -> Any:
    """e to the power of x."""
    return emit(Exp(), x)


class Expm1(Transcendental):
    """y = e^x - 1, exact near 0.  Inputs: floating or complex.  Source: DLMF 4.2."""

    formula = staticmethod(np.expm1)

    def partials(self, x: Any, *, out: Any) -> tuple:
        return (out + 1.0,)

    def lane(self, s: Any, x: Any) -> Any:
        return s.expm1(x)


def expm1(x: Any) -> Any:
    """e^x - 1, exact near 0."""
    return emit(Expm1(), x)


class Log(Transcendental):
    """y = ln x.  Inputs: floating or complex.  Source: DLMF 4.2."""

    formula = staticmethod(np.log)

    def partials(self, x: Any, *, out: Any) -> tuple:
        return (1.0 / x,)

    def lane(self, s: Any, x: Any) -> Any:
        return s.log(x)


def log(x: Any) -> Any:
    """The natural logarithm of x."""
    return emit(Log(), x)


class Log1p(Transcendental):
    """y = ln(1 + x), exact near 0.  Inputs: floating or complex.  Source: DLMF 4.2."""

    formula = staticmethod(np.log1p)

    def partials(self, x: Any, *, out: Any) -> tuple:
        return (1.0 / (1.0 + x),)

    def lane(self, s: Any, x: Any) -> Any:
        return s.log1p(x)


def log1p(x: Any) -> Any:
    """ln(1 + x), exact near 0."""
    return emit(Log1p(), x)


class Sin(Transcendental):
    """y = sin x.  Inputs: floating or complex.  Source: DLMF 4.14."""

    formula = staticmethod(np.sin)

    def partials(self, x: Any, *, out: Any) -> tuple:
        return (cos(x),)

    def lane(self, s: Any, x: Any) -> Any:
        return s.sin(x)


def sin(x: Any) -> Any:
    """The sine of x radians."""
    return emit(Sin(), x)


class Cos(Transcendental):
    """y = cos x.  Inputs: floating or complex.  Source: DLMF 4.14."""

    formula = staticmethod(np.cos)

    def partials(self, x: Any, *, out: Any) -> tuple:
        return (-sin(x),)

    def lane(self, s: Any, x: Any) -> Any:
        return s.cos(x)


def cos(x: Any) -> Any:
    """The cosine of x radians."""
    return emit(Cos(), x)


class Tan(Transcendental):
    """y = tan x.  Inputs: floating or complex.  Source: DLMF 4.14."""

    formula = staticmethod(np.tan)

    def partials(self, x: Any, *, out: Any) -> tuple:
        return (1.0 + out * out,)

    def lane(self, s: Any, x: Any) -> Any:
        return s.tan(x)


def tan(x: Any) -> Any:
    """The tangent of x radians."""
    return emit(Tan(), x)


class Asin(Transcendental):
    """y = arcsin x.  Inputs: floating or complex.  Source: DLMF 4.23."""

    formula = staticmethod(np.arcsin)

    def partials(self, x: Any, *, out: Any) -> tuple:
        return (rsqrt(1.0 - x * x),)

    def lane(self, s: Any, x: Any) -> Any:
        return s.asin(x)


def asin(x: Any) -> Any:
    """The angle in [-pi/2, pi/2] whose sine is x."""
    return emit(Asin(), x)


class Acos(Transcendental):
    """y = arccos x.  Inputs: floating or complex.  Source: DLMF 4.23."""

    formula = staticmethod(np.arccos)

    def partials(self, x: Any, *, out: Any) -> tuple:
        return (-rsqrt(1.0 - x * x),)

    def lane(self, s: Any, x: Any) -> Any:
        return s.acos(x)


def acos(x: Any) -> Any:
    """The angle in [0, pi] whose cosine is x."""
    return emit(Acos(), x)


class Atan(Transcendental):
    """y = arctan x.  Inputs: floating or complex.  Source: DLMF 4.23."""

    formula = staticmethod(np.arctan)

    def partials(self, x: Any, *, out: Any) -> tuple:
        return (1.0 / (1.0 + x * x),)

    def lane(self, s: Any, x: Any) -> Any:
        return s.atan(x)


def atan(x: Any) -> Any:
    """The angle in (-pi/2, pi/2) whose tangent is x."""
    return emit(Atan(), x)


class Sinh(Transcendental):
    """y = (e^x - e^-x) / 2.  Inputs: floating or complex.  Source: DLMF 4.28."""

    formula = staticmethod(np.sinh)

    def partials(self, x: Any, *, out: Any) -> tuple:
        return (cosh(x),)

    def lane(self, s: Any, x: Any) -> Any:
        return s.sinh(x)


def sinh(x: Any) -> Any:
    """The hyperbolic sine of x."""
    return emit(Sinh(), x)


class Cosh(Transcendental):
    """y = (e^x + e^-x) / 2.  Inputs: floating or complex.  Source: DLMF 4.28."""

    formula = staticmethod(np.cosh)

    def partials(self, x: Any, *, out: Any) -> tuple:
        return (sinh(x),)

    def lane(self, s: Any, x: Any) -> Any:
        return s.cosh(x)


def cosh(x: Any) -> Any:
    """The hyperbolic cosine of x."""
    return emit(Cosh(), x)


class Tanh(Transcendental):
    """y = tanh x.  Inputs: floating or complex.  Source: DLMF 4.28."""

    formula = staticmethod(np.tanh)

    def partials(self, x: Any, *, out: Any) -> tuple:
        return (1.0 - out * out,)

    def lane(self, s: Any, x: Any) -> Any:
        return s.tanh(x)


def tanh(x: Any) -> Any:
    """The hyperbolic tangent of x."""
    return emit(Tanh(), x)
