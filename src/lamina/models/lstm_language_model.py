"""A recurrent language model: an embedding, an LSTM, a linear map."""

from __future__ import annotations

from typing import Any

import lamina.tensor as lm
from lamina import functional, nn
from lamina.runtime import register_node
from lamina.tensor import Tensor


class LSTMState:
    """The state of an LSTM between tokens.

    Args:
        h, c: `[layers, B, width]`.
        size: the number of tokens it may be used for, which a state does not depend on.
    """

    def __init__(self, h: Tensor, c: Tensor, size: int):
        self.h = h
        self.c = c
        self.size = size

    def reorder(self, rows: Tensor) -> None:
        """Sequence i goes on as what sequence `rows[i]` was.  Shapes: `rows: [B]`."""
        self.h, self.c = lm.take(self.h, rows, axis=1), lm.take(self.c, rows, axis=1)


register_node(LSTMState)


class LSTMLanguageModel(nn.Module):
    """Logits of the next token after each token.

    Args:
        vocab_size: number of tokens V.
        width: of embeddings and states.
        num_layers: of the LSTM.
        dropout: of embeddings, between layers and of outputs, while training.
        tie_weights: the last linear map has the embedding as its weight.
        dtype: of the parameters.

    Shapes: `tokens: [B, T] -> [B, T, V]`.

    Source: Zaremba, Sutskever and Vinyals 2014, "Recurrent neural network regularization"; names
    are those of PyTorch's word_language_model.
    """

    def __init__(
        self,
        vocab_size: int,
        width: int = 200,
        num_layers: int = 2,
        dropout: float = 0.0,
        tie_weights: bool = False,
        dtype: Any = lm.float32,
    ):
        super().__init__()
        self.encoder = nn.Embedding(vocab_size, width, dtype=dtype)
        self.rnn = nn.LSTM(width, width, num_layers, batch_first=True, dropout=dropout, dtype=dtype)
        self.decoder = nn.Linear(width, vocab_size, dtype=dtype)
        draw = (vocab_size, width)
        self.encoder.weight = lm.random.uniform(draw, low=-0.1, high=0.1, dtype=dtype)
        self.decoder.weight = lm.random.uniform(draw, low=-0.1, high=0.1, dtype=dtype)
        self.decoder.bias = lm.zeros((vocab_size,), dtype=dtype)
        if tie_weights:
            self.decoder.weight = self.encoder.weight
        self.dropout = dropout

    def forward(self, tokens: Any, cache: LSTMState | None = None) -> Tensor:
        return self.logits(self.hidden(tokens, cache))

    def hidden(self, tokens: Any, cache: LSTMState | None = None, count: Any = None) -> Tensor:
        """Outputs of the LSTM; `cache` is its state and brought up to date.

        Shapes: `tokens: [B, T] -> [B, T, width]`
        """
        x = functional.dropout(self.encoder(tokens), self.dropout, self.training)
        state = None if cache is None else (cache.h, cache.c)
        lengths = None if count is None else lm.broadcast_to(lm.asarray(count), x.shape[:1])
        y, last = self.rnn(x, state, lengths)
        if cache is not None:
            cache.h, cache.c = last
        return functional.dropout(y, self.dropout, self.training)

    def logits(self, hidden: Tensor) -> Tensor:
        """Shapes: `hidden: [*B, width] -> [*B, V]`."""
        return self.decoder(hidden)

    def new_cache(self, batch: int, size: int) -> LSTMState:
        """The state before the first token."""
        shape = (self.rnn.num_layers, batch, self.rnn.hidden_size)
        dtype = self.decoder.weight.dtype
        return LSTMState(lm.zeros(shape, dtype=dtype), lm.zeros(shape, dtype=dtype), size)

    @property
    def most_tokens(self) -> int:
        """There is no longest sequence."""
        return 1 << 30
