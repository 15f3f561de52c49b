"""BLEU, ROUGE-L and the word error rate: published values, and definitions."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import lamina as lm
from lamina import metrics

ONE = (
    "It is a guide to action which ensures that the military always obeys the commands of the party"
)
OTHER = "he read the book because he was interested in world history"
REFERENCES = [
    [
        "It is a guide to action that ensures that the military will forever heed Party commands",
        "It is the guiding principle which guarantees the military forces always being under the "
        "command of the Party",
        "It is the practical guide for the army always to heed the directions of the party",
    ],
    ["he was interested in world history because he read the book"],
]


def test_bleu_of_published_examples() -> None:
    """The sentences of Papineni et al., with the values that NLTK documents for them."""
    assert metrics.bleu([ONE], REFERENCES[:1]) == pytest.approx(0.5045666840058485, rel=1e-12)
    both = metrics.bleu([ONE, OTHER], REFERENCES)
    assert both == pytest.approx(0.5920778868801042, rel=1e-12)
    metric = metrics.BLEU()
    metric.update([ONE], REFERENCES[:1])
    other = metrics.BLEU()
    other.update([OTHER.split()], [[REFERENCES[1][0].split()]])
    assert (metric + other).compute() == both


def test_bleu_counts_no_more_than_the_reference() -> None:
    """Papineni et al., section 2.1: seven times "the" has two right words of seven."""
    score = metrics.bleu(
        ["the the the the the the the"],
        [["the cat is on the mat", "there is a cat on the mat"]],
        max_n=1,
    )
    assert score == pytest.approx(2 / 7)
    short = metrics.bleu(["of the"], [["of the party of the people"]], max_n=2)
    assert short == pytest.approx(np.exp(1 - 6 / 2))


def test_bleu_smoothing() -> None:
    assert metrics.bleu(["a b c d"], [["a x c y"]]) == 0.0
    smooth = metrics.bleu(["a b c d"], [["a x c y"]], smoothing=1.0)
    assert smooth == pytest.approx((2 / 4 * 1 / 4 * 1 / 3 * 1 / 2) ** 0.25)
    assert metrics.bleu([""], [["a"]]) == 0.0


def test_edit_distance_by_its_recursion() -> None:
    @cache
    def distance(a: str, b: str) -> int:
        if not a or not b:
            return len(a) + len(b)
        replaced = distance(a[1:], b[1:]) + (a[0] != b[0])
        return min(distance(a[1:], b) + 1, distance(a, b[1:]) + 1, replaced)

    rng = np.random.default_rng(0)
    for _ in range(20):
        a, b = ("".join(rng.choice(list("abc"), rng.integers(0, 7))) for _ in range(2))
        assert metrics.edit_distance(a, b) == distance(a, b)


def test_word_and_character_errors() -> None:
    metric = metrics.WordErrorRate()
    metric.update(["the cat sat", "a"], ["the cat sat down", "b a"])
    metric.update([["x"]], [["y", "x"]])
    assert metric.compute() == 3 / 8
    assert metrics.word_error_rate([list("kitten")], [list("sitting")]) == 3 / 7
    with pytest.raises(lm.UsageError, match="there are no examples"):
        metrics.word_error_rate([], [])


def test_rouge_of_published_examples() -> None:
    """Lin 2004, section 3.1: "police killed the gunman" beside two candidates."""
    target = ["police killed the gunman"]
    assert metrics.rouge_l(["police kill the gunman"], target) == 0.75
    assert metrics.rouge_l(["the gunman kill police"], target) == 0.5
    assert metrics.rouge_l(["the gunman", ""], [*target, "a"]) == pytest.approx(2 / 3 / 2)
    assert metrics.rouge_l(["the gunman"], target, beta=1e6) == pytest.approx(0.5)


def test_mistakes() -> None:
    with pytest.raises(lm.ShapeError, match="there is not one target for each prediction"):
        metrics.bleu(["a"], [])
    with pytest.raises(lm.UsageError, match="the texts come in a list"):
        metrics.rouge_l("a", "a")
    with pytest.raises(lm.UsageError, match="a candidate has no reference"):
        metrics.bleu(["a"], [[]])
    with pytest.raises(lm.UsageError, match="max_n is at least 1"):
        metrics.BLEU(max_n=0)
    with pytest.raises(lm.UsageError, match="there are no examples"):
        metrics.bleu([], [])
