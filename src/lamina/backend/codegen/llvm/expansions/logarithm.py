"""log family.

log(x) = e ln 2 + log(1 + f) with x = 2^e (1 + f) (Muller, "Elementary Functions", ch. 11; Cody &
Waite, "Software Manual for the Elementary Functions", ch. 5).  Polynomials are minimax fits of
ours.  Measured on all targets: at most 1.7 ulp.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .exponential import FORMATS
from .scalar_calls import through_f64

if TYPE_CHECKING:
    from ..lanes import Lane, Lanes

# (log(1 + f) - f + f^2/2) / f^3 on [-1/4, 1/2]
WIDE_TAIL_F32 = (
    0.3333345055580139,
    -0.25000065565109253,
    0.1999068707227707,
    -0.1664842069149017,
    0.14483948051929474,
    -0.13154709339141846,
    0.10410922020673752,
    -0.04452337324619293,
)
# the same on [sqrt(1/2) - 1, sqrt(2) - 1]
TAIL_F32 = (
    0.3333333134651184,
    -0.250008225440979,
    0.20001265406608582,
    -0.16623321175575256,
    0.14200985431671143,
    -0.13159963488578796,
    0.1276581585407257,
    -0.07638905197381973,
)
# (2 atanh(t) / t - 2) / t^2 in powers of t^2, for t = f / (2 + f) on the same range
TAIL_F64 = (
    0.6666666666666735,
    0.3999999999940911,
    0.28571428743791205,
    0.22222198413343686,
    0.1818357340929758,
    0.15313799281511498,
    0.14798644354098828,
)
SQRT_HALF_BITS = {"f32": 0x3F3504F3, "f64": 0x3FE6A09E667F3BCD}
LOG2_E = 1.4426950408889634
LOG10_E = 0.4342944819032518
LOG10_2_HIGH = float.fromhex("0x1.34413509f0000p-2")  # short: its product with an exponent is exact
LOG10_2_LOW = 1.7336659603752853e-12


def split(s: Lanes, x: Lane) -> tuple[Lane, Lane]:
    """x = 2^e (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)): returns (e, f), for positive finite x."""
    k = FORMATS[x.dtype]
    tiny = s.less(x, s.constant_like(x, 2.0 ** (1 - k.bias)))
    lift = float(k.mantissa + 1)
    lifted = s.select(tiny, s.multiply(x, s.constant_like(x, 2.0**lift)), x)
    e, f = split_normal(s, lifted)
    drop = s.select(tiny, s.constant_like(x, lift), s.constant_like(x, 0.0))
    return s.subtract(small_to_float(s, e), drop), f


def split_normal(s: Lanes, x: Lane) -> tuple[Lane, Lane]:
    """`split` for x that is not subnormal, with e as an integer."""
    k = FORMATS[x.dtype]
    bits = s.to_bits(x)
    offset = s.constant_like(bits, SQRT_HALF_BITS[x.dtype])
    above = s.subtract(bits, offset)
    field = s.and_(above, s.constant_like(bits, (1 << k.mantissa) - 1))
    f = s.subtract(s.bitcast(s.add(field, offset), x.dtype), s.constant_like(x, 1.0))
    return s.ashr(above, k.mantissa), f


def small_to_float(s: Lanes, n: Lane) -> Lane:
    """An integer of few bits as a float of its size (old targets lack the 64-bit conversion)."""
    if n.dtype == "i32":
        return s.to_float(n)
    shifter = s.constant(FORMATS["f64"].shifter, "f64", n.width)
    return s.subtract(s.bitcast(s.add(n, s.to_bits(shifter)), "f64"), shifter)


def special(s: Lanes, x: Lane, y: Lane) -> Lane:
    """y, except log's values at 0 (-inf), below 0 and NaN (NaN), and +inf (+inf)."""
    infinity, zero = s.constant_like(x, np.inf), s.constant_like(x, 0.0)
    y = s.select(s.less(x, infinity), y, x)
    minus, nan = s.constant_like(x, -np.inf), s.constant_like(x, np.nan)
    edge = s.select(s.equal(x, zero), minus, nan)
    return s.select(s.less_equal(x, zero), edge, y)


