"""Texts beside reference ones. A text is a list of words, or a string that is split at space."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.base.errors import ShapeError, UsageError
from lamina.metrics.metric import State, Summed, no_examples, share

Text = str | Sequence[Any]


class BLEU(Summed):
    """brevity * exp(mean over n of log(precision of n-grams)), over all texts together.

    An n-gram of a candidate counts as right as often as it occurs in the reference that has it most
    often. The brevity is exp(1 - r / c) where the c words of the candidates are fewer than the r of
    those references that come closest to them in length, else 1.

    Args:
        max_n: the longest n-grams.
        smoothing: added to right and possible n-grams for n > 1, as by Lin and Och; 0.0 for none.

    Source: Papineni et al. 2002, "BLEU: a method for automatic evaluation of machine translation";
    Lin and Och 2004, "ORANGE: a method for evaluating automatic evaluation metrics".

    Example:
        >>> from lamina import metrics
        >>> references = [["there is a cat on the mat", "a cat is on the mat"]]
        >>> round(metrics.bleu(["the cat is on the mat"], references), 4)
        0.7598
    """

    def __init__(self, *, max_n: int = 4, smoothing: float = 0.0):
        super().__init__()
        if max_n < 1 or smoothing < 0:
            facts = [f"max_n: {max_n}", f"smoothing: {smoothing}"]
            raise UsageError("bleu: max_n is at least 1 and smoothing not negative", facts)
        self.max_n = max_n
        self.smoothing = smoothing

    def measure(self, prediction: Sequence[Text], target: Sequence[Sequence[Text]]) -> State:
        """Right and possible n-grams, and lengths.

        Args:
            prediction: the candidates.
            target: the references of each; one string is one reference.
        """
        _require_same_number("bleu", prediction, target)
        right, possible = np.zeros(self.max_n), np.zeros(self.max_n)
        lengths = np.zeros(2)
        for candidate, given in zip(prediction, target):
            words = _words(candidate)
            references = [_words(r) for r in ([given] if isinstance(given, str) else given)]
            if not references:
                raise UsageError("bleu: a candidate has no reference", [f"candidate: {candidate}"])
            closest = min(references, key=lambda r: (abs(len(r) - len(words)), len(r)))
            lengths += (len(words), len(closest))
            for n in range(1, self.max_n + 1):
                found, most = _grams(words, n), Counter[tuple[Any, ...]]()
                for reference in references:
                    most |= _grams(reference, n)
                right[n - 1] += (found & most).total()
                possible[n - 1] += found.total()
        return {"right": right, "possible": possible, "lengths": lengths}

    def value(self, state: State) -> float:
        """The score, from 0 to 1."""
        length, wanted = state["lengths"]
        if wanted == 0:
            raise no_examples("bleu")
        extra = self.smoothing * (np.arange(self.max_n) > 0)
        right, possible = state["right"] + extra, state["possible"] + extra
        if length == 0 or (right == 0).any():
            return 0.0
        brevity = min(0.0, 1.0 - wanted / length)
        return float(np.exp(brevity + np.mean(np.log(right / possible))))


class RougeL(Summed):
    """The mean of F = (1 + beta²) * P * R / (R + beta² * P) over the texts.

    P and R are the length of the longest common subsequence over the lengths of the candidate and
    of the reference.

    Args:
        beta: how much more recall R counts than precision P.

    Source: Lin 2004, "ROUGE: a package for automatic evaluation of summaries", section 3.1.

    Example:
        >>> from lamina import metrics
        >>> metrics.rouge_l(["police kill the gunman"], ["police killed the gunman"])
        0.75
    """

    def __init__(self, *, beta: float = 1.0):
        super().__init__()
        self.beta = beta

    def measure(self, prediction: Sequence[Text], target: Sequence[Text]) -> State:
        """The sum of F, and the number of texts.

        Args:
            prediction: the candidates.
            target: the reference of each.
        """
        _require_same_number("rouge_l", prediction, target)
        total = 0.0
        for one, other in zip(prediction, target):
            x, y = _words(one), _words(other)
            common = _common(x, y)
            if common:
                p, r, square = common / len(x), common / len(y), self.beta**2
                total += (1.0 + square) * p * r / (r + square * p)
        return {"sum": total, "total": len(prediction)}

    def value(self, state: State) -> float:
        """The mean."""
        return share("rouge_l", state["sum"], state["total"])


class WordErrorRate(Summed):
    """Words to replace, insert or delete, over the words of the references. With strings split into
    characters (`list(text)`) it is the character error rate.

    Source: Levenshtein 1966, "Binary codes capable of correcting deletions, insertions, and
    reversals".

    Example:
        >>> from lamina import metrics
        >>> metrics.word_error_rate(["the cat sat"], ["the cat sat down"])
        0.25
    """

    def measure(self, prediction: Sequence[Text], target: Sequence[Text]) -> State:
        """Changes and words.

        Args:
            prediction: what was recognised.
            target: what was said.
        """
        _require_same_number("word_error_rate", prediction, target)
        pairs = [(_words(x), _words(y)) for x, y in zip(prediction, target)]
        changes = sum(edit_distance(x, y) for x, y in pairs)
        return {"changes": changes, "words": sum(len(y) for _, y in pairs)}

    def value(self, state: State) -> float:
        """The rate; above 1 where more is wrong than there is."""
        return share("word_error_rate", state["changes"], state["words"])


def edit_distance(one: Sequence[Any], other: Sequence[Any]) -> int:
    """How many elements to replace, insert or delete to make one sequence of the other.

    Example:
        >>> edit_distance("kitten", "sitting")
        3

    Source: Wagner and Fischer 1974, "The string-to-string correction problem".
    """
    row = list(range(len(other) + 1))
    for i, x in enumerate(one, 1):
        before, row = row, [i]
        for j, y in enumerate(other, 1):
            row.append(min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (x != y)))
    return row[-1]


def _common(one: Sequence[Any], other: Sequence[Any]) -> int:
    """The length of the longest common subsequence."""
    row = [0] * (len(other) + 1)
    for x in one:
        before, row = row, [0]
        for j, y in enumerate(other, 1):
            row.append(before[j - 1] + 1 if x == y else max(before[j], row[j - 1]))
    return row[-1]


def _words(text: Text) -> list[Any]:
    return text.split() if isinstance(text, str) else list(text)


def _grams(words: list[Any], n: int) -> Counter[tuple[Any, ...]]:
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def _require_same_number(name: str, prediction: Sequence[Any], target: Sequence[Any]) -> None:
    if isinstance(prediction, str) or isinstance(target, str):
        raise UsageError(f"{name}: the texts come in a list", ["given: one string"])
    if len(prediction) != len(target):
        facts = [f"predictions: {len(prediction)}", f"targets: {len(target)}"]
        raise ShapeError(f"{name}: there is not one target for each prediction", facts)


def bleu(prediction: Sequence[Text], target: Sequence[Sequence[Text]], **options: Any) -> float:
    """`BLEU` of the given texts."""
    return BLEU(**options).of(prediction, target)


def rouge_l(prediction: Sequence[Text], target: Sequence[Text], **options: Any) -> float:
    """`RougeL` of the given texts."""
    return RougeL(**options).of(prediction, target)


def word_error_rate(prediction: Sequence[Text], target: Sequence[Text]) -> float:
    """`WordErrorRate` of the given texts."""
    return WordErrorRate().of(prediction, target)
