"""Checkpoints and vocabularies of llama2.c: small language models in plain binary files.

A checkpoint (version 0) is seven i32 of sizes and then all weights as f32, each matrix of all
layers together. A vocabulary is an i32 and, for each token, a score, a length and so many bytes.
All numbers are little-endian. Lengths are checked against the file before anything is read.

Source: Karpathy, llama2.c (2023), `export.py` and `tokenizer.py`.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from lamina.base.errors import UsageError

_HEADER_BYTES = 28
_LONGEST_PIECE_BYTES = 1 << 16


def read_checkpoint(path: str | Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Sizes and weights, under the names that `transformers` has for Llama.

    Rotary pairs are neighbours in the file and half a head apart in `transformers`, so rows of the
    query and key matrices are put in the other order.

    Returns:
        (sizes, weights): keyword arguments for a configuration, and arrays by name.

    Raises:
        UsageError: the file is not a checkpoint, or has another length than its sizes say.
    """
    path = Path(path)
    size_bytes = path.stat().st_size
    with path.open("rb") as file:
        header = file.read(_HEADER_BYTES)
        if len(header) < _HEADER_BYTES:
            raise UsageError(
                f"read_checkpoint: {path.name} is no llama2.c checkpoint",
                [f"bytes: {size_bytes}", f"header: {_HEADER_BYTES} bytes"],
            )
        dim, hidden, layers, heads, kv_heads, vocab, length = struct.unpack("<7i", header)
        shared, vocab = vocab > 0, abs(vocab)
        sizes = (dim, hidden, layers, heads, kv_heads, vocab, length)
        if min(sizes) < 1 or dim % heads or dim // heads % 2 or heads % kv_heads:
            raise UsageError(
                f"read_checkpoint: {path.name} is no llama2.c checkpoint",
                [f"dim, hidden, layers, heads, kv_heads, vocab, length: {sizes}"],
                "sizes are positive, heads divide the width, and kv_heads divide the heads",
            )
        shapes = _shapes(dim, hidden, layers, heads, kv_heads, vocab, length, shared)
        expected = _HEADER_BYTES + 4 * sum(math.prod(shape) for shape in shapes.values())
        if expected != size_bytes:
            raise UsageError(
                f"read_checkpoint: {path.name} has another length than its sizes say",
                [f"expected: {expected} bytes", f"file:     {size_bytes} bytes"],
            )
        found = {n: _floats(file.read(4 * math.prod(s)), s) for n, s in shapes.items()}
    config = {
        "vocab_size": vocab,
        "hidden_size": dim,
        "intermediate_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "max_position_embeddings": length,
        "tie_word_embeddings": shared,
    }
    return config, _renamed(found, layers, dim // heads)


def _shapes(
    dim: int,
    hidden: int,
    layers: int,
    heads: int,
    kv_heads: int,
    vocab: int,
    length: int,
    tied: bool,
) -> dict[str, tuple[int, ...]]:
    """What follows the header, in order."""
    width = dim // heads
    shapes: dict[str, tuple[int, ...]] = {
        "embed_tokens": (vocab, dim),
        "input_layernorm": (layers, dim),
        "self_attn.q_proj": (layers, dim, dim),
        "self_attn.k_proj": (layers, kv_heads * width, dim),
        "self_attn.v_proj": (layers, kv_heads * width, dim),
        "self_attn.o_proj": (layers, dim, dim),
        "post_attention_layernorm": (layers, dim),
        "mlp.gate_proj": (layers, hidden, dim),
        "mlp.down_proj": (layers, dim, hidden),
        "mlp.up_proj": (layers, hidden, dim),
        "norm": (dim,),
        "cosines": (length, width // 2),
        "sines": (length, width // 2),
    }
    return shapes if tied else shapes | {"lm_head": (vocab, dim)}


def _floats(data: bytes, shape: tuple[int, ...]) -> np.ndarray:
    return np.frombuffer(data, "<f4").astype(np.float32, copy=False).reshape(shape)


def _renamed(found: dict[str, np.ndarray], layers: int, width: int) -> dict[str, np.ndarray]:
    state = {
        "model.embed_tokens.weight": found["embed_tokens"],
        "model.norm.weight": found["norm"],
        "lm_head.weight": found.get("lm_head", found["embed_tokens"]),
    }
    for name in ("self_attn.q_proj", "self_attn.k_proj"):
        rows = found[name].reshape(layers, -1, width // 2, 2, found[name].shape[-1])
        found[name] = rows.swapaxes(2, 3).reshape(found[name].shape)
    whole = {"embed_tokens", "norm", "lm_head", "cosines", "sines"}
    for name in found.keys() - whole:
        for i in range(layers):
            state[f"model.layers.{i}.{name}.weight"] = found[name][i]
    return state


class Vocabulary:
    """Pieces of text by number, put together by their scores as sentencepiece does.

    Args:
        pieces: the bytes of each token.
        scores: how gladly a token is made of two others.

    Attributes:
        begin: the token before a text.
        end: the token behind it.
    """

    begin = 1
    end = 2
    _first_byte = 3  # tokens of the 256 bytes

    def __init__(self, pieces: Sequence[bytes], scores: Sequence[float]):
        self.pieces = tuple(pieces)
        self.scores = tuple(scores)
        self._number = {piece: i for i, piece in reversed(list(enumerate(self.pieces)))}

    def __len__(self) -> int:
        return len(self.pieces)

    def encode(self, text: str, begin: bool = True, end: bool = False) -> list[int]:
        """The tokens of a text.

        Args:
            text: any; what is no piece becomes the tokens of its bytes.
            begin: put `self.begin` before it.
            end: put `self.end` behind it.
        """
        tokens: list[int] = []
        for letter in f" {text}" if text else "":
            data = letter.encode()
            number = self._number.get(data)
            tokens += [b + self._first_byte for b in data] if number is None else [number]
        while True:
            pairs = [self.pieces[a] + self.pieces[b] for a, b in pairwise(tokens)]
            made = [self._number.get(pair) for pair in pairs]
            known = [(self.scores[m], -i) for i, m in enumerate(made) if m is not None]
            if not known:
                break
            at = -max(known)[1]
            tokens[at : at + 2] = [self._number[pairs[at]]]
        return [self.begin] * begin + tokens + [self.end] * end

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens; those before and behind a text give nothing."""
        data = b"".join(self.bytes_of(int(t)) for t in tokens)
        first = next((int(t) for t in tokens if int(t) != self.begin), None)
        if first is not None and self.pieces[first][:1] == b" ":
            data = data[1:]
        return data.decode(errors="replace")

    def bytes_of(self, token: int) -> bytes:
        """The bytes of one token."""
        if token in (self.begin, self.end):
            return b""
        if self._first_byte <= token < self._first_byte + 256:
            return bytes([token - self._first_byte])
        return self.pieces[token]


def read_vocabulary(path: str | Path, size: int) -> Vocabulary:
    """The vocabulary of `size` tokens in a file.

    Raises:
        UsageError: the file is no vocabulary, or one of another size.
    """
    path = Path(path)
    data = path.read_bytes()
    at, pieces, scores = 4, [], []
    for i in range(size):
        if at + 8 > len(data):
            raise _ends_early(path, i, size)
        score, length = struct.unpack_from("<fi", data, at)
        at += 8
        if not 0 <= length <= min(_LONGEST_PIECE_BYTES, len(data) - at):
            raise _ends_early(path, i, size)
        pieces.append(data[at : at + length])
        scores.append(score)
        at += length
    if at != len(data) or size <= Vocabulary._first_byte + 256:
        raise UsageError(
            f"read_vocabulary: {path.name} is not a vocabulary of {size} tokens",
            [f"read: {at} bytes", f"file: {len(data)} bytes"],
            "the size is that of the model",
        )
    return Vocabulary(pieces, scores)


def _ends_early(path: Path, token: int, size: int) -> UsageError:
    return UsageError(
        f"read_vocabulary: {path.name} ends in token {token}",
        [f"tokens: {size}"],
        "the size is that of the model; check that the file is whole",
    )
