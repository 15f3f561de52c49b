"""Hyperbolic functions, from expm1 so that nothing cancels near 0."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .exponential import FORMATS, exp, expm1, expm1_pieces
from .logarithm import log, log1p
from .scalar_calls import through_f64

if TYPE_CHECKING:
    from ..lanes import Lane, Lanes


# (tanh(x) / x - 1) / x^2 in powers of x^2 on [0, 0.6]
TANH_TAIL_F32 = (
    -0.33333298563957214,
    0.13331936299800873,
    -0.05378471687436104,
    0.02079862542450428,
    -0.005897966679185629,
)


def tanh(s: Lanes, x: Lane) -> Lane:
    """Hyperbolic tangent: 1 - 2e/(1 + e) with e = exp(-2|x|), and an odd polynomial near 0.

    f64 is (1 - e)/(1 + e) throughout, with 1 - e from the pieces of expm1.
    """
    k = FORMATS[x.dtype]
    negated = s.negative(s.abs(x))
    bottom, one = s.constant_like(x, -k.tanh_saturation), s.constant_like(x, 1.0)
    twice = s.add(negated, negated)
    twice = s.select(s.greater(bottom, twice), bottom, twice)
    if x.dtype == "f64":
        q, power = expm1_pieces(s, twice, k.bias)
        numerator = s.fma(power, q, s.subtract(power, one))
        ratio = s.divide(numerator, s.add(numerator, s.constant_like(x, 2.0)))
        return s.copysign(ratio, x)
    q, double_power = expm1_pieces(s, twice, k.bias + 1)
    double_e = s.fma(double_power, q, double_power)
    far = s.subtract(one, s.divide(double_e, s.fma(double_e, s.constant_like(x, 0.5), one)))
    square = s.multiply(x, x)
    near = s.fma(s.multiply(x, square), s.polynomial(square, TANH_TAIL_F32), x)
    is_far = s.less(negated, s.constant_like(x, -0.6))
    return s.copysign(s.select(is_far, far, near), x)


def sinh(s: Lanes, x: Lane) -> Lane:
    """(e^x - e^-x) / 2, from expm1.  f32 goes through f64."""
    if x.dtype == "f32":
        return through_f64(s, sinh, x)
    size, half = s.abs(x), s.constant_like(x, 0.5)
    grown = expm1(s, size)
    shrunk = s.divide(grown, s.add(grown, s.constant_like(x, 1.0)))
    result = s.multiply(half, s.add(grown, shrunk))
    return s.copysign(_past_overflow(s, size, result), x)


def cosh(s: Lanes, x: Lane) -> Lane:
    """(e^x + e^-x) / 2.  f32 goes through f64."""
    if x.dtype == "f32":
        return through_f64(s, cosh, x)
    size, half = s.abs(x), s.constant_like(x, 0.5)
    grown = exp(s, size)
    result = s.add(s.multiply(half, grown), s.divide(half, grown))
    return _past_overflow(s, size, result)


def _past_overflow(s: Lanes, size: Lane, result: Lane) -> Lane:
    """e^size / 2 as a product of two square roots where e^size alone overflows."""
    root = exp(s, s.multiply(size, s.constant_like(size, 0.5)))
    large = s.multiply(s.multiply(root, s.constant_like(size, 0.5)), root)
    return s.select(s.greater(size, s.constant_like(size, 709.0)), large, result)


def asinh(s: Lanes, x: Lane) -> Lane:
    """log(x + sqrt(x^2 + 1)), from log1p.  f32 goes through f64."""
    if x.dtype == "f32":
        return through_f64(s, asinh, x)
    size, one = s.abs(x), s.constant_like(x, 1.0)
    square = s.multiply(size, size)
    slope = s.add(one, s.sqrt(s.add(square, one)))
    near = log1p(s, s.add(size, s.divide(square, slope)))
    return s.copysign(_log_of_twice(s, size, near), x)


def acosh(s: Lanes, x: Lane) -> Lane:
    """log(x + sqrt(x^2 - 1)), from log1p; NaN below 1.  f32 goes through f64."""
    if x.dtype == "f32":
        return through_f64(s, acosh, x)
    beyond = s.subtract(x, s.constant_like(x, 1.0))
    # two roots: below -1 the product would be positive again
    root = s.multiply(s.sqrt(beyond), s.sqrt(s.add(beyond, s.constant_like(x, 2.0))))
    return _log_of_twice(s, x, log1p(s, s.add(beyond, root)))


def _log_of_twice(s: Lanes, size: Lane, near: Lane) -> Lane:
    """log(2 size) where size^2 + 1 = size^2 in f64, else `near`."""
    ln2 = s.constant_like(size, 0.6931471805599453)
    large = s.add(log(s, size), ln2)
    return s.select(s.greater(size, s.constant_like(size, 2.0**28)), large, near)


def atanh(s: Lanes, x: Lane) -> Lane:
    """log((1 + x) / (1 - x)) / 2, from log1p; infinite at +-1, NaN beyond.  f32 through f64."""
    if x.dtype == "f32":
        return through_f64(s, atanh, x)
    size, one = s.abs(x), s.constant_like(x, 1.0)
    ratio = s.divide(s.add(size, size), s.subtract(one, size))
    result = s.multiply(s.constant_like(x, 0.5), log1p(s, ratio))
    return s.copysign(result, x)
