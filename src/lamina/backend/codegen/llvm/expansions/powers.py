"""x to the power y."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .arithmetic import integer_power
from .exponential import exp
from .logarithm import log
from .scalar_calls import libm

if TYPE_CHECKING:
    from ..lanes import Lane, Lanes


def power(s: Lanes, x: Lane, y: Lane) -> Lane:
    """x^y: IEEE 754 `pow` for floats, squaring with wrap-around for integers."""
    x, y = s.same_width(x, y)
    if not x.is_float:
        return integer_power(s, x, y)
    if x.dtype == "f64":
        return libm(s, "pow", x, y)
    wide_x, wide_y = s.convert("fpext", x, "f64"), s.convert("fpext", y, "f64")
    return s.convert("fptrunc", _power_in_f64(s, wide_x, wide_y), "f32")


def _power_in_f64(s: Lanes, x: Lane, y: Lane) -> Lane:
    """pow of f32 values held in f64: exp(y log|x|), then the special cases of IEEE 754, 9.2.1."""
    one, zero = s.constant_like(x, 1.0), s.constant_like(x, 0.0)
    size = s.abs(x)
    value = exp(s, s.multiply(y, log(s, size)))
    half_y = s.multiply(y, s.constant_like(y, 0.5))
    whole = s.equal(s.trunc(y), y)
    odd = s.and_(whole, s.not_equal(s.trunc(half_y), half_y))
    value = s.select(s.and_(odd, s.sign_bit(x)), s.negative(value), value)
    negative = s.and_(s.less(x, zero), s.is_finite(x))
    undefined = s.and_(negative, s.not_(whole))
    value = s.select(undefined, s.constant_like(x, np.nan), value)
    is_one = s.or_(s.equal(y, zero), s.equal(x, one))
    is_one = s.or_(is_one, s.and_(s.equal(size, one), s.is_inf(y)))
    return s.select(is_one, one, value)
