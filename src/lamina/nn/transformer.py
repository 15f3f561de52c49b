"""The Transformer: layers of attention and two linear maps, an encoder, a decoder, and both."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import lamina.tensor as lm
from lamina import functional
from lamina.base.errors import ShapeError, UsageError
from lamina.nn.attention import MultiheadAttention, xavier_uniform
from lamina.nn.dropout import Dropout
from lamina.nn.linear import Linear
from lamina.nn.module import Module
from lamina.nn.normalization import LayerNorm
from lamina.tensor import Tensor

Activation = str | Callable[[Tensor], Tensor]


def _activation(name: str, given: Activation) -> Callable[[Tensor], Tensor]:
    known = {"relu": functional.relu, "gelu": functional.gelu}
    if callable(given):
        return given
    if given not in known:
        raise UsageError(
            f"{name}: no activation {given!r}", ['there are "relu", "gelu" and your own functions']
        )
    return known[given]


class TransformerEncoderLayer(Module):
    """x = norm(x + attention(x)), then x = norm(x + linear2(activation(linear1(x)))).

    Args:
        d_model: width of a vector.
        nhead: heads of the attention.
        dim_feedforward: width between the linear maps.
        dropout: while training, of the weights of attention and of what is added to x.
        activation: "relu", "gelu", or a function.
        layer_norm_eps: of the norms.
        batch_first: sequences are `[B, T, ...]` rather than `[T, B, ...]`.
        norm_first: x = x + attention(norm(x)), and so on.
        bias: whether linear maps and norms have one.
        dtype: of the parameters.

    Shapes: `src: [T, B, d_model], src_mask: [T, T], src_key_padding_mask: [B, T]`, src unchanged;
    masks are those of `MultiheadAttention`.

    Source: Vaswani et al. 2017, "Attention is all you need", section 3; PyTorch's names.
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        dtype: Any = lm.float32,
    ):
        super().__init__()
        self.self_attn = MultiheadAttention(
            d_model, nhead, dropout, bias, batch_first=batch_first, dtype=dtype
        )
        self.linear1 = Linear(d_model, dim_feedforward, bias=bias, dtype=dtype)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias=bias, dtype=dtype)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.activation = _activation("TransformerEncoderLayer", activation)

    def forward(
        self,
        src: Any,
        src_mask: Any = None,
        src_key_padding_mask: Any = None,
        is_causal: bool = False,
    ) -> Tensor:
        def attention(x: Tensor) -> Tensor:
            y, _ = self.self_attn(
                x, x, x, src_key_padding_mask, False, src_mask, is_causal=is_causal
            )
            return self.dropout1(y)

        def feedforward(x: Tensor) -> Tensor:
            return self.dropout2(self.linear2(self.dropout(self.activation(self.linear1(x)))))

        x = _residual(lm.asarray(src), attention, self.norm1, self.norm_first)
        return _residual(x, feedforward, self.norm2, self.norm_first)


