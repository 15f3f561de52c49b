"""Scatters that do not add: replace, multiply, take the lesser or the greater.

Updates to one place come in row-major order of the indices. So the last one replaces, and results
do not depend on how many threads there are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.base.dtypes import int64
from lamina.graph.ops.arithmetic import maximum, minimum, multiply
from lamina.graph.ops.comparison import equal, select
from lamina.graph.ops.constant import constant, lift, zeros_like
from lamina.graph.ops.convert import cast
from lamina.graph.ops.elementwise import ANY, NUMBERS, REALS
from lamina.graph.ops.index import Scatter, ScatterAdd, scatter
from lamina.graph.ops.iota import iota
from lamina.graph.ops.reduce import expand
from lamina.graph.ops.shape import reshape


class ScatterSet(Scatter):
    """x with every update in its place; the last of those to one place stays.

    x: [*lead, *looked into, *rest], updates: [*lead, *idx, *rest], indices: [*lead, *idx] -> x.
    Inputs: two of one dtype, and integers.  Source: ours.  Linear in x and updates together.
    """

    part_by_part = True
    kinds = ANY
    combiner = None
    jointly = True

    @staticmethod
    def met(x: Any, updates: Any) -> Any:
        return updates

    def linear_operands(self, count: int) -> tuple[int, ...]:
        return (0, 1)

    def transpose(self, i: int, bar: Any, x: Any, updates: Any, *indices: Any) -> Any:
        if i == 0:
            return self.same(ScatterSet, bar, zeros_like(updates), indices)
        found = self.read(bar, indices)
        if self.unique:
            return found
        return select(self._stays(x, updates, indices), found, zeros_like(found))

    def _stays(self, x: Any, updates: Any, indices: Sequence[Any]) -> Any:
        """Which updates are the last ones in their places: as the updates, boolean."""
        shape = indices[0].shape
        lead = len(shape) - self.index_rank
        count = math.prod(shape[lead:])
        order = reshape(iota(count, int64), (count,), shape[lead:])
        order = expand(order, range(-len(shape), -self.index_rank), shape[:lead])
        nobody = constant(-1, int64, x.shape[: x.rank - self.rest])
        op = ScatterSet(0, self.index_rank, self.drop)
        last = op.read(op.same(ScatterSet, nobody, order, indices), indices)
        stays = equal(last, order)
        sizes = updates.shape[updates.rank - self.rest :]
        return expand(stays, range(-self.rest, 0), sizes)


def scatter_set(x: Any, updates: Any, indices: Any, *options: Any) -> Any:
    """x with the updates in place of what is at `indices`; the last one to a place stays."""
    return scatter(ScatterSet, x, updates, indices, *options)


class ScatterMultiply(Scatter):
    """x with every element multiplied by the updates to it.

    x: [*lead, *looked into, *rest], updates: [*lead, *idx, *rest], indices: [*lead, *idx] -> x.
    Inputs: two numbers of one dtype, and integers.  Source: ours.  f16 and bf16 in f32.
    The derivative divides the product by the factor; where a factor is 0 it counts the zeros.
    """

    kinds = NUMBERS
    combiner = "multiply"
    ufunc = np.multiply

    @staticmethod
    def met(x: Any, updates: Any) -> Any:
        return multiply(x, updates)

    def jvp(self, operands: Sequence[Any], dots: Sequence[Any], out: Any) -> Any:
        x, updates, *indices = operands
        one = lift(1.0, x)
        factor = self.same(ScatterMultiply, one, updates, indices)
        if self.unique:
            return self.same(ScatterAdd, dots[0] * factor, dots[1] * self.read(x, indices), indices)
        zero = equal(updates, zeros_like(updates))
        counted = cast(zero, updates.dtype)
        zeros = self.read(self.same(ScatterAdd, zeros_like(x), counted, indices), indices)
        filled = select(zero, lift(1.0, updates), updates)
        product = self.read(self.same(ScatterMultiply, x, filled, indices), indices)
        others = select(equal(zeros, counted), product / filled, zeros_like(updates))
        return self.same(ScatterAdd, dots[0] * factor, dots[1] * others, indices)


def scatter_multiply(x: Any, updates: Any, indices: Any, *options: Any) -> Any:
    """x with what is at `indices` multiplied by the updates."""
    return scatter(ScatterMultiply, x, updates, indices, *options)


class _ScatterExtreme(Scatter, abstract=True):
    """The derivative is shared evenly among the element and the updates that are the result."""

    kinds = REALS

    def jvp(self, operands: Sequence[Any], dots: Sequence[Any], out: Any) -> Any:
        x, updates, *indices = operands
        kept = equal(x, out)
        hit = equal(updates, self.read(out, indices))
        total = select(kept, dots[0], zeros_like(x))
        total = self.same(ScatterAdd, total, select(hit, dots[1], zeros_like(updates)), indices)
        count = self.same(ScatterAdd, cast(kept, x.dtype), cast(hit, x.dtype), indices)
        return total / count


class ScatterMin(_ScatterExtreme):
    """x with every element replaced by the least of it and the updates to it; NaN wins.

    x: [*lead, *looked into, *rest], updates: [*lead, *idx, *rest], indices: [*lead, *idx] -> x.
    Inputs: two numbers of one dtype, and integers.  Source: ours.
    """

    combiner = "minimum"
    ufunc = np.minimum

    @staticmethod
    def met(x: Any, updates: Any) -> Any:
        return minimum(x, updates)


def scatter_min(x: Any, updates: Any, indices: Any, *options: Any) -> Any:
    """x with what is at `indices` replaced by the least of it and the updates."""
    return scatter(ScatterMin, x, updates, indices, *options)


class ScatterMax(_ScatterExtreme):
    """x with every element replaced by the greatest of it and the updates to it; NaN wins.

    x: [*lead, *looked into, *rest], updates: [*lead, *idx, *rest], indices: [*lead, *idx] -> x.
    Inputs: two numbers of one dtype, and integers.  Source: ours.
    """

    combiner = "maximum"
    ufunc = np.maximum

    @staticmethod
    def met(x: Any, updates: Any) -> Any:
        return maximum(x, updates)


def scatter_max(x: Any, updates: Any, indices: Any, *options: Any) -> Any:
    """x with what is at `indices` replaced by the greatest of it and the updates."""
    return scatter(ScatterMax, x, updates, indices, *options)
