"""Rows of a table, looked up by number; alone, or in bags that are summed up."""

from __future__ import annotations

import math
from typing import Any

from lamina.base.errors import DTypeError, ShapeError, UsageError
from lamina.functional.segments import segment_max, segment_sum
from lamina.graph import ops
from lamina.tensor import Tensor
from lamina.tensor.api import (
    abs,
    arange,
    asarray,
    astype,
    bincount,
    expand_dims,
    int64,
    max,
    maximum,
    ones,
    reshape,
    searchsorted,
    stop_gradient,
    sum,
    where,
)

MODES = ("sum", "mean", "max")


def embedding(
    input: Any,
    weight: Any,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
) -> Tensor:
    """y[..., :] = weight[input[...], :].

    Args:
        input: numbers of rows.
        weight: the table.
        padding_idx: a row that has no gradient; negative ones count from the end.
        max_norm: rows that are longer are shortened to this norm first (`shortened_rows`).
        norm_type: the p of that norm.
        scale_grad_by_freq: divide the gradient of a row by how often the input asks for it.

    Shapes: `input: [*I], weight: [V, D] -> [*I, D]`

    Raises:
        BoundsError: a number is not that of a row.
        DTypeError: the input is not of integers.

    Example:
        >>> import lamina as lm
        >>> lm.functional.embedding([2, 0], [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])
        Tensor([[4., 5.],
                [0., 1.]], shape=(2, 2), dtype=float32)

    Source: PyTorch, `nn.functional.embedding`.
    """
    input, weight = _table("embedding", input, weight)
    if max_norm is not None:
        weight = shortened_rows(weight, input, max_norm, norm_type)
    rows = ops.gather(weight, input, 1)
    if scale_grad_by_freq:
        often = bincount(reshape(input, (-1,)), length=weight.shape[0])
        part = rows / expand_dims(astype(ops.gather(often, input, 0), rows.dtype), axis=-1)
        rows = stop_gradient(rows) + (part - stop_gradient(part))
    if padding_idx is None:
        return rows
    padding = _padding_row("embedding", padding_idx, weight)
    return where(expand_dims(input == padding, axis=-1), stop_gradient(rows), rows)


def shortened_rows(weight: Any, input: Any, max_norm: float, norm_type: float = 2.0) -> Tensor:
    """The table, those rows that `input` names and that exceed `max_norm` scaled down to it.

    The gradient passes through unchanged, as if the scaled table were the given one.

    Shapes: `weight: [V, D], input: [*I] -> [V, D]`

    Source: PyTorch, `embedding_renorm_`.
    """
    input, weight = _table("shortened_rows", input, weight)
    table = stop_gradient(weight)
    size = sum(abs(table) ** norm_type, axis=-1, keepdims=True) ** (1.0 / norm_type)
    if math.isinf(norm_type):
        size = max(abs(table), axis=-1, keepdims=True)
    named = bincount(reshape(input, (-1,)), length=table.shape[0]) > 0
    too_long = expand_dims(named, axis=-1) & (size > max_norm)
    short = where(too_long, table * (max_norm / (size + 1e-7)), table)
    return stop_gradient(short) + (weight - table)


