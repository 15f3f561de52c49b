"""Multi-head attention as a layer."""

from __future__ import annotations

import math
from typing import Any

import lamina.tensor as lm
from lamina import functional
from lamina.base.errors import ShapeError, UsageError
from lamina.nn.linear import Linear
from lamina.nn.module import Module
from lamina.tensor import Tensor


def xavier_uniform(shape: tuple[int, int], dtype: Any) -> Tensor:
    """U(-b, b) with b = sqrt(6 / (fan_in + fan_out)).

    Source: Glorot and Bengio 2010, "Understanding the difficulty of training deep feedforward
    neural networks".
    """
    bound = math.sqrt(6.0 / (shape[0] + shape[1]))
    return lm.random.uniform(shape, low=-bound, high=bound, dtype=dtype)


class MultiheadAttention(Module):
    """Concat(head_1, ..., head_H) W_O with head_h = attention(q W_h, k W'_h, v W''_h).

    Args:
        embed_dim: width E of queries and outputs.
        num_heads: H; E is a multiple of it.
        dropout: probability with which a weight becomes 0 while training.
        bias: whether the projections have biases.
        add_bias_kv: one more key and value, learned.
        add_zero_attn: one more key and value, 0.
        kdim, vdim: widths of keys and values; E when None.
        batch_first: sequences are `[B, T, ...]` rather than `[T, B, ...]`.
        dtype: of the parameters.

    Call it with `(query, key, value, key_padding_mask, need_weights, attn_mask,
    average_attn_weights, is_causal)`. In both masks True means that a key is not seen, and numbers
    are added. A query that sees no key gets 0 for all heads (PyTorch gives NaN in places).

    Shapes: `query: [L, B, E], key: [S, B, kdim], value: [S, B, vdim], key_padding_mask: [B, S],
    attn_mask: [L, S] or [B H, L, S] -> ([L, B, E], [B, L, S] or [B, H, L, S] or None)`, or without
    B throughout; `in_proj_weight: [3 E, E]`, or `q_proj_weight: [E, E], k_proj_weight: [E, kdim],
    v_proj_weight: [E, vdim]`; `in_proj_bias: [3 E]`, `bias_k, bias_v: [1, 1, E]`,
    `out_proj.weight: [E, E]`.

    Source: Vaswani et al. 2017, "Attention is all you need", section 3.2.2; PyTorch's names, shapes
    and initialisation.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        dtype: Any = lm.float32,
    ):
        super().__init__()
        if num_heads < 1 or embed_dim < 1 or embed_dim % num_heads:
            raise UsageError(
                "MultiheadAttention: the heads do not divide the width",
                [f"embed_dim: {embed_dim}", f"num_heads: {num_heads}"],
            )
        self.embed_dim = embed_dim
        self.num_heads = num_heads
        self.dropout = float(dropout)
        self.batch_first = batch_first
        self.add_zero_attn = add_zero_attn
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        if self.kdim == self.vdim == embed_dim:
            self.in_proj_weight = xavier_uniform((3 * embed_dim, embed_dim), dtype)
        else:
            self.q_proj_weight = xavier_uniform((embed_dim, embed_dim), dtype)
            self.k_proj_weight = xavier_uniform((embed_dim, self.kdim), dtype)
            self.v_proj_weight = xavier_uniform((embed_dim, self.vdim), dtype)
        self.in_proj_bias = lm.zeros((3 * embed_dim,), dtype=dtype) if bias else None
        self.out_proj = Linear(embed_dim, embed_dim, bias=bias, dtype=dtype)
        if bias:
            self.out_proj.bias = lm.zeros((embed_dim,), dtype=dtype)
        scale, one = math.sqrt(1.0 / embed_dim), (1, 1, embed_dim)
        draw = lm.random.normal
        self.bias_k = draw(one, std=scale, dtype=dtype) if add_bias_kv else None
        self.bias_v = draw(one, std=scale, dtype=dtype) if add_bias_kv else None

    def forward(
        self,
        query: Any,
        key: Any,
        value: Any,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        query, key, value = lm.asarray(query), lm.asarray(key), lm.asarray(value)
        alone = query.ndim == 2
        self._require_inputs(query, key, value)
        inputs = [self._batched(x, alone) for x in (query, key, value)]  # (B, T, width)
        q, k, v = (self._split(x) for x in self._with_more_keys(*self._projected(*inputs)))
        masks = self._masks(inputs[0], inputs[1], key_padding_mask, attn_mask, is_causal)
        mask = _merged(masks, k.shape[2] - inputs[1].shape[1])
        weights = functional.attention_weights(q, k, mask)  # (B, H, L, S)
        weights = functional.dropout(weights, self.dropout, self.training)
        mixed = lm.swapaxes(lm.matmul(weights, v), 1, 2)  # (B, L, H, D)
        y = self.out_proj(lm.reshape(mixed, (*mixed.shape[:2], self.embed_dim)))
        y = y if self.batch_first else lm.swapaxes(y, 0, 1)
        if alone:
            y = lm.squeeze(y, axis=0 if self.batch_first else 1)
        if not need_weights:
            return y, None
        shown = lm.mean(weights, axis=1) if average_attn_weights else weights
        return y, (shown[0] if alone else shown)

    def _batched(self, x: Tensor, alone: bool) -> Tensor:
        """Shapes: `[T, B, C]`, `[B, T, C]` or `[T, C] -> [B, T, C]`."""
        if alone:
            return lm.expand_dims(x, axis=0)
        return x if self.batch_first else lm.swapaxes(x, 0, 1)

    def _split(self, x: Tensor) -> Tensor:
        """Shapes: `[B, T, E] -> [B, H, T, E / H]`."""
        width = self.embed_dim // self.num_heads
        return lm.swapaxes(lm.reshape(x, (*x.shape[:2], self.num_heads, width)), 1, 2)

    def _projected(self, query: Tensor, key: Tensor, value: Tensor) -> list[Tensor]:
        """Shapes: `[B, T, width] -> [B, T, E]` each; one product where all three are one tensor."""
        one = getattr(self, "in_proj_weight", None)
        bias = self.in_proj_bias
        if one is not None and query is key and key is value:
            return lm.split(functional.linear(query, one, bias), 3, axis=-1)
        if one is not None:
            weights = lm.split(one, 3)
        else:
            weights = [self.q_proj_weight, self.k_proj_weight, self.v_proj_weight]
        biases = [None] * 3 if bias is None else lm.split(bias, 3)
        given = zip((query, key, value), weights, biases, strict=True)
        return [functional.linear(x, w, b) for x, w, b in given]

    def _with_more_keys(self, q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Keys and values, with those of `bias_k`, `bias_v` and `add_zero_attn` behind them."""
        one = (k.shape[0], 1, self.embed_dim)
        if self.bias_k is not None and self.bias_v is not None:
            k = lm.concat([k, lm.broadcast_to(self.bias_k, one)], axis=1)
            v = lm.concat([v, lm.broadcast_to(self.bias_v, one)], axis=1)
        if self.add_zero_attn:
            zero = lm.zeros(one, dtype=k.dtype)
            k, v = lm.concat([k, zero], axis=1), lm.concat([v, zero], axis=1)
        return q, k, v

    def _masks(
        self, query: Tensor, key: Tensor, padding: Any, attn_mask: Any, is_causal: bool
    ) -> list[Tensor]:
        """Those given, each of rank 4: numbers to add, or booleans, True for what is not seen."""
        batch, length, size = query.shape[0], query.shape[1], key.shape[1]
        masks = []
        if padding is not None:
            given = lm.asarray(padding)
            self._require_mask(
                "key_padding_mask", given, [(batch, size), (size,)][: 3 - given.ndim]
            )
            masks.append(lm.reshape(given, (batch, 1, 1, size)))
        if attn_mask is not None:
            given = lm.asarray(attn_mask)
            heads = batch * self.num_heads
            self._require_mask("attn_mask", given, [(length, size), (heads, length, size)])
            count = (batch, self.num_heads) if given.ndim == 3 else (1, 1)
            masks.append(lm.reshape(given, (*count, length, size)))
        elif is_causal:
            place = lm.reshape(lm.arange(length), (1, 1, -1, 1))
            masks.append(lm.less(place, lm.arange(size)))
        return masks

    def _require_mask(self, name: str, mask: Tensor, shapes: list[tuple[int, ...]]) -> None:
        if mask.shape not in shapes or not (mask.dtype is lm.bool_ or mask.dtype.is_float):
            wanted = " or ".join(map(str, shapes))
            raise ShapeError(
                f"MultiheadAttention: {name} does not fit",
                [f"{name}: {mask.type}", f"wanted: {wanted}"],
                "booleans (True is not seen), or floating numbers that are added",
            )

    def _require_inputs(self, query: Tensor, key: Tensor, value: Tensor) -> None:
        widths = (self.embed_dim, self.kdim, self.vdim)
        given = (query, key, value)
        fits = query.ndim in (2, 3) and all(x.ndim == query.ndim for x in given)
        fits = fits and all(x.shape[-1] == w for x, w in zip(given, widths, strict=True))
        fits = fits and key.shape[:-1] == value.shape[:-1]
        batch = 0 if self.batch_first else 1
        if not fits or (query.ndim == 3 and query.shape[batch] != key.shape[batch]):
            raise ShapeError(
                "MultiheadAttention: the inputs do not fit the layer",
                [
                    f"query: {query.type}",
                    f"key: {key.type}",
                    f"value: {value.type}",
                    f"widths: {widths}",
                ],
                f"sequences are {'[B, T, width]' if self.batch_first else '[T, B, width]'}",
            )


def _merged(masks: list[Tensor], more: int) -> Tensor | None:
    """One mask of what is seen, or of numbers to add; `more` keys at the end are always seen."""
    if not masks:
        return None
    if all(mask.dtype is lm.bool_ for mask in masks):
        found = lm.logical_not(masks[0])
        for mask in masks[1:]:
            found = lm.logical_and(found, lm.logical_not(mask))
        return lm.pad(found, [(0, 0)] * 3 + [(0, more)], value=True) if more else found
    numbers = [lm.where(m, -math.inf, 0.0) if m.dtype is lm.bool_ else m for m in masks]
    total = numbers[0]
    for other in numbers[1:]:
        total = lm.add(total, other)
    return lm.pad(total, [(0, 0)] * 3 + [(0, more)]) if more else total
