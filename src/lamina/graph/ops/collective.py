"""Collectives: what the members of a named axis give one another.

A program on one example of many (or on one device of many) is one member of an axis. Its operand
`here` is the member's place on that axis, i32[]: that is how a collective belongs to an axis, and
what it waits for. Batching over that axis, which makes `here` a row of places, turns a collective
into ordinary ops over the members' values; batching over any other axis keeps it, on more elements.
What all members get alike comes back as `Alike`, without an axis for the members.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina.base.dtypes import int32
from lamina.base.errors import ShapeError, UsageError
from lamina.base.records import frozen
from lamina.graph.ir import Op, TensorType, emit
from lamina.graph.ops import shape
from lamina.graph.ops.elementwise import ANY, NUMBERS
from lamina.graph.ops.reduce import expand
from lamina.graph.ops.reduce import sum as sum_of
from lamina.graph.ops.shape import permute


@dataclass(frozen=True)
class Alike:
    """What a `batch` rule gives where all examples have one result: it has no example axis."""

    value: Any


@frozen
class Collective(Op, abstract=True):
    """Operands: x, and `here`, the member's place on an axis of `size` members."""

    arity = 2
    part_by_part = True
    kinds = NUMBERS
    size: int

    def linear_operands(self, count: int) -> tuple[int, ...]:
        return (0,)

    def _require(self, x: TensorType, here: TensorType) -> None:
        self.require(self.kinds, x)
        if here != TensorType(int32):
            raise ShapeError(
                f"{self.name}: the place on the axis is not one number",
                [f"here: {here}", "wanted: i32[]"],
                "give what axis_index says",
            )

    def alone(self, x: Any) -> Any:
        """The result of a member that is the only one."""
        if self.size != 1:
            raise UsageError(
                f"{self.name}: the other members are not there",
                [f"members: {self.size}", "here: 1"],
                "batch the program over the axis first",
            )
        return x

    def of_all(self, x: Any) -> Any:
        """The result from the values of all members, x: [size, ...]."""
        raise NotImplementedError

    def batch(self, size: int, operands: tuple[Any, ...], is_batched: tuple[bool, ...]) -> Any:
        """Over another axis: the same on more elements. Over its own: what the members give."""
        x, here = operands
        if not is_batched[1]:
            return emit(self, x, here)
        if size != self.size:
            raise ShapeError(
                f"{self.name}: an axis of another size",
                [f"members: {self.size}", f"examples: {size}"],
                "this is a defect: the size of a named axis is that of its examples",
            )
        return self.of_all(x if is_batched[0] else expand(x, (-1 - x.rank,), (size,)))


class AllSum(Collective):
    """The sum of x over the members of an axis; all get it.  Inputs: a number.  Source: ours.

    Its own mirror.
    """

    def infer(self, *types: TensorType) -> TensorType:
        self._require(*types)
        return types[0]

    def reference(self, *arrays: Any) -> np.ndarray:
        return np.asarray(self.alone(arrays[0]))

    def transpose(self, i: int, bar: Any, x: Any, here: Any) -> Any:
        return emit(self, bar, here)

    def compose(self, x: Any, here: Any) -> Any:
        return self.alone(x)

    def of_all(self, x: Any) -> Any:
        return Alike(sum_of(x, -x.rank))


def all_sum(x: Any, here: Any, size: int) -> Any:
    """The sum of x over the `size` members of the axis on which we stand at `here`."""
    return emit(AllSum(size), x, here)


@frozen
class AllGather(Collective):
    """The x of all members along a new axis at the position `axis` (negative); all get it.

    Inputs: any.  Source: ours.  Mirror of SumScatter.
    """

    kinds = ANY
    axis: int

    def infer(self, *types: TensorType) -> TensorType:
        self._require(*types)
        x = types[0]
        shape.check_axes(self, (self.axis,), x, x.rank + 1)
        place = x.rank + 1 + self.axis
        return x.with_shape((*x.shape[:place], self.size, *x.shape[place:]))

    def reference(self, *arrays: Any) -> np.ndarray:
        return np.expand_dims(self.alone(arrays[0]), self.axis)

    def transpose(self, i: int, bar: Any, x: Any, here: Any) -> Any:
        return sum_scatter(bar, here, self.size, self.axis)

    def compose(self, x: Any, here: Any) -> Any:
        return expand(self.alone(x), (self.axis,), (1,))

    def of_all(self, x: Any) -> Any:
        rest = [a for a in range(-x.rank, 0) if a != -x.rank]
        rest.insert(x.rank + self.axis, -x.rank)
        return Alike(permute(x, rest))


def all_gather(x: Any, here: Any, size: int, axis: int) -> Any:
    """The x of all `size` members along a new axis at the position `axis` (negative)."""
    return emit(AllGather(size, axis), x, here)


@frozen
class SumScatter(Collective):
    """The sum over the members of an axis, of which member k gets the slice k along `axis`.

    Inputs: a number.  Source: ours.  Mirror of AllGather.
    """

    axis: int

    def infer(self, *types: TensorType) -> TensorType:
        self._require(*types)
        x = types[0]
        shape.check_axes(self, (self.axis,), x)
        if x.shape[self.axis] != self.size:
            raise ShapeError(
                "sum_scatter: not one slice for each member",
                [f"x: {x}, axis {self.axis}", f"members: {self.size}"],
                "split the axis into one slice for each member first",
            )
        return x.with_shape([n for i, n in enumerate(x.shape) if i - x.rank != self.axis])

    def reference(self, *arrays: Any) -> np.ndarray:
        return np.squeeze(self.alone(arrays[0]), self.axis)

    def transpose(self, i: int, bar: Any, x: Any, here: Any) -> Any:
        return all_gather(bar, here, self.size, self.axis)

    def compose(self, x: Any, here: Any) -> Any:
        return sum_of(self.alone(x), self.axis)

    def of_all(self, x: Any) -> Any:
        total = sum_of(x, -x.rank)
        rest = [a for a in range(-total.rank, 0) if a != self.axis]
        return permute(total, (self.axis, *rest))


def sum_scatter(x: Any, here: Any, size: int, axis: int) -> Any:
    """Slice number `here` along `axis` (negative) of the sum of x over the `size` members."""
    return emit(SumScatter(size, axis), x, here)
