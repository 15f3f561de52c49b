"""Places as data: Gather reads at them, ScatterAdd adds at them.

Both take one index operand for each of the axes that are looked into, so an element's place is
checked axis by axis. What the other scatters do where several updates meet is in `scatter`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from lamina.base.errors import BoundsError, DTypeError, ShapeError
from lamina.base.records import frozen
from lamina.base.spans import Span
from lamina.graph.ir import Expression, Graph, Op, TensorType, Value, emit, same_dtype
from lamina.graph.ops.arithmetic import add
from lamina.graph.ops.constant import zeros_like
from lamina.graph.ops.elementwise import HALVES, NUMBERS
from lamina.graph.ops.reduce import expand
from lamina.graph.ops.shape import when_all


@frozen
class Indexed(Op, abstract=True):
    """x: [*lead, *looked into, *rest], and an index [*lead, *idx] for each axis looked into.

    `rest` counts the axes behind, `index_rank` those of idx. An index outside its axis is a
    BoundsError; with `drop` it reads zero and writes nothing.
    """

    arity = None
    first: ClassVar[int]  # which operand is the first index
    rest: int
    index_rank: int
    drop: bool = False

    def lead(self, indices: Sequence[Any]) -> int:
        """How many leading axes x shares with the indices."""
        return len(indices[0].shape) - self.index_rank

    def places(self, types: Sequence[TensorType]) -> list[tuple[int, int]]:
        """For each index that is checked: which operand it is, and the size of its axis."""
        lead = self.lead(types[self.first :])
        axes = range(len(types) - self.first)
        return [] if self.drop else [(self.first + a, types[0].shape[lead + a]) for a in axes]

    def check_indices(self, types: Sequence[TensorType]) -> None:
        """Raise unless there are integer indices of one shape that goes with x."""
        x, indices = types[0], types[self.first :]
        for t in indices:
            if not t.dtype.is_integer:
                raise DTypeError(
                    f"{self.name}: positions are integers",
                    [f"indices: {t}", "takes: int, uint"],
                    "cast the indices to int64",
                )
        if not indices:
            raise self.misfit(types, "there is an index for each axis that is looked into")
        lead, shape = self.lead(indices), indices[0].shape
        if any(t.shape != shape for t in indices):
            raise self.misfit(types, "the indices have one shape")
        if lead < 0 or x.rank != lead + len(indices) + self.rest:
            fact = f"x has the leading axes, {len(indices)} that are looked into, and {self.rest}"
            raise self.misfit(types, fact)
        if x.shape[:lead] != shape[:lead]:
            raise self.misfit(types, "the leading axes of both are the same")

    def misfit(self, types: Sequence[TensorType], fact: str) -> ShapeError:
        """The error of operands whose shapes do not go together."""
        names = ["x", "updates"][: self.first] + ["indices"] * len(types)
        facts = [f"{name}: {t}" for name, t in zip(names, types)]
        return ShapeError(f"{self.name}: the operands do not fit together", facts, fact)

    def located(
        self, x: np.ndarray, indices: Sequence[np.ndarray]
    ) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
        """The index of every axis before the rest, and where all lie inside: [*lead, *idx]."""
        lead, shape = self.lead(indices), indices[0].shape
        inside = np.ones(shape, bool)
        for i, size in zip(indices, x.shape[lead:]):
            inside &= (i >= 0) & (i < size)
            if not self.drop and not inside.all():
                raise outside_axis(self.name, int(i[~inside].flat[0]), size)
        grid = [np.broadcast_to(g, shape) for g in _lead_grid(shape[:lead], self.index_rank)]
        return (*grid, *(np.where(inside, i, 0).astype(np.int64) for i in indices)), inside


def _lead_grid(lead: tuple[int, ...], behind: int) -> list[np.ndarray]:
    """For each leading axis its own index, spread over `behind` more axes."""
    return [
        np.arange(n).reshape((n, *[1] * (len(lead) - 1 - a + behind))) for a, n in enumerate(lead)
    ]


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


class Gather(Indexed):
    """y[*lead, *idx, *rest] = x[*lead, i[*lead, *idx], j[*lead, *idx], ..., *rest].

    Inputs: any, and integers, one for each axis of x that is looked into.  Source: ours.
    An index outside its axis is a BoundsError, or zero with `drop`. Mirror of ScatterAdd.
    """

    part_by_part = True
    first = 1

    def infer(self, *types: TensorType) -> TensorType:
        self.check_indices(types)
        x, *indices = types
        return x.with_shape(indices[0].shape + x.shape[x.rank - self.rest :])

    def linear_operands(self, count: int) -> tuple[int, ...]:
        return (0,)

    def reference(self, *arrays: Any) -> np.ndarray:
        x, *indices = (np.asarray(a) for a in arrays)
        shape = indices[0].shape + x.shape[x.ndim - self.rest :]
        if 0 in shape or not x.size:
            self.located(x, indices)
            return np.zeros(shape, x.dtype)
        where, inside = self.located(x, indices)
        found = x[where]
        return np.where(inside[(..., *[None] * self.rest)], found, np.zeros((), x.dtype))

    def transpose(self, i: int, bar: Any, x: Any, *indices: Any) -> Any:
        return scatter_add(zeros_like(x), bar, indices, self.rest, self.index_rank, self.drop)

    def batch(self, size: int, operands: tuple[Any, ...], is_batched: tuple[bool, ...]) -> Any:
        """Many lookups in one table: the batch is one more axis of the index."""
        x, *indices = operands
        if is_batched[0] or x.rank != len(indices) + self.rest:
            return None
        every = [
            i if batched else expand(i, (-1 - i.rank,), (size,))
            for i, batched in zip(indices, is_batched[1:])
        ]
        return gather(x, every, self.rest, self.index_rank + 1, self.drop)

    def view(self, s: Any, index: tuple[Any, ...], x: Any, *indices: Any) -> Any:
        behind = len(index) - self.rest
        lead = x.type.rank - len(indices) - self.rest
        sizes = x.type.shape[lead:]
        places = [position(s, i(index[:behind])) for i in indices]
        if not self.drop:
            places = [s.check_index(p, n) for p, n in zip(places, sizes)]
        read = lambda: x((*index[:lead], *places, *index[behind:]))
        return when_all(s, inside_all(s, places, sizes) if self.drop else [], read, x.type)


def position(s: Any, index: Any) -> Any:
    """An index in the arithmetic of lanes, as i64."""
    return index if index.dtype == "i64" else s.cast(index, "i64")


def inside_all(s: Any, places: Sequence[Any], sizes: Sequence[int]) -> list[Any]:
    """The conditions under which every place lies inside its axis."""
    zero = s.constant(0, "i64")
    low = [s.less_equal(zero, p) for p in places]
    return low + [s.less(p, s.constant(n, "i64")) for p, n in zip(places, sizes)]


def _listed(indices: Any) -> tuple[Any, ...]:
    return (indices,) if isinstance(indices, Expression) else tuple(indices)


def gather(
    x: Any, indices: Any, rest: int = 0, index_rank: int | None = None, drop: bool = False
) -> Any:
    """The elements of x at `indices` (one, or one for each axis), before the last `rest` axes."""
    every = _listed(indices)
    rank = len(every[0].shape) if index_rank is None else index_rank
    return emit(Gather(rest, rank, drop), x, *every)


@frozen
class Scatter(Indexed, abstract=True):
    """x with updates put at places, one after the other in row-major order of the indices.

    x: [*lead, *looked into, *rest], updates: [*lead, *idx, *rest], indices: [*lead, *idx] -> x.
    `unique` promises that no place is named twice.
    """

    first = 2
    kinds: ClassVar[str]
    combiner: ClassVar[str | None]  # the lane operation of an element and an update; None replaces
    ufunc: ClassVar[np.ufunc | None] = None  # the same in NumPy
    cost = 4
    unique: bool = False

    def infer(self, *types: TensorType) -> TensorType:
        if len(types) < 2:
            raise self.misfit(types, "there are x, updates, and indices")
        x, updates, *indices = types
        self.require(self.kinds, x)
        same_dtype(self, (x, updates))
        self.check_indices(types)
        if updates.shape != indices[0].shape + x.shape[x.rank - self.rest :]:
            raise self.misfit(types, "updates have the axes of the indices, then the rest of x")
        return x

    @staticmethod
    def met(x: Any, updates: Any) -> Any:
        """What becomes of elements that meet one update each."""
        raise NotImplementedError

    @property
    def sums(self) -> bool:
        """Whether halves are combined in f32 and rounded once."""
        return self.combiner in ("add", "multiply")

    def reference(self, *arrays: Any) -> np.ndarray:
        x, updates, *indices = (np.asarray(a) for a in arrays)
        where, inside = self.located(x, indices)
        chosen = tuple(w[inside] for w in where)
        wide = np.float32 if x.dtype in HALVES and self.sums else x.dtype
        out, given = np.array(x, wide), updates[inside].astype(wide)
        if self.ufunc is None:
            out[chosen] = given
        elif given.size:
            with np.errstate(all="ignore"):
                self.ufunc.at(out, chosen, given)
        return out.astype(x.dtype)

    def same(self, kind: type[Scatter], x: Any, updates: Any, indices: Sequence[Any]) -> Any:
        """Another kind of scatter to the same places."""
        options = self.rest, self.index_rank, self.drop, self.unique
        return scatter(kind, x, updates, indices, *options)

    def read(self, x: Any, indices: Sequence[Any]) -> Any:
        """What x has at the places: [*lead, *idx, *rest]."""
        return gather(x, indices, self.rest, self.index_rank, self.drop)


def scatter(
    kind: type[Scatter],
    x: Any,
    updates: Any,
    indices: Any,
    rest: int = 0,
    index_rank: int | None = None,
    drop: bool = False,
    unique: bool = False,
) -> Any:
    """x with the updates put at `indices` (one, or one for each axis), before the last `rest` axes.

    What is put is what `kind` says.
    """
    every = _listed(indices)
    rank = len(every[0].shape) if index_rank is None else index_rank
    return emit(kind(rest, rank, drop, unique), x, updates, *every)


class ScatterAdd(Scatter):
    """x with every update added at its place.  Inputs: two numbers of one dtype, and integers.

    x: [*lead, *looked into, *rest], updates: [*lead, *idx, *rest], indices: [*lead, *idx] -> x.
    Additions come in row-major order of the indices; f16 and bf16 are added in f32.
    Source: ours.  Mirror of Gather; linear in x and updates together.
    """

    part_by_part = True
    kinds = NUMBERS
    combiner = "add"
    ufunc = np.add
    jointly = True

    @staticmethod
    def met(x: Any, updates: Any) -> Any:
        return add(x, updates)

    def linear_operands(self, count: int) -> tuple[int, ...]:
        return (0, 1)

    def transpose(self, i: int, bar: Any, x: Any, updates: Any, *indices: Any) -> Any:
        return bar if i == 0 else self.read(bar, indices)


def scatter_add(x: Any, updates: Any, indices: Any, *options: Any) -> Any:
    """x with the updates added at `indices` (one, or one for each axis); the mirror of gather."""
    return scatter(ScatterAdd, x, updates, indices, *options)


def checking(graph: Graph) -> list[Value]:
    """The nodes that check an index when they run, in the order of the graph."""
    return [v for v in graph.nodes if isinstance(v.op, Indexed) and not v.op.drop]
