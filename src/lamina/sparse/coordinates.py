"""Sparse tensors in coordinate form (COO): the elements that are stored, and where they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.base.errors import BoundsError, ShapeError, UsageError
from lamina.graph import ops
from lamina.tensor import Tensor
from lamina.tensor.api import (
    arange,
    argsort,
    asarray,
    concat,
    cumulative_sum,
    int64,
    matrix_transpose,
    nonzero,
    register_node,
    searchsorted,
    stack,
    where,
    zeros,
)
from lamina.tensor.api import (
    sum as sum_of,
)


class Sparse:
    """A tensor of which only some elements are stored; the others are 0.

    A place may be stored more than once: the values add up. Memory and time are proportional to the
    number of stored elements, which is static.

    Args:
        values: the stored elements.
        indices: where they are, a row for each axis.
        shape: of the tensor.

    Attributes:
        values: [K].
        indices: i64[rank, K].
        shape: integers.

    Shapes: K elements of a tensor of rank `rank`.

    Raises:
        ShapeError: values, indices and shape do not fit together.

    Example:
        >>> import lamina as lm
        >>> x = Sparse([2.0, 3.0], [[0, 1], [1, 0]], (2, 2))
        >>> (x @ lm.asarray([1.0, 10.0])).tolist()
        [20.0, 3.0]

    Source: SciPy, `sparse.coo_array`.
    """

    def __init__(self, values: Any, indices: Any, shape: Sequence[int]):
        self.values = asarray(values)
        self.indices = asarray(indices).astype(int64)  # type: ignore[attr-defined]
        self.shape = tuple(int(n) for n in shape)
        expected = (len(self.shape), *self.values.shape)
        if self.values.ndim != 1 or self.indices.shape != expected or not self.shape:
            raise ShapeError(
                "Sparse: values, indices and shape do not fit",
                [
                    f"values: {self.values.type}",
                    f"indices: {self.indices.type}",
                    f"shape: {self.shape}",
                ],
                "values are [K], and indices [rank, K] with a row for each of one axis or more",
            )

    @staticmethod
    def from_dense(x: Any, count: int | None = None) -> Sparse:
        """The elements of a tensor that are not 0.

        Args:
            x: the tensor.
            count: how many are stored, which `jit` has to know; those missing are stored zeros.

        Raises:
            ShapeError: the tensor has no axes.
            TraceError: inside `jit` without `count`.
        """
        x = asarray(x)
        if not x.ndim:
            raise ShapeError(
                "Sparse.from_dense: a tensor without axes has no places",
                [f"tensor: {x.type}"],
                "keep it as it is",
            )
        if count is None:
            places = [asarray(p) for p in np.nonzero(x.numpy())]
        else:
            flat = x.reshape((-1,))  # type: ignore[attr-defined]
            (found,) = nonzero(flat, size=count, fill_value=flat.shape[0])
            stored = found < flat.shape[0]
            safe = where(stored, found, 0)
            values = where(stored, ops.gather(flat, safe), 0)
            return Sparse(values, _unraveled(safe, x.shape), x.shape)
        return Sparse(ops.gather(x, tuple(places)), stack(places), x.shape)

    @staticmethod
    def from_scipy(matrix: Any) -> Sparse:
        """The elements of a matrix or array of `scipy.sparse`."""
        form = matrix.tocoo()
        rows = getattr(form, "coords", None) or (form.row, form.col)
        return Sparse(np.array(form.data), np.stack(rows).astype(np.int64), form.shape)

    def to_scipy(self) -> Any:
        """The same as a `scipy.sparse.coo_array`.

        Raises:
            ImportError: SciPy is not installed.
        """
        try:
            from scipy import sparse
        except ImportError as error:
            raise ImportError("to_scipy needs SciPy: pip install scipy") from error
        coordinates = tuple(np.array(row) for row in self.indices.numpy())
        return sparse.coo_array((np.array(self.values.numpy()), coordinates), shape=self.shape)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def stored(self) -> int:
        """How many elements are stored."""
        return self.values.shape[0]

    @property
    def dtype(self) -> Any:
        """Element type."""
        return self.values.dtype

    @property
    def nbytes(self) -> int:
        """Bytes of values and indices."""
        return self.values.nbytes + self.indices.nbytes

    @property
    def places(self) -> tuple[Tensor, ...]:
        """The indices along each axis: i64[K] each."""
        return tuple(self.indices[axis] for axis in range(self.ndim))

    def to_dense(self) -> Tensor:
        """The tensor with its zeros."""
        return ops.scatter_add(zeros(self.shape, dtype=self.dtype), self.values, self.places)

    @property
    def T(self) -> Sparse:
        """The tensor with its axes in reverse order."""
        return self.transpose()

    def transpose(self, axes: Sequence[int] | None = None) -> Sparse:
        """The tensor with its axes in another order, the reverse one when None."""
        order = tuple(axes) if axes is not None else tuple(reversed(range(self.ndim)))
        if sorted(order) != list(range(self.ndim)):
            raise UsageError(
                "Sparse.transpose: not an order of the axes",
                [f"shape: {self.shape}", f"axes: {order}"],
                "name every axis once",
            )
        indices = stack([self.indices[axis] for axis in order])
        return Sparse(self.values, indices, [self.shape[axis] for axis in order])

    def map(self, f: Any) -> Sparse:
        """f of the stored elements; right as a function of the tensor if f(0) = 0 and f is linear
        or no place is stored twice."""
        return Sparse(f(self.values), self.indices, self.shape)

    def __add__(self, other: Any) -> Any:
        if isinstance(other, Sparse):
            _same_shape("Sparse +", self, other)
            values = concat([self.values, other.values])
            return Sparse(values, concat([self.indices, other.indices], axis=1), self.shape)
        dense = asarray(other)
        if dense.shape != self.shape:
            raise _misfit("Sparse +", self, dense, "a dense summand has the same shape")
        return ops.scatter_add(dense, self.values.astype(dense.dtype), self.places)  # type: ignore[attr-defined]

    __radd__ = __add__

    def __neg__(self) -> Sparse:
        return self.map(lambda v: -v)

    def __sub__(self, other: Any) -> Any:
        return self + (-other)

    def __mul__(self, other: Any) -> Sparse:
        """Times a number, or element by element with a dense tensor of the same shape."""
        factor = asarray(other) if not isinstance(other, int | float | complex) else other
        if isinstance(factor, Tensor) and factor.shape:
            if factor.shape != self.shape:
                raise _misfit("Sparse *", self, factor, "a dense factor has the same shape")
            factor = ops.gather(factor, self.places)
        return self.map(lambda v: v * factor)

    __rmul__ = __mul__

    def __matmul__(self, other: Any) -> Tensor:
        """The product with a dense vector or matrix: [M, K] @ [K] or [K, N].

        Raises:
            ShapeError: this is no matrix, or the inner sizes differ.
        """
        dense = asarray(other)
        if self.ndim != 2 or dense.ndim not in (1, 2) or dense.shape[0] != self.shape[1]:
            raise _misfit("Sparse @", self, dense, "a matrix [M, K] takes a vector [K] or [K, N]")
        rows, columns = self.places
        read = ops.gather(dense, columns, dense.ndim - 1)
        product = read * (self.values if dense.ndim == 1 else self.values[:, None])
        start = zeros((self.shape[0], *dense.shape[1:]), dtype=product.dtype)
        return ops.scatter_add(start, product, rows, dense.ndim - 1)

    def __rmatmul__(self, other: Any) -> Tensor:
        """The product with a dense vector or matrix on the left: [M] or [N, M] @ [M, K]."""
        dense = asarray(other)
        if dense.ndim == 1:
            return self.T @ dense
        return matrix_transpose(self.T @ matrix_transpose(dense))

    def sum(self, axis: int | Sequence[int] | None = None) -> Any:
        """The sum over the given axes, sparse, or over all, a tensor without axes."""
        if axis is None:
            return sum_of(self.values)
        axes = (axis,) if isinstance(axis, int) else tuple(axis)
        if any(not -self.ndim <= a < self.ndim for a in axes):
            raise BoundsError(
                "Sparse.sum: no such axis",
                [f"shape: {self.shape}", f"axis: {axis}"],
                f"axes run from {-self.ndim} to {self.ndim - 1}",
            )
        gone = {a % self.ndim for a in axes}
        kept = [a for a in range(self.ndim) if a not in gone]
        if not kept:
            return sum_of(self.values)
        indices = stack([self.indices[a] for a in kept])
        return Sparse(self.values, indices, [self.shape[a] for a in kept])

    def coalesce(self) -> Sparse:
        """The elements in row-major order of their places, each place once.

        The number of stored elements stays: what the places stored twice leave over are stored
        zeros at the last place. Outside of `jit`, `prune` takes them away.
        """
        if not self.stored:
            return self
        linear = _raveled(self.places, self.shape)
        order = argsort(linear)
        linear, values = ops.gather(linear, order), ops.gather(self.values, order)
        new: Any = linear[1:] != linear[:-1]
        group = cumulative_sum(new.astype(int64), include_initial=True)
        summed = ops.scatter_add(zeros(values.shape, dtype=values.dtype), values, group)
        end = asarray(np.full(self.stored, math.prod(self.shape) - 1))
        first = ops.scatter_min(end, linear, group)
        return Sparse(summed, _unraveled(first, self.shape), self.shape)

    def prune(self) -> Sparse:
        """Without stored zeros; not inside `jit`, where their number is not known."""
        keep = np.flatnonzero(self.values.numpy())
        return Sparse(ops.gather(self.values, asarray(keep)), self.indices[:, keep], self.shape)

    def to_rows(self) -> tuple[Tensor, Tensor, Tensor]:
        """The compressed form of a matrix (CSR): values, columns and offsets of the rows.

        Shapes: `-> [K], i64[K], i64[M + 1]`

        Raises:
            ShapeError: this is no matrix.
        """
        if self.ndim != 2:
            raise ShapeError(
                "Sparse.to_rows: this is no matrix",
                [f"shape: {self.shape}"],
                "the compressed form has rows and columns",
            )
        rows, columns = self.places
        order = argsort(rows * self.shape[1] + columns)
        starts = searchsorted(ops.gather(rows, order), arange(self.shape[0] + 1), side="left")
        return ops.gather(self.values, order), ops.gather(columns, order), starts

    def __repr__(self) -> str:
        return f"Sparse({self.stored} of {self.shape}, dtype={self.dtype.long_name})"


register_node(Sparse)


def _raveled(places: Sequence[Tensor], shape: Sequence[int]) -> Tensor:
    linear: Any = zeros(places[0].shape, dtype=int64)
    for place, size in zip(places, shape):
        linear = linear * size + place
    return linear


def _unraveled(linear: Any, shape: Sequence[int]) -> Tensor:
    places = []
    for size in reversed(shape):
        places.append(linear % size)
        linear = linear // size
    return stack(places[::-1])


def _same_shape(name: str, x: Sparse, y: Sparse) -> None:
    if x.shape != y.shape:
        raise ShapeError(
            f"{name}: the shapes differ",
            [f"left: {x.shape}", f"right: {y.shape}"],
            "sparse tensors do not broadcast",
        )


def _misfit(name: str, x: Sparse, dense: Tensor, way_out: str) -> ShapeError:
    facts = [f"sparse: {x.shape}", f"dense: {dense.type}"]
    return ShapeError(f"{name}: the shapes do not fit", facts, way_out)
