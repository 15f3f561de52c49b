"""Floats divided by one number that is the same in all lanes, without the divider.

With y = 1 / b rounded to nearest, q = a y is within 1.5 ulp of a / b, and the residue e = q b - a
corrects it to the correctly rounded quotient q - e y (Markstein, "Computation of elementary
functions on the IBM RISC System/6000 processor", 1990; Brisebarre, Muller and Raina, "Accelerating
correctly rounded floating-point division when the divisor is known in advance", 2004).  In f32 one
correction is enough: checked for all 87 million pairs of significands whose quotient lies so near
the middle between two floats that it could be rounded to the wrong one.  In f64 there is a second
one, from a quotient that is within one ulp, as the theorem asks.

The residue has to be exact and nothing may overflow: a vector with other numbers takes the divider.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..lanes import Lane, Lanes

_CORRECTIONS = {"f32": 1, "f64": 2}
_DIVISORS = {"f32": 2.0**24, "f64": 2.0**100}  # the largest, and 1 over the smallest
_GUARD = """define internal {t} @{name}(
  {t} %a, {t} %b, {t} %y, {i} %middle, i1 %fits) alwaysinline {{
  %minus = fneg {t} %a
  %q0 = fmul {t} %a, %y
{corrections}
  %bits = bitcast {t} %a to {i}
  %raised = add {i} %bits, splat (i{size} {step})
  %inside = and {i} %raised, %middle
  %far = icmp eq {i} %inside, zeroinitializer
  %lanes = bitcast <{width} x i1> %far to i{width}
  %some = icmp ne i{width} %lanes, 0
  br i1 %some, label %look, label %done
look:
  %doubled = shl {i} %bits, splat (i{size} 1)
  %there = icmp ne {i} %doubled, zeroinitializer
  %hard = and <{width} x i1> %there, %far
  %hard.lanes = bitcast <{width} x i1> %hard to i{width}
  %easy.lanes = icmp eq i{width} %hard.lanes, 0
  %easy = and i1 %easy.lanes, %fits
  br i1 %easy, label %done, label %divide
divide:
  %exact = fdiv {t} %a, %b
  br label %done
done:
  %result = phi {t} [ %q{last}, %0 ], [ %q{last}, %look ], [ %exact, %divide ]
  ret {t} %result
}}"""


def divide_by_same(s: Lanes, a: Lane, b: Lane) -> Lane:
    """a / b, correctly rounded, for a scalar b."""
    bound = _DIVISORS[b.dtype]
    low, high = s.constant_like(b, 1 / bound), s.constant_like(b, bound)
    fits = s.and_(s.less_equal(low, b), s.less_equal(b, high))
    inverse = s.binary("fdiv", s.constant_like(b, 1.0), b)
    size = 32 if b.dtype == "f32" else 64
    middle = s.constant(3 << size - 3, f"i{size}")
    middle = s.select(fits, middle, s.constant_like(middle, 0))
    wide = [s.broadcast(x, a.width).typed for x in (b, inverse, middle)]
    operands = ", ".join([a.typed, *wide, fits.typed])
    return type(a)(s.emit(f"call {a.type} @{_guard(s, a)}({operands})"), a.dtype, a.width)


def _guard(s: Lanes, a: Lane) -> str:
    """Defines the function that divides a vector like `a`; returns its name.

    It adds 1 to the three highest bits of the exponent: the first two are 0 then exactly where |a|
    is too large, too small, or 0; the quotient of a zero is right all the same.  Where b does not
    fit, `middle` is 0 and all lanes count as far.
    """
    size = 32 if a.dtype == "f32" else 64
    name = f"lamina.divide.v{a.width}{a.dtype}"
    fma = f"llvm.fma.v{a.width}{a.dtype}"
    s.declare(f"declare {a.type} @{fma}({a.type}, {a.type}, {a.type})")
    lines: list[str] = []
    last = _CORRECTIONS[a.dtype]
    for k in range(last):
        lines += [
            f"  %e{k} = call {a.type} @{fma}({a.type} %q{k}, {a.type} %b, {a.type} %minus)",
            f"  %less{k} = fneg {a.type} %e{k}",
            f"  %q{k + 1} = call {a.type} @{fma}({a.type} %less{k}, {a.type} %y, {a.type} %q{k})",
        ]
    integers = f"<{a.width} x i{size}>"
    s.declare(
        _GUARD.format(
            t=a.type, i=integers, name=name, width=a.width, size=size, step=1 << size - 4,
            corrections="\n".join(lines), last=last,
        )
    )  # fmt: skip
    return name
