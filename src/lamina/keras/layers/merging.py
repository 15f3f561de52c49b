"""Several tensors made one."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any, ClassVar

import lamina.tensor as lm
from lamina.keras.layer import Layer
from lamina.tensor import Tensor


class _Merge(Layer):
    """Tensors of one list joined pair by pair; not a layer by itself."""

    join: ClassVar[Callable[[Any, Any], Any]]

    def call(self, *inputs: Any) -> Tensor:
        return reduce(type(self).join, listed(inputs))


class Add(_Merge):
    """The sum of the tensors in a list."""

    join = staticmethod(lm.add)


class Subtract(_Merge):
    """The first of two tensors without the second."""

    join = staticmethod(lm.subtract)


class Multiply(_Merge):
    """The product of the tensors in a list, element by element."""

    join = staticmethod(lm.multiply)


class Maximum(_Merge):
    """The largest of the tensors in a list, element by element."""

    join = staticmethod(lm.maximum)


class Minimum(_Merge):
    """The smallest of the tensors in a list, element by element."""

    join = staticmethod(lm.minimum)


class Average(Layer):
    """The mean of the tensors in a list, element by element."""

    def call(self, *inputs: Any) -> Tensor:
        tensors = listed(inputs)
        return reduce(lm.add, tensors) / len(tensors)


class Concatenate(Layer):
    """The tensors of a list, one behind the other.

    Args:
        axis: along which; the batch is axis 0.
        options: those of `Layer`.
    """

    def __init__(self, axis: int = -1, **options: Any):
        super().__init__(**options)
        self.axis = axis

    def call(self, *inputs: Any) -> Tensor:
        return lm.concat(listed(inputs), axis=self.axis)


def listed(inputs: tuple[Any, ...]) -> list[Any]:
    """The tensors of a call that was given a list, or each by itself."""
    return (
        list(inputs[0]) if len(inputs) == 1 and isinstance(inputs[0], list | tuple) else [*inputs]
    )
