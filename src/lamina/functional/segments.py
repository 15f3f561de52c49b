"""Reductions over segments: the elements that carry the same number belong together.

The numbers of the segments come in any order. An empty segment has the sum and mean 0, and the
maximum and minimum that nothing exceeds: -inf and inf, or the ends of an integer type.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from lamina.base.errors import DTypeError, ShapeError
from lamina.graph import ops
from lamina.tensor import Tensor
from lamina.tensor.api import (
    asarray,
    exp,
    full,
    maximum,
    ones,
    reshape,
    stop_gradient,
    where,
    zeros,
)


def segment_sum(values: Any, segments: Any, count: int) -> Tensor:
    """y[s] = sum of values[i] where segments[i] = s.

    Args:
        values: what is added up.
        segments: the segment of each, from 0 to count - 1.
        count: how many segments there are.

    Shapes: `values: [N, *F], segments: [N] -> [count, *F]`

    Raises:
        ShapeError: there is not one segment for each element.
        BoundsError: a segment is outside 0, ..., count - 1.

    Example:
        >>> segment_sum([1.0, 2.0, 3.0], [0, 0, 2], 3)
        Tensor([3., 0., 3.], shape=(3,), dtype=float32)

    Source: TensorFlow, `math.unsorted_segment_sum`.
    """
    values, segments = _pair("segment_sum", values, segments)
    start = zeros((count, *values.shape[1:]), dtype=values.dtype)
    return ops.scatter_add(start, values, segments, values.ndim - 1)


def segment_mean(values: Any, segments: Any, count: int) -> Tensor:
    """The sum of each segment over the number of its elements; 0 for an empty one.

    Args:
        values: what is averaged.
        segments: the segment of each, from 0 to count - 1.
        count: how many segments there are.

    Shapes: `values: [N, *F], segments: [N] -> [count, *F]`

    Raises:
        ShapeError: there is not one segment for each element.
        BoundsError: a segment is outside 0, ..., count - 1.

    Example:
        >>> segment_mean([1.0, 2.0, 3.0], [0, 0, 2], 3)
        Tensor([1.5, 0. , 3. ], shape=(3,), dtype=float32)

    Source: TensorFlow, `math.unsorted_segment_mean`.
    """
    values, segments = _pair("segment_mean", values, segments)
    total = segment_sum(values, segments, count)
    if not total.dtype.is_inexact:
        total = total / 1
    number = segment_sum(ones(segments.shape, dtype=total.dtype), segments, count)
    return total / reshape(maximum(number, 1), (count, *[1] * (total.ndim - 1)))


def segment_max(values: Any, segments: Any, count: int) -> Tensor:
    """The largest element of each segment; NaN wins.

    Args:
        values: real numbers.
        segments: the segment of each, from 0 to count - 1.
        count: how many segments there are.

    Shapes: `values: [N, *F], segments: [N] -> [count, *F]`

    Raises:
        ShapeError: there is not one segment for each element.
        BoundsError: a segment is outside 0, ..., count - 1.

    Example:
        >>> segment_max([1.0, 2.0, 3.0], [0, 0, 2], 3)
        Tensor([  2., -inf,   3.], shape=(3,), dtype=float32)

    Source: TensorFlow, `math.unsorted_segment_max`.
    """
    return _extreme("segment_max", ops.scatter_max, -1, values, segments, count)


def segment_min(values: Any, segments: Any, count: int) -> Tensor:
    """The smallest element of each segment; NaN wins.

    Args:
        values: real numbers.
        segments: the segment of each, from 0 to count - 1.
        count: how many segments there are.

    Shapes: `values: [N, *F], segments: [N] -> [count, *F]`

    Raises:
        ShapeError: there is not one segment for each element.
        BoundsError: a segment is outside 0, ..., count - 1.

    Example:
        >>> segment_min([1.0, 2.0, 3.0], [0, 0, 2], 3)
        Tensor([ 1., inf,  3.], shape=(3,), dtype=float32)

    Source: TensorFlow, `math.unsorted_segment_min`.
    """
    return _extreme("segment_min", ops.scatter_min, 1, values, segments, count)


def segment_softmax(values: Any, segments: Any, count: int) -> Tensor:
    """exp(x - m) / sum(exp(x - m)) over each segment, where m is its maximum.

    Args:
        values: floating numbers.
        segments: the segment of each, from 0 to count - 1.
        count: how many segments there are.

    Shapes: `values: [N, *F], segments: [N] -> [N, *F]`

    Raises:
        ShapeError: there is not one segment for each element.
        BoundsError: a segment is outside 0, ..., count - 1.

    Example:
        >>> segment_softmax([1.0, 1.0, 3.0], [0, 0, 2], 3)
        Tensor([0.5, 0.5, 1. ], shape=(3,), dtype=float32)

    Source: Bridle 1990, "Probabilistic interpretation of feedforward classification outputs".
    """
    values, segments = _pair("segment_softmax", values, segments)
    if not values.dtype.is_float:
        raise DTypeError(
            "segment_softmax: takes floating numbers",
            [f"values: {values.type}"],
            "cast them, as in x.astype(lm.float32)",
        )
    rest = values.ndim - 1
    top = stop_gradient(segment_max(values, segments, count))
    top = where(abs(top) < math.inf, top, 0.0)
    power = exp(values - ops.gather(top, segments, rest))
    return power / ops.gather(segment_sum(power, segments, count), segments, rest)


def _extreme(
    name: str, scatter: Callable[..., Tensor], sign: int, values: Any, segments: Any, count: int
) -> Tensor:
    values, segments = _pair(name, values, segments)
    kind = values.dtype
    if kind.kind not in ("float", "int", "uint"):
        raise DTypeError(
            f"{name}: takes real numbers", [f"values: {values.type}"], "there is no order of others"
        )
    limit = sign * math.inf
    if not kind.is_float:
        info = np.iinfo(kind.numpy)
        limit = info.max if sign > 0 else info.min
    start = full((count, *values.shape[1:]), limit, dtype=kind)
    return scatter(start, values, segments, values.ndim - 1)


def _pair(name: str, values: Any, segments: Any) -> tuple[Tensor, Tensor]:
    values, segments = asarray(values), asarray(segments)
    if segments.ndim != 1 or values.shape[:1] != segments.shape:
        raise ShapeError(
            f"{name}: there is not one segment for each element",
            [f"values: {values.type}", f"segments: {segments.type}"],
            "values are [N, *F] and segments [N]",
        )
    return values, segments
