"""Vectors that belong together lie close, others apart: triplets, pairs, contrast in a batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lamina.base.errors import ShapeError, UsageError
from lamina.functional.distances import pairwise_distance
from lamina.functional.losses.classification import cross_entropy
from lamina.functional.losses.reduction import paired, reduced
from lamina.functional.normalization import normalize
from lamina.functional.rectifiers import relu
from lamina.tensor import Tensor
from lamina.tensor.api import (
    arange,
    asarray,
    concat,
    matmul,
    matrix_transpose,
    minimum,
    rsqrt,
    sum,
    where,
)


def cosine_embedding_loss(
    input1: Any, input2: Any, target: Any, *, margin: float = 0.0, reduction: str = "mean"
) -> Tensor:
    """1 - cos where the target is 1, max(0, cos - margin) where it is -1.

    Args:
        input1: vectors.
        input2: the vectors to compare them with.
        target: 1 for pairs that should point the same way, -1 for others.
        margin: the cosine that the latter may have.
        reduction: "mean", "sum" or "none".

    Shapes: `[N, D], [N, D], [N] or [D], [D], [] -> [], or [N]`

    Raises:
        ShapeError: the shapes do not fit.

    Source: PyTorch, `nn.functional.cosine_embedding_loss`, with its 1e-12 added to squared lengths.
    """
    x, y = paired("cosine_embedding_loss", input1, input2)
    squares = (sum(x * x, axis=-1) + 1e-12) * (sum(y * y, axis=-1) + 1e-12)
    cosine, t = paired("cosine_embedding_loss", sum(x * y, axis=-1) * rsqrt(squares), target)
    losses = where(t == 1, 1.0 - cosine, 0.0) + where(t == -1, relu(cosine - margin), 0.0)
    return reduced(losses, reduction)


def triplet_margin_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    *,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """max(0, d(anchor, positive) - d(anchor, negative) + margin), with d = `pairwise_distance`.

    Args:
        anchor: vectors.
        positive: vectors that belong to them.
        negative: vectors that do not.
        margin: how much farther the latter should be.
        p: of the norm.
        eps: of the distance.
        swap: use d(positive, negative) where that is smaller than d(anchor, negative).
        reduction: "mean", "sum" or "none".

    Shapes: `[*A, D], [*A, D], [*A, D] -> [], or [*A]`

    Raises:
        UsageError: the margin is not positive.

    Source: Balntas et al. 2016, "Learning local feature descriptors with triplets and shallow
    convolutional neural networks"; PyTorch, `nn.functional.triplet_margin_loss`.
    """

    def distance(x: Any, y: Any) -> Tensor:
        return pairwise_distance(x, y, p, eps)

    return triplet_margin_with_distance_loss(
        anchor,
        positive,
        negative,
        distance_function=distance,
        margin=margin,
        swap=swap,
        reduction=reduction,
    )


def triplet_margin_with_distance_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """max(0, d(anchor, positive) - d(anchor, negative) + margin) for any distance d.

    Args:
        anchor: vectors.
        positive: vectors that belong to them.
        negative: vectors that do not.
        distance_function: d; `pairwise_distance` when None.
        margin: how much farther the latter should be.
        swap: use d(positive, negative) where that is smaller than d(anchor, negative).
        reduction: "mean", "sum" or "none".

    Shapes: `[*A, D], [*A, D], [*A, D] -> [], or [*A]`

    Raises:
        UsageError: the margin is not positive.

    Source: PyTorch, `nn.functional.triplet_margin_with_distance_loss`.
    """
    if not margin > 0:
        raise UsageError("triplet_margin_loss: the margin is not positive", [f"margin: {margin}"])
    distance = distance_function or pairwise_distance
    a, b, c = asarray(anchor), asarray(positive), asarray(negative)
    near, far = distance(a, b), distance(a, c)
    if swap:
        far = minimum(far, distance(b, c))
    return reduced(relu(near - far + margin), reduction)


def contrastive_loss(
    input1: Any, input2: Any, target: Any, *, margin: float = 1.0, reduction: str = "mean"
) -> Tensor:
    """d² / 2 where the target is 1, max(0, margin - d)² / 2 where it is 0, d = |input1 - input2|.

    Args:
        input1: vectors.
        input2: the vectors to compare them with.
        target: 1 for pairs that belong together, 0 for others, or a share between.
        margin: how far apart the latter should be.
        reduction: "mean", "sum" or "none".

    Shapes: `[N, D], [N, D], [N] -> [], or [N]`

    Raises:
        ShapeError: the shapes do not fit.

    Example:
        >>> contrastive_loss([[0.0], [0.0]], [[2.0], [0.5]], [1, 0], reduction="none")
        Tensor([2.   , 0.125], shape=(2,), dtype=float32)

    Source: Hadsell, Chopra and LeCun 2006, "Dimensionality reduction by learning an invariant
    mapping".
    """
    x, y = paired("contrastive_loss", input1, input2)
    d, t = paired("contrastive_loss", pairwise_distance(x, y, eps=0.0), target)
    short = relu(margin - d)
    return reduced(0.5 * (t * d * d + (1.0 - t) * short * short), reduction)


def info_nce(query: Any, key: Any, *, temperature: float = 0.1, reduction: str = "mean") -> Tensor:
    """-log softmax over j of cos(query[i], key[j]) / temperature, at j = i.

    Row i of both is a pair; the keys of the other rows are what it is told from.

    Args:
        query: vectors.
        key: the partner of each, and after these more keys that belong to none, if any.
        temperature: smaller ones weigh the closest keys more.
        reduction: "mean", "sum" or "none".

    Shapes: `query: [N, D], key: [M, D] with M >= N -> [], or [N]`

    Raises:
        ShapeError: the shapes do not fit.
        UsageError: the temperature is not positive.

    Example:
        >>> info_nce([[1.0, 0.0], [0.0, 1.0]], [[2.0, 0.0], [0.0, 2.0]], temperature=1.0)
        Tensor(0.3133, shape=(), dtype=float32)

    Source: van den Oord, Li and Vinyals 2018, "Representation learning with contrastive predictive
    coding".
    """
    x, y = asarray(query), asarray(key)
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or x.shape[0] > y.shape[0]:
        facts = [f"query: {x.type}", f"key: {y.type}"]
        raise ShapeError("info_nce: queries and keys do not fit", facts, "row i of both is a pair")
    _require_temperature("info_nce", temperature)
    scores = matmul(normalize(x), matrix_transpose(normalize(y))) / temperature
    return cross_entropy(scores, arange(x.shape[0]), reduction=reduction)


def nt_xent(
    input1: Any, input2: Any, *, temperature: float = 0.5, reduction: str = "mean"
) -> Tensor:
    """-log softmax over j != i of cos(z[i], z[j]) / temperature, at the other view of i.

    z is both views of all examples, one after the other.

    Args:
        input1: one view of each example.
        input2: another view of each.
        temperature: smaller ones weigh the closest views more.
        reduction: "mean", "sum" or "none".

    Shapes: `[N, D], [N, D] -> [], or [2 * N]`

    Raises:
        ShapeError: the shapes differ.
        UsageError: the temperature is not positive.

    Source: Chen et al. 2020, "A simple framework for contrastive learning of visual
    representations", equation 1.
    """
    x, y = paired("nt_xent", input1, input2)
    if x.ndim != 2:
        raise ShapeError("nt_xent: the views are not matrices", [f"views: {x.type}"])
    _require_temperature("nt_xent", temperature)
    z, count = normalize(concat([x, y])), x.shape[0]
    scores = matmul(z, matrix_transpose(z)) / temperature
    scores = where(np.eye(2 * count, dtype=bool), -np.inf, scores)
    others = np.roll(np.arange(2 * count), count)
    return cross_entropy(scores, others, reduction=reduction)


def _require_temperature(name: str, temperature: float) -> None:
    if not temperature > 0:
        facts = [f"temperature: {temperature}"]
        raise UsageError(f"{name}: the temperature is not positive", facts)
