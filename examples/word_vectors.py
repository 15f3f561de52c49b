"""Vectors of words, learned from the words around them; what lies near what, in 20 seconds.

    python examples/word_vectors.py                          captions of photographs (multi30k)
    python examples/word_vectors.py --text FILE [FILE ...]   texts of your own, gzipped or not
    python examples/word_vectors.py --model bag-of-words --output tree
    python examples/word_vectors.py --picture words.svg      the vectors in two dimensions

Skip-gram predicts the words around a word, bag-of-words the word from those around it. Both are
trained against words drawn by chance, or down a tree of decisions. Source: Mikolov et al. 2013.
"""

from __future__ import annotations

import argparse
import gzip
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import lamina as lm
from lamina import classical, models, nn, optim

WINDOW = 5  # words on each side, at most
OFTEN = 1e-3  # words more frequent than this are left out now and then
PROBES = "man woman red two dog running water music his night king war city"
QUESTIONS = "man boy woman, man men woman, boy boys girl, he his she, man king woman"
SHOWN = (
    "man woman boy girl child baby guy lady men women boys girls people dog cat horse bird cow "
    "red blue green yellow white black brown orange purple pink one two three four five six "
    "running walking sitting standing jumping riding swimming water lake ocean beach river pool "
    "guitar drums piano music singing shirt jacket hat pants dress shoes street city building road"
)


class Corpus(NamedTuple):
    """A text as numbers.

    Attributes:
        words: by number, the most frequent first.
        counts: how often each occurs.
        text: all sentences one after the other, with -1 between them.
    """

    words: list[str]
    counts: np.ndarray
    text: np.ndarray


def read(paths: Sequence[Path], least: int) -> Corpus:
    """The words of files, a sentence in each line, but those with fewer than `least` places."""
    sentences: list[list[str]] = []
    for path in paths:
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(path, "rt", encoding="utf-8") as file:
            sentences += [re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)?", line.lower()) for line in file]
    counted = Counter(word for sentence in sentences for word in sentence)
    words = [word for word, count in counted.most_common() if count >= least and word != "unk"]
    if len(words) < 2:
        raise lm.UsageError(
            "word_vectors: too few words",
            [f"words with {least} places or more: {len(words)}"],
            "take a longer text, or a smaller --least",
        )
    numbers = {word: number for number, word in enumerate(words)}
    text = [[*(numbers[word] for word in s if word in numbers), -1] for s in sentences]
    counts = np.array([counted[word] for word in words])
    return Corpus(words, counts, np.concatenate([np.array(s) for s in text]))


