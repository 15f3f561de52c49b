"""Logic on booleans, which is arithmetic on the bits of integers."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.graph.ir import emit
from lamina.graph.ops.elementwise import Elementwise


class Bitwise(Elementwise, abstract=True):
    """Bit by bit; a boolean is one bit."""

    arity = 2
    kinds = "bool int uint"
    constant = True


class And(Bitwise):
    """x and y, bit by bit.  Inputs: two booleans or integers of one dtype.  Source: Boole 1854."""

    formula = staticmethod(np.bitwise_and)

    def lane(self, s: Any, x: Any, y: Any) -> Any:
        return s.and_(x, y)


def and_(x: Any, y: Any) -> Any:
    """x & y, bit by bit."""
    return emit(And(), x, y)


class Or(Bitwise):
    """x or y, bit by bit.  Inputs: two booleans or integers of one dtype.  Source: Boole 1854."""

    formula = staticmethod(np.bitwise_or)

    def lane(self, s: Any, x: Any, y: Any) -> Any:
        return s.or_(x, y)


def or_(x: Any, y: Any) -> Any:
    """x | y, bit by bit."""
    return emit(Or(), x, y)


class Xor(Bitwise):
    """x or y but not both, bit by bit.  Inputs: two booleans or integers of one dtype.

    Source: Boole 1854.
    """

    formula = staticmethod(np.bitwise_xor)

    def lane(self, s: Any, x: Any, y: Any) -> Any:
        return s.xor(x, y)


def xor(x: Any, y: Any) -> Any:
    """x ^ y, bit by bit."""
    return emit(Xor(), x, y)


class Not(Bitwise):
    """Each bit turned.  Inputs: a boolean or integer.  Source: Boole 1854."""

    arity = 1
    formula = staticmethod(np.invert)

    def lane(self, s: Any, x: Any) -> Any:
        return s.not_(x)


def not_(x: Any) -> Any:
    """~x, bit by bit."""
    return emit(Not(), x)


class ShiftLeft(Bitwise):
    """x * 2^y modulo 2^bits.  Inputs: two integers of one dtype, 0 <= y < bits.  Source: ours."""

    kinds = "int uint"
    formula = staticmethod(np.left_shift)

    def lane(self, s: Any, x: Any, y: Any) -> Any:
        return s.shift_left(x, y)


def shift_left(x: Any, y: Any) -> Any:
    """x shifted left by y bits."""
    return emit(ShiftLeft(), x, y)


class ShiftRight(Bitwise):
    """floor(x / 2^y); signed integers keep their sign.  Inputs: two integers of one dtype,
    0 <= y < bits.  Source: ours."""

    kinds = "int uint"
    formula = staticmethod(np.right_shift)

    def lane(self, s: Any, x: Any, y: Any) -> Any:
        return s.shift_right(x, y)


def shift_right(x: Any, y: Any) -> Any:
    """x shifted right by y bits."""
    return emit(ShiftRight(), x, y)
