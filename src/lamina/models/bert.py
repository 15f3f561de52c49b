"""BERT: an encoder of text that sees both sides of each word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import lamina.tensor as lm
from lamina import functional, nn
from lamina.tensor import Tensor


@dataclass(frozen=True)
class BertConfig:
    """Sizes, under the names of `transformers`; the defaults are those of BERT-base."""

    vocab_size: int = 30522
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    layer_norm_eps: float = 1e-12
    initializer_range: float = 0.02


class BertEmbeddings(nn.Module):
    """norm(word + position + segment)."""

    def __init__(self, config: BertConfig, dtype: Any):
        super().__init__()
        width, std = config.hidden_size, config.initializer_range
        self.word_embeddings = nn.Embedding(config.vocab_size, width, dtype=dtype)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, width, dtype=dtype)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, width, dtype=dtype)
        for table in (self.word_embeddings, self.position_embeddings, self.token_type_embeddings):
            table.weight = nn.init.normal(table.weight, std=std)
        self.LayerNorm = nn.LayerNorm(width, config.layer_norm_eps, dtype=dtype)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, tokens: Tensor, segments: Any) -> Tensor:
        places = self.position_embeddings(lm.arange(tokens.shape[1]))
        kinds = self.token_type_embeddings(lm.zeros_like(tokens) if segments is None else segments)
        x = lm.add(lm.add(self.word_embeddings(tokens), kinds), places)  # (B, T, C)
        return self.dropout(self.LayerNorm(x))


class BertSelfAttention(nn.Module):
    """Attention of many heads, without the last linear map."""

    def __init__(self, config: BertConfig, dtype: Any):
        super().__init__()
        self.heads = config.num_attention_heads
        self.dropout = config.attention_probs_dropout_prob
        self.query = _linear(config, config.hidden_size, config.hidden_size, dtype)
        self.key = _linear(config, config.hidden_size, config.hidden_size, dtype)
        self.value = _linear(config, config.hidden_size, config.hidden_size, dtype)

    def forward(self, x: Tensor, seen: Tensor | None) -> Tensor:
        q, k, v = (self._split(part(x)) for part in (self.query, self.key, self.value))
        noise = self.dropout if self.training else 0.0
        y = functional.scaled_dot_product_attention(q, k, v, seen, noise)
        return lm.reshape(lm.swapaxes(y, 1, 2), x.shape)  # (B, T, C)

    def _split(self, x: Tensor) -> Tensor:
        """Shapes: `[B, T, C] -> [B, H, T, C / H]`."""
        return lm.swapaxes(lm.reshape(x, (*x.shape[:2], self.heads, -1)), 1, 2)


class BertOutput(nn.Module):
    """norm(x + linear(y))."""

    def __init__(self, config: BertConfig, inputs: int, dtype: Any):
        super().__init__()
        self.dense = _linear(config, inputs, config.hidden_size, dtype)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, config.layer_norm_eps, dtype=dtype)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, y: Tensor, x: Tensor) -> Tensor:
        return self.LayerNorm(lm.add(self.dropout(self.dense(y)), x))


class BertAttention(nn.Module):
    """norm(x + linear(attention(x)))."""

    def __init__(self, config: BertConfig, dtype: Any):
        super().__init__()
        self.self = BertSelfAttention(config, dtype)
        self.output = BertOutput(config, config.hidden_size, dtype)

    def forward(self, x: Tensor, seen: Tensor | None) -> Tensor:
        return self.output(self.self(x, seen), x)


class BertIntermediate(nn.Module):
    """gelu(linear(x))."""

    def __init__(self, config: BertConfig, dtype: Any):
        super().__init__()
        self.dense = _linear(config, config.hidden_size, config.intermediate_size, dtype)

    def forward(self, x: Tensor) -> Tensor:
        return functional.gelu(self.dense(x))


class BertLayer(nn.Module):
    """Attention, then two linear maps, each added to what it was given and normed."""

    def __init__(self, config: BertConfig, dtype: Any):
        super().__init__()
        self.attention = BertAttention(config, dtype)
        self.intermediate = BertIntermediate(config, dtype)
        self.output = BertOutput(config, config.intermediate_size, dtype)

    def forward(self, x: Tensor, seen: Tensor | None) -> Tensor:
        x = self.attention(x, seen)
        return self.output(self.intermediate(x), x)


class BertEncoder(nn.Module):
    """The layers, one after the other."""

    def __init__(self, config: BertConfig, dtype: Any):
        super().__init__()
        self.layer = [BertLayer(config, dtype) for _ in range(config.num_hidden_layers)]

    def forward(self, x: Tensor, seen: Tensor | None) -> Tensor:
        for layer in self.layer:
            x = layer(x, seen)
        return x


class BertPooler(nn.Module):
    """tanh(linear(first token)).  Shapes: `x: [B, T, C] -> [B, C]`."""

    def __init__(self, config: BertConfig, dtype: Any):
        super().__init__()
        self.dense = _linear(config, config.hidden_size, config.hidden_size, dtype)

    def forward(self, x: Tensor) -> Tensor:
        return lm.tanh(self.dense(x[:, 0]))


class Bert(nn.Module):
    """An encoder: a vector for each token, from the whole text.

    Args:
        config: sizes.
        pooler: whether there is one, for `pooled`.
        dtype: of the parameters.

    Shapes: `tokens, segments, mask: [B, T] -> [B, T, hidden_size]`; names and shapes of parameters
    are those of `BertModel` in `transformers`. The mask is 1 for tokens and 0 for padding.

    Example:
        >>> import lamina as lm
        >>> small = lm.models.BertConfig(11, 8, 1, 2, 16, max_position_embeddings=16)
        >>> lm.models.Bert(small)(lm.asarray([[1, 2, 3]])).shape
        (1, 3, 8)

    Source: Devlin et al. 2019, "BERT: pre-training of deep bidirectional transformers".
    """

    def __init__(self, config: BertConfig, pooler: bool = True, dtype: Any = lm.float32):
        super().__init__()
        self.config = config
        self.embeddings = BertEmbeddings(config, dtype)
        self.encoder = BertEncoder(config, dtype)
        self.pooler = BertPooler(config, dtype) if pooler else None

    def forward(self, tokens: Any, mask: Any = None, segments: Any = None) -> Tensor:
        tokens = lm.asarray(tokens)
        seen = None
        if mask is not None:
            kept = lm.not_equal(lm.asarray(mask), 0)
            seen = lm.reshape(kept, (kept.shape[0], 1, 1, kept.shape[1]))  # (B, 1, 1, T)
        return self.encoder(self.embeddings(tokens, segments), seen)

    def pooled(self, tokens: Any, mask: Any = None, segments: Any = None) -> Tensor:
        """One vector for each text.  Shapes: `[B, T] -> [B, hidden_size]`."""
        assert self.pooler is not None, "this Bert was made with pooler=False"
        return self.pooler(self(tokens, mask, segments))


class BertTransform(nn.Module):
    """norm(gelu(linear(x)))."""

    def __init__(self, config: BertConfig, dtype: Any):
        super().__init__()
        self.dense = _linear(config, config.hidden_size, config.hidden_size, dtype)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, config.layer_norm_eps, dtype=dtype)

    def forward(self, x: Tensor) -> Tensor:
        return self.LayerNorm(functional.gelu(self.dense(x)))


class BertPredictions(nn.Module):
    """Logits of the words, with the weight of the embedding."""

    def __init__(self, config: BertConfig, words: Tensor, dtype: Any):
        super().__init__()
        self.bias = lm.zeros((config.vocab_size,), dtype=dtype)
        self.transform = BertTransform(config, dtype)
        self.decoder = nn.Linear(config.hidden_size, config.vocab_size, dtype=dtype)
        self.decoder.weight = words
        self.decoder.bias = self.bias

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.transform(x))


class BertForMaskedLM(nn.Module):
    """Logits of the word at each place, to be learned where words were hidden.

    Args:
        config: sizes.
        dtype: of the parameters.

    Shapes: `tokens, segments, mask: [B, T] -> [B, T, vocab_size]`; names and shapes of parameters
    are those of `transformers`.

    Example:
        >>> import lamina as lm
        >>> small = lm.models.BertConfig(11, 8, 1, 2, 16, max_position_embeddings=16)
        >>> lm.models.BertForMaskedLM(small)(lm.asarray([[1, 2, 3]])).shape
        (1, 3, 11)

    Source: Devlin et al. 2019, section 3.1.
    """

    def __init__(self, config: BertConfig, dtype: Any = lm.float32):
        super().__init__()
        self.bert = Bert(config, pooler=False, dtype=dtype)
        self.cls = nn.ModuleDict(
            {
                "predictions": BertPredictions(
                    config, self.bert.embeddings.word_embeddings.weight, dtype
                )
            }
        )

    def load_pretrained(self, state: Mapping[str, Any]) -> None:
        """Load a published state: tied weights may be missing; a pooler, the prediction of the next
        sentence and numbers of positions are left out; old names of norms are understood.

        Raises:
            UsageError, ShapeError: as `load_state_dict`.
        """
        others = ("bert.pooler.", "cls.seq_relationship.", "bert.embeddings.position_ids")
        found = {_new_name(n): t for n, t in state.items() if not n.startswith(others)}
        ties = {
            "cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight",
            "cls.predictions.decoder.bias": "cls.predictions.bias",
        }
        for name, source in ties.items():
            if source in found:
                found.setdefault(name, found[source])
        self.load_state_dict(found)

    def forward(self, tokens: Any, mask: Any = None, segments: Any = None) -> Tensor:
        return self.cls["predictions"](self.bert(tokens, mask, segments))


class BertForSequenceClassification(nn.Module):
    """Logits of each text's class.

    Args:
        config: sizes.
        num_labels: number of classes.
        dtype: of the parameters.

    Shapes: `tokens, segments, mask: [B, T] -> [B, num_labels]`; names and shapes of parameters are
    those of `transformers`.

    Source: Devlin et al. 2019, section 4.1.
    """

    def __init__(self, config: BertConfig, num_labels: int = 2, dtype: Any = lm.float32):
        super().__init__()
        self.bert = Bert(config, dtype=dtype)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.classifier = _linear(config, config.hidden_size, num_labels, dtype)

    def forward(self, tokens: Any, mask: Any = None, segments: Any = None) -> Tensor:
        return self.classifier(self.dropout(self.bert.pooled(tokens, mask, segments)))


def _new_name(name: str) -> str:
    return name.replace("LayerNorm.gamma", "LayerNorm.weight").replace(
        "LayerNorm.beta", "LayerNorm.bias"
    )


def _linear(config: BertConfig, inputs: int, outputs: int, dtype: Any) -> nn.Linear:
    layer = nn.Linear(inputs, outputs, dtype=dtype)
    layer.weight = nn.init.normal(layer.weight, std=config.initializer_range)
    layer.bias = nn.init.zeros((outputs,), dtype=dtype)
    return layer
