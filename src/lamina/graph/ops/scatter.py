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
from lamina.graph.ops.comparison import equal, greater_equal, less, select
from lamina.graph.ops.constant import constant, lift, zeros_like
from lamina.graph.ops.convert import cast
from lamina.graph.ops.cumulative import linear_recurrence, moved
from lamina.graph.ops.elementwise import ANY, NUMBERS, REALS
from lamina.graph.ops.index import Scatter, ScatterAdd, gather, scatter
from lamina.graph.ops.iota import iota
from lamina.graph.ops.logic import and_
from lamina.graph.ops.reduce import expand
from lamina.graph.ops.shape import reshape
from lamina.graph.ops.sort import argsort


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
    The derivative multiplies the other updates to a place, so it is exact where factors are 0.
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
        others = self.read(x, indices) * self._others(x, updates, indices)
        return self.same(ScatterAdd, dots[0] * factor, dots[1] * others, indices)

    def _others(self, x: Any, updates: Any, indices: Sequence[Any]) -> Any:
        """The product of the other updates to the same place: as the updates.

        Updates to one place stand together once they are sorted by place; the product of those
        before and that of those behind are running products that begin again at each place.
        """
        shape, rest = updates.shape, updates.shape[updates.rank - self.rest :]
        places = self._flat_places(x, indices)
        order = argsort(places)
        rows = reshape(updates, shape[places.rank - 1 :], (places.shape[-1], math.prod(rest)))
        rows = gather(rows, order, 1, 1)
        sorted_places = gather(places, order, 0, 1)
        product = self._before(rows, sorted_places, False) * self._before(rows, sorted_places, True)
        found = gather(product, argsort(order), 1, 1)
        return reshape(found, found.shape[-2:], shape[places.rank - 1 :])

    def _flat_places(self, x: Any, indices: Sequence[Any]) -> Any:
        """One number for each place, one more than all for those outside: [*lead, K]."""
        lead = self.lead(indices)
        sizes = x.shape[lead : x.rank - self.rest]
        flat, inside = None, None
        for index, size in zip(indices, sizes):
            i = cast(index, int64)
            flat = i if flat is None else flat * lift(size, i) + i
            fits = and_(greater_equal(i, lift(0, i)), less(i, lift(size, i)))
            inside = fits if inside is None else and_(inside, fits)
        flat = select(inside, flat, lift(math.prod(sizes), flat))
        return reshape(flat, flat.shape[lead:], (math.prod(flat.shape[lead:]),))

    def _before(self, rows: Any, places: Any, reverse: bool) -> Any:
        """The product of the rows on one side of each that are of the same place."""
        earlier = moved(places, -1, -1, forwards=not reverse)
        same = cast(equal(places, earlier), rows.dtype)
        same = expand(same, (-1,), rows.shape[-1:])
        factor = same * moved(rows, -2, 1.0, forwards=not reverse)
        return linear_recurrence(factor, lift(1.0, same) - same, -2, reverse)


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
