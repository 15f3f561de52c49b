"""sin, cos, tan and their inverses.

x = n pi + r with |r| <= pi/2 and pi in parts (Cody & Waite, "Software Manual for the Elementary
Functions", ch. 8; Muller, "Elementary Functions", ch. 11).  With FMA three full-width parts do;
without it the parts are short enough that every product with n is exact (f32 then reduces in f64).
Beyond `limit` the C library reduces, lane by lane.  Polynomials are minimax fits of ours.
Measured on all targets: at most 2 ulp, tan in f64 at most 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .exponential import FORMATS, clamp
from .scalar_calls import libm, libm_beyond, through_f64

if TYPE_CHECKING:
    from ..lanes import Lane, Lanes


@dataclass(frozen=True)
class Reduction:
    """pi as a sum of parts, and up to which |x| they reduce well."""

    parts: tuple[float, ...]
    limit: float


FUSED = {
    "f32": Reduction((3.1415927410125732, -8.742277657347586e-08, -3.4302489988857658e-15), 1e5),
    "f64": Reduction((3.141592653589793, 1.2246467991473532e-16, -2.9947698097183397e-33), 1e8),
}
SHORT_PARTS = (
    3.1415926534682512,
    1.2154201012607932e-10,
    4.044532497422333e-21,
    1.69568553207378e-31,
)
SHORT = {"f32": Reduction(SHORT_PARTS[:3], 1e5), "f64": Reduction(SHORT_PARTS, 1e6)}
# (sin(r) / r - 1) / r^2 in powers of r^2 on [-pi/2, pi/2]
SIN_TAIL = {
    "f32": (
        -0.1666666716337204,
        0.008333350531756878,
        -0.00019843093468807638,
        2.7627061172097456e-06,
        -2.550329192274603e-08,
    ),
    "f64": (
        -0.16666666666666666,
        0.008333333333333215,
        -0.00019841269841218174,
        2.755731921301324e-06,
        -2.505210709197252e-08,
        1.6058954708828472e-10,
        -7.643589566580281e-13,
        2.734031281105465e-15,
        -1.151818369996153e-18,
    ),
}
# the same, and (cos(r) - 1 + r^2/2) / r^4, on [-pi/4, pi/4], for the quotient in tan
QUARTER_SIN_TAIL = (
    -0.16666666666666666,
    0.008333333333333042,
    -0.00019841269840962473,
    2.7557319073984265e-06,
    -2.5052070923361353e-08,
    1.6054311657955987e-10,
    -7.389469745215337e-13,
)
QUARTER_COS_TAIL = (
    0.041666666666666664,
    -0.0013888888888888389,
    2.4801587301180807e-05,
    -2.7557319060671954e-07,
    2.0876722005729714e-09,
    -1.146686141021247e-11,
    4.592668523557536e-14,
)
# (asin(z) / z - 1) / z^2 in powers of z^2 on [0, 1/2]
ASIN_TAIL = (
    0.16666666666666763,
    0.07499999999970051,
    0.044642857175386776,
    0.030381942668125737,
    0.022372216166932853,
    0.01735158981758656,
    0.013981097883814391,
    0.011396556468568828,
    0.010793918320302824,
    0.0036531167233763468,
    0.021841048869212957,
    -0.021193545154435858,
    0.03275355225870985,
)
# (atan(z) / z - 1) / z^2 in powers of z^2 on [0, tan(pi/8)]
ATAN_TAIL = (
    -0.3333333333333319,
    0.1999999999995218,
    -0.14285714280053946,
    0.11111110776325864,
    -0.09090897553362774,
    0.07692056605356987,
    -0.06663063415457891,
    0.05847597141509696,
    -0.050380064055727536,
    0.038032087684262625,
    -0.017872255354637996,
)
PI = 3.141592653589793
PI_LOW = 1.2246467991473532e-16  # pi - PI
TAN_PI_8 = 0.41421356237309503


def reduction(s: Lanes, dtype: str) -> Reduction:
    """The parts of pi that suit the target."""
    return (FUSED if s.has("fma") else SHORT)[dtype]


def reduce_by(s: Lanes, x: Lane, n: Lane, fraction: float) -> Lane:
    """x - n * fraction * pi; `fraction` is a power of two.  Without FMA f32 reduces in f64."""
    if x.dtype == "f32" and not s.has("fma"):
        x, n = s.convert("fpext", x, "f64"), s.convert("fpext", n, "f64")
        for part in SHORT["f32"].parts:
            x = s.fma(n, s.constant_like(x, -part * fraction), x)
        return s.convert("fptrunc", x, "f32")
    for part in reduction(s, x.dtype).parts:
        x = s.fma(n, s.constant_like(x, -part * fraction), x)
    return x


def sin_half_turn(s: Lanes, r: Lane, parity: Lane) -> Lane:
    """sin(r) for |r| <= pi/2, negated where the lowest bit of the float `parity` is set.

    Rounding may carry the polynomial just past 1 at the crest; the result is held within [-1, 1].
    """
    square = s.multiply(r, r)
    tail = s.polynomial(square, SIN_TAIL[r.dtype])
    value = clamp(s, s.fma(s.multiply(r, square), tail, r), -1.0, 1.0)
    sign = s.shl(s.to_bits(parity), 31 if r.dtype == "f32" else 63)
    return s.bitcast(s.xor(s.to_bits(value), sign), r.dtype)


def sin(s: Lanes, x: Lane) -> Lane:
    """Sine of x in radians; NaN at infinities."""
    shifter = s.constant_like(x, FORMATS[x.dtype].shifter)
    shifted = s.fma(x, s.constant_like(x, 1 / PI), shifter)
    r = reduce_by(s, x, s.subtract(shifted, shifter), 1.0)
    y = sin_half_turn(s, r, shifted)
    # -0.0 - 0 * pi is -0.0 only without the parts: the products are +-0 and the sum would be +0.
    y = s.select(s.equal(x, s.constant_like(x, 0.0)), x, y)
    return libm_beyond(s, "sin", x, reduction(s, x.dtype).limit, y)


def cos(s: Lanes, x: Lane) -> Lane:
    """Cosine of x in radians, as the sine a quarter turn on: n is a half-integer."""
    shifter = s.constant_like(x, FORMATS[x.dtype].shifter)
    half = s.constant_like(x, 0.5)
    shifted = s.add(s.fma(s.abs(x), s.constant_like(x, 1 / PI), half), shifter)
    n = s.subtract(s.subtract(shifted, shifter), half)
    r = reduce_by(s, s.abs(x), n, 1.0)
    y = sin_half_turn(s, r, shifted)
    return libm_beyond(s, "cos", x, reduction(s, x.dtype).limit, y)


def tan(s: Lanes, x: Lane) -> Lane:
    """sin/cos by quarter turns.  f32 goes through f64."""
    if x.dtype == "f32":
        return through_f64(s, tan, x)
    shifter = s.constant_like(x, FORMATS[x.dtype].shifter)
    shifted = s.fma(x, s.constant_like(x, 2 / PI), shifter)
    r = reduce_by(s, x, s.subtract(shifted, shifter), 0.5)
    square = s.multiply(r, r)
    sine = s.fma(s.multiply(r, square), s.polynomial(square, QUARTER_SIN_TAIL), r)
    one = s.constant_like(x, 1.0)
    near_one = s.fma(square, s.constant_like(x, -0.5), one)
    cosine = s.fma(s.multiply(square, square), s.polynomial(square, QUARTER_COS_TAIL), near_one)
    bits = s.to_bits(shifted)
    odd = s.not_equal(s.and_(bits, s.constant_like(bits, 1)), s.constant_like(bits, 0))
    top, bottom = s.select(odd, s.negative(cosine), sine), s.select(odd, sine, cosine)
    y = s.divide(top, bottom)
    y = s.select(s.equal(x, s.constant_like(x, 0.0)), x, y)
    return libm_beyond(s, "tan", x, reduction(s, x.dtype).limit, y)


def _arcsine_pieces(s: Lanes, x: Lane) -> tuple[Lane, Lane, Lane]:
    """(far, z, rest): asin(z) = z + rest, z = |x| or, where far (|x| > 1/2), sqrt((1 - |x|)/2)."""
    size, half = s.abs(x), s.constant_like(x, 0.5)
    far = s.greater(size, half)
    folded = s.multiply(s.subtract(s.constant_like(x, 1.0), size), half)
    square = s.select(far, folded, s.multiply(size, size))
    z = s.select(far, s.sqrt(folded), size)
    rest = s.multiply(s.multiply(z, square), s.polynomial(square, ASIN_TAIL))
    return far, z, rest


def asin(s: Lanes, x: Lane) -> Lane:
    """Arc sine; pi/2 - 2 asin(sqrt((1 - |x|)/2)) beyond 1/2; NaN beyond 1.  f32 through f64."""
    if x.dtype == "f32":
        return through_f64(s, asin, x)
    far, z, rest = _arcsine_pieces(s, x)
    near = s.add(z, rest)
    # pi/4 - z is exact enough to carry the rounding of pi/2 apart
    quarter = s.constant_like(x, PI / 4)
    turned = s.subtract(s.subtract(quarter, z), s.subtract(rest, s.constant_like(x, PI_LOW / 4)))
    turned = s.add(turned, s.add(quarter, s.negative(s.add(z, rest))))
    return s.copysign(s.select(far, turned, near), x)


def acos(s: Lanes, x: Lane) -> Lane:
    """Arc cosine, from the pieces of asin; NaN beyond 1.  f32 goes through f64."""
    if x.dtype == "f32":
        return through_f64(s, acos, x)
    far, z, rest = _arcsine_pieces(s, x)
    signed = s.copysign(s.add(z, rest), x)
    near = s.subtract(
        s.constant_like(x, PI / 2), s.subtract(signed, s.constant_like(x, PI_LOW / 2))
    )
    twice = s.add(s.add(z, z), s.add(rest, rest))
    below = s.subtract(s.constant_like(x, PI), s.subtract(twice, s.constant_like(x, PI_LOW)))
    return s.select(far, s.select(s.less(x, s.constant_like(x, 0.0)), below, twice), near)


def _arctangent(s: Lanes, small: Lane, big: Lane) -> Lane:
    """atan(small / big) for 0 <= small <= big, by one division: above tan(pi/8) turned by pi/4."""
    far = s.greater(small, s.multiply(big, s.constant_like(big, TAN_PI_8)))
    top = s.select(far, s.subtract(small, big), small)
    bottom = s.select(far, s.add(small, big), big)
    z = s.divide(top, bottom)
    square = s.multiply(z, z)
    angle = s.fma(s.multiply(z, square), s.polynomial(square, ATAN_TAIL), z)
    zero = s.constant_like(z, 0.0)
    angle = s.add(angle, s.select(far, s.constant_like(z, PI_LOW / 4), zero))
    return s.add(s.select(far, s.constant_like(z, PI / 4), zero), angle)


def atan(s: Lanes, x: Lane) -> Lane:
    """Arc tangent; pi/2 - atan(1/|x|) beyond 1.  f32 goes through f64."""
    if x.dtype == "f32":
        return through_f64(s, atan, x)
    size, one = s.abs(x), s.constant_like(x, 1.0)
    steep = s.greater(size, one)
    # 1/|x| rather than 1 : |x|, whose sum or product could overflow
    small = s.select(steep, s.divide(one, size), size)
    angle = _arctangent(s, small, one)
    rest = s.subtract(angle, s.constant_like(x, PI_LOW / 2))
    angle = s.select(steep, s.subtract(s.constant_like(x, PI / 2), rest), angle)
    return s.copysign(angle, x)


def atan2(s: Lanes, y: Lane, x: Lane) -> Lane:
    """The angle of the point (x, y) in (-pi, pi].  f32 through f64; f64 calls the C library."""
    y, x = s.same_width(y, x)
    if x.dtype == "f64":
        return libm(s, "atan2", y, x)
    return s.convert(
        "fptrunc", _angle(s, s.convert("fpext", y, "f64"), s.convert("fpext", x, "f64")), "f32"
    )


def _angle(s: Lanes, y: Lane, x: Lane) -> Lane:
    """atan2 of f32 values held in f64, where sums and products of sizes cannot overflow."""
    wide, high = s.abs(x), s.abs(y)
    steep = s.greater(high, wide)
    small, big = s.select(steep, wide, high), s.select(steep, high, wide)
    # 0/0 is 0 (small = 0 over 1), inf/inf is 1
    one, zero = s.constant_like(x, 1.0), s.constant_like(x, 0.0)
    both_infinite = s.is_inf(small)
    small = s.select(both_infinite, one, small)
    big = s.select(s.or_(both_infinite, s.equal(big, zero)), one, big)
    angle = _arctangent(s, small, big)
    angle = s.select(s.is_inf(big), zero, angle)
    angle = s.select(steep, s.subtract(s.constant_like(x, PI / 2), angle), angle)
    angle = s.select(s.sign_bit(x), s.subtract(s.constant_like(x, PI), angle), angle)
    angle = s.select(s.or_(s.is_nan(x), s.is_nan(y)), s.add(x, y), angle)
    return s.copysign(angle, y)
