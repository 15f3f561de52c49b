"""Functions of each element: arithmetic, comparisons, logic, powers, exponentials, trigonometry.

Operands broadcast as in NumPy and promote by the array API table; Python numbers are weak.
Source for all: Python array API 2024.12, "Element-wise functions".
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from lamina.base import dtypes
from lamina.base.errors import DTypeError
from lamina.graph import ops
from lamina.graph.ir import Op, emit
from lamina.tensor.conversion import asarray, cast
from lamina.tensor.promotion import (
    as_inexact,
    broadcast_shapes,
    broadcast_to,
    common_dtype,
    is_number,
    keep_weak,
    meet,
)
from lamina.tensor.tensor import Tensor, apart


@cache
def _the(kind: type[Op]) -> Op:
    """The op of a kind without parameters: one object, which is quickly found equal."""
    return kind()


def _binary(kind: type[Op], x: Any, y: Any, floating: bool = False) -> Tensor:
    op = _the(kind)
    if type(x) is Tensor and type(y) is Tensor and x.type is y.type:
        strong = not (x.weak or y.weak)
        if strong and (not floating or x.type.dtype.is_inexact):
            return x.__emit__(op, (x, y))  # most calls: there is nothing to be done before
    a, b = meet(op.name, x, y, floating=floating)
    return keep_weak(emit(op, a, b), x, y)


def _unary(kind: type[Op], x: Any) -> Tensor:
    return keep_weak(emit(_the(kind), _given(x)), x)


def _floating(kind: type[Op], x: Any) -> Tensor:
    return keep_weak(emit(_the(kind), _inexact(x)), x)


def _inexact(x: Any) -> Tensor:
    """`x`, in float32 if it is neither floating nor complex."""
    given = asarray(x)
    return cast(given, as_inexact(given.dtype))


def _given(x: Any) -> Tensor:
    """`x` as a tensor; what stands for a Python number keeps its 64 bits."""
    return x if type(x) is Tensor and x.weak else asarray(x)


def _is_complex(x: Any) -> bool:
    if type(x) is Tensor:
        return x.type.dtype.is_complex
    return isinstance(x, complex) or getattr(getattr(x, "dtype", None), "kind", "") == "c"


def _are_mixed(x: Any, y: Any) -> bool:
    """Whether one of two operands is complex and the other one real."""
    if type(x) is Tensor and type(y) is Tensor and x.type is y.type:
        return False
    return _is_complex(x) != _is_complex(y)


def _complex_and_real(name: str, x: Any, y: Any) -> tuple[Tensor, Tensor]:
    """Of a complex and a real operand the complex one, then the other, whose dtype is its parts'.

    A real number has no imaginary part: that of the other operand stays as it is, where with 0 an
    infinity would make NaN. Source: Python array API 2024.12, tables of `add` and `multiply`.
    """
    z, r = (x, y) if _is_complex(x) else (y, x)
    given = [v if is_number(v) or isinstance(v, Tensor) else asarray(v) for v in (z, r)]
    dtype = common_dtype(name, tuple(given))
    z, r = asarray(given[0], dtype=dtype), asarray(given[1], dtype=dtype.part)
    shape = broadcast_shapes(name, [z.shape, r.shape])
    return broadcast_to(z, shape), broadcast_to(r, shape)


def add(x: Any, y: Any, /) -> Tensor:
    """x + y, element by element."""
    if _are_mixed(x, y):
        z, r = _complex_and_real("add", x, y)
        return ops.make_complex(ops.real(z) + r, ops.imag(z))
    return _binary(ops.Add, x, y)


def subtract(x: Any, y: Any, /) -> Tensor:
    """x - y, element by element."""
    if _are_mixed(x, y):
        z, r = _complex_and_real("subtract", x, y)
        if _is_complex(x):
            return ops.make_complex(ops.real(z) - r, ops.imag(z))
        return ops.make_complex(r - ops.real(z), -ops.imag(z))
    return _binary(ops.Subtract, x, y)


def multiply(x: Any, y: Any, /) -> Tensor:
    """x * y, element by element."""
    if _are_mixed(x, y):
        z, r = _complex_and_real("multiply", x, y)
        return ops.make_complex(ops.real(z) * r, ops.imag(z) * r)
    return _binary(ops.Multiply, x, y)


def divide(x: Any, y: Any, /) -> Tensor:
    """x / y; integers become float32, element by element."""
    if _is_complex(x) and not _is_complex(y):
        z, r = _complex_and_real("divide", x, y)
        return ops.make_complex(ops.real(z) / r, ops.imag(z) / r)
    return _binary(ops.Divide, x, y, floating=True)


def floor_divide(x: Any, y: Any, /) -> Tensor:
    """floor(x / y), element by element."""
    return _binary(ops.FloorDivide, x, y)


def remainder(x: Any, y: Any, /) -> Tensor:
    """x - floor(x / y) * y, with the sign of y, element by element."""
    return _binary(ops.Remainder, x, y)


def pow(x: Any, y: Any, /) -> Tensor:
    """x ** y, element by element."""
    return _binary(ops.Power, x, y)


def maximum(x: Any, y: Any, /) -> Tensor:
    """The larger of x and y; NaN wins, element by element."""
    return _binary(ops.Maximum, x, y)


def minimum(x: Any, y: Any, /) -> Tensor:
    """The smaller of x and y; NaN wins, element by element."""
    return _binary(ops.Minimum, x, y)


def atan2(x: Any, y: Any, /) -> Tensor:
    """arctan(x / y) in the right quadrant: the angle of the point (y, x), element by element."""
    return _binary(ops.Atan2, x, y, floating=True)


def equal(x: Any, y: Any, /) -> Tensor:
    """x == y, element by element."""
    return _binary(ops.Equal, x, y)


def not_equal(x: Any, y: Any, /) -> Tensor:
    """x != y, element by element."""
    return _binary(ops.NotEqual, x, y)


def less(x: Any, y: Any, /) -> Tensor:
    """x < y, element by element."""
    return _binary(ops.Less, x, y)


def less_equal(x: Any, y: Any, /) -> Tensor:
    """x <= y, element by element."""
    return _binary(ops.LessEqual, x, y)


def greater(x: Any, y: Any, /) -> Tensor:
    """x > y, element by element."""
    return less(y, x)


def greater_equal(x: Any, y: Any, /) -> Tensor:
    """x >= y, element by element."""
    return less_equal(y, x)


def sqrt(x: Any, /) -> Tensor:
    """The square root of each element; integers become float32."""
    return _floating(ops.Sqrt, x)


def rsqrt(x: Any, /) -> Tensor:
    """1 / sqrt(x) for each element; integers become float32."""
    return _floating(ops.Rsqrt, x)


def exp(x: Any, /) -> Tensor:
    """e ** x for each element; integers become float32."""
    return _floating(ops.Exp, x)


def expm1(x: Any, /) -> Tensor:
    """e ** x - 1, exact near 0 for each element; integers become float32."""
    return _floating(ops.Expm1, x)


def log(x: Any, /) -> Tensor:
    """The natural logarithm of each element; integers become float32."""
    return _floating(ops.Log, x)


def log1p(x: Any, /) -> Tensor:
    """log(1 + x), exact near 0 for each element; integers become float32."""
    return _floating(ops.Log1p, x)


def sin(x: Any, /) -> Tensor:
    """The sine of each element; integers become float32."""
    return _floating(ops.Sin, x)


def cos(x: Any, /) -> Tensor:
    """The cosine of each element; integers become float32."""
    return _floating(ops.Cos, x)


def tan(x: Any, /) -> Tensor:
    """The tangent of each element; integers become float32."""
    return _floating(ops.Tan, x)


def asin(x: Any, /) -> Tensor:
    """The inverse sine of each element; integers become float32."""
    return _floating(ops.Asin, x)


def acos(x: Any, /) -> Tensor:
    """The inverse cosine of each element; integers become float32."""
    return _floating(ops.Acos, x)


def atan(x: Any, /) -> Tensor:
    """The inverse tangent of each element; integers become float32."""
    return _floating(ops.Atan, x)


def sinh(x: Any, /) -> Tensor:
    """The hyperbolic sine of each element; integers become float32."""
    return _floating(ops.Sinh, x)


def cosh(x: Any, /) -> Tensor:
    """The hyperbolic cosine of each element; integers become float32."""
    return _floating(ops.Cosh, x)


def tanh(x: Any, /) -> Tensor:
    """The hyperbolic tangent of each element; integers become float32."""
    return _floating(ops.Tanh, x)


def erf(x: Any, /) -> Tensor:
    """2 / sqrt(pi) * integral of exp(-t * t) from 0 to x; integers become float32."""
    return _floating(ops.Erf, x)


def negative(x: Any, /) -> Tensor:
    """-x, element by element."""
    return _unary(ops.Negative, x)


def abs(x: Any, /) -> Tensor:
    """|x|, element by element."""
    return _unary(ops.Abs, x)


def sign(x: Any, /) -> Tensor:
    """-1, 0 or 1 by the sign of x, x / |x| for complex x; NaN stays, element by element."""
    return keep_weak(ops.sign(_given(x)), x)


def floor(x: Any, /) -> Tensor:
    """The largest whole number not above x; integers stay."""
    return _rounded(ops.Floor(), x)


def ceil(x: Any, /) -> Tensor:
    """The smallest whole number not below x; integers stay."""
    return _rounded(ops.Ceil(), x)


def round(x: Any, /) -> Tensor:
    """The nearest whole number, ties to even, part by part if complex; integers stay."""
    given = asarray(x)
    return _by_parts(round, given) if given.dtype.is_complex else _rounded(ops.Round(), given)


def trunc(x: Any, /) -> Tensor:
    """The whole number next to x towards zero; integers stay."""
    return _rounded(ops.Trunc(), x)


def _rounded(op: Op, x: Any) -> Tensor:
    given = asarray(x)
    whole = given.dtype.is_integer or given.dtype.kind == "bool"
    return apart(given, x) if whole else emit(op, given)


def positive(x: Any, /) -> Tensor:
    """+x: the same elements."""
    return apart(_given(x), x)


def square(x: Any, /) -> Tensor:
    """x * x, element by element."""
    given = asarray(x)
    return emit(ops.Multiply(), given, given)


def reciprocal(x: Any, /) -> Tensor:
    """1 / x, element by element; integers become float32."""
    return divide(1.0, x)


def exp2(x: Any, /) -> Tensor:
    """2 ** x, element by element."""
    given = _inexact(x)
    if given.dtype.is_complex:
        return exp(_scaled(given, 0.6931471805599453))
    return pow(2.0, given)


def log2(x: Any, /) -> Tensor:
    """The logarithm to base 2 of each element."""
    return _scaled(log(x), 1.4426950408889634)


def log10(x: Any, /) -> Tensor:
    """The logarithm to base 10 of each element."""
    return _scaled(log(x), 0.4342944819032518)


def _scaled(z: Tensor, factor: float) -> Tensor:
    """`factor * z`; part by part, so that an infinite part leaves the other alone."""
    scale = lambda part: multiply(part, factor)
    return _by_parts(scale, z) if z.dtype.is_complex else scale(z)


def logaddexp(x: Any, y: Any, /) -> Tensor:
    """log(exp(x) + exp(y)) = max(x, y) + log1p(exp(-|x - y|)), element by element."""
    a, b = meet("logaddexp", x, y, floating=True)
    first = greater_equal(a, b)
    large, small = where(first, a, b), where(first, b, a)
    endless = logical_and(equal(a, b), isinf(a))  # inf - inf is NaN where the answer is x
    return large + log1p(exp(where(endless, 0.0, small - large)))


def hypot(x: Any, y: Any, /) -> Tensor:
    """sqrt(x * x + y * y) without overflow, element by element."""
    a, b = (abs(v) for v in meet("hypot", x, y, floating=True))
    large, small = maximum(a, b), minimum(a, b)
    ratio = where(equal(large, small), 1.0, small / large)
    found = where(equal(large, 0.0), large, large * sqrt(1.0 + ratio * ratio))
    infinite = equal(a, float("inf")) | equal(b, float("inf"))  # even beside a NaN
    return where(infinite, float("inf"), found)


def asinh(x: Any, /) -> Tensor:
    """The inverse hyperbolic sine: sign(x) * log(|x| + sqrt(x * x + 1))."""
    given = _inexact(x)
    if given.dtype.is_complex:
        return _turned(asin(_times_i(given)))
    near = abs(given) < 1.0
    small, large = where(near, given, 0.0), where(near, 1.0, abs(given))
    half = small / (1.0 + sqrt(1.0 + small * small))  # tanh of half the result
    inverse = 1.0 / large  # x * x could overflow
    far = log(large) + log(1.0 + sqrt(1.0 + inverse * inverse))
    return where(near, log1p(half) - log1p(-half), sign(given) * far)


def acosh(x: Any, /) -> Tensor:
    """The inverse hyperbolic cosine: log(x + sqrt(x - 1) * sqrt(x + 1))."""
    given = _inexact(x)
    if given.dtype.is_complex:
        return _above_zero(acos(given))
    near = given < 2.0
    small, large = where(near, given, 1.5), where(near, 2.0, given)
    exact = sqrt(small - 1.0) * sqrt(small + 1.0) / small
    inverse = 1.0 / large  # x * x could overflow
    return log(given) + log1p(where(near, exact, sqrt((1.0 - inverse) * (1.0 + inverse))))


def atanh(x: Any, /) -> Tensor:
    """The inverse hyperbolic tangent: log((1 + x) / (1 - x)) / 2."""
    given = _inexact(x)
    if given.dtype.is_complex:
        return _turned(atan(_times_i(given)))
    return 0.5 * (log1p(given) - log1p(-given))


def _times_i(z: Tensor) -> Tensor:
    return ops.make_complex(-ops.imag(z), ops.real(z))


def _turned(z: Tensor) -> Tensor:
    """z / i."""
    return ops.make_complex(ops.imag(z), -ops.real(z))


def _above_zero(z: Tensor) -> Tensor:
    """i z or -i z, whichever has a real part that is not negative."""
    x, y = ops.real(z), ops.imag(z)
    bits = dtypes.int32 if y.dtype.bits == 32 else dtypes.int64
    downwards = less(ops.bitcast(y, bits), 0)  # -0.0 too
    return ops.make_complex(abs(y), where(downwards, x, -x))


def _by_parts(f: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
    """`f` of the real part and of the imaginary part."""
    return ops.make_complex(f(ops.real(z)), f(ops.imag(z)))


def isnan(x: Any, /) -> Tensor:
    """Whether each element is NaN."""
    given = asarray(x)
    return emit(ops.NotEqual(), given, given)


def isinf(x: Any, /) -> Tensor:
    """Whether each element is infinite."""
    given = asarray(x)
    if given.dtype.is_complex:
        return isinf(ops.real(given)) | isinf(ops.imag(given))
    if not given.dtype.is_float:
        return not_equal(given, given)
    return equal(abs(given), float("inf"))


def isfinite(x: Any, /) -> Tensor:
    """Whether each element is neither infinite nor NaN."""
    given = asarray(x)
    if given.dtype.is_complex:
        return isfinite(ops.real(given)) & isfinite(ops.imag(given))
    if not given.dtype.is_float:
        return equal(given, given)
    return less(abs(given), float("inf"))


def clip(x: Any, /, min: Any = None, max: Any = None) -> Tensor:
    """minimum(maximum(x, min), max), element by element, in the dtype of x.

    A bound of None is no bound; tensors as bounds broadcast with x.
    """
    given = asarray(x)
    if min is not None:
        given = maximum(given, _bound(min, given))
    return apart(given, x) if max is None else minimum(given, _bound(max, given))


def _bound(limit: Any, x: Tensor) -> Any:
    """A bound in the dtype of x if it has one."""
    return cast(limit, x.dtype) if isinstance(limit, Tensor) and not limit.weak else limit


def where(condition: Any, x: Any, y: Any, /) -> Tensor:
    """x where `condition` holds, else y, element by element.

    Shapes: the three broadcast.

    Example:
        >>> where(asarray([True, False]), 1.0, 2.0)
        Tensor([1., 2.], shape=(2,), dtype=float32)
    """
    chooser = asarray(condition)
    if chooser.dtype is not dtypes.bool_:
        raise DTypeError(
            "where: the condition is not boolean",
            [f"condition: {chooser.type}"],
            "compare it first, as in x != 0",
        )
    a, b = meet("where", x, y)
    shape = broadcast_shapes("where", [chooser.shape, a.shape, b.shape])
    operands = (broadcast_to(v, shape) for v in (chooser, a, b))
    return keep_weak(emit(ops.Select(), *operands), x, y)


def logical_and(x: Any, y: Any, /) -> Tensor:
    """x and y, element by element; numbers other than 0 are true."""
    return bitwise_and(_truth(x), _truth(y))


def logical_or(x: Any, y: Any, /) -> Tensor:
    """x or y, element by element; numbers other than 0 are true."""
    return bitwise_or(_truth(x), _truth(y))


def logical_xor(x: Any, y: Any, /) -> Tensor:
    """Either x or y, element by element; numbers other than 0 are true."""
    return bitwise_xor(_truth(x), _truth(y))


def logical_not(x: Any, /) -> Tensor:
    """Not x, element by element; numbers other than 0 are true."""
    return emit(ops.Not(), _truth(x))


def _truth(x: Any) -> Tensor:
    given = asarray(x)
    return given if given.dtype is dtypes.bool_ else not_equal(given, 0)


def bitwise_and(x: Any, y: Any, /) -> Tensor:
    """x & y, element by element, for booleans and integers."""
    return _binary(ops.And, x, y)


def bitwise_or(x: Any, y: Any, /) -> Tensor:
    """x | y, element by element, for booleans and integers."""
    return _binary(ops.Or, x, y)


def bitwise_xor(x: Any, y: Any, /) -> Tensor:
    """x ^ y, element by element, for booleans and integers."""
    return _binary(ops.Xor, x, y)


def bitwise_left_shift(x: Any, y: Any, /) -> Tensor:
    """x << y, element by element, for booleans and integers."""
    return _binary(ops.ShiftLeft, x, y)


def bitwise_right_shift(x: Any, y: Any, /) -> Tensor:
    """x >> y, element by element, for booleans and integers."""
    return _binary(ops.ShiftRight, x, y)


def bitwise_invert(x: Any, /) -> Tensor:
    """~x, element by element, for booleans and integers."""
    return _unary(ops.Not, x)


def stop_gradient(x: Any, /) -> Tensor:
    """x, but constant for every derivative."""
    return emit(ops.StopGradient(), asarray(x))
