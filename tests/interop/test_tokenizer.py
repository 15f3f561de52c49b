"""Published tokenizers: what they encode, and files and libraries that are not there."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

import lamina as lm
from lamina.interop import read_tokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tokenizer of a tiny text, which puts a token before each."""
    tokenizers: Any = pytest.importorskip("tokenizers", reason="tokenizers is not installed")
    coder = tokenizers.Tokenizer(tokenizers.models.BPE())
    coder.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    coder.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=280,
        special_tokens=["<s>"],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    coder.train_from_iterator(["low lower lowest new newer newest"] * 5, trainer)
    coder.post_processor = tokenizers.processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 0)]
    )
    path = tmp_path_factory.mktemp("tokenizer")
    coder.save(str(path / "tokenizer.json"))
    return path


@pytest.mark.parametrize("text", ["lowest", "a newer Ωmega\n\tlow", ""])
def test_text_survives_the_way_there_and_back(folder: Path, text: str) -> None:
    codec = read_tokenizer(folder)
    tokens = codec.encode(text)
    assert tokens[0] == 0 and all(0 <= token < len(codec) for token in tokens)
    assert codec.decode(tokens) == text
    assert read_tokenizer(folder / "tokenizer.json").encode(text) == tokens


def test_files_that_are_none(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(lm.UsageError, match="there is no such file"):
        read_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text('{"model": 3}')
    with pytest.raises(lm.FormatError, match="the file is no tokenizer"):
        read_tokenizer(tmp_path)


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(lm.UsageError, match=r'pip install "lamina\[text\]"'):
        read_tokenizer("somewhere")
