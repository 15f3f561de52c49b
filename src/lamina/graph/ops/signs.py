"""Signs of real numbers, zeros and infinities included, written with other ops.

Formulas for complex functions are full of them: a function jumps where a zero changes its sign.
"""

from __future__ import annotations

from typing import Any

from lamina.base.dtypes import dtype
from lamina.graph.ops.arithmetic import abs
from lamina.graph.ops.comparison import equal, less, not_equal
from lamina.graph.ops.constant import lift
from lamina.graph.ops.convert import bitcast
from lamina.graph.ops.logic import and_, not_, or_


def copysign(magnitude: Any, sign: Any) -> Any:
    """|magnitude| with the sign bit of `sign`; `magnitude` may be a number."""
    bits = dtype(f"i{sign.dtype.bits}")
    source = bitcast(sign, bits)
    highest = lift(-(2 ** (bits.bits - 1)), source)
    rest = and_(bitcast(lift(magnitude, sign), bits), not_(highest))
    return bitcast(or_(rest, and_(source, highest)), sign.dtype)


def is_infinite(x: Any) -> Any:
    """Whether x is an infinity."""
    return equal(abs(x), lift(float("inf"), x))


def is_finite(x: Any) -> Any:
    """Whether x is neither infinite nor NaN."""
    return less(abs(x), lift(float("inf"), x))


def is_nan(x: Any) -> Any:
    """Whether x is NaN."""
    return not_equal(x, x)


def is_zero(x: Any) -> Any:
    """Whether x is 0 or -0."""
    return equal(x, lift(0.0, x))
