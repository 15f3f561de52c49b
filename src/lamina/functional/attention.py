"""Attention: weights of keys for each query, and the values averaged by them."""

from __future__ import annotations

import math
from typing import Any

from lamina.base.errors import ShapeError
from lamina.functional.dropout import dropout
from lamina.tensor import Tensor, random
from lamina.tensor.api import (
    arange,
    asarray,
    bool_,
    exp,
    max,
    reshape,
    stop_gradient,
    sum,
    where,
)


def attention_weights(
    query: Any,
    key: Any,
    attn_mask: Any = None,
    is_causal: bool = False,
    scale: float | None = None,
) -> Tensor:
    """softmax over the keys of scale * query . key + mask; 0 where no key may be seen.

    Args:
        query: what asks; H heads, or a multiple of the keys' heads, which then serve several each.
        key: what is asked.
        attn_mask: booleans, True for keys that may be seen, or numbers that are added.
        is_causal: a query sees the keys up to its own place.
        scale: 1 / sqrt(E) when None.

    Shapes: `query: [*B, G H, L, E], key: [*B, H, S, E], attn_mask: broadcasts to [*B, G H, L, S]
    -> [*B, G H, L, S]`

    Raises:
        ShapeError: widths or heads of queries and keys differ.

    Source: Vaswani et al. 2017, "Attention is all you need", section 3.2.
    """
    query, key = asarray(query), asarray(key)
    _require_heads("attention_weights", query, key)
    length, size = query.shape[-2], key.shape[-2]
    factor = 1.0 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = _of_heads(query * factor, key.mT)  # type: ignore[attr-defined]  (*B, G H, L, S)
    if is_causal:
        scores = where(_causal(length, size), scores, -math.inf)
    if attn_mask is not None:
        mask = asarray(attn_mask)
        scores = where(mask, scores, -math.inf) if mask.dtype is bool_ else scores + mask
    if not size:
        return scores
    top = max(scores, axis=-1, keepdims=True)
    if attn_mask is None:  # each query sees a key
        power = exp(scores - stop_gradient(top))
        return power / sum(power, axis=-1, keepdims=True)
    power = exp(scores - stop_gradient(where(top > -math.inf, top, 0.0)))
    total = sum(power, axis=-1, keepdims=True)
    return power / where(total == 0, 1.0, total)


def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
    *,
    dropout_key: Tensor | random.Generator | None = None,
) -> Tensor:
    """y = softmax(scale * Q Kᵀ + mask) V.

    Args:
        query, key, attn_mask, is_causal, scale: as in `attention_weights`.
        value: what is averaged.
        dropout_p: probability with which a weight becomes 0; the others are scaled up.
        enable_gqa: let each head of keys and values serve several heads of queries.
        dropout_key: where the noise comes from; the default generator when None.

    Shapes: `query: [*B, H, L, E], key: [*B, H, S, E], value: [*B, H, S, F] -> [*B, H, L, F]`; with
    `enable_gqa` the query has G H heads.

    Raises:
        ShapeError: heads, widths or lengths do not fit.

    Example:
        >>> import lamina as lm
        >>> q = lm.asarray([[1.0, 0.0], [0.0, 1.0]])
        >>> lm.functional.scaled_dot_product_attention(q, q, q, is_causal=True)[0]
        Tensor([1., 0.], shape=(2,), dtype=float32)

    Source: Vaswani et al. 2017, "Attention is all you need"; groups of heads after Ainslie et al.
    2023, "GQA"; names and masks are PyTorch's.
    """
    query, key, value = asarray(query), asarray(key), asarray(value)
    if key.shape[:-1] != value.shape[:-1] or (
        not enable_gqa and query.shape[-3:-2] != key.shape[-3:-2]
    ):
        raise ShapeError(
            "scaled_dot_product_attention: queries, keys and values do not fit",
            [f"query: {query.type}", f"key: {key.type}", f"value: {value.type}"],
            "keys and values go in pairs; enable_gqa=True lets queries have more heads",
        )
    weights = attention_weights(query, key, attn_mask, is_causal, scale)
    return _of_heads(dropout(weights, dropout_p, key=dropout_key), value)


def alibi_slopes(heads: int) -> Tensor:
    """How much each head minds distance: 2^(-8 h / H) for h = 1, ..., H, if H is a power of two.

    Otherwise those of the power of two below, and then every second one of the next power.

    Shapes: `-> [H]`

    Source: Press, Smith and Lewis 2022, "Train short, test long", and its program.
    """
    below = 2 ** (heads.bit_length() - 1)
    slopes = [2.0 ** (-8.0 * h / below) for h in range(1, below + 1)]
    slopes += [2.0 ** (-4.0 * h / below) for h in range(1, 2 * (heads - below), 2)]
    return asarray(slopes)


def alibi_bias(heads: int, length: int, size: int | None = None) -> Tensor:
    """-slope * distance for each head, query and key, to be added as `attn_mask`.

    Args:
        heads: H.
        length: queries L; they are the last of the keys.
        size: keys S; L when None.

    Shapes: `-> [H, L, S]`

    Example:
        >>> import lamina as lm
        >>> lm.functional.alibi_bias(2, 1, 3)[1]
        Tensor([[-0.0078125 , -0.00390625,  0.        ]], shape=(1, 3), dtype=float32)

    Source: Press, Smith and Lewis 2022, "Train short, test long".
    """
    size = length if size is None else size
    place = reshape(arange(size - length, size), (-1, 1))
    distance = abs(place - arange(size))  # type: ignore[operator]
    return -reshape(alibi_slopes(heads), (-1, 1, 1)) * distance


def _causal(length: int, size: int) -> Tensor:
    """Which keys each query may see.  Shapes: `-> [L, S]`."""
    return reshape(arange(length), (-1, 1)) >= arange(size)  # type: ignore[operator]


def _of_heads(x: Tensor, y: Tensor) -> Tensor:
    """x @ y for each head of x, a head of y serving several of x where y has fewer.

    Shapes: `x: [*B, G H, L, E], y: [*B, H, E, S] -> [*B, G H, L, S]`
    """
    if x.ndim < 3 or x.shape[-3] == y.shape[-3]:
        return x @ y  # type: ignore[operator]
    *lead, heads, length, width = x.shape
    fewer = y.shape[-3]
    rows = reshape(x, (*lead, fewer, heads // fewer * length, width))
    return reshape(rows @ y, (*lead, heads, length, y.shape[-1]))  # type: ignore[operator]


def _require_heads(name: str, query: Tensor, key: Tensor) -> None:
    fits = query.ndim == key.ndim >= 2 and query.shape[-1] == key.shape[-1]
    if fits and query.ndim > 2:
        fits = key.shape[-3] > 0 and query.shape[-3] % key.shape[-3] == 0
    if not fits:
        raise ShapeError(
            f"{name}: queries and keys do not fit",
            [f"query: {query.type}", f"key: {key.type}"],
            "both are [*B, heads, places, width], of one width; the heads of the query are those "
            "of the key, or a multiple",
        )
