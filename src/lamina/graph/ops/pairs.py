"""Pairs of real numbers side by side: how complex numbers lie in memory.

The pass `split_complex` makes real ops of ops on complex numbers. Each op says how by
`split(*operands)`: complex operands come as `Parts`, and so does a complex result.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.base.errors import ShapeError
from lamina.base.records import frozen
from lamina.graph.ir import Op, TensorType, emit, same_dtype
from lamina.graph.ops.constant import zeros_like
from lamina.graph.ops.elementwise import same_shape


@frozen
class Component(Op):
    """y = x[..., index] of pairs x[..., 2].  Inputs: any.  Source: ours.  Mirror of Interleave."""

    cost = 0
    index: int

    def infer(self, *types: TensorType) -> TensorType:
        x = types[0]
        if not x.rank or x.shape[-1] != 2 or self.index not in (0, 1):
            raise ShapeError(
                f"component: there is no component {self.index}",
                [f"x: {x}", "takes: pairs on the last axis, and index 0 or 1"],
                "take an element of another axis with slice",
            )
        return x.with_shape(x.shape[:-1])

    def reference(self, *arrays: Any) -> np.ndarray:
        return np.asarray(arrays[0])[..., self.index].copy()

    def transpose(self, i: int, bar: Any, x: Any) -> Any:
        zero = zeros_like(bar)
        return interleave(bar, zero) if self.index == 0 else interleave(zero, bar)

    def view(self, s: Any, index: tuple[Any, ...], x: Any) -> Any:
        return x((*index, s.constant(self.index, "i64")))


def component(x: Any, index: int) -> Any:
    """The first or second of each pair."""
    return emit(Component(index), x)


class Interleave(Op):
    """z[..., 0] = x and z[..., 1] = y: pairs.  Inputs: two of one dtype and shape.  Source: ours.

    Linear in x and y together.  Mirror of Component. A kernel that stores it loops over pairs.
    """

    arity = 2
    cost = 5
    jointly = True

    def __hash__(self) -> int:
        return hash(type(self))

    def infer(self, *types: TensorType) -> TensorType:
        same_dtype(self, types)
        same_shape(self, types)
        return types[0].with_shape((*types[0].shape, 2))

    def reference(self, *arrays: Any) -> np.ndarray:
        return np.stack(arrays, -1)

    def transpose(self, i: int, bar: Any, x: Any, y: Any) -> Any:
        return component(bar, i)

    def view(self, s: Any, index: tuple[Any, ...], x: Any, y: Any) -> Any:
        first = s.equal(index[-1], s.constant(0, "i64"))
        return s.when(first, lambda: x(index[:-1]), y(index[:-1]))

    def pieces(self, s: Any, index: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        """Where the operands' elements at `index` stand in the result."""
        return [(*index, s.constant(i, "i64")) for i in range(2)]


def interleave(x: Any, y: Any) -> Any:
    """Pairs of the elements of x and y, on a new last axis."""
    return emit(Interleave(), x, y)


class Parts:
    """A complex value as real ones: two parts, or pairs; each is made of the other when needed."""

    __slots__ = ("_im", "_joined", "_re")

    def __init__(self, re: Any, im: Any, joined: Any = None):
        self._re, self._im, self._joined = re, im, joined

    @staticmethod
    def of(joined: Any) -> Parts:
        """Those that lie side by side in a real value [..., 2]."""
        return Parts(None, None, joined)

    @property
    def re(self) -> Any:
        """The real part."""
        if self._re is None:
            self._re = component(self._joined, 0)
        return self._re

    @property
    def im(self) -> Any:
        """The imaginary part."""
        if self._im is None:
            self._im = component(self._joined, 1)
        return self._im

    @property
    def joined(self) -> Any:
        """Both parts side by side, in a real value [..., 2]."""
        if self._joined is None:
            self._joined = interleave(self._re, self._im)
        return self._joined


def by_parts(op: Op, *operands: Any) -> Parts:
    """The `split` of an op that treats both parts alike; real operands serve both."""
    re = [o.re if isinstance(o, Parts) else o for o in operands]
    im = [o.im if isinstance(o, Parts) else o for o in operands]
    return Parts(emit(op, *re), emit(op, *im))
