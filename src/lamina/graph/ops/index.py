"""Positions as data: Iota counts, Gather reads at given positions, ScatterAdd adds to them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamina.base.dtypes import DType
from lamina.base.errors import BoundsError, DTypeError, ShapeError
from lamina.base.spans import Span
from lamina.graph.ir import Graph, Op, TensorType, Value, emit
from lamina.graph.ops.elementwise import HALVES, NUMBERS, REALS


@dataclass(frozen=True)
class Iota(Op):
    """0, 1, ..., size - 1.  Inputs: none.  Source: Iverson, A Programming Language, 1962."""

    arity = 0
    constant = True
    cost = 0
    size: int
    dtype: DType

    def infer(self) -> TensorType:
        if self.dtype.kind not in REALS.split() or self.size < 0:
            raise DTypeError(
                "iota: counts in numbers, up from 0",
                [f"size: {self.size}", f"dtype: {self.dtype.long_name}"],
                "take a size of at least 0 and an integer or floating dtype",
            )
        return TensorType(self.dtype, (self.size,))

    def reference(self) -> np.ndarray:
        return np.arange(self.size).astype(self.dtype.numpy)

    def view(self, s: Any, index: tuple[Any, ...]) -> Any:
        return index[0] if self.dtype.name == "i64" else s.cast(index[0], self.dtype.name)


def iota(size: int, dtype: DType) -> Any:
    """The numbers 0, 1, ..., size - 1."""
    return emit(Iota(size, dtype))


def _check_indices(op: Op, indices: TensorType) -> None:
    if not indices.dtype.is_integer:
        raise DTypeError(
            f"{op.name}: positions are integers",
            [f"indices: {indices}", "takes: int, uint"],
            "cast the indices to int64",
        )


def _misfit(op: Op, x: TensorType, indices: TensorType, fact: str) -> ShapeError:
    return ShapeError(
        f"{op.name}: the operands do not fit together",
        [f"x: {x}", f"indices: {indices}"],
        fact,
    )


def _check_bounds(op: Op, indices: np.ndarray, size: int) -> None:
    outside = (indices < 0) | (indices >= size)
    if outside.any():
        raise outside_axis(op.name, int(indices[outside].flat[0]), size)


def outside_axis(name: str, index: int, size: int, span: Span | None = None) -> BoundsError:
    """The error of an index that was found to lie outside its axis while running."""
    facts = [f"index: {index}", f"axis:  {size} elements"]
    if index < 0:  # Tensors count negative indices from the end before they gather
        facts[0] += f", that is {index - size} counted from the end"
    way_out = f"positions go from 0 to {size - 1}; check the indices, or clip them first"
    return BoundsError(
        f"{name}: index {index} is outside the axis",
        facts,
        way_out if size else "the axis is empty",
        span,
    )


@dataclass(frozen=True)
class Gather(Op):
    """y[*lead, *idx, *rest] = x[*lead, indices[*lead, *idx], *rest].  Inputs: any, and integers.

    x: [*lead, N, *rest axes], indices: [*lead, *idx] -> [*lead, *idx, *rest]; `rest` counts the
    axes behind N, `index_rank` those of idx. An index outside 0..N-1 is a BoundsError.
    Source: ours.  Mirror of ScatterAdd.
    """

    arity = 2
    rest: int
    index_rank: int

    def infer(self, *types: TensorType) -> TensorType:
        x, indices = types
        _check_indices(self, indices)
        lead = x.rank - 1 - self.rest
        if lead < 0 or indices.rank < self.index_rank:
            raise _misfit(self, x, indices, f"x has {self.rest + 1} axes or more")
        if x.shape[:lead] != indices.shape[: indices.rank - self.index_rank]:
            raise _misfit(self, x, indices, "the leading axes of both are the same")
        return x.with_shape(indices.shape + x.shape[lead + 1 :])

    def linear_operands(self, count: int) -> tuple[int, ...]:
        return (0,)

    def reference(self, *arrays: Any) -> np.ndarray:
        x, indices = (np.asarray(a) for a in arrays)
        lead = x.ndim - 1 - self.rest
        _check_bounds(self, indices, x.shape[lead])
        flat, where, rows = _flat_lead(lead, x, indices)
        return flat[rows, where].reshape(indices.shape + x.shape[lead + 1 :])

    def transpose(self, i: int, bar: Any, x: Any, indices: Any) -> Any:
        size = x.shape[x.rank - 1 - self.rest]
        return scatter_add(bar, indices, size, self.rest, self.index_rank)

    def batch(self, size: int, operands: tuple[Any, ...], is_batched: tuple[bool, ...]) -> Any:
        """Many lookups in one table: the batch is one more axis of the index."""
        x, indices = operands
        if is_batched[1] and not is_batched[0] and x.rank == 1 + self.rest:
            return gather(x, indices, self.rest, self.index_rank + 1)
        return None if not all(is_batched) else gather(x, indices, self.rest, self.index_rank)

    def view(self, s: Any, index: tuple[Any, ...], x: Any, indices: Any) -> Any:
        behind = len(index) - self.rest
        lead = x.type.rank - 1 - self.rest
        position = indices(index[:behind])
        if indices.type.dtype.name != "i64":
            position = s.cast(position, "i64")
        position = s.check_index(position, x.type.shape[lead])
        return x((*index[:lead], position, *index[behind:]))


def _flat_lead(lead: int, x: np.ndarray, indices: np.ndarray) -> tuple[np.ndarray, ...]:
    """x with its leading axes merged, the indices likewise, and the row of each."""
    count = math.prod(x.shape[:lead])
    flat = x.reshape(count, *x.shape[lead:])
    each = math.prod(indices.shape[lead:])
    where = indices.reshape(count, each).astype(np.int64)
    return flat, where, np.arange(count)[:, None]


def gather(x: Any, indices: Any, rest: int = 0, index_rank: int | None = None) -> Any:
    """The elements of x at `indices`, along the axis that has `rest` axes behind it."""
    rank = indices.type.rank if index_rank is None else index_rank
    return emit(Gather(rest, rank), x, indices)


@dataclass(frozen=True)
class ScatterAdd(Op):
    """y[*lead, n, *rest] = sum of x[*lead, *idx, *rest] where indices[*lead, *idx] = n.

    updates x: [*lead, *idx, *rest], indices: [*lead, *idx] -> [*lead, size, *rest]. An index
    outside 0..size-1 is a BoundsError.  Inputs: a number, and integers.  Source: ours.
    Mirror of Gather.
    """

    arity = 2
    cost = 4
    size: int
    rest: int
    index_rank: int

    def infer(self, *types: TensorType) -> TensorType:
        updates, indices = types
        self.require(NUMBERS, updates)
        _check_indices(self, indices)
        behind = updates.rank - self.rest
        if behind < 0 or updates.shape[:behind] != indices.shape or indices.rank < self.index_rank:
            raise _misfit(self, updates, indices, "x has the axes of the indices, then the rest")
        lead = indices.shape[: indices.rank - self.index_rank]
        return updates.with_shape((*lead, self.size, *updates.shape[behind:]))

    def linear_operands(self, count: int) -> tuple[int, ...]:
        return (0,)

    def reference(self, *arrays: Any) -> np.ndarray:
        updates, indices = (np.asarray(a) for a in arrays)
        _check_bounds(self, indices, self.size)
        lead, behind = indices.ndim - self.index_rank, updates.ndim - self.rest
        count = math.prod(updates.shape[:lead])
        each, rest = math.prod(updates.shape[lead:behind]), updates.shape[behind:]
        wide = np.dtype(np.float32) if updates.dtype in HALVES else updates.dtype
        out = np.zeros((count, self.size, *rest), wide)
        where = indices.reshape(count, each).astype(np.int64)
        np.add.at(
            out,
            (np.arange(count)[:, None], where),
            updates.reshape(count, each, *rest).astype(wide),
        )
        shape = (*updates.shape[:lead], self.size, *rest)
        return out.astype(updates.dtype).reshape(shape)

    def transpose(self, i: int, bar: Any, updates: Any, indices: Any) -> Any:
        return gather(bar, indices, self.rest, self.index_rank)


def scatter_add(
    updates: Any, indices: Any, size: int, rest: int = 0, index_rank: int | None = None
) -> Any:
    """The updates added up at `indices` of an axis of `size` elements; the mirror of gather."""
    rank = indices.type.rank if index_rank is None else index_rank
    return emit(ScatterAdd(size, rest, rank), updates, indices)


def checking(graph: Graph) -> list[Value]:
    """The nodes that check an index when they run, in the order of the graph."""
    return [v for v in graph.nodes if isinstance(v.op, Gather | ScatterAdd)]
