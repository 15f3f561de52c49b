"""T5: an encoder and a decoder of text, with positions that only count distances."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

import lamina.tensor as lm
from lamina import functional, nn
from lamina.models.cache import Cache
from lamina.tensor import Tensor


@dataclass(frozen=True)
class T5Config:
    """Sizes, under the names of `transformers`; the defaults are those of T5-small."""

    vocab_size: int = 32128
    d_model: int = 512
    d_kv: int = 64
    d_ff: int = 2048
    num_layers: int = 6
    num_decoder_layers: int = 6
    num_heads: int = 8
    relative_attention_num_buckets: int = 32
    relative_attention_max_distance: int = 128
    dropout_rate: float = 0.1
    layer_norm_epsilon: float = 1e-6
    initializer_factor: float = 1.0
    feed_forward_proj: str = "relu"  # "gated-gelu" in version 1.1
    tie_word_embeddings: bool = True  # not in version 1.1
    pad_token_id: int = 0  # which also begins what is decoded


class T5LayerNorm(nn.Module):
    """x / sqrt(mean(x * x) + eps) * weight.  Shapes: `[*B, C]`, unchanged."""

    def __init__(self, config: T5Config, dtype: Any):
        super().__init__()
        self.weight = lm.ones((config.d_model,), dtype=dtype)
        self.eps = config.layer_norm_epsilon

    def forward(self, x: Tensor) -> Tensor:
        return functional.rms_norm(x, self.weight.shape, self.weight, self.eps)


class T5Attention(nn.Module):
    """softmax(Q Kᵀ + bias) V of many heads, without a scale."""

    def __init__(self, config: T5Config, with_bias: bool, dtype: Any):
        super().__init__()
        width, inner = config.d_model, config.num_heads * config.d_kv
        self.d_kv = config.d_kv
        self.dropout = config.dropout_rate
        factor = config.initializer_factor
        self.q = _linear(width, inner, factor / math.sqrt(width * config.d_kv), dtype)
        self.k = _linear(width, inner, factor / math.sqrt(width), dtype)
        self.v = _linear(width, inner, factor / math.sqrt(width), dtype)
        self.o = _linear(inner, width, factor / math.sqrt(inner), dtype)
        if with_bias:
            buckets = config.relative_attention_num_buckets
            table = nn.Embedding(buckets, config.num_heads, dtype=dtype)
            table.weight = nn.init.normal(table.weight, std=factor / math.sqrt(width))
            self.relative_attention_bias = table

    def keys_and_values(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Shapes: `x: [B, S, C] -> [B, H, S, D]` each."""
        return self._heads(self.k(x)), self._heads(self.v(x))

    def forward(self, x: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None) -> Tensor:
        noise = self.dropout if self.training else 0.0
        y = functional.scaled_dot_product_attention(
            self._heads(self.q(x)), keys, values, bias, noise, scale=1.0
        )
        y = lm.swapaxes(y, 1, 2)  # (B, T, H, D)
        return self.o(lm.reshape(y, (*x.shape[:2], -1)))

    def _heads(self, x: Tensor) -> Tensor:
        """Shapes: `[B, T, H D] -> [B, H, T, D]`."""
        return lm.swapaxes(lm.reshape(x, (*x.shape[:2], -1, self.d_kv)), 1, 2)


class T5SelfLayer(nn.Module):
    """x + attention(norm(x)) to the same text."""

    def __init__(self, config: T5Config, with_bias: bool, dtype: Any):
        super().__init__()
        self.SelfAttention = T5Attention(config, with_bias, dtype)
        self.layer_norm = T5LayerNorm(config, dtype)
        self.dropout = nn.Dropout(config.dropout_rate)

    def forward(self, x: Tensor, bias: Tensor, cache: Cache | None, layer: int) -> Tensor:
        y = self.layer_norm(x)
        keys, values = self.SelfAttention.keys_and_values(y)
        if cache is not None:
            keys, values = cache.update(layer, keys, values)
        return lm.add(x, self.dropout(self.SelfAttention(y, keys, values, bias)))


class T5CrossLayer(nn.Module):
    """x + attention(norm(x)) to the source."""

    def __init__(self, config: T5Config, dtype: Any):
        super().__init__()
        self.EncDecAttention = T5Attention(config, False, dtype)
        self.layer_norm = T5LayerNorm(config, dtype)
        self.dropout = nn.Dropout(config.dropout_rate)

    def forward(self, x: Tensor, keys: Tensor, values: Tensor, seen: Tensor | None) -> Tensor:
        y = self.EncDecAttention(self.layer_norm(x), keys, values, seen)
        return lm.add(x, self.dropout(y))


class T5Dense(nn.Module):
    """wo(relu(wi(x))), or wo(gelu(wi_0(x)) * wi_1(x))."""

    def __init__(self, config: T5Config, dtype: Any):
        super().__init__()
        width, inner, factor = config.d_model, config.d_ff, config.initializer_factor
        self.gated = config.feed_forward_proj == "gated-gelu"
        for name in ("wi_0", "wi_1") if self.gated else ("wi",):
            setattr(self, name, _linear(width, inner, factor / math.sqrt(width), dtype))
        self.wo = _linear(inner, width, factor / math.sqrt(inner), dtype)
        self.dropout = nn.Dropout(config.dropout_rate)

    def forward(self, x: Tensor) -> Tensor:
        if self.gated:
            y = lm.multiply(functional.gelu(self.wi_0(x), "tanh"), self.wi_1(x))
        else:
            y = functional.relu(self.wi(x))
        return self.wo(self.dropout(y))