def log_near_one(s: Lanes, f: Lane, low: Lane | None, tail: tuple[float, ...] = TAIL_F32) -> Lane:
    """log(1 + f) - f, plus `low` where the terms are smallest."""
    if f.dtype == "f32":
        square = s.multiply(f, f)
        rest = s.multiply(s.multiply(square, f), s.polynomial(f, tail))
        rest = rest if low is None else s.add(low, rest)
        return s.fma(square, s.constant_like(f, -0.5), rest)
    # log(1 + f) = 2 atanh(t) = f - f^2/2 + t (f^2/2 + t^2 R(t^2)), t = f / (2 + f)
    t = s.divide(f, s.add(f, s.constant_like(f, 2.0)))
    square = s.multiply(t, t)
    half = s.multiply(s.multiply(f, f), s.constant_like(f, 0.5))
    rest = s.multiply(t, s.fma(square, s.polynomial(square, TAIL_F64), half))
    rest = rest if low is None else s.add(low, rest)
    return s.subtract(rest, half)


def assemble(s: Lanes, e: Lane, f: Lane, tail: tuple[float, ...] = TAIL_F32) -> Lane:
    """e ln 2 + log(1 + f)."""
    k = FORMATS[f.dtype]
    low = s.multiply(e, s.constant_like(f, k.ln2_low))
    rest = log_near_one(s, f, low, tail)
    return s.fma(e, s.constant_like(f, k.ln2_high), s.add(f, rest))


def log(s: Lanes, x: Lane) -> Lane:
    """Natural logarithm; -inf at 0, NaN below."""
    if x.dtype == "f32" and s.has_avx512(x):
        return _log_avx512(s, x)
    if x.dtype == "f32" and x.width == 1 and s.has("avx512f"):
        # a scalar tail must give the bits its vector would
        return s.extract(_log_avx512(s, s.broadcast(x, 4 if s.has("avx512vl") else 16)), 0)
    return special(s, x, assemble(s, *split(s, x)))


def _log_avx512(s: Lanes, x: Lane) -> Lane:
    """getexp and getmant give x = 2^e m with m in [3/4, 3/2), special values as log needs them.

    e is infinite at 0 and inf; both parts of ln 2 are positive, so the infinities agree.
    """
    to_three_quarters_nan_below_zero = "i32 11"
    e = s.avx512("getexp", [x], x)
    m = s.avx512("getmant", [x], x, to_three_quarters_nan_below_zero)
    one = s.constant_like(x, 1.0)
    e = s.select(s.less(m, one), s.add(e, one), e)
    return assemble(s, e, s.subtract(m, one), WIDE_TAIL_F32)


def log1p(s: Lanes, x: Lane) -> Lane:
    """log(1 + x), accurate near 0: what 1 + x rounds away is added to f."""
    k = FORMATS[x.dtype]
    one = s.constant_like(x, 1.0)
    u = s.add(x, one)
    lost_of_one = s.subtract(one, s.subtract(u, x))
    lost_of_x = s.subtract(x, s.subtract(u, one))
    lost = s.select(s.greater(x, one), lost_of_one, lost_of_x)
    e, f = split_normal(s, u)
    field = s.maximum(s.subtract(s.constant_like(e, k.bias), e), s.constant_like(e, 0))
    inverse = s.shl(field, k.mantissa)  # 2^-e, or 0 for the largest x
    f = s.fma(lost, s.bitcast(inverse, x.dtype), f)
    y = special(s, u, assemble(s, small_to_float(s, e), f))
    return s.select(s.equal(x, s.constant_like(x, 0.0)), x, y)


def log2(s: Lanes, x: Lane) -> Lane:
    """Binary logarithm, exact at powers of two."""
    e, f = split(s, x)
    natural = s.add(f, log_near_one(s, f, None))
    return special(s, x, s.fma(natural, s.constant_like(x, LOG2_E), e))


def log10(s: Lanes, x: Lane) -> Lane:
    """Decimal logarithm.  f32 goes through f64."""
    if x.dtype == "f32":
        return through_f64(s, log10, x)
    e, f = split(s, x)
    natural = s.add(f, log_near_one(s, f, None))
    rest = s.multiply(e, s.constant_like(x, LOG10_2_LOW))
    rest = s.fma(natural, s.constant_like(x, LOG10_E), rest)
    return special(s, x, s.fma(e, s.constant_like(x, LOG10_2_HIGH), rest))
