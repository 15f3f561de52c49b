"""GPT-2: a decoder with learned positions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import lamina.tensor as lm
from lamina import functional, nn
from lamina.models.cache import Cache
from lamina.tensor import Tensor


@dataclass(frozen=True)
class GPT2Config:
    """Sizes, under the names of `transformers`; the defaults are those of the smallest GPT-2."""

    vocab_size: int = 50257
    n_positions: int = 1024
    n_embd: int = 768
    n_layer: int = 12
    n_head: int = 12
    dropout: float = 0.1
    layer_norm_epsilon: float = 1e-5
    initializer_range: float = 0.02


class Conv1D(nn.Module):
    """y = x W + b, with the weight lying the other way round than in `nn.Linear`.

    Shapes: `x: [*B, I] -> [*B, O]`; `weight: [I, O], bias: [O]`.
    """

    def __init__(self, inputs: int, outputs: int, std: float, dtype: Any):
        super().__init__()
        self.weight = lm.random.normal((inputs, outputs), std=std, dtype=dtype)
        self.bias = lm.zeros((outputs,), dtype=dtype)

    def forward(self, x: Tensor) -> Tensor:
        return lm.add(lm.matmul(x, self.weight), self.bias)


class GPT2Attention(nn.Module):
    """Attention of many heads to the tokens so far."""

    def __init__(self, config: GPT2Config, dtype: Any):
        super().__init__()
        width, std = config.n_embd, config.initializer_range
        self.heads = config.n_head
        self.dropout = config.dropout
        self.c_attn = Conv1D(width, 3 * width, std, dtype)
        self.c_proj = Conv1D(width, width, std / math.sqrt(2 * config.n_layer), dtype)

    def forward(self, x: Tensor, seen: Tensor | None, cache: Cache | None, layer: int) -> Tensor:
        q, k, v = (self._split(part) for part in lm.split(self.c_attn(x), 3, axis=-1))
        if cache is not None:
            k, v = cache.update(layer, k, v)
        noise = self.dropout if self.training else 0.0
        y = functional.scaled_dot_product_attention(q, k, v, seen, noise, is_causal=seen is None)
        y = self.c_proj(lm.reshape(lm.swapaxes(y, 1, 2), x.shape))  # (B, T, C)
        return functional.dropout(y, self.dropout, self.training)

    def _split(self, x: Tensor) -> Tensor:
        """Shapes: `[B, T, C] -> [B, H, T, C / H]`."""
        return lm.swapaxes(lm.reshape(x, (*x.shape[:2], self.heads, -1)), 1, 2)


class GPT2MLP(nn.Module):
    """Two linear maps with gelu between them, by its tanh form."""

    def __init__(self, config: GPT2Config, dtype: Any):
        super().__init__()
        width, std = config.n_embd, config.initializer_range
        self.dropout = config.dropout
        self.c_fc = Conv1D(width, 4 * width, std, dtype)
        self.c_proj = Conv1D(4 * width, width, std / math.sqrt(2 * config.n_layer), dtype)

    def forward(self, x: Tensor) -> Tensor:
        x = self.c_proj(functional.gelu(self.c_fc(x), approximate="tanh"))
        return functional.dropout(x, self.dropout, self.training)


class GPT2Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, config: GPT2Config, dtype: Any):
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.n_embd, config.layer_norm_epsilon, dtype=dtype)
        self.attn = GPT2Attention(config, dtype)
        self.ln_2 = nn.LayerNorm(config.n_embd, config.layer_norm_epsilon, dtype=dtype)
        self.mlp = GPT2MLP(config, dtype)

    def forward(self, x: Tensor, seen: Tensor | None, cache: Cache | None, layer: int) -> Tensor:
        x = lm.add(x, self.attn(self.ln_1(x), seen, cache, layer))
        return lm.add(x, self.mlp(self.ln_2(x)))


class GPT2Model(nn.Module):
    """The decoder without its last linear map."""

    def __init__(self, config: GPT2Config, dtype: Any):
        super().__init__()
        width, std = config.n_embd, config.initializer_range
        self.wte = nn.Embedding(config.vocab_size, width, dtype=dtype)
        self.wpe = nn.Embedding(config.n_positions, width, dtype=dtype)
        for table in (self.wte, self.wpe):
            table.weight = lm.random.normal(table.weight.shape, std=std, dtype=dtype)
        self.h = [GPT2Block(config, dtype) for _ in range(config.n_layer)]
        self.ln_f = nn.LayerNorm(width, config.layer_norm_epsilon, dtype=dtype)


class GPT2(nn.Module):
    """A language model: logits of the next token after each token.

    Args:
        config: sizes.
        dtype: of the parameters.

    Shapes: `tokens: [B, T] -> [B, T, vocab_size]`; names and shapes of parameters are those of
    `GPT2LMHeadModel` in `transformers`. `lm_head.weight` is `transformer.wte.weight`.

    Example:
        >>> import lamina as lm
        >>> small = lm.models.GPT2Config(11, n_positions=16, n_embd=8, n_layer=1, n_head=2)
        >>> lm.models.GPT2(small)(lm.asarray([[1, 2, 3]])).shape
        (1, 3, 11)

    Source: Radford et al. 2019, "Language models are unsupervised multitask learners".
    """

    def __init__(self, config: GPT2Config, dtype: Any = lm.float32):
        super().__init__()
        self.config = config
        self.transformer = GPT2Model(config, dtype)
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False, dtype=dtype)
        self.lm_head.weight = self.transformer.wte.weight

    def load_pretrained(self, state: Mapping[str, Any]) -> None:
        """Load a published state: "transformer." may be missing, as may the tied `lm_head`, and
        the causal masks that old files hold are left out.

        Raises:
            UsageError, ShapeError: as `load_state_dict`.
        """
        masks = (".attn.bias", ".attn.masked_bias")
        found = {n: t for n, t in state.items() if not n.endswith(masks)}
        if not any(name.startswith("transformer.") for name in found):
            found = {n if n.startswith("lm_head.") else f"transformer.{n}": found[n] for n in found}
        if "transformer.wte.weight" in found:
            found.setdefault("lm_head.weight", found["transformer.wte.weight"])
        self.load_state_dict(found)

    def forward(self, tokens: Any, cache: Cache | None = None) -> Tensor:
        return self.logits(self.hidden(tokens, cache))

    def hidden(self, tokens: Any, cache: Cache | None = None, count: Any = None) -> Tensor:
        """What the last linear map is given.

        Args:
            tokens: the next ones of each sequence.
            cache: what is known of the ones before; it is brought up to date.
            count: how many of the tokens count, the others being padding; all when None.

        Shapes: `tokens: [B, T] -> [B, T, n_embd]`
        """
        tokens = lm.asarray(tokens)
        length = tokens.shape[1]
        places = lm.arange(length) if cache is None else cache.positions(length)
        if count is not None:  # padding may go beyond the last position
            places = lm.minimum(places, self.config.n_positions - 1)
        x = lm.add(self.transformer.wte(tokens), self.transformer.wpe(places))  # (B, T, C)
        x = functional.dropout(x, self.config.dropout, self.training)
        seen = None if cache is None else cache.seen(length)
        for i, block in enumerate(self.transformer.h):
            x = block(x, seen, cache, i)
        if cache is not None:
            cache.advance(length if count is None else count)
        return self.transformer.ln_f(x)

    def logits(self, hidden: Tensor) -> Tensor:
        """Shapes: `hidden: [*B, n_embd] -> [*B, vocab_size]`."""
        return self.lm_head(hidden)

    def new_cache(self, batch: int, size: int) -> Cache:
        """An empty cache for sequences of at most `size` tokens."""
        c = self.config
        dtype = self.lm_head.weight.dtype
        return Cache(c.n_layer, batch, c.n_head, size, c.n_embd // c.n_head, dtype)

    @property
    def most_tokens(self) -> int:
        """The longest sequence that the model is made for."""
        return self.config.n_positions
