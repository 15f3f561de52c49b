"""Parity cases of functions of each element."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import lamina as lm
from tests.array_api.parity import (
    ALL,
    FLOATS,
    INTEGERS,
    REALS,
    Case,
    Source,
    laid_out,
    pairs_of,
    specials,
)

WIDE = (-4.0, 4.0)
POSITIVE = (0.125, 8.0)
UNIT = (-0.99, 0.99)

# Name, NumPy's function, dtypes, range of the operand.
UNARY: list[tuple[str, Callable[..., Any], tuple[str, ...], tuple[float, float]]] = [
    ("abs", np.abs, REALS, WIDE),
    ("acos", np.arccos, FLOATS, UNIT),
    ("acosh", np.arccosh, FLOATS, (1.0, 9.0)),
    ("asin", np.arcsin, FLOATS, UNIT),
    ("asinh", np.arcsinh, FLOATS, WIDE),
    ("atan", np.arctan, FLOATS, WIDE),
    ("atanh", np.arctanh, FLOATS, UNIT),
    ("bitwise_invert", np.invert, ("bool", *INTEGERS), (-9, 9)),
    ("cbrt", np.cbrt, FLOATS, WIDE),
    ("ceil", np.ceil, FLOATS, WIDE),
    ("cos", np.cos, FLOATS, WIDE),
    ("cosh", np.cosh, FLOATS, WIDE),
    ("deg2rad", np.deg2rad, FLOATS, (-360.0, 360.0)),
    ("exp", np.exp, FLOATS, WIDE),
    ("exp2", np.exp2, FLOATS, WIDE),
    ("expm1", np.expm1, FLOATS, WIDE),
    ("floor", np.floor, FLOATS, WIDE),
    ("isfinite", np.isfinite, REALS, WIDE),
    ("isinf", np.isinf, REALS, WIDE),
    ("isnan", np.isnan, REALS, WIDE),
    ("log", np.log, FLOATS, POSITIVE),
    ("log10", np.log10, FLOATS, POSITIVE),
    ("log1p", np.log1p, FLOATS, POSITIVE),
    ("log2", np.log2, FLOATS, POSITIVE),
    ("logical_not", np.logical_not, ALL, WIDE),
    ("nan_to_num", np.nan_to_num, ("float32", "float64"), WIDE),
    ("negative", np.negative, REALS, WIDE),
    ("positive", np.positive, REALS, WIDE),
    ("rad2deg", np.rad2deg, FLOATS, WIDE),
    ("reciprocal", np.reciprocal, FLOATS, POSITIVE),
    ("round", np.rint, FLOATS, WIDE),
    ("rsqrt", lambda x: 1 / np.sqrt(x), FLOATS, POSITIVE),
    ("sign", np.sign, REALS, WIDE),
    ("signbit", np.signbit, FLOATS, WIDE),
    ("sin", np.sin, FLOATS, WIDE),
    ("sinc", np.sinc, FLOATS, WIDE),
    ("sinh", np.sinh, FLOATS, WIDE),
    ("sqrt", np.sqrt, FLOATS, POSITIVE),
    ("square", np.square, REALS, WIDE),
    ("tan", np.tan, FLOATS, (-1.5, 1.5)),
    ("tanh", np.tanh, FLOATS, WIDE),
    ("trunc", np.trunc, FLOATS, WIDE),
]

BITS = ("bool", *INTEGERS)
BINARY: list[tuple[str, Callable[..., Any], tuple[str, ...], tuple[float, float]]] = [
    ("add", np.add, REALS, WIDE),
    ("atan2", np.arctan2, FLOATS, WIDE),
    ("bitwise_and", np.bitwise_and, BITS, (-9, 9)),
    ("bitwise_left_shift", np.left_shift, INTEGERS, (0, 7)),
    ("bitwise_or", np.bitwise_or, BITS, (-9, 9)),
    ("bitwise_right_shift", np.right_shift, INTEGERS, (0, 7)),
    ("bitwise_xor", np.bitwise_xor, BITS, (-9, 9)),
    ("copysign", np.copysign, FLOATS, WIDE),
    ("divide", np.divide, FLOATS, WIDE),
    ("divmod", np.divmod, REALS, (1, 9)),
    ("equal", np.equal, ALL, (-2, 3)),
    ("float_power", np.float_power, ("float32", "float64"), POSITIVE),
    ("floor_divide", np.floor_divide, REALS, (1, 9)),
    ("fmax", np.fmax, REALS, WIDE),
    ("fmin", np.fmin, REALS, WIDE),
    ("fmod", np.fmod, REALS, (1, 9)),
    ("gcd", np.gcd, ("int8", "uint8", "int32", "int64"), (-99, 99)),
    ("greater", np.greater, ALL, (-2, 3)),
    ("greater_equal", np.greater_equal, ALL, (-2, 3)),
    ("heaviside", np.heaviside, FLOATS, WIDE),
    ("hypot", np.hypot, FLOATS, WIDE),
    ("lcm", np.lcm, ("int32", "int64"), (-99, 99)),
    ("less", np.less, ALL, (-2, 3)),
    ("less_equal", np.less_equal, ALL, (-2, 3)),
    ("logaddexp", np.logaddexp, FLOATS, WIDE),
    ("logical_and", np.logical_and, ALL, (-2, 3)),
    ("logical_or", np.logical_or, ALL, (-2, 3)),
    ("logical_xor", np.logical_xor, ALL, (-2, 3)),
    ("maximum", np.maximum, REALS, WIDE),
    ("minimum", np.minimum, REALS, WIDE),
    ("multiply", np.multiply, REALS, WIDE),
    ("nextafter", np.nextafter, ("float32", "float64"), WIDE),
    ("not_equal", np.not_equal, ALL, (-2, 3)),
    ("pow", np.power, REALS, (0.5, 3.5)),
    ("remainder", np.remainder, REALS, (1, 9)),
    ("subtract", np.subtract, REALS, WIDE),
]

SPARED = {"gcd", "lcm", "float_power"}  # from the special values
INEXACT_AT_INFINITY = {
    "divmod",
    "floor_divide",
}  # by the standard infinity // 2 is infinity, in NumPy NaN
SLOW_TO_COMPILE = {"gcd", "lcm"}
WHERE_SHAPES = [
    ((3, 5), (3, 5), (3, 5)), ((3, 1), (5,), ()), ((), (2, 2), (2,)), ((0,), (1,), (0,)),
]  # fmt: skip
BROADCASTS = [((4, 1), (1, 5)), ((), (3, 2)), ((2, 3), (3,)), ((0, 2), (1, 2)), ((1,), (33,))]


def cases() -> Iterator[Case]:
    """All of them."""
    for name, wanted, dtypes, limits in UNARY:
        found = getattr(lm, name)
        for dtype in dtypes:
            source = Source(1)
            for form, x in laid_out(source, dtype, *limits):
                yield Case(f"{name} {form}", (x,), found, wanted)
            if dtype != "bool":
                yield Case(f"{name} specials", (specials(dtype),), found, wanted)
    for name, wanted, dtypes, limits in BINARY:
        for dtype in dtypes:
            yield from _binary(name, wanted, dtype, limits)
    yield from _with_numbers()
    yield from _chosen()


def _binary(
    name: str, wanted: Callable[..., Any], dtype: str, limits: tuple[float, float]
) -> Iterator[Case]:
    found, source = getattr(lm, name), Source(2)
    for (form, x), (_, y) in zip(
        laid_out(source, dtype, *limits), laid_out(source, dtype, *limits), strict=True
    ):
        yield Case(f"{name} {form}", (x, y), found, wanted)
        if name in SLOW_TO_COMPILE and form == "vectors":
            return
    for a, b in BROADCASTS:
        x, y = source.draw(dtype, a, *limits), source.draw(dtype, b, *limits)
        yield Case(f"{name} {a} with {b}", (x, y), found, wanted)
    if dtype != "bool" and name not in SPARED:
        x, y = pairs_of(specials(dtype))
        if name in INEXACT_AT_INFINITY and dtype in FLOATS:
            x, y = x[np.isfinite(x)], y[np.isfinite(x)]
        if name == "pow" and dtype in INTEGERS:
            x, y = x[y >= 0], y[y >= 0]
        if "shift" in name:
            x, y = x[(y >= 0) & (y < 8)], y[(y >= 0) & (y < 8)]
        yield Case(f"{name} specials", (x, y), found, wanted)


def _with_numbers() -> Iterator[Case]:
    """Python numbers on either side take the dtype of the tensor."""
    for dtype in REALS:
        number: Any = 2.5 if dtype in FLOATS else 3
        x = Source(3).draw(dtype, (3, 5), 1, 9)
        for name, wanted in (
            ("add", np.add), ("subtract", np.subtract), ("multiply", np.multiply),
            ("maximum", np.maximum), ("minimum", np.minimum), ("less", np.less),
            ("equal", np.equal), ("floor_divide", np.floor_divide), ("remainder", np.remainder),
        ):  # fmt: skip
            f = getattr(lm, name)
            yield Case(
                f"{name} number", (x,), lambda x, f=f, n=number: f(x, n),
                lambda x, f=wanted, n=number: f(x, n),
            )  # fmt: skip
            if name != "subtract" or dtype in FLOATS:
                yield Case(
                    f"{name} under a number", (x,), lambda x, f=f, n=number: f(n, x),
                    lambda x, f=wanted, n=number: f(n, x),
                )  # fmt: skip


def _chosen() -> Iterator[Case]:
    """where, clip and isclose."""
    for dtype in ALL:
        source = Source(4)
        for a, b, c in [
            ((3, 5), (3, 5), (3, 5)),
            ((3, 1), (5,), ()),
            ((), (2, 2), (2,)),
            ((0,), (1,), (0,)),
        ]:
            mask = source.draw("bool", a, 0, 1)
            x, y = source.draw(dtype, b, -4, 4), source.draw(dtype, c, -4, 4)
            yield Case(f"where {a}", (x, mask, y), lambda x, m, y: lm.where(m, x, y),
                       lambda x, m, y: np.where(m, x, y), exact=True)  # fmt: skip
    for dtype in REALS:
        source = Source(5)
        for form, x in laid_out(source, dtype, -9, 9):
            for low, high in ((1, 3), (None, 2), (2, None)):
                yield Case(f"clip {form} {low} {high}", (x,),
                           lambda x, a=low, b=high: lm.clip(x, a, b),
                           lambda x, a=low, b=high: np.clip(x, a, b), exact=True)  # fmt: skip
        x, low, high = (source.draw(dtype, s, *r) for s, r in
                        (((3, 4), (-9, 9)), ((4,), (0, 2)), ((3, 1), (3, 5))))  # fmt: skip
        yield Case("clip tensors", (x, low, high), lm.clip, np.clip, exact=True)
    for dtype in ("float32", "float64"):
        x, y = pairs_of(specials(dtype))
        for nan in (False, True):
            yield Case(f"isclose {nan}", (x, y), lambda x, y, n=nan: lm.isclose(x, y, equal_nan=n),
                       lambda x, y, n=nan: np.isclose(x, y, equal_nan=n))  # fmt: skip
        x = Source(6).draw(dtype, (40,), 1.0, 2.0)
        near = (x * (1 + np.linspace(0, 3e-5, 40))).astype(dtype)
        yield Case("isclose near", (x, near), lm.isclose, np.isclose)
        yield Case("nan_to_num given", (specials(dtype),),
                   lambda x: lm.nan_to_num(x, nan=7.0, posinf=8.0, neginf=-8.0),
                   lambda x: np.nan_to_num(x, nan=7.0, posinf=8.0, neginf=-8.0))  # fmt: skip
        for value in (math.pi, 1e300):
            yield Case(f"sinc {value}", (np.array([value, -value], "float64").astype(dtype),),
                       lm.sinc, np.sinc) if value < 10 else Case(
                f"exp {value}", (np.array([89.0, -104.0, 710.0, -746.0], dtype),), lm.exp, np.exp
            )  # fmt: skip