def windows(corpus: Corpus, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Each word and those around it: the words, and `[N, 2 * WINDOW]` with -1 where there is none.

    Frequent words are left out by chance, and windows are cut by chance, so that near words count
    for more; both anew for each pass over the text (word2vec.c).
    """
    share = OFTEN / (corpus.counts / corpus.counts.sum())
    kept = np.append(np.sqrt(share) + share, 1.0)  # the last for -1, the end of a sentence
    text = corpus.text[random.random(len(corpus.text)) < kept[corpus.text]]
    sentence = np.cumsum(text < 0)
    reach = random.integers(1, WINDOW + 1, len(text))
    around = np.full((len(text), 2 * WINDOW), -1)
    for d in range(1, WINDOW + 1):
        same = sentence[:-d] == sentence[d:]
        around[d:, d - 1] = np.where(same & (reach[d:] >= d), text[:-d], -1)
        around[:-d, WINDOW + d - 1] = np.where(same & (reach[:-d] >= d), text[d:], -1)
    is_word = (text >= 0) & (around >= 0).any(axis=1)
    return text[is_word], around[is_word]


def examples(corpus: Corpus, model: str, random: np.random.Generator) -> tuple[np.ndarray, Any]:
    """What one pass learns from, in an order of its own: (given, wanted) for `loss_of`."""
    words, around = windows(corpus, random)
    if model == "bag-of-words":
        given, wanted = around, words
    else:
        row, place = np.nonzero(around >= 0)
        given, wanted = words[row], around[row, place]
    order = random.permutation(len(wanted))
    return given[order], wanted[order]


def loss_of(model: models.WordVectors, given: Any, wanted: Any) -> lm.Tensor:
    """The loss of a batch; a row of words is a bag of them."""
    return (model.bag_of_words if given.ndim == 2 else model.skip_gram)(given, wanted)


@lm.jit
def step(
    model: models.WordVectors, optimizer: optim.Optimizer, given: Any, wanted: Any
) -> lm.Tensor:
    """One training step, compiled to one native call; negatives are drawn inside."""
    loss, gradients = lm.value_and_grad(loss_of)(model, given, wanted)
    optimizer.update(model, gradients)
    return loss


def train(corpus: Corpus, options: argparse.Namespace) -> models.WordVectors:
    """Train, saying after each pass how it went."""
    lm.random.seed(options.seed)
    random = np.random.default_rng(options.seed)
    kinds = {"negatives": nn.NegativeSampling, "tree": nn.HierarchicalSoftmax}
    output = kinds[options.output](corpus.counts, options.width)
    model = models.WordVectors(len(corpus.words), options.width, output)
    optimizer = optim.Adam(model, lr=options.lr)
    for epoch in range(options.epochs):
        began, losses = time.perf_counter(), []
        given, wanted = examples(corpus, options.model, random)
        starts = range(0, len(wanted) - options.batch + 1, options.batch)
        for start in starts:
            done = (epoch + start / len(wanted)) / options.epochs
            optimizer.lr = options.lr * (1.0 - 0.95 * done)
            part = slice(start, start + options.batch)
            losses.append(step(model, optimizer, given[part], wanted[part]))
        if not losses:
            raise lm.UsageError(
                "word_vectors: the text is shorter than a batch",
                [f"examples: {len(wanted)}", f"batch: {options.batch}"],
                "take a smaller --batch",
            )
        mean = sum(float(loss) for loss in losses) / len(losses)
        rate = len(starts) * options.batch / (time.perf_counter() - began)
        print(
            f"pass {epoch + 1}/{options.epochs}: loss {mean:.3f}, {rate:,.0f} examples/s",
            flush=True,
        )
    return model


def neighbours(corpus: Corpus, model: models.WordVectors, word: str, k: int = 7) -> list[str]:
    """The words nearest to one, by the cosine of their vectors."""
    places, _ = model.nearest(
        model(lm.asarray(corpus.words.index(word))), min(k + 1, len(corpus.words))
    )
    return [corpus.words[i] for i in places.tolist() if corpus.words[i] != word][:k]


def analogy(
    corpus: Corpus, model: models.WordVectors, a: str, b: str, c: str, k: int = 3
) -> list[str]:
    """What is to `c` as `b` is to `a`: the words nearest to b - a + c, the vectors of length 1."""
    numbers = [corpus.words.index(word) for word in (a, b, c)]
    x, y, z = lm.functional.normalize(model(lm.asarray(numbers)), axis=-1)
    places, _ = model.nearest(y - x + z, min(k + 3, len(corpus.words)))
    return [corpus.words[i] for i in places.tolist() if i not in numbers][:k]


def flattened(corpus: Corpus, model: models.WordVectors) -> tuple[list[str], np.ndarray]:
    """Some words, and their vectors in the two directions in which these differ most."""
    known = [word for word in SHOWN.split() if word in corpus.words] or corpus.words[:60]
    vectors = model(lm.asarray([corpus.words.index(word) for word in known]))
    unit = lm.functional.normalize(vectors, axis=-1).numpy()
    return known, classical.PCA(n_components=2).fit_transform(unit)


def draw(corpus: Corpus, model: models.WordVectors) -> Any:
    """The picture; it needs matplotlib."""
    from matplotlib.figure import Figure

    words, places = flattened(corpus, model)
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    axes.scatter(places[:, 0], places[:, 1], s=0)
    for word, (x, y) in zip(words, places):
        axes.text(x, y, word, size=9, ha="center", va="center", color="#0b6e5f")
    axes.set(xticks=[], yticks=[], title="vectors of words in two principal components")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    """What is asked for on the command line."""
    home = os.environ.get("LAMINA_DATA")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--text",
        type=Path,
        nargs="+",
        default=[Path(home) / "multi30k" / "train.en.gz"] if home else None,
        required=not home,
        metavar="FILE",
        help="a sentence in each line (multi30k/train.en.gz in LAMINA_DATA)",
    )
    parser.add_argument("--model", choices=("skip-gram", "bag-of-words"), default="skip-gram")
    parser.add_argument("--output", choices=("negatives", "tree"), default="negatives")
    parser.add_argument("--width", type=int, default=64, help="of a vector (64)")
    parser.add_argument("--epochs", type=int, default=5, help="passes over the text (5)")
    parser.add_argument("--batch", type=int, default=2048, help="examples in a step (2048)")
    parser.add_argument("--lr", type=float, default=4e-3, help="first learning rate (0.004)")
    parser.add_argument("--least", type=int, default=5, help="places that a word needs (5)")
    parser.add_argument("--seed", type=int, default=0, help="of vectors, order and draws (0)")
    parser.add_argument("--quick", action="store_true", help="one pass, to see that it runs")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="needs matplotlib")
    options = parser.parse_args(arguments)
    if options.quick:
        options.epochs = 1
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Read, train, show; the exit status."""
    options = options_of(arguments)
    began = time.perf_counter()
    try:
        corpus = read(options.text, options.least)
        print(f"{len(corpus.text):,} places of {len(corpus.words):,} words")
        model = train(corpus, options)
    except (lm.LaminaError, OSError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    print("\nnearest by cosine:")
    for word in PROBES.split():
        if word in corpus.words:
            print(f"  {word:8} {', '.join(neighbours(corpus, model, word))}")
    print("\nanalogies:")
    for question in QUESTIONS.split(", "):
        if set(question.split()) <= set(corpus.words):
            a, b, c = question.split()
            print(f"  {a} : {b} = {c} : {', '.join(analogy(corpus, model, a, b, c))}")
    if options.picture:
        draw(corpus, model).savefig(options.picture)
        print(f"\n{options.picture}: drawn")
    print(f"word_vectors: {len(corpus.words)} words, {time.perf_counter() - began:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
