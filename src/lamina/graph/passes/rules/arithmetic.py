"""Equations of arithmetic and logic.

An exact rule holds bit for bit on all floats: mind -0.0 + 0.0 = 0.0, inf - inf = NaN, 0 inf = NaN.
A scalar written as an int, such as 1, stands for that number in any dtype.
"""

from __future__ import annotations

import math
from typing import Any

from lamina.graph.ir.pattern import rule, splat, structural_rule
from lamina.graph.ir.value import Value
from lamina.graph.ops import operators  # noqa: F401  (gives expressions their arithmetic)
from lamina.graph.ops.arithmetic import Divide, abs, maximum, minimum, multiply
from lamina.graph.ops.comparison import Select, equal, less, less_equal, not_equal, select
from lamina.graph.ops.constant import lift
from lamina.graph.ops.elementwise import attach, identity
from lamina.graph.ops.transcendental import exp, log, power, rsqrt, sqrt

Sides = tuple[Any, Any]
ANY = "bool int uint float"
NUMBERS = "int uint float"
INTEGERS = "int uint"
BITS = "bool int uint"

# ---------------------------------------------------------------------- exact: signs and units


@rule(exact=True, kinds=ANY)
def identity_is_nothing(x: Any) -> Sides:
    return identity(x), x


@rule(exact=True)
def attached_is_nothing(x: Any, t: Any, slope: Any) -> Sides:
    """Once derivatives are taken, nothing asks for the slope any more."""
    return attach(x, t, slope), x


@rule(exact=True, kinds=NUMBERS)
def times_one(x: Any) -> Sides:
    return x * 1, x


@rule(exact=True, kinds=NUMBERS)
def one_times(x: Any) -> Sides:
    return 1 * x, x


@rule(exact=True)
def over_one(x: Any) -> Sides:
    return x / 1.0, x


@rule(exact=True, kinds=NUMBERS)
def double_negation(x: Any) -> Sides:
    return -(-x), x  # noqa: B002


@rule(exact=True)
def plus_minus_zero(x: Any) -> Sides:
    return x + (-0.0), x


@rule(exact=True)
def minus_zero_plus(x: Any) -> Sides:
    return -0.0 + x, x


@rule(exact=True, kinds=NUMBERS)
def subtract_zero(x: Any) -> Sides:
    return x - 0, x


@rule(exact=True, kinds=NUMBERS)
def subtract_negative(x: Any, y: Any) -> Sides:
    return x - (-y), x + y


@rule(exact=True, kinds=NUMBERS)
def add_negative(x: Any, y: Any) -> Sides:
    return x + (-y), x - y


@rule(exact=True, kinds=NUMBERS)
def negative_add(x: Any, y: Any) -> Sides:
    return (-x) + y, y - x


@rule(exact=True, kinds=NUMBERS)
def negative_times_negative(x: Any, y: Any) -> Sides:
    return (-x) * (-y), x * y


@rule(exact=True)
def times_minus_one(x: Any) -> Sides:
    return x * -1.0, -x


@rule(exact=True)
def minus_one_times(x: Any) -> Sides:
    return -1.0 * x, -x


@rule(exact=True)
def power_one(x: Any) -> Sides:
    return power(x, lift(1.0, x)), x


@rule(exact=True, rounding=True)
def power_two(x: Any) -> Sides:
    return power(x, lift(2.0, x)), x * x


@rule(exact=True)
def absolute_of_negative(x: Any) -> Sides:
    return abs(-x), abs(x)


@rule(exact=True)
def absolute_twice(x: Any) -> Sides:
    return abs(abs(x)), abs(x)


@rule(exact=True, kinds=NUMBERS)
def maximum_of_same(x: Any) -> Sides:
    return maximum(x, x), x


@rule(exact=True, kinds=NUMBERS)
def minimum_of_same(x: Any) -> Sides:
    return minimum(x, x), x


@structural_rule(Divide)
def divide_by_power_of_two(quotient: Value) -> Value | None:
    """A product is faster, and exact where the reciprocal is.

    Before:  %0 = constant(4.0, f32, (8,));  %1 = divide %x, %0
    After:   %0 = constant(0.25, f32, (8,));  %1 = multiply %x, %0
    """
    x, divisor = quotient.operands
    c = splat(divisor)
    if c is None or math.frexp(math.fabs(c))[0] != 0.5:
        return None
    normal = 2.0**-14 <= math.fabs(c) <= 2.0**14  # so are c and 1 / c in every dtype
    return multiply(x, lift(1.0 / c, x)) if normal else None


# ---------------------------------------------------------------------- exact: integers


@rule(exact=True, kinds=INTEGERS)
def plus_zero(x: Any) -> Sides:
    return x + 0, x


@rule(exact=True, kinds=INTEGERS)
def zero_plus(x: Any) -> Sides:
    return 0 + x, x


