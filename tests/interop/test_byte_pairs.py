"""Byte pairs: GPT-2's own vocabulary and texts, training, and letters that come in parts."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from lamina.interop import read_byte_pairs, read_tokenizer, train_byte_pairs
from tests.nn.test_errors import message

pytest.importorskip("tokenizers", reason="tokenizers is not installed (extra: text)")
DATA = Path(os.environ.get("LAMINA_DATA") or Path(__file__).parents[3] / "shared" / "data")
FILES = DATA / "tokenizers"
TEXTS = ["the cat sat on the mat", "the dog sat on the log", "ein Käse für die Bären 🦙🦙"] * 3


@pytest.mark.skipif(not FILES.exists(), reason=f"no {FILES}; LAMINA_DATA names the folder")
def test_the_vocabulary_of_gpt2() -> None:
    """Texts in many scripts, and the tokens that another implementation gives them."""
    pairs = read_byte_pairs(FILES / "gpt2" / "encoder.json", FILES / "gpt2" / "vocab.bpe")
    assert len(pairs) == 50257
    given = (FILES / "gguf" / "ggml-vocab-gpt-2.gguf.inp").read_text(encoding="utf-8")
    texts = given.split("\n__ggml_vocab_test__\n")[:-1]
    lines = (FILES / "gguf" / "ggml-vocab-gpt-2.gguf.out").read_text().splitlines()
    assert len(texts) == len(lines) > 40
    for text, line in zip(texts, lines, strict=True):
        tokens = [int(number) for number in line.split()]
        assert pairs.encode(text) == tokens
        assert pairs.decode(tokens) == text
    end = pairs.number("<|endoftext|>")
    assert end == 50256 and pairs.encode("a<|endoftext|>b") == [64, end, 65]


def test_what_is_trained_is_saved_and_read(tmp_path: Path) -> None:
    pairs = train_byte_pairs(TEXTS, 300)
    assert 257 < len(pairs) <= 300 and pairs.number("<|endoftext|>") == 0
    for text in [*TEXTS, "", "never seen: Ωμέγα", "\n\t  "]:
        assert pairs.decode(pairs.encode(text)) == text
    assert len(pairs.encode("the cat sat")) < len("the cat sat") / 2
    pairs.save(tmp_path / "tokenizer.json")
    again = read_tokenizer(tmp_path / "tokenizer.json")
    assert again.encode(TEXTS[2]) == pairs.encode(TEXTS[2])


def test_a_stream_waits_for_whole_letters() -> None:
    pairs = train_byte_pairs(TEXTS, 258)  # nearly one token for each byte
    tokens = pairs.encode("für 🦙!")
    parts = list(pairs.stream(iter(tokens)))
    assert "".join(parts) == "für 🦙!" and "🦙" in parts
    assert len(tokens) > len(parts)
    assert list(pairs.stream(tokens[:-2])) == [*"für "]
    end = pairs.number("<|endoftext|>")
    assert pairs.decode([end, *tokens, end]) == "für 🦙!" and not list(pairs.stream([end]))


def test_messages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert message(lambda: train_byte_pairs([], 256)) == (
        "UsageError: train_byte_pairs: there is no room for all bytes\n  size:  256\n  least: 257"
    )
    pairs = train_byte_pairs([], 257)
    assert message(lambda: pairs.number("cat")) == (
        "UsageError: Tokenizer: no such token\n  piece: 'cat'"
    )
    monkeypatch.chdir(tmp_path)
    Path("broken").write_text("{}")
    assert message(lambda: read_byte_pairs("broken", "broken")).startswith(
        "FormatError: read_byte_pairs: the files are no vocabulary with its merges\n"
        "  vocabulary: broken\n  merges:     broken\n  "
    )
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    assert message(lambda: train_byte_pairs([], 300)) == (
        "UsageError: train_byte_pairs: the library tokenizers is not installed\n"
        '  help: pip install "lamina[text]"'
    )