def embedding_bag(
    input: Any,
    weight: Any,
    offsets: Any = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    per_sample_weights: Any = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """The sum, mean or maximum of the rows in each bag; an empty bag gives 0.

    Args:
        input: numbers of rows: a bag in each row of a matrix, or all bags one after the other.
        weight: the table.
        offsets: where each bag begins, when the input is a vector.
        max_norm, norm_type, scale_grad_by_freq: as in `embedding`.
        mode: "sum", "mean" or "max".
        per_sample_weights: a factor for each number, when summing.
        include_last_offset: the last offset is where the last bag ends.
        padding_idx: a row that does not count.

    Shapes: `input: [B, N], weight: [V, D] -> [B, D]`, or `input: [N], offsets: [B] -> [B, D]`

    Raises:
        BoundsError: a number is not that of a row.
        ShapeError: offsets are missing, or given for a matrix; weights are not one a number.

    Example:
        >>> import lamina as lm
        >>> table = lm.asarray([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])
        >>> lm.functional.embedding_bag([2, 0, 1], table, offsets=[0, 2], mode="sum")
        Tensor([[4., 6.],
                [2., 3.]], shape=(2, 2), dtype=float32)

    Source: PyTorch, `nn.functional.embedding_bag`.
    """
    input, weight = _table("embedding_bag", input, weight)
    factors = None if per_sample_weights is None else asarray(per_sample_weights)
    _require_bags(input, offsets, mode, factors)
    rows = embedding(input, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq)
    if factors is not None:
        rows = rows * expand_dims(factors, axis=-1)
    counts = None
    if padding_idx is not None:
        counts = input != _padding_row("embedding_bag", padding_idx, weight)
    if offsets is None:
        return _of_matrix(rows, counts, mode)
    return _of_vector(rows, counts, mode, asarray(offsets), include_last_offset)


def _of_matrix(rows: Tensor, counts: Tensor | None, mode: str) -> Tensor:
    """A bag in each row: reductions over an axis.  Shapes: `rows: [B, N, D], counts: [B, N]`."""
    if counts is None:
        counts = ones(rows.shape[:2], dtype=rows.dtype) > 0
    shown = expand_dims(counts, axis=-1)
    if mode == "max" and rows.shape[1]:
        top = max(where(shown, rows, -math.inf), axis=1)
        return where(expand_dims(sum(astype(counts, int64), axis=1) > 0, axis=-1), top, 0.0)
    total = sum(where(shown, rows, 0.0), axis=1)
    if mode == "mean":
        number = sum(astype(counts, rows.dtype), axis=1, keepdims=True)
        return total / maximum(number, 1.0)
    return total


def _of_vector(
    rows: Tensor, counts: Tensor | None, mode: str, offsets: Tensor, has_end: bool
) -> Tensor:
    """Bags one after the other: reductions over segments.  Shapes: `rows: [N, D], counts: [N]`."""
    starts = offsets[:-1] if has_end else offsets
    bags = starts.shape[0]
    place = arange(rows.shape[0], dtype=starts.dtype)
    bag = searchsorted(starts, place, side="right") - 1
    if counts is None:
        counts = ones(rows.shape[:1], dtype=rows.dtype) > 0
    number = segment_sum(astype(counts, rows.dtype), bag, bags)
    shown = expand_dims(counts, axis=-1)
    if mode == "max":
        top = segment_max(where(shown, rows, -math.inf), bag, bags)
        return where(expand_dims(number > 0, axis=-1), top, 0.0)
    total = segment_sum(where(shown, rows, 0.0), bag, bags)
    return total / expand_dims(maximum(number, 1.0), axis=-1) if mode == "mean" else total


def _table(name: str, input: Any, weight: Any) -> tuple[Any, Any]:
    input, weight = asarray(input), asarray(weight)
    if not input.dtype.is_integer:
        raise DTypeError(
            f"{name}: rows are named by integers", [f"input: {input.type}"], "cast it to int64"
        )
    if weight.ndim != 2:
        raise ShapeError(f"{name}: the table is not a matrix", [f"weight: {weight.type}"])
    return input, weight


def _padding_row(name: str, padding_idx: int, weight: Tensor) -> int:
    rows = weight.shape[0]
    if not -rows <= padding_idx < rows:
        raise UsageError(
            f"{name}: padding_idx is not a row of the table",
            [f"padding_idx: {padding_idx}", f"weight: {weight.type}"],
        )
    return padding_idx % rows


def _require_bags(input: Tensor, offsets: Any, mode: str, factors: Tensor | None) -> None:
    if mode not in MODES:
        raise UsageError(f"embedding_bag: no mode {mode!r}", [f"there are: {', '.join(MODES)}"])
    if input.ndim != (2 if offsets is None else 1):
        given = "none" if offsets is None else str(asarray(offsets).type)
        raise ShapeError(
            "embedding_bag: where do the bags begin?",
            [f"input: {input.type}", f"offsets: {given}"],
            "a matrix has a bag in each row, and no offsets; a vector needs offsets",
        )
    if factors is not None and mode != "sum":
        raise UsageError(
            "embedding_bag: factors for each sample go with sums only", [f"mode: {mode!r}"]
        )
    if factors is not None and factors.shape != input.shape:
        raise ShapeError(
            "embedding_bag: there is not one factor for each number",
            [f"input: {input.type}", f"per_sample_weights: {factors.type}"],
        )
