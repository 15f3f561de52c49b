"""The standard's lists of special cases for real floating operands, as data.

A line reads `operand -> result` or `x1, x2 -> result`. An operand is a number (`+0`, `-0`, `1`,
`inf`, `-inf`, `nan`) or the name of a set of them; a result is a number, `pi` and its fractions,
`x1`, `x2`, `NaN`, or `-x` for the operand. Written from the text of the standard, function by
function; what is implied by another line is left out.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

SETS = {
    "any": [math.nan, math.inf, -math.inf, 0.0, -0.0, 1.0, -1.0, 0.5, -2.5],
    "number": [math.inf, -math.inf, 0.0, -0.0, 1.0, -1.0, 0.5, -2.5],
    "finite": [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0],
    "nonzero": [1.0, -1.0, 0.5, -2.5, 3.0, -4.0],
    "positive": [0.5, 1.0, 2.0, 3.0, 7.25],
    "negative": [-0.5, -1.0, -2.0, -3.0, -7.25],
    "zero": [0.0, -0.0],
    "infinite": [math.inf, -math.inf],
    "above": [1.5, 2.0, 100.0, math.inf],  # above one
    "below": [-1.5, -2.0, -100.0, -math.inf],  # below minus one
    "large": [1.5, -1.5, 2.0, -100.0],  # |x| > 1
    "small": [0.5, -0.5, 0.25, 0.0, -0.0],  # |x| < 1
    "one": [1.0, -1.0],
    "odd": [1.0, 3.0, 5.0],
    "-odd": [-1.0, -3.0, -5.0],
    "even": [2.0, 4.0, 0.5, 2.5],  # positive, and no odd integer
    "-even": [-2.0, -4.0, -0.5, -2.5],
    "fraction": [0.5, -0.5, 2.5, -1.25],
    "whole": [1.0, -3.0, 2.0, 100.0],
}

UNARY = {
    "abs": "nan -> NaN; -0 -> +0; -inf -> inf; negative -> -x",
    "acos": "nan -> NaN; above -> NaN; below -> NaN; 1 -> +0",
    "acosh": "nan -> NaN; small -> NaN; below -> NaN; 1 -> +0; inf -> inf",
    "asin": "nan -> NaN; above -> NaN; below -> NaN; +0 -> +0; -0 -> -0",
    "asinh": "nan -> NaN; zero -> x; infinite -> x",
    "atan": "nan -> NaN; zero -> x; inf -> pi/2; -inf -> -pi/2",
    "atanh": "nan -> NaN; above -> NaN; below -> NaN; -1 -> -inf; 1 -> inf; zero -> x",
    "ceil": "nan -> NaN; infinite -> x; zero -> x; whole -> x; -0.5 -> -0",
    "cos": "nan -> NaN; zero -> 1; infinite -> NaN",
    "cosh": "nan -> NaN; zero -> 1; infinite -> inf",
    "exp": "nan -> NaN; zero -> 1; inf -> inf; -inf -> +0",
    "expm1": "nan -> NaN; zero -> x; inf -> inf; -inf -> -1",
    "floor": "nan -> NaN; infinite -> x; zero -> x; whole -> x",
    "log": "nan -> NaN; negative -> NaN; -inf -> NaN; zero -> -inf; 1 -> +0; inf -> inf",
    "log10": "nan -> NaN; negative -> NaN; zero -> -inf; 1 -> +0; inf -> inf",
    "log1p": "nan -> NaN; below -> NaN; -1 -> -inf; zero -> x; inf -> inf",
    "log2": "nan -> NaN; negative -> NaN; zero -> -inf; 1 -> +0; inf -> inf",
    "negative": "nan -> NaN; number -> -x",
    "positive": "nan -> NaN; number -> x",
    "reciprocal": "nan -> NaN; inf -> +0; -inf -> -0; +0 -> inf; -0 -> -inf",
    "round": "nan -> NaN; infinite -> x; zero -> x; whole -> x; 0.5 -> +0; -0.5 -> -0; 2.5 -> 2; "
    "1.5 -> 2; -1.5 -> -2",
    "sign": "nan -> NaN; negative -> -1; positive -> 1; zero -> +0; inf -> 1; -inf -> -1",
    "sin": "nan -> NaN; zero -> x; infinite -> NaN",
    "sinh": "nan -> NaN; zero -> x; infinite -> x",
    "sqrt": "nan -> NaN; negative -> NaN; zero -> x; inf -> inf",
    "square": "nan -> NaN; infinite -> inf; zero -> +0",
    "tan": "nan -> NaN; zero -> x; infinite -> NaN",
    "tanh": "nan -> NaN; zero -> x; inf -> 1; -inf -> -1",
    "trunc": "nan -> NaN; infinite -> x; zero -> x; whole -> x; 0.5 -> +0; -0.5 -> -0",
}

PREDICATES = {
    "isfinite": "nan -> no; infinite -> no; finite -> yes",
    "isinf": "nan -> no; infinite -> yes; finite -> no",
    "isnan": "nan -> yes; infinite -> no; finite -> no",
    "signbit": "+0 -> no; -0 -> yes; inf -> no; -inf -> yes; positive -> no; negative -> yes",
    "logical_not": "zero -> yes; nonzero -> no; nan -> no",
}

BINARY = {
    "add": """
        nan, any -> NaN; any, nan -> NaN; inf, -inf -> NaN; -inf, inf -> NaN; inf, inf -> inf
        -inf, -inf -> -inf; infinite, finite -> x1; finite, infinite -> x2; -0, -0 -> -0
        -0, +0 -> +0; +0, -0 -> +0; +0, +0 -> +0; zero, nonzero -> x2; nonzero, zero -> x1
        2, -2 -> +0
    """,
    "atan2": """
        nan, any -> NaN; any, nan -> NaN; positive, zero -> pi/2; negative, zero -> -pi/2
        +0, positive -> +0; +0, +0 -> +0; +0, -0 -> pi; +0, negative -> pi; -0, positive -> -0
        -0, +0 -> -0; -0, -0 -> -pi; -0, negative -> -pi; positive, inf -> +0
        positive, -inf -> pi; negative, inf -> -0; negative, -inf -> -pi; inf, finite -> pi/2
        -inf, finite -> -pi/2; inf, inf -> pi/4; inf, -inf -> 3pi/4; -inf, inf -> -pi/4
        -inf, -inf -> -3pi/4
    """,
    "copysign": """
        positive, negative -> -x1; positive, -0 -> -x1; positive, +0 -> x1; negative, +0 -> -x1
        positive, inf -> x1; negative, -inf -> x1; nan, any -> NaN; +0, -0 -> -0; inf, -0 -> -inf
    """,
    "divide": """
        nan, any -> NaN; any, nan -> NaN; infinite, infinite -> NaN; zero, zero -> NaN
        +0, positive -> +0; -0, positive -> -0; +0, negative -> -0; -0, negative -> +0
        positive, +0 -> inf; positive, -0 -> -inf; negative, +0 -> -inf; negative, -0 -> inf
        inf, positive -> inf; inf, negative -> -inf; -inf, positive -> -inf; -inf, negative -> inf
        positive, inf -> +0; positive, -inf -> -0; negative, inf -> -0; negative, -inf -> +0
    """,
    "floor_divide": """
        nan, any -> NaN; any, nan -> NaN; infinite, infinite -> NaN; zero, zero -> NaN
        +0, positive -> +0; -0, positive -> -0; +0, negative -> -0; -0, negative -> +0
        positive, +0 -> inf; positive, -0 -> -inf; negative, +0 -> -inf; negative, -0 -> inf
        inf, positive -> inf; inf, negative -> -inf; -inf, positive -> -inf; -inf, negative -> inf
        positive, inf -> +0; positive, -inf -> -1; negative, inf -> -1; negative, -inf -> +0
    """,
    "hypot": """
        infinite, any -> inf; any, infinite -> inf; nan, finite -> NaN; finite, nan -> NaN
        nan, nan -> NaN; zero, positive -> x2; positive, zero -> x1
    """,
    "logaddexp": """
        nan, number -> NaN; number, nan -> NaN; inf, number -> inf; number, inf -> inf
    """,
    "maximum": """
        nan, any -> NaN; any, nan -> NaN; negative, positive -> x2; inf, number -> inf
        number, -inf -> x1
    """,
    "minimum": """
        nan, any -> NaN; any, nan -> NaN; negative, positive -> x1; -inf, number -> -inf
        number, inf -> x1
    """,
    "multiply": """
        nan, any -> NaN; any, nan -> NaN; infinite, zero -> NaN; zero, infinite -> NaN
        inf, positive -> inf; inf, negative -> -inf; -inf, positive -> -inf; -inf, negative -> inf
        positive, -inf -> -inf; negative, -inf -> inf; inf, inf -> inf; inf, -inf -> -inf
        +0, negative -> -0; -0, negative -> +0
    """,
    "nextafter": "nan, any -> NaN; any, nan -> NaN; +0, -0 -> -0; -0, +0 -> +0; inf, inf -> inf",
    "pow": """
        large, nan -> NaN; small, nan -> NaN; any, +0 -> 1; any, -0 -> 1; nan, nonzero -> NaN
        large, inf -> inf; large, -inf -> +0; one, inf -> 1; one, -inf -> 1; small, inf -> +0
        small, -inf -> inf; inf, positive -> inf; inf, negative -> +0; -inf, odd -> -inf
        -inf, even -> inf; -inf, -odd -> -0; -inf, -even -> +0; +0, positive -> +0
        +0, negative -> inf; -0, odd -> -0; -0, even -> +0; -0, -odd -> -inf; -0, -even -> inf
        negative, fraction -> NaN; 1, any -> 1
    """,
    "remainder": """
        nan, any -> NaN; any, nan -> NaN; infinite, infinite -> NaN; zero, zero -> NaN
        zero, positive -> +0; zero, negative -> -0; positive, zero -> NaN; negative, zero -> NaN
        infinite, finite -> NaN; positive, inf -> x1; positive, -inf -> x2; negative, inf -> x2
        negative, -inf -> x1
    """,
    "subtract": """
        nan, any -> NaN; any, nan -> NaN; inf, inf -> NaN; -inf, -inf -> NaN; inf, -inf -> inf
        +0, +0 -> +0; -0, +0 -> -0; +0, -0 -> +0; nonzero, zero -> x1
    """,
}

COMPARISONS = {
    "equal": "nan, any -> no; any, nan -> no; +0, -0 -> yes; inf, inf -> yes; inf, -inf -> no",
    "not_equal": "nan, any -> yes; any, nan -> yes; +0, -0 -> no",
    "less": "nan, any -> no; any, nan -> no; -0, +0 -> no; -inf, finite -> yes",
    "less_equal": "nan, any -> no; any, nan -> no; +0, -0 -> yes; finite, inf -> yes",
    "greater": "nan, any -> no; any, nan -> no; inf, finite -> yes; +0, -0 -> no",
    "greater_equal": "nan, any -> no; any, nan -> no; +0, -0 -> yes; inf, inf -> yes",
}

REDUCTIONS = {  # of a vector: of no elements, of one NaN among numbers, of both infinities
    "sum": (0.0, math.nan, math.nan),
    "prod": (1.0, math.nan, -math.inf),
    "mean": (math.nan, math.nan, math.nan),
    "var": (math.nan, math.nan, math.nan),
    "std": (math.nan, math.nan, math.nan),
    "max": (None, math.nan, math.inf),
    "min": (None, math.nan, -math.inf),
    "any": (False, True, True),
    "all": (True, True, True),
}

_ANGLES = {
    "pi": math.pi, "pi/2": math.pi / 2, "pi/4": math.pi / 4, "3pi/4": 3 * math.pi / 4,
}  # fmt: skip


def _result(text: str, operands: tuple[float, ...]) -> float | bool:
    if text in ("yes", "no"):
        return text == "yes"
    named = {"x": operands[0], "x1": operands[0], "x2": operands[-1], "NaN": math.nan, **_ANGLES}
    plain = text.removeprefix("-")
    value = named[plain] if plain in named else float(plain)
    return -value if text.startswith("-") else value


def cases(text: str) -> Iterator[tuple[str, tuple[float, ...], float | bool]]:
    """The rules of a table: rule, operands, result."""
    for rule in text.replace("\n", ";").split(";"):
        if not rule.strip():
            continue
        left, right = rule.strip().split(" -> ")
        groups = [SETS[o] if o in SETS else [float(o)] for o in left.split(", ")]
        for operands in itertools.product(*groups):
            yield rule.strip(), operands, _result(right, operands)
