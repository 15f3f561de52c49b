"""Rows of different length: all elements one after the other, and where each row starts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from lamina.base.errors import ShapeError, UsageError
from lamina.functional.segments import (
    segment_max,
    segment_mean,
    segment_min,
    segment_softmax,
    segment_sum,
)
from lamina.graph import ops
from lamina.tensor import Tensor
from lamina.tensor.api import (
    arange,
    asarray,
    cumulative_sum,
    expand_dims,
    int64,
    register_node,
    reshape,
    searchsorted,
    where,
    zeros,
)
from lamina.tensor.api import concat as concat_dense


class Ragged:
    """Rows of different length: row r is values[offsets[r]:offsets[r + 1]].

    Args:
        values: the elements of all rows, one after the other.
        offsets: where each row starts, and the number of all elements: [R + 1] integers from 0 up.

    Attributes:
        values: [N, *F].
        offsets: i64[R + 1].

    Shapes: R rows of N elements [*F] in all.

    Example:
        >>> x = Ragged.from_rows([[1.0, 2.0], [], [3.0]])
        >>> x.sum()
        Tensor([3., 0., 3.], shape=(3,), dtype=float32)

    Source: TensorFlow, `RaggedTensor`.
    """

    def __init__(self, values: Any, offsets: Any):
        self.values = asarray(values)
        self.offsets = asarray(offsets)
        if not self.values.ndim or self.offsets.ndim != 1 or not self.offsets.shape[0]:
            raise ShapeError(
                "Ragged: values and offsets do not fit",
                [f"values: {self.values.type}", f"offsets: {self.offsets.type}"],
                "values are [N, *F] and offsets [R + 1]",
            )
        self.offsets = self.offsets.astype(int64)  # type: ignore[attr-defined]

    @staticmethod
    def from_rows(rows: Sequence[Any]) -> Ragged:
        """The rows of a list of sequences, arrays or tensors, which agree in all but length."""
        given = [asarray(row) for row in rows]
        dtypes = {row.dtype for row in given if row.shape[0]} or {asarray([0.0]).dtype}
        if len(dtypes) > 1:
            raise UsageError(
                "Ragged.from_rows: the rows differ in dtype",
                [f"row {i}: {row.type}" for i, row in enumerate(given)],
                "cast them to one",
            )
        (dtype,) = dtypes
        lengths = [row.shape[0] for row in given]
        shape = next((row.shape[1:] for row in given if row.shape[0]), ())
        parts = [row for row in given if row.shape[0]] or [zeros((0, *shape), dtype=dtype)]
        return Ragged(concat_dense(parts), np.concatenate([[0], np.cumsum(lengths)]).astype(int))

    @staticmethod
    def from_lengths(values: Any, lengths: Any) -> Ragged:
        """Rows of the given lengths, whose sum is the number of values."""
        total = cumulative_sum(asarray(lengths), dtype=int64, include_initial=True)
        return Ragged(values, total)

    @staticmethod
    def from_padded(padded: Any, lengths: Any, total: int | None = None) -> Ragged:
        """The first elements of each row of a padded tensor.

        Args:
            padded: rows of one length.
            lengths: how many elements of each row count.
            total: the sum of the lengths, which `jit` has to know.

        Shapes: `padded: [R, T, *F], lengths: [R]`

        Raises:
            ShapeError: there is not one length for each row.
            TraceError: inside `jit` without `total`.
        """
        x, lengths = asarray(padded), asarray(lengths)
        if x.ndim < 2 or lengths.shape != x.shape[:1]:
            raise ShapeError(
                "Ragged.from_padded: there is not one length for each row",
                [f"padded: {x.type}", f"lengths: {lengths.type}"],
                "padded is [R, T, *F] and lengths [R]",
            )
        count = int(np.sum(lengths.numpy())) if total is None else total
        found = Ragged.from_lengths(zeros((count,), dtype=x.dtype), lengths)
        rows = found.row_numbers()
        columns = arange(count) - ops.gather(found.offsets, rows)
        return Ragged(ops.gather(x, (rows, columns), x.ndim - 2), found.offsets)

    def __len__(self) -> int:
        return self.offsets.shape[0] - 1

    @property
    def lengths(self) -> Tensor:
        """The number of elements of each row: i64[R]."""
        return self.offsets[1:] - self.offsets[:-1]  # type: ignore[operator]

    def row_numbers(self) -> Tensor:
        """The row of each element: i64[N]."""
        places = arange(self.values.shape[0])
        return searchsorted(self.offsets[1:], places, side="right")

    def map(self, f: Callable[..., Any], *others: Ragged) -> Ragged:
        """f of the elements, with the same rows; of the elements of `others` too.

        Args:
            f: takes values [N, *F] and gives values [N, *G].
            others: with rows of the same lengths, which is not checked.

        Raises:
            ShapeError: the number of elements differs, or `f` changes it.
        """
        made = asarray(f(self.values, *[x.values for x in others]))
        sizes = [x.values.shape[:1] for x in (self, *others)] + [made.shape[:1]]
        if len(set(sizes)) > 1:
            raise ShapeError(
                "Ragged.map: the numbers of elements differ",
                [f"operand {i}: {x.values.type}" for i, x in enumerate((self, *others))]
                + [f"result: {made.type}"],
                "f works on each element and keeps their number",
            )
        return Ragged(made, self.offsets)

    def spread(self, each: Any) -> Ragged:
        """One thing for each row, repeated for each of its elements.

        Shapes: `each: [R, *G] ->` values [N, *G]
        """
        given = asarray(each)
        if given.shape[:1] != (len(self),):
            raise ShapeError(
                "Ragged.spread: there is not one thing for each row",
                [f"each: {given.type}", f"rows: {len(self)}"],
                "the first axis counts the rows",
            )
        return Ragged(ops.gather(given, self.row_numbers(), given.ndim - 1), self.offsets)

    def sum(self) -> Tensor:
        """The sum of each row: [R, *F]."""
        return segment_sum(self.values, self.row_numbers(), len(self))

    def mean(self) -> Tensor:
        """The mean of each row, 0 for an empty one: [R, *F]."""
        return segment_mean(self.values, self.row_numbers(), len(self))

    def max(self) -> Tensor:
        """The largest element of each row, -inf for an empty one: [R, *F]."""
        return segment_max(self.values, self.row_numbers(), len(self))

    def min(self) -> Tensor:
        """The smallest element of each row, inf for an empty one: [R, *F]."""
        return segment_min(self.values, self.row_numbers(), len(self))

    def softmax(self) -> Ragged:
        """exp(x - m) / sum(exp(x - m)) over each row, where m is its maximum."""
        return Ragged(segment_softmax(self.values, self.row_numbers(), len(self)), self.offsets)

    def to_padded(self, width: int | None = None, fill: Any = 0) -> tuple[Tensor, Tensor]:
        """Rows of one length, and where their elements are: [R, T, *F] and bool[R, T].

        Args:
            width: T; the length of the longest row when None. Elements beyond it are left out.
            fill: what stands behind the end of a row.

        Raises:
            TraceError: inside `jit` without `width`.
        """
        if width is None:
            width = int(np.max(self.lengths.numpy(), initial=0))
        columns = arange(width)
        inside = columns < expand_dims(self.lengths, axis=-1)
        places = where(inside, expand_dims(self.offsets[:-1], axis=-1) + columns, -1)
        rest = self.values.ndim - 1
        found = ops.gather(self.values, places, rest, None, True)  # outside gives 0
        mask: Any = inside
        return where(reshape(mask, (*mask.shape, *[1] * rest)), found, fill), mask

    def __getitem__(self, row: int) -> Tensor:
        """Row `row`; not inside `jit`, where its length is not known."""
        bounds = self.offsets.numpy()
        if not -len(self) <= row < len(self):
            raise IndexError(f"row {row} of {len(self)}")
        row %= len(self)
        return self.values[int(bounds[row]) : int(bounds[row + 1])]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[row] for row in range(len(self)))

    def tolist(self) -> list[Any]:
        """The rows as nested lists of Python numbers."""
        return [row.tolist() for row in self]

    def __repr__(self) -> str:
        return f"Ragged({len(self)} rows, values={self.values.type})"


register_node(Ragged)


def concat(parts: Sequence[Ragged], axis: int = 0) -> Ragged:
    """The rows of all parts, or the rows of all parts joined one by one.

    Args:
        parts: at least one.
        axis: 0 for more rows, 1 for longer ones.

    Raises:
        UsageError: no parts, or another axis.
        ShapeError: rows are joined and their numbers differ.

    Example:
        >>> x, y = Ragged.from_rows([[1.0], [2.0, 3.0]]), Ragged.from_rows([[4.0, 5.0], []])
        >>> concat([x, y]).tolist()
        [[1.0], [2.0, 3.0], [4.0, 5.0], []]
        >>> concat([x, y], axis=1).tolist()
        [[1.0, 4.0, 5.0], [2.0, 3.0]]

    Source: TensorFlow, `concat` of ragged tensors.
    """
    if not parts or axis not in (0, 1):
        raise UsageError(
            "concat: rows are put under each other or joined",
            [f"parts: {len(parts)}", f"axis: {axis}"],
            "give at least one part, and axis 0 or 1",
        )
    if axis == 1 and len({len(x) for x in parts}) > 1:
        raise ShapeError(
            "concat: the numbers of rows differ",
            [f"part {i}: {len(x)} rows" for i, x in enumerate(parts)],
            "joining takes one row of each part",
        )
    values = concat_dense([x.values for x in parts])
    lengths = [x.lengths for x in parts]
    if axis == 0:
        return Ragged.from_lengths(values, concat_dense(lengths))
    total: Any = lengths[0]
    for more in lengths[1:]:
        total = total + more
    offsets = Ragged.from_lengths(values, total).offsets
    before: Any = offsets[:-1]
    places = []
    for part, length in zip(parts, lengths):
        rows = part.row_numbers()
        shift = before - part.offsets[:-1]
        places.append(arange(part.values.shape[0]) + ops.gather(shift, rows))
        before = before + length
    blank = zeros(values.shape, dtype=values.dtype)
    rest = values.ndim - 1
    made = ops.scatter_set(blank, values, concat_dense(places), rest, None, False, True)
    return Ragged(made, offsets)
