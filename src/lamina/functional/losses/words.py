"""A word against words drawn by chance, in place of a softmax over the vocabulary."""

from __future__ import annotations

from typing import Any

from lamina.base.errors import ShapeError
from lamina.functional.activations import logsigmoid
from lamina.functional.losses.reduction import reduced
from lamina.tensor import Tensor
from lamina.tensor.api import asarray, einsum, sum


def negative_sampling_loss(
    input: Any, positive: Any, negatives: Any, *, reduction: str = "mean"
) -> Tensor:
    """-log σ(x · p) - Σₖ log σ(-x · nₖ).

    Args:
        input: x, what is known: the vector of a word, or the mean of those around it.
        positive: p, the vector of the word that was there.
        negatives: nₖ, vectors of words that were not.
        reduction: "mean", "sum" or "none".

    Shapes: `[N, D], [N, D], [N, K, D] -> [], or [N]`

    Raises:
        ShapeError: the shapes do not fit.

    Example:
        >>> import lamina as lm
        >>> x = lm.asarray([[1.0, 0.0]])
        >>> lm.functional.negative_sampling_loss(x, x, -x[:, None])
        Tensor(0.6265, shape=(), dtype=float32)

    Source: Mikolov et al. 2013, "Distributed representations of words and phrases and their
    compositionality", equation 4.
    """
    x, p, n = asarray(input), asarray(positive), asarray(negatives)
    fits = x.ndim == 2 and p.shape == x.shape and n.ndim == 3
    if not fits or (n.shape[0], n.shape[2]) != x.shape:
        raise ShapeError(
            "negative_sampling_loss: there is not one positive and a row of negatives for each",
            [f"input: {x.type}", f"positive: {p.type}", f"negatives: {n.type}"],
            "they are [N, D], [N, D] and [N, K, D]",
        )
    others = sum(logsigmoid(-einsum("nd,nkd->nk", x, n)), axis=-1)
    losses = -logsigmoid(sum(x * p, axis=-1)) - others
    return reduced(losses, reduction)
