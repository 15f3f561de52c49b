"""llama2.c files: what is read, and what is refused."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from lamina.interop import llama2c
from tests.nn.test_errors import message

SIZES = (8, 12, 2, 4, 2, 300, 16)  # dim, hidden, layers, heads, kv_heads, vocab, length


def checkpoint(path: Path, sizes: tuple[int, ...] = SIZES, more: int = 0) -> Path:
    """A file with these sizes whose weights are 0, 1, 2, ..."""
    dim, hidden, layers, heads, kv, vocab, length = SIZES
    narrow = dim * kv // heads
    count = abs(vocab) * dim + layers * (2 * dim + 2 * dim * dim + 2 * narrow * dim)
    count += layers * 3 * hidden * dim + dim + length * dim // heads
    body = np.arange(count + more, dtype="<f4").tobytes()
    path.write_bytes(struct.pack("<7i", *sizes) + body)
    return path


def pieces(path: Path, words: list[bytes]) -> Path:
    """A vocabulary of the special tokens, all bytes, and words whose scores fall."""
    every = [b"<unk>", b"\n<s>\n", b"\n</s>\n", *[b"<0x%02X>" % i for i in range(256)], *words]
    data = struct.pack("<i", 8)
    for i, piece in enumerate(every):
        data += struct.pack("<fi", -float(i), len(piece)) + piece
    path.write_bytes(data)
    return path


WORDS = [b" ", b"a", b"b", b"ab", b" ab", b"\xc3\xa9"]
COUNT = 259 + len(WORDS)


def test_weights_are_named_and_rotary_pairs_put_apart(tmp_path: Path) -> None:
    sizes, state = llama2c.read_checkpoint(checkpoint(tmp_path / "model.bin"))
    assert sizes["num_key_value_heads"] == 2 and sizes["tie_word_embeddings"]
    assert len(state) == 3 + 2 * 9
    np.testing.assert_array_equal(state["model.embed_tokens.weight"].ravel(), np.arange(2400))
    assert state["lm_head.weight"] is state["model.embed_tokens.weight"]
    norm = state["model.layers.1.input_layernorm.weight"]
    np.testing.assert_array_equal(norm, 2400 + 8 + np.arange(8))
    query = state["model.layers.0.self_attn.q_proj.weight"]  # heads of width 2: order stays
    np.testing.assert_array_equal(query.ravel(), 2416 + np.arange(64))
    assert state["model.layers.1.self_attn.k_proj.weight"].shape == (4, 8)
    wide = (16, *SIZES[1:])
    found = {
        name: np.arange(np.prod(shape)).reshape(shape)
        for name, shape in llama2c._shapes(*wide, tied=True).items()
    }
    query = llama2c._renamed(found, 2, 4)["model.layers.0.self_attn.q_proj.weight"]
    assert (query[:4, 0] // 16).tolist() == [0, 2, 1, 3]


def test_files_that_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(b"\0" * 10)
    assert message(lambda: llama2c.read_checkpoint(path)) == (
        "UsageError: read_checkpoint: model.bin is no llama2.c checkpoint\n"
        "  bytes: 10\n  header: 28 bytes"
    )
    right = checkpoint(path).stat().st_size
    checkpoint(path, more=1)
    assert message(lambda: llama2c.read_checkpoint(path)) == (
        "UsageError: read_checkpoint: model.bin has another length than its sizes say\n"
        f"  expected: {right} bytes\n  file:     {right + 4} bytes"
    )
    for place, size in ((0, 0), (3, 3), (4, 3), (5, 0), (6, 2**31 - 1), (1, -1)):
        sizes = tuple(size if i == place else n for i, n in enumerate(SIZES))
        checkpoint(path, sizes)
        assert "read_checkpoint: model.bin" in message(lambda: llama2c.read_checkpoint(path))


def test_texts_go_there_and_back(tmp_path: Path) -> None:
    vocabulary = llama2c.read_vocabulary(pieces(tmp_path / "v.bin", WORDS), COUNT)
    assert len(vocabulary) == COUNT
    assert vocabulary.encode("abab", end=True) == [1, 263, 262, 2]  # " ab" "ab": scores decide
    assert vocabulary.encode("", begin=False) == []
    assert vocabulary.encode("é", begin=False) == [259, 264]
    assert vocabulary.encode("\n", begin=False) == [259, 10 + 3]
    for text in ("abab", "é", "a b", " a", "日本", "\n"):
        assert vocabulary.decode(vocabulary.encode(text)) == text


def test_vocabularies_that_are_refused(tmp_path: Path) -> None:
    path = pieces(tmp_path / "v.bin", WORDS)
    data = path.read_bytes()
    assert message(lambda: llama2c.read_vocabulary(path, COUNT + 1)) == (
        f"UsageError: read_vocabulary: v.bin ends in token {COUNT}\n  tokens: {COUNT + 1}\n"
        "  help: the size is that of the model; check that the file is whole"
    )
    with pytest.raises(Exception, match="not a vocabulary of 260 tokens"):
        llama2c.read_vocabulary(path, 260)
    for cut in range(0, len(data), 37):
        path.write_bytes(data[:cut])
        assert "UsageError" in message(lambda: llama2c.read_vocabulary(path, COUNT))
    for length in (-1, 2**31 - 1):
        path.write_bytes(data[:8] + struct.pack("<i", length) + data[12:])
        assert "UsageError" in message(lambda: llama2c.read_vocabulary(path, COUNT))
