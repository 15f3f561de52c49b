"""A story by a language model of 260,000 parameters, beside the text its author published.

    python examples/stories.py                                 greedy, word for word as published
    python examples/stories.py --prompt "Tom had a red ball"   goes on from there
    python examples/stories.py --temperature 0.9 --top-p 0.95 --seed 3

The model is stories260K in llama2.c's format: FOLDER holds stories260K.bin, tok512.bin and
expected-greedy.txt, which is what the author's own program writes.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import lamina as lm
from lamina import models
from lamina.interop import llama2c

VOCABULARY = 512


def told(
    model: models.Llama, vocabulary: llama2c.Vocabulary, options: argparse.Namespace
) -> Iterator[int]:
    """The tokens of the prompt and those that follow, as they are made."""
    prompt = vocabulary.encode(options.prompt)
    following = models.stream(
        model,
        prompt,
        options.tokens,
        temperature=options.temperature,
        top_p=options.top_p if options.temperature else None,
        stop=vocabulary.begin,  # another story would begin
    )
    return chain(prompt, following)


def tell(options: argparse.Namespace) -> str:
    """Write the story as it is made; all of it in the end."""
    lm.random.seed(options.seed)
    model = models.Llama.from_llama2c(options.data / "stories260K.bin")
    vocabulary = llama2c.read_vocabulary(options.data / "tok512.bin", VOCABULARY)
    tokens: list[int] = []
    shown = ""
    for token in told(model, vocabulary, options):
        tokens.append(token)
        text = vocabulary.decode(tokens)
        print(text[len(shown) :], end="", flush=True)
        shown = text
    print()
    return shown


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the options, tell a story, and compare it; the exit status."""
    home = os.environ.get("LAMINA_DATA")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(home) / "models" / "stories260K" if home else None,
        required=not home,
        metavar="FOLDER",
        help="where the files are (models/stories260K in LAMINA_DATA)",
    )
    parser.add_argument("--prompt", default="", help="how the story begins")
    parser.add_argument("--tokens", type=int, default=256, help="so many follow at most (256)")
    parser.add_argument("--temperature", type=float, default=0.0, help="0 is greedy (0)")
    parser.add_argument("--top-p", type=float, default=0.9, help="share drawn from (0.9)")
    parser.add_argument("--seed", type=int, default=0, help="of the draws (0)")
    parser.add_argument("--quick", action="store_true", help="48 tokens")
    options = parser.parse_args(arguments)
    if options.quick:
        options.tokens = 48
    began = time.perf_counter()
    try:
        story = tell(options)
    except (lm.LaminaError, OSError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    seconds = time.perf_counter() - began
    if options.prompt or options.temperature:
        print(f"stories: {len(story)} letters, {seconds:.1f} s")
        return 0
    published = (options.data / "expected-greedy.txt").read_text().strip()
    differ = (i for i, (a, b) in enumerate(zip(story, published, strict=False)) if a != b)
    same = next(differ, min(len(story), len(published)))
    print(f"stories: {same} of {len(story)} letters as published, {seconds:.1f} s")
    return 0 if same == len(story) else 1


if __name__ == "__main__":
    sys.exit(main())