@rule(exact=True, kinds=INTEGERS)
def minus_itself(x: Any) -> Sides:
    return x - x, lift(0, x)


@rule(exact=True, kinds=INTEGERS)
def times_zero(x: Any) -> Sides:
    return x * 0, lift(0, x)


@rule(exact=True, kinds=INTEGERS)
def zero_times(x: Any) -> Sides:
    return 0 * x, lift(0, x)


@rule(exact=True, kinds=INTEGERS)
def floor_over_one(x: Any) -> Sides:
    return x // 1, x


# ---------------------------------------------------------------------- exact: logic


@rule(exact=True, kinds=BITS)
def not_not(x: Any) -> Sides:
    return ~(~x), x


@rule(exact=True, kinds=BITS)
def and_itself(x: Any) -> Sides:
    return x & x, x


@rule(exact=True, kinds=BITS)
def or_itself(x: Any) -> Sides:
    return x | x, x


@rule(exact=True, kinds="bool")
def and_true(x: Any) -> Sides:
    return x & True, x


@rule(exact=True, kinds="bool")
def true_and(x: Any) -> Sides:
    return True & x, x


@rule(exact=True, kinds="bool")
def and_false(x: Any) -> Sides:
    return x & False, lift(False, x)


@rule(exact=True, kinds="bool")
def false_and(x: Any) -> Sides:
    return False & x, lift(False, x)


@rule(exact=True, kinds="bool")
def or_false(x: Any) -> Sides:
    return x | False, x


@rule(exact=True, kinds="bool")
def false_or(x: Any) -> Sides:
    return False | x, x


@rule(exact=True, kinds="bool")
def or_true(x: Any) -> Sides:
    return x | True, lift(True, x)


@rule(exact=True, kinds="bool")
def true_or(x: Any) -> Sides:
    return True | x, lift(True, x)


@rule(exact=True, kinds=ANY)
def select_same(c: bool, x: Any) -> Sides:
    return select(c, x, x), x


@structural_rule(Select)
def select_known(selected: Value) -> Value | None:
    """A condition that is the same everywhere takes one side.

    Before:  %x: f32[8];  %y: f32[8];  %0 = constant(false, bool, (8,));  %1 = select %0, %x, %y
    After:   %x: f32[8];  %y: f32[8];  return %y
    """
    condition, x, y = selected.operands
    known = splat(condition)
    return None if known is None else x if known else y


@rule(exact=True, kinds=ANY)
def select_not(c: bool, x: Any, y: Any) -> Sides:
    return select(~c, x, y), select(c, y, x)


@rule(exact=True, kinds=ANY)
def not_equal_negated(x: Any, y: Any) -> Sides:
    return ~equal(x, y), not_equal(x, y)


@rule(exact=True, kinds=ANY)
def equal_negated(x: Any, y: Any) -> Sides:
    return ~not_equal(x, y), equal(x, y)


@rule(exact=True, kinds=BITS)
def less_negated(x: Any, y: Any) -> Sides:
    return ~less(x, y), less_equal(y, x)


@rule(exact=True, kinds=BITS)
def less_equal_negated(x: Any, y: Any) -> Sides:
    return ~less_equal(x, y), less(y, x)


# ---------------------------------------------------------------------- relaxed


@rule
def relaxed_plus_zero(x: Any) -> Sides:
    return x + 0.0, x


@rule
def relaxed_minus_itself(x: Any) -> Sides:
    return x - x, lift(0.0, x)


@rule
def relaxed_times_zero(x: Any) -> Sides:
    return x * 0.0, lift(0.0, x)


@rule
def over_itself(x: Any) -> Sides:
    return x / x, lift(1.0, x)


@rule
def factor_out(x: Any, y: Any, z: Any) -> Sides:
    return x * y + x * z, x * (y + z)


@rule
def factor_out_right(x: Any, y: Any, z: Any) -> Sides:
    return x * z + y * z, (x + y) * z


@rule
def exp_sum(x: Any, y: Any) -> Sides:
    return exp(x) * exp(y), exp(x + y)


@rule
def exp_reciprocal(x: Any) -> Sides:
    return 1.0 / exp(x), exp(-x)


@rule
def log_of_exp(x: Any) -> Sides:
    return log(exp(x)), x


@rule
def over_root(x: Any, y: Any) -> Sides:
    return x / sqrt(y), x * rsqrt(y)


@structural_rule(Divide, exact=False)
def divide_by_constant(quotient: Value) -> Value | None:
    """A product is faster, though the reciprocal is rounded.

    Before:  %0 = constant(10.0, f32, (8,));  %1 = divide %x, %0
    After:   %0 = constant(0.1, f32, (8,));  %1 = multiply %x, %0
    """
    x, divisor = quotient.operands
    c = splat(divisor)
    return multiply(x, lift(1.0 / c, x)) if c and math.isfinite(1.0 / c) else None