class T5FeedForward(nn.Module):
    """x + dense(norm(x))."""

    def __init__(self, config: T5Config, dtype: Any):
        super().__init__()
        self.DenseReluDense = T5Dense(config, dtype)
        self.layer_norm = T5LayerNorm(config, dtype)
        self.dropout = nn.Dropout(config.dropout_rate)

    def forward(self, x: Tensor) -> Tensor:
        return lm.add(x, self.dropout(self.DenseReluDense(self.layer_norm(x))))


class T5Block(nn.Module):
    """Attention to the same text, in a decoder also to the source, then two linear maps."""

    def __init__(self, config: T5Config, decodes: bool, with_bias: bool, dtype: Any):
        super().__init__()
        cross = [T5CrossLayer(config, dtype)] if decodes else []
        own = T5SelfLayer(config, with_bias, dtype)
        self.layer: list[Any] = [own, *cross, T5FeedForward(config, dtype)]


class T5Stack(nn.Module):
    """The blocks of an encoder or a decoder."""

    def __init__(self, config: T5Config, shared: nn.Embedding, decodes: bool, dtype: Any):
        super().__init__()
        self.config = config
        self.decodes = decodes
        self.embed_tokens = nn.Embedding(config.vocab_size, config.d_model, dtype=dtype)
        self.embed_tokens.weight = shared.weight
        count = config.num_decoder_layers if decodes else config.num_layers
        self.block = [T5Block(config, decodes, not i, dtype) for i in range(count)]
        self.final_layer_norm = T5LayerNorm(config, dtype)
        self.dropout = nn.Dropout(config.dropout_rate)

    def bias(self, places: Tensor, keys: int) -> Tensor:
        """What is added to the products of queries at `places` and of keys from 0 on.

        Shapes: `places: [T] -> [H, T, keys]`
        """
        c = self.config
        table = _buckets(
            c.relative_attention_num_buckets, c.relative_attention_max_distance, not self.decodes
        )
        most = c.relative_attention_max_distance
        away = lm.subtract(lm.arange(keys), lm.reshape(places, (-1, 1)))  # (T, keys)
        bucket = lm.take(lm.asarray(table), lm.add(lm.clip(away, -most, most), most))
        values = self.block[0].layer[0].SelfAttention.relative_attention_bias(bucket)
        return lm.moveaxis(values, -1, 0)


class T5(nn.Module):
    """A model that reads one text and writes another.

    Args:
        config: sizes.
        dtype: of the parameters.

    Shapes: `source: [B, S], target: [B, T] -> [B, T, vocab_size]`, logits of the next token after
    each of the target; names and shapes of parameters are those of `T5ForConditionalGeneration` in
    `transformers`. The mask of the source, `[B, S]`, is 1 for tokens and 0 for padding.

    Example:
        >>> import lamina as lm
        >>> small = lm.models.T5Config(11, 8, 4, 16, 1, 1, 2)
        >>> net = lm.models.T5(small).eval()
        >>> net(lm.asarray([[1, 2, 3]]), lm.asarray([[0, 4]])).shape
        (1, 2, 11)
        >>> lm.models.generate(net.given([[1, 2, 3]]), [[0]], 4, temperature=0).shape
        (1, 5)

    Source: Raffel et al. 2020, "Exploring the limits of transfer learning with a unified
    text-to-text transformer".
    """

    def __init__(self, config: T5Config, dtype: Any = lm.float32):
        super().__init__()
        self.config = config
        self.shared = nn.Embedding(config.vocab_size, config.d_model, dtype=dtype)
        self.shared.weight = nn.init.normal(self.shared.weight, std=config.initializer_factor)
        self.encoder = T5Stack(config, self.shared, False, dtype)
        self.decoder = T5Stack(config, self.shared, True, dtype)
        self.lm_head = _linear(config.d_model, config.vocab_size, config.initializer_factor, dtype)
        if config.tie_word_embeddings:
            self.lm_head.weight = self.shared.weight

    def encode(self, source: Any, mask: Any = None) -> Tensor:
        """A vector for each token of the source.  Shapes: `source: [B, S] -> [B, S, d_model]`."""
        x = self.encoder.dropout(self.shared(lm.asarray(source)))
        bias = self.encoder.bias(lm.arange(x.shape[1]), x.shape[1])
        hidden = _hidden(mask, x.dtype)
        bias = bias if hidden is None else lm.add(bias, hidden)
        for i, block in enumerate(self.encoder.block):
            own, dense = block.layer
            x = dense(own(x, bias, None, i))
        return self.encoder.dropout(self.encoder.final_layer_norm(x))

    def given(self, source: Any, mask: Any = None) -> T5Continuation:
        """A decoder for `generate`, `stream` and `beam_search` that has read the source.

        What it writes begins with `config.pad_token_id`.
        """
        return T5Continuation(self, self.encode(source, mask), mask)

    def shifted(self, labels: Any) -> Tensor:
        """What the decoder reads while it learns to write the labels: these, one place later.

        Shapes: `labels: [B, T]`, unchanged.
        """
        labels = lm.asarray(labels)
        first = lm.full((labels.shape[0], 1), self.config.pad_token_id, dtype=labels.dtype)
        return lm.concat([first, labels[:, :-1]], axis=1)

    def forward(self, source: Any, target: Any, mask: Any = None) -> Tensor:
        after = self.given(source, mask)
        return after.logits(after.hidden(target))