class TransformerDecoderLayer(Module):
    """Attention to itself, attention to the memory, two linear maps; each added to x and normed.

    Args:
        d_model, nhead, dim_feedforward, dropout, activation: as in `TransformerEncoderLayer`.
        layer_norm_eps, batch_first, norm_first, bias, dtype: as in `TransformerEncoderLayer`.

    Shapes: `tgt: [T, B, d_model], memory: [S, B, d_model], tgt_mask: [T, T], memory_mask: [T, S],
    tgt_key_padding_mask: [B, T], memory_key_padding_mask: [B, S]`, tgt unchanged.

    Source: Vaswani et al. 2017, "Attention is all you need", section 3; PyTorch's names.
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        dtype: Any = lm.float32,
    ):
        super().__init__()
        options = {"batch_first": batch_first, "dtype": dtype}
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, bias, **options)
        self.multihead_attn = MultiheadAttention(d_model, nhead, dropout, bias, **options)
        self.linear1 = Linear(d_model, dim_feedforward, bias=bias, dtype=dtype)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias=bias, dtype=dtype)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.norm3 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.dropout3 = Dropout(dropout)
        self.activation = _activation("TransformerDecoderLayer", activation)

    def forward(
        self,
        tgt: Any,
        memory: Any,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        def to_itself(x: Tensor) -> Tensor:
            y, _ = self.self_attn(
                x, x, x, tgt_key_padding_mask, False, tgt_mask, is_causal=tgt_is_causal
            )
            return self.dropout1(y)

        def to_memory(x: Tensor) -> Tensor:
            y, _ = self.multihead_attn(
                x,
                memory,
                memory,
                memory_key_padding_mask,
                False,
                memory_mask,
                is_causal=memory_is_causal,
            )
            return self.dropout2(y)

        def feedforward(x: Tensor) -> Tensor:
            return self.dropout3(self.linear2(self.dropout(self.activation(self.linear1(x)))))

        x = _residual(lm.asarray(tgt), to_itself, self.norm1, self.norm_first)
        x = _residual(x, to_memory, self.norm2, self.norm_first)
        return _residual(x, feedforward, self.norm3, self.norm_first)


def _residual(
    x: Tensor, part: Callable[[Tensor], Tensor], norm: Module, norm_first: bool
) -> Tensor:
    """x + part(norm(x)), or norm(x + part(x))."""
    return lm.add(x, part(norm(x))) if norm_first else norm(lm.add(x, part(x)))


class TransformerEncoder(Module):
    """So many copies of a layer, one after the other, and a norm at the end.

    Args:
        encoder_layer: copied, first weights included.
        num_layers: how many.
        norm: a layer for the end, or None.

    Shapes: as those of the layer.

    Source: PyTorch, `nn.TransformerEncoder`.
    """

    def __init__(self, encoder_layer: Module, num_layers: int, norm: Module | None = None):
        super().__init__()
        self.layers = [copy.deepcopy(encoder_layer) for _ in range(num_layers)]
        self.num_layers = num_layers
        self.norm = norm

    def forward(
        self, src: Any, mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool = False
    ) -> Tensor:
        for layer in self.layers:
            src = layer(src, mask, src_key_padding_mask, is_causal)
        return src if self.norm is None else self.norm(src)


class TransformerDecoder(Module):
    """So many copies of a layer, one after the other, and a norm at the end.

    Args:
        decoder_layer: copied, first weights included.
        num_layers: how many.
        norm: a layer for the end, or None.

    Shapes: as those of the layer.

    Source: PyTorch, `nn.TransformerDecoder`.
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None):
        super().__init__()
        self.layers = [copy.deepcopy(decoder_layer) for _ in range(num_layers)]
        self.num_layers = num_layers
        self.norm = norm

    def forward(
        self,
        tgt: Any,
        memory: Any,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        for layer in self.layers:
            tgt = layer(
                tgt,
                memory,
                tgt_mask,
                memory_mask,
                tgt_key_padding_mask,
                memory_key_padding_mask,
                tgt_is_causal,
                memory_is_causal,
            )
        return tgt if self.norm is None else self.norm(tgt)


class Transformer(Module):
    """Encoder and decoder: what the decoder says of `tgt`, given what the encoder made of `src`.

    Args:
        d_model, nhead, dim_feedforward, dropout, activation: as in `TransformerEncoderLayer`.
        layer_norm_eps, batch_first, norm_first, bias, dtype: as in `TransformerEncoderLayer`.
        num_encoder_layers, num_decoder_layers: how many.
        custom_encoder, custom_decoder: modules in place of them.

    Shapes: `src: [S, B, d_model], tgt: [T, B, d_model] -> [T, B, d_model]`.

    Example:
        >>> import lamina as lm
        >>> net = lm.nn.Transformer(16, 2, 1, 1, 32)
        >>> mask = net.generate_square_subsequent_mask(5)
        >>> net(lm.ones((7, 3, 16)), lm.ones((5, 3, 16)), tgt_mask=mask).shape
        (5, 3, 16)

    Source: Vaswani et al. 2017, "Attention is all you need"; PyTorch's names and initialisation.
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        custom_encoder: Module | None = None,
        custom_decoder: Module | None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        dtype: Any = lm.float32,
    ):
        super().__init__()
        sizes = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps)
        rest = (batch_first, norm_first, bias, dtype)

        def norm() -> LayerNorm:
            return LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)

        self.encoder = custom_encoder or TransformerEncoder(
            TransformerEncoderLayer(*sizes, *rest), num_encoder_layers, norm()
        )
        self.decoder = custom_decoder or TransformerDecoder(
            TransformerDecoderLayer(*sizes, *rest), num_decoder_layers, norm()
        )
        self.set_parameters(
            {
                name: xavier_uniform((p.shape[0], p.shape[1]), p.dtype)
                for name, p in self.named_parameters()
                if p.ndim == 2
            }
        )
        self.d_model = d_model
        self.nhead = nhead
        self.batch_first = batch_first

    def forward(
        self,
        src: Any,
        tgt: Any,
        src_mask: Any = None,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        src_key_padding_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        src_is_causal: bool = False,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        src, tgt = lm.asarray(src), lm.asarray(tgt)
        batch = 0 if self.batch_first else 1
        if src.ndim != tgt.ndim or (src.ndim == 3 and src.shape[batch] != tgt.shape[batch]):
            raise ShapeError(
                "Transformer: src and tgt are not batches of one size",
                [f"src: {src.type}", f"tgt: {tgt.type}", f"batch_first: {self.batch_first}"],
            )
        memory = self.encoder(src, src_mask, src_key_padding_mask, src_is_causal)
        return self.decoder(
            tgt,
            memory,
            tgt_mask,
            memory_mask,
            tgt_key_padding_mask,
            memory_key_padding_mask,
            tgt_is_causal,
            memory_is_causal,
        )

    @staticmethod
    def generate_square_subsequent_mask(sz: int, dtype: Any = lm.float32) -> Tensor:
        """-inf where a key comes after the query, 0 elsewhere.  Shapes: `-> [sz, sz]`."""
        place = lm.arange(sz)
        later = lm.less(lm.reshape(place, (-1, 1)), place)
        return lm.astype(lm.where(later, -math.inf, 0.0), dtype)
