"""Llama: a decoder with rotary positions, groups of heads, and gated linear units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import lamina.tensor as lm
from lamina import functional, nn
from lamina.interop import llama2c
from lamina.models.cache import Cache
from lamina.tensor import Tensor


@dataclass(frozen=True)
class LlamaConfig:
    """Sizes, under the names of `transformers`."""

    vocab_size: int = 32000
    hidden_size: int = 4096
    intermediate_size: int = 11008
    num_hidden_layers: int = 32
    num_attention_heads: int = 32
    num_key_value_heads: int = 32
    max_position_embeddings: int = 2048
    rms_norm_eps: float = 1e-6
    rope_theta: float = 10000.0
    tie_word_embeddings: bool = False
    initializer_range: float = 0.02

    @property
    def head_dim(self) -> int:
        """Width of a head."""
        return self.hidden_size // self.num_attention_heads


class LlamaRMSNorm(nn.Module):
    """x / sqrt(mean(x * x) + eps) * weight.  Shapes: `[*B, C]`, unchanged."""

    def __init__(self, width: int, eps: float, dtype: Any):
        super().__init__()
        self.weight = lm.ones((width,), dtype=dtype)
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return functional.rms_norm(x, self.weight.shape, self.weight, self.eps)


class LlamaAttention(nn.Module):
    """Attention with rotary positions; each head of keys serves several heads of queries."""

    def __init__(self, config: LlamaConfig, dtype: Any):
        super().__init__()
        width, narrow = config.hidden_size, config.num_key_value_heads * config.head_dim
        self.head_dim = config.head_dim
        self.q_proj = _linear(width, width, config, dtype)
        self.k_proj = _linear(width, narrow, config, dtype)
        self.v_proj = _linear(width, narrow, config, dtype)
        self.o_proj = _linear(width, width, config, dtype)

    def forward(
        self, x: Tensor, turn: tuple[Tensor, Tensor], seen: Tensor, cache: Cache | None, layer: int
    ) -> Tensor:
        q, k, v = (self._heads(part(x)) for part in (self.q_proj, self.k_proj, self.v_proj))
        q, k = functional.rotate_pairs(q, *turn), functional.rotate_pairs(k, *turn)
        if cache is not None:
            k, v = cache.update(layer, k, v)
        y = functional.scaled_dot_product_attention(q, k, v, seen, enable_gqa=True)
        y = lm.swapaxes(y, 1, 2)  # (B, T, H, D)
        return self.o_proj(lm.reshape(y, x.shape))

    def _heads(self, x: Tensor) -> Tensor:
        """Shapes: `[B, T, H D] -> [B, H, T, D]`."""
        return lm.swapaxes(lm.reshape(x, (*x.shape[:2], -1, self.head_dim)), 1, 2)


class LlamaMLP(nn.Module):
    """down(silu(gate(x)) * up(x)).  Source: Shazeer 2020, "GLU variants improve transformer"."""

    def __init__(self, config: LlamaConfig, dtype: Any):
        super().__init__()
        width, inner = config.hidden_size, config.intermediate_size
        self.gate_proj = _linear(width, inner, config, dtype)
        self.up_proj = _linear(width, inner, config, dtype)
        self.down_proj = _linear(inner, width, config, dtype)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(lm.multiply(functional.silu(self.gate_proj(x)), self.up_proj(x)))


class LlamaBlock(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, config: LlamaConfig, dtype: Any):
        super().__init__()
        self.self_attn = LlamaAttention(config, dtype)
        self.mlp = LlamaMLP(config, dtype)
        self.input_layernorm = LlamaRMSNorm(config.hidden_size, config.rms_norm_eps, dtype)
        self.post_attention_layernorm = LlamaRMSNorm(config.hidden_size, config.rms_norm_eps, dtype)

    def forward(
        self, x: Tensor, turn: tuple[Tensor, Tensor], seen: Tensor, cache: Cache | None, layer: int
    ) -> Tensor:
        x = lm.add(x, self.self_attn(self.input_layernorm(x), turn, seen, cache, layer))
        return lm.add(x, self.mlp(self.post_attention_layernorm(x)))


class LlamaModel(nn.Module):
    """The decoder without its last linear map."""

    def __init__(self, config: LlamaConfig, dtype: Any):
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size, dtype=dtype)
        self.embed_tokens.weight = _first((config.vocab_size, config.hidden_size), config, dtype)
        self.layers = [LlamaBlock(config, dtype) for _ in range(config.num_hidden_layers)]
        self.norm = LlamaRMSNorm(config.hidden_size, config.rms_norm_eps, dtype)


class Llama(nn.Module):
    """A language model: logits of the next token after each token.

    Args:
        config: sizes.
        dtype: of the parameters.

    Shapes: `tokens: [B, T] -> [B, T, vocab_size]`; names and shapes of parameters are those of
    `LlamaForCausalLM` in `transformers`.

    Example:
        >>> import lamina as lm
        >>> config = lm.models.LlamaConfig(
        ...     vocab_size=11, hidden_size=8, intermediate_size=16, num_hidden_layers=1,
        ...     num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=32)
        >>> lm.models.Llama(config)(lm.asarray([[1, 2, 3]])).shape
        (1, 3, 11)

    Source: Touvron et al. 2023, "LLaMA: open and efficient foundation language models".
    """

    def __init__(self, config: LlamaConfig, dtype: Any = lm.float32):
        super().__init__()
        self.config = config
        self.model = LlamaModel(config, dtype)
        self.lm_head = _linear(config.hidden_size, config.vocab_size, config, dtype)
        if config.tie_word_embeddings:
            self.lm_head.weight = self.model.embed_tokens.weight

    @classmethod
    def from_llama2c(cls, path: Any) -> Llama:
        """The model in a checkpoint of llama2.c (version 0).

        Args:
            path: of the file.
        """
        sizes, state = llama2c.read_checkpoint(path)
        model = cls(LlamaConfig(rms_norm_eps=1e-5, **sizes))
        model.load_state_dict(state)
        return model

    def forward(self, tokens: Any, cache: Cache | None = None) -> Tensor:
        return self.logits(self.hidden(tokens, cache))

    def hidden(self, tokens: Any, cache: Cache | None = None, count: Any = None) -> Tensor:
        """What the last linear map is given.

        Args:
            tokens: the next ones of each sequence.
            cache: what is known of the ones before; it is brought up to date.
            count: how many of the tokens count, the others being padding; all when None.

        Shapes: `tokens: [B, T] -> [B, T, hidden_size]`
        """
        x = self.model.embed_tokens(tokens)  # (B, T, C)
        length = x.shape[1]
        if cache is None:
            places = lm.arange(length)
            seen = lm.less_equal(places, lm.reshape(places, (-1, 1)))
        else:
            places, seen = cache.positions(length), cache.seen(length)
        angles = functional.rotary_angles(places, self.config.head_dim, self.config.rope_theta)
        turn = (lm.cos(angles), lm.sin(angles))
        for i, layer in enumerate(self.model.layers):
            x = layer(x, turn, seen, cache, i)
        if cache is not None:
            cache.advance(length if count is None else count)
        return self.model.norm(x)

    def logits(self, hidden: Tensor) -> Tensor:
        """Shapes: `hidden: [*B, hidden_size] -> [*B, vocab_size]`."""
        return self.lm_head(hidden)

    def new_cache(self, batch: int, size: int) -> Cache:
        """An empty cache for sequences of at most `size` tokens."""
        c = self.config
        dtype = self.lm_head.weight.dtype
        heads = c.num_key_value_heads
        return Cache(c.num_hidden_layers, batch, heads, size, c.head_dim, dtype)

    @property
    def most_tokens(self) -> int:
        """The longest sequence that the model is made for."""
        return self.config.max_position_embeddings


def _first(shape: tuple[int, ...], config: LlamaConfig, dtype: Any) -> Tensor:
    return lm.random.normal(shape, std=config.initializer_range, dtype=dtype)


def _linear(inputs: int, outputs: int, config: LlamaConfig, dtype: Any) -> nn.Linear:
    layer = nn.Linear(inputs, outputs, bias=False, dtype=dtype)
    layer.weight = _first((outputs, inputs), config, dtype)
    return layer
