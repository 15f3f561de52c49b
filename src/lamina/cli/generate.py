"""`lamina generate`: text from a language model, written as it is made."""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import lamina.tensor as lm
from lamina import models
from lamina.base.errors import UsageError
from lamina.cli import command
from lamina.interop import llama2c
from lamina.interop.tokenizer import TextCodec, read_tokenizer
from lamina.models.published import end_tokens, read_config

EXAMPLES = """\
  lamina generate gpt2/ --prompt "The meaning of life is"
  lamina generate stories260K.bin --temperature 0            greedy, the same every time
  lamina generate llama/ --prompt - --top-k 40 < question.txt
  lamina generate stories15M.bin --tokenizer tokenizer.bin --tokens 256 --seed 7
"""


class Speaker(NamedTuple):
    """A model with what it needs to read and write.

    Attributes:
        first: the tokens before an empty prompt.
        stop: the tokens that end a text.
    """

    model: Any
    codec: TextCodec
    first: list[int]
    stop: tuple[int, ...]


def add_command(commands: Any) -> None:
    """Add `generate` to the command line."""
    one = command.add(commands, "generate", "write text with a language model", EXAMPLES)
    one.add_argument(
        "model",
        type=Path,
        help="a folder of GPT-2 or Llama (config.json, safetensors, tokenizer.json), "
        "or a checkpoint of llama2.c (.bin)",
    )
    one.add_argument("--prompt", default="", help='how the text begins; "-" reads standard input')
    one.add_argument(
        "--tokenizer",
        type=Path,
        metavar="FILE",
        help="tokenizer.json, or a vocabulary of llama2.c; that beside the model",
    )
    one.add_argument(
        "--tokens", type=command.positive, default=128, help="so many follow at most (128)"
    )
    one.add_argument(
        "--temperature",
        type=command.not_negative,
        default=0.8,
        help="0 takes the likeliest token, more draws more freely (0.8)",
    )
    one.add_argument(
        "--top-k", type=command.positive, metavar="K", help="draw from the K likeliest (all)"
    )
    one.add_argument("--top-p", type=command.share, metavar="P", help="draw from the share P (all)")
    one.add_argument("--seed", type=int, help="of the draws (another one every time)")
    one.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Load, write, and say how fast on standard error."""
    speaker = speaker_of(options.model, options.tokenizer)
    prompt = sys.stdin.read().rstrip("\n") if options.prompt == "-" else options.prompt
    seed = secrets.randbelow(1 << 31) if options.seed is None else options.seed
    lm.random.seed(seed)
    tokens = speaker.codec.encode(prompt) or speaker.first
    given = len(tokens)
    drawn = options.temperature > 0
    began = time.perf_counter()
    made = models.stream(
        speaker.model,
        tokens,
        options.tokens,
        temperature=options.temperature,
        top_k=options.top_k if drawn else None,
        top_p=options.top_p if drawn else None,
        stop=speaker.stop,
    )
    for text in pieces(speaker.codec, tokens, made):
        sys.stdout.write(text)
        sys.stdout.flush()
    print()
    count, seconds = len(tokens) - given, time.perf_counter() - began
    how = f"seed {seed}" if drawn else "greedy"
    said = f"generate: {count} tokens, {count / seconds:.0f} tokens/s, {how}"
    print(said, file=sys.stderr)
    return 0


def pieces(codec: TextCodec, tokens: list[int], made: Iterable[int]) -> Iterator[str]:
    """The text of the tokens, and what each one that is made adds to it.

    A letter of several bytes comes when its last byte is there. `tokens` grows by what is made.
    """
    shown = codec.decode(tokens)
    yield shown
    for token in made:
        tokens.append(token)
        whole = codec.decode(tokens)
        is_torn = whole.endswith("\ufffd")
        yield "" if is_torn else whole[len(shown) :]
        shown = shown if is_torn else whole
    yield codec.decode(tokens)[len(shown) :]


def speaker_of(path: Path, tokenizer: Path | None) -> Speaker:
    """The model at a path, with the tokenizer given or the one beside it.

    Raises:
        UsageError: there is no such model, or no tokenizer for it.
    """
    if path.is_dir():
        first = read_config(path).get("bos_token_id")
        model = models.load_published(path)
        codec = read_tokenizer(tokenizer or path)
        return Speaker(model, codec, [] if first is None else [first], end_tokens(path))
    if not path.is_file():
        raise UsageError(
            "generate: there is no such model",
            [f"path: {path}"],
            "name a folder of a published model, or a checkpoint of llama2.c",
        )
    llama = models.Llama.from_llama2c(path)
    words = llama2c.read_vocabulary(tokenizer or _vocabulary_beside(path), llama.config.vocab_size)
    return Speaker(llama, words, [words.begin], (words.begin, words.end))


def _vocabulary_beside(path: Path) -> Path:
    """The one file that looks like the vocabulary of a llama2.c checkpoint."""
    found = sorted(file for file in path.parent.glob("tok*.bin") if file != path)
    if len(found) != 1:
        names = ", ".join(file.name for file in found) or "none"
        raise UsageError(
            "generate: which vocabulary?",
            [f"model: {path}", f"beside it: {names}"],
            "name it with --tokenizer",
        )
    return found[0]
