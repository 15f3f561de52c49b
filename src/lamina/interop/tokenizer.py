"""Tokenizers as they are published: `tokenizer.json`, read by the library `tokenizers`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from lamina.base.errors import FormatError, UsageError

FILE = "tokenizer.json"


class TextCodec(Protocol):
    """What turns a text into numbers and back; `llama2c.Vocabulary` is one too."""

    def encode(self, text: str) -> list[int]: ...

    def decode(self, tokens: Sequence[int]) -> str: ...


class Tokenizer:
    """A published tokenizer: byte-level BPE, sentencepiece and whatever else `tokenizers` reads.

    Args:
        inner: a `tokenizers.Tokenizer`.
    """

    def __init__(self, inner: Any):
        self.inner = inner

    def __len__(self) -> int:
        return self.inner.get_vocab_size()

    def encode(self, text: str) -> list[int]:
        """The tokens of a text, with those that the model wants before or behind it."""
        return list(self.inner.encode(text).ids)

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens; those that are no text give nothing."""
        return self.inner.decode([int(token) for token in tokens])

    def stream(self, tokens: Iterable[int]) -> Iterator[str]:
        """The text of tokens as they come, such as those of `models.stream`.

        A letter whose bytes are in several tokens comes with the last of them. A token that
        completes none gives nothing, and neither does a letter that stays incomplete.
        """
        whole = library("stream").decoders.DecodeStream(skip_special_tokens=True)
        for token in tokens:
            text = whole.step(self.inner, int(token))
            if text:
                yield text

    def number(self, piece: str) -> int:
        """The token of a piece such as "<|endoftext|>".

        Raises:
            UsageError: there is none.
        """
        found = self.inner.token_to_id(piece)
        if found is None:
            raise UsageError("Tokenizer: no such token", [f"piece: {piece!r}"])
        return found

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a `tokenizer.json`, which `read_tokenizer` reads."""
        Path(path).write_text(self.inner.to_str(pretty=True), encoding="utf-8")


def read_tokenizer(path: str | os.PathLike[str]) -> Tokenizer:
    """The tokenizer in a file, or in the folder of a published model.

    Args:
        path: of `tokenizer.json`, or of the folder that holds it.

    Raises:
        UsageError: there is no such file, or the library `tokenizers` is not installed.
        FormatError: the file is no tokenizer.

    Source: https://huggingface.co/docs/tokenizers.
    """
    tokenizers = library("read_tokenizer")
    file = Path(path) / FILE if Path(path).is_dir() else Path(path)
    if not file.is_file():
        raise UsageError("read_tokenizer: there is no such file", [f"file: {file}"])
    try:
        return Tokenizer(tokenizers.Tokenizer.from_file(str(file)))
    except Exception as error:  # the library raises Exception itself
        facts = [f"file: {file}", str(error)]
        raise FormatError("read_tokenizer: the file is no tokenizer", facts) from None


def library(caller: str) -> Any:
    """The module `tokenizers`, for a function of that name.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import tokenizers  # type: ignore[import-not-found]
    except ImportError:
        raise UsageError(
            f"{caller}: the library tokenizers is not installed",
            [],
            'pip install "lamina[text]"',
        ) from None
    return tokenizers