class T5Continuation(nn.Module):
    """The decoder of a `T5` beside keys and values of a source.

    Args:
        model: whose decoder it is.
        memory: what its encoder made of the source, `[B, S, d_model]`.
        mask: which tokens of the source count; all when None.
    """

    def __init__(self, model: T5, memory: Tensor, mask: Any = None):
        super().__init__()
        self.model = model
        pairs = [b.layer[1].EncDecAttention.keys_and_values(memory) for b in model.decoder.block]
        self.keys, self.values = [k for k, _ in pairs], [v for _, v in pairs]
        self.hides = _hidden(mask, memory.dtype)

    def hidden(self, tokens: Any, cache: Cache | None = None, count: Any = None) -> Tensor:
        """What the last linear map is given.

        Args:
            tokens: the next ones of each sequence; there may be several sequences for each source.
            cache: what is known of the ones before; it is brought up to date.
            count: how many of the tokens count, the others being padding; all when None.

        Shapes: `tokens: [B, T] -> [B, T, d_model]`
        """
        decoder = self.model.decoder
        x = decoder.dropout(self.model.shared(lm.asarray(tokens)))  # (B, T, C)
        length = x.shape[1]
        if cache is None:
            places, size = lm.arange(length), length
            seen = lm.less_equal(places, lm.reshape(places, (-1, 1)))
        else:
            places, size, seen = cache.positions(length), cache.size, cache.seen(length)
        bias = lm.where(seen, decoder.bias(places, size), -math.inf)
        each = x.shape[0] // self.keys[0].shape[0]
        hides = None if self.hides is None else _repeated(self.hides, each)
        for i, block in enumerate(decoder.block):
            own, cross, dense = block.layer
            keys, values = _repeated(self.keys[i], each), _repeated(self.values[i], each)
            x = dense(cross(own(x, bias, cache, i), keys, values, hides))
        if cache is not None:
            cache.advance(length if count is None else count)
        return decoder.dropout(decoder.final_layer_norm(x))

    def logits(self, hidden: Tensor) -> Tensor:
        """Shapes: `hidden: [*B, d_model] -> [*B, vocab_size]`."""
        if self.model.config.tie_word_embeddings:
            hidden = lm.multiply(hidden, self.model.config.d_model**-0.5)
        return self.model.lm_head(hidden)

    def new_cache(self, batch: int, size: int) -> Cache:
        """An empty cache for sequences of at most `size` tokens."""
        c = self.model.config
        dtype = self.model.lm_head.weight.dtype
        return Cache(c.num_decoder_layers, batch, c.num_heads, size, c.d_kv, dtype)

    @property
    def most_tokens(self) -> int:
        """There is no longest sequence."""
        return 1 << 30


def _buckets(count: int, most: int, both_sides: bool) -> np.ndarray:
    """Numbers of the buckets of the distances -most ... most from a query to a key.

    Half of a side's buckets hold one distance each, the others ever more of them, on a logarithmic
    scale. A decoder has one bucket for all keys behind the query.

    Shapes: `-> [2 most + 1]`
    """
    away = np.arange(-most, most + 1)
    first, distance = np.zeros_like(away), np.maximum(-away, 0)
    if both_sides:
        count //= 2
        first, distance = np.where(away > 0, count, 0), np.abs(away)
    exact = count // 2
    scaled = np.log(np.maximum(distance, 1).astype(np.float32) / exact) / math.log(most / exact)
    far = np.minimum(exact + (scaled * (count - exact)).astype(np.int64), count - 1)
    return first + np.where(distance < exact, distance, far)


def _hidden(mask: Any, dtype: Any) -> Tensor | None:
    """-inf where the mask is 0, to be added.  Shapes: `mask: [B, S] -> [B, 1, 1, S]`."""
    if mask is None:
        return None
    mask = lm.asarray(mask)
    shape = (mask.shape[0], 1, 1, mask.shape[1])
    kept = lm.reshape(lm.not_equal(mask, 0), shape)
    return lm.where(kept, lm.zeros((), dtype=dtype), -math.inf)


def _repeated(x: Tensor, each: int) -> Tensor:
    return x if each == 1 else lm.repeat(x, each, axis=0)


def _linear(inputs: int, outputs: int, std: float, dtype: Any) -> nn.Linear:
    layer = nn.Linear(inputs, outputs, bias=False, dtype=dtype)
    layer.weight = nn.init.normal(layer.weight, std=std)
    return layer
