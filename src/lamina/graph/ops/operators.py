"""Arithmetic for every Expression: values of a graph, tensors and patterns write the same formulas.

Python numbers become constants of the type of the other operand. `==` stays identity.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lamina.graph.ir import Expression
from lamina.graph.ops.arithmetic import (
    abs,
    add,
    divide,
    floor_divide,
    multiply,
    negative,
    remainder,
    subtract,
)
from lamina.graph.ops.comparison import greater, greater_equal, less, less_equal
from lamina.graph.ops.constant import lift
from lamina.graph.ops.logic import and_, not_, or_, shift_left, shift_right, xor
from lamina.graph.ops.transcendental import power

NUMBER = (bool, int, float, complex, np.generic)

BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": add,
    "sub": subtract,
    "mul": multiply,
    "truediv": divide,
    "floordiv": floor_divide,
    "mod": remainder,
    "pow": power,
    "and": and_,
    "or": or_,
    "xor": xor,
    "lshift": shift_left,
    "rshift": shift_right,
}
COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "lt": less,
    "le": less_equal,
    "gt": greater,
    "ge": greater_equal,
}


def _forward(f: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """`x + y` where x is an Expression and y may be a number."""

    def method(self: Any, other: Any) -> Any:
        if not isinstance(other, (Expression, *NUMBER)):
            return NotImplemented
        return f(self, lift(other, self))

    return method


def _backward(f: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """`x + y` where x is a number and y an Expression."""

    def method(self: Any, other: Any) -> Any:
        if not isinstance(other, NUMBER):
            return NotImplemented
        return f(lift(other, self), self)

    return method


def attach() -> None:
    """Give Expression its operators."""
    methods = {f"__{name}__": _forward(f) for name, f in (BINARY | COMPARISONS).items()}
    methods |= {f"__r{name}__": _backward(f) for name, f in BINARY.items()}
    methods |= {"__neg__": negative, "__abs__": abs, "__invert__": not_}
    for name, method in methods.items():
        setattr(Expression, name, method)


attach()
