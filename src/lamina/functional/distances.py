"""How far apart vectors are, and how alike their directions."""

from __future__ import annotations

from typing import Any

from lamina.base.errors import ShapeError, UsageError
from lamina.tensor import Tensor, linalg
from lamina.tensor.api import asarray, expand_dims, maximum, sum, take, triu_indices


def pairwise_distance(
    x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """The p-norm of x1 - x2 + eps along the last axis.

    Args:
        x1: vectors.
        x2: as many others, or shapes that broadcast.
        p: of the norm.
        eps: added to each difference, so that equal vectors have a gradient.
        keepdim: keep the last axis, with size 1.

    Shapes: `[*A, D], [*A, D] -> [*A]`

    Example:
        >>> pairwise_distance([[0.0, 0.0]], [[3.0, 4.0]])
        Tensor([5.], shape=(1,), dtype=float32)

    Source: PyTorch, `nn.functional.pairwise_distance`.
    """
    gap = asarray(x1) - asarray(x2) + eps
    return linalg.vector_norm(gap, axis=-1, keepdims=keepdim, ord=p)


def cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """x1 · x2 / (max(|x1|, eps) * max(|x2|, eps)) along one axis.

    Args:
        x1: vectors.
        x2: others, of a shape that broadcasts.
        dim: the axis that the vectors lie along.
        eps: shorter vectors count as this long.

    Shapes: `[*A, D, *B], [*A, D, *B] -> [*A, *B]`

    Example:
        >>> cosine_similarity([[1.0, 0.0]], [[2.0, 2.0]])
        Tensor([0.7071], shape=(1,), dtype=float32)

    Source: PyTorch, `nn.functional.cosine_similarity`.
    """
    x, y = asarray(x1), asarray(x2)
    across = max(x.ndim, y.ndim)
    axis = dim if dim < 0 else dim - across  # from the end, where both shapes are aligned
    one = x / maximum(linalg.vector_norm(x, axis=axis, keepdims=True), eps)
    other = y / maximum(linalg.vector_norm(y, axis=axis, keepdims=True), eps)
    return sum(one * other, axis=axis)


def cdist(x1: Any, x2: Any, p: float = 2.0) -> Tensor:
    """The p-norm of x1[i] - x2[j] for all i and j, from the differences themselves.

    Args:
        x1: vectors, in batches that broadcast with those of x2.
        x2: others.
        p: of the norm.

    Shapes: `[*B, M, D], [*B, N, D] -> [*B, M, N]`

    Raises:
        ShapeError: the vectors differ in length.

    Example:
        >>> cdist([[0.0, 0.0], [3.0, 0.0]], [[0.0, 4.0]])
        Tensor([[4.],
                [5.]], shape=(2, 1), dtype=float32)

    Source: PyTorch, `cdist`. The gradient at distance 0 is 0.
    """
    x, y = asarray(x1), asarray(x2)
    if x.ndim < 2 or y.ndim < 2 or x.shape[-1] != y.shape[-1]:
        facts = [f"x1: {x.type}", f"x2: {y.type}"]
        raise ShapeError("cdist: the vectors do not fit", facts, "the last axes have one size")
    gap = expand_dims(x, axis=-2) - expand_dims(y, axis=-3)
    return linalg.vector_norm(gap, axis=-1, ord=p)


def pdist(input: Any, p: float = 2.0) -> Tensor:
    """The p-norm of input[i] - input[j] for i < j, row by row of the upper triangle.

    Args:
        input: vectors.
        p: of the norm, not negative.

    Shapes: `[N, D] -> [N * (N - 1) / 2]`

    Raises:
        ShapeError: the input is not a matrix.

    Example:
        >>> pdist([[0.0], [1.0], [3.0]])
        Tensor([1., 3., 2.], shape=(3,), dtype=float32)

    Source: SciPy, `spatial.distance.pdist`; PyTorch, `nn.functional.pdist`.
    """
    x = asarray(input)
    if x.ndim != 2:
        raise ShapeError("pdist: the input is not a matrix", [f"input: {x.type}"])
    if p < 0:
        raise UsageError("pdist: p is negative", [f"p: {p}"])
    one, other = triu_indices(x.shape[0], 1)
    return linalg.vector_norm(take(x, one, axis=0) - take(x, other, axis=0), axis=-1, ord=p)
