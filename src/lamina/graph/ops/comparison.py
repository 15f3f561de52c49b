"""Comparisons, which give booleans, and Select, which takes one of two by a boolean."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.base.dtypes import bool_
from lamina.base.errors import DTypeError
from lamina.graph.ir import TensorType, emit, same_dtype
from lamina.graph.ops.constant import zeros_like
from lamina.graph.ops.elementwise import ANY, Elementwise, same_shape
from lamina.graph.ops.logic import and_, or_
from lamina.graph.ops.pairs import Parts


class Comparison(Elementwise, abstract=True):
    """A boolean from two numbers. Ordered as IEEE 754: NaN equals nothing, is less than nothing."""

    arity = 2
    kinds = "bool int uint float"
    constant = True

    def infer(self, *types: TensorType) -> TensorType:
        self.require(self.kinds, *types)
        same_dtype(self, types)
        same_shape(self, types)
        return types[0].with_dtype(bool_)


class Equal(Comparison):
    """x == y, element by element.  Inputs: two of one dtype.  Source: IEEE 754-2019, 5.11."""

    kinds = "bool int uint float complex"
    formula = staticmethod(np.equal)

    def lane(self, s: Any, x: Any, y: Any) -> Any:
        return s.equal(x, y)

    def split(self, x: Parts, y: Parts) -> Any:
        return and_(equal(x.re, y.re), equal(x.im, y.im))


def equal(x: Any, y: Any) -> Any:
    """x == y, element by element; NaN equals nothing."""
    return emit(Equal(), x, y)


class NotEqual(Comparison):
    """x != y, element by element.  Inputs: two of one dtype.  Source: IEEE 754-2019, 5.11."""

    kinds = "bool int uint float complex"
    formula = staticmethod(np.not_equal)

    def lane(self, s: Any, x: Any, y: Any) -> Any:
        return s.not_equal(x, y)

    def split(self, x: Parts, y: Parts) -> Any:
        return or_(not_equal(x.re, y.re), not_equal(x.im, y.im))


def not_equal(x: Any, y: Any) -> Any:
    """x != y, element by element; NaN differs even from itself."""
    return emit(NotEqual(), x, y)


class Less(Comparison):
    """x < y, element by element.  Inputs: two of one dtype.  Source: IEEE 754-2019, 5.11."""

    formula = staticmethod(np.less)

    def lane(self, s: Any, x: Any, y: Any) -> Any:
        return s.less(x, y)


def less(x: Any, y: Any) -> Any:
    """x < y, element by element."""
    return emit(Less(), x, y)


def greater(x: Any, y: Any) -> Any:
    """x > y, element by element: y < x."""
    return emit(Less(), y, x)


class LessEqual(Comparison):
    """x <= y, element by element.  Inputs: two of one dtype.  Source: IEEE 754-2019, 5.11."""

    formula = staticmethod(np.less_equal)

    def lane(self, s: Any, x: Any, y: Any) -> Any:
        return s.less_equal(x, y)


def less_equal(x: Any, y: Any) -> Any:
    """x <= y, element by element."""
    return emit(LessEqual(), x, y)


def greater_equal(x: Any, y: Any) -> Any:
    """x >= y, element by element: y <= x."""
    return emit(LessEqual(), y, x)


class Select(Elementwise):
    """x where the condition holds, else y.  Inputs: bool, and two of one dtype.  Source: ours.

    Linear in x and y together; the side that is not taken passes nothing, not even a NaN.
    """

    part_by_part = True
    arity = 3
    kinds = ANY
    jointly = True
    formula = staticmethod(np.where)

    def infer(self, *types: TensorType) -> TensorType:
        condition, x, y = types
        if condition.dtype is not bool_:
            raise DTypeError(
                "select: the condition is not boolean",
                [f"condition: {condition}", f"x: {x}"],
                "compare it with something, as in x > 0",
            )
        same_dtype(self, (x, y))
        same_shape(self, types)
        return x

    def reference(self, *arrays: Any) -> np.ndarray:
        return np.where(*arrays)

    def linear_operands(self, count: int) -> tuple[int, ...]:
        return (1, 2)

    def transpose(self, i: int, bar: Any, condition: Any, x: Any, y: Any) -> Any:
        zero = zeros_like(bar)
        return select(condition, bar, zero) if i == 1 else select(condition, zero, bar)

    def lane(self, s: Any, condition: Any, x: Any, y: Any) -> Any:
        return s.select(condition, x, y)


def select(condition: Any, x: Any, y: Any) -> Any:
    """x where `condition`, else y."""
    return emit(Select(), condition, x, y)
