"""Byte-level byte pairs: vocabularies in the files of GPT-2, and vocabularies learnt from texts.

A text is its bytes in UTF-8, so there is no text without an encoding. Bytes that often stand
together are one token.

Source: Sennrich, Haddow and Birch 2016, "Neural machine translation of rare words with subword
units"; Radford et al. 2019, "Language models are unsupervised multitask learners", section 2.2.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from lamina.base.errors import FormatError, UsageError
from lamina.interop.tokenizer import Tokenizer, library


def read_byte_pairs(
    vocabulary: str | os.PathLike[str], merges: str | os.PathLike[str]
) -> Tokenizer:
    """The tokenizer in the two files of GPT-2.

    Args:
        vocabulary: path of `encoder.json`, or as others call it `vocab.json`.
        merges: path of `vocab.bpe`, or `merges.txt`.

    Raises:
        UsageError: the library `tokenizers` is not installed.
        FormatError: the files are none of these, or do not belong together.

    Source: Radford et al. 2019, the files published with it.
    """
    made = library("read_byte_pairs")
    try:
        numbers = json.loads(Path(vocabulary).read_text(encoding="utf-8"))
        lines = Path(merges).read_text(encoding="utf-8").splitlines()
        pairs = [tuple(line.split(" ")) for line in lines if line and line[:8] != "#version"]
        model = made.models.BPE(vocab=numbers, merges=pairs)
    except Exception as error:  # the library raises Exception itself
        facts = [f"vocabulary: {vocabulary}", f"merges:     {merges}", str(error)]
        problem = "read_byte_pairs: the files are no vocabulary with its merges"
        raise FormatError(problem, facts) from None
    inner = _byte_level(made, model)
    special = [piece for piece in numbers if piece.startswith("<|") and piece.endswith("|>")]
    inner.add_special_tokens(special)
    return Tokenizer(inner)


def train_byte_pairs(
    texts: Iterable[str], size: int, special: Sequence[str] = ("<|endoftext|>",)
) -> Tokenizer:
    """A tokenizer for texts like these: 256 bytes, and the pairs that are found most often.

    Args:
        texts: what to learn from.
        size: most tokens, special ones and bytes included.
        special: pieces that are one token each, and first of all.

    Raises:
        UsageError: there is no room for all bytes, or the library `tokenizers` is not installed.

    Example:
        >>> codec = train_byte_pairs(["low lower lowest", "new newer newest"], 262)
        >>> len(codec.encode("lowest")) < 6, codec.decode(codec.encode("lowest: 💡"))
        (True, 'lowest: 💡')

    Source: Sennrich, Haddow and Birch 2016.
    """
    made = library("train_byte_pairs")
    least = 256 + len(special)
    if size < least:
        problem = "train_byte_pairs: there is no room for all bytes"
        raise UsageError(problem, [f"size:  {size}", f"least: {least}"])
    inner = _byte_level(made, made.models.BPE())
    trainer = made.trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(special),
        initial_alphabet=made.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    inner.train_from_iterator(texts, trainer)
    return Tokenizer(inner)


def _byte_level(made: Any, model: Any) -> Any:
    inner = made.Tokenizer(model)
    inner.pre_tokenizer = made.pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = made.decoders.ByteLevel()
    return inner
