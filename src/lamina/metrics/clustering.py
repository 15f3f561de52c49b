"""How alike two ways are to sort examples into groups, whatever the groups are called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import gammaln

from lamina.metrics.inputs import as_classes, misfit, require_classes
from lamina.metrics.metric import Metric, State, no_examples


class Grouped(Metric):
    """A metric of the table that counts groups against groups; not a metric by itself."""

    def measure(self, prediction: Any, target: Any) -> State:
        """How many examples are in each group of the one (rows) and of the other (columns).

        Args:
            prediction: the number of the group of each example.
            target: the number of the other group of each.
        """
        name = type(self).__name__
        x, y = as_classes(name, prediction), as_classes(name, target)
        if x.shape != y.shape:
            raise misfit(name, x, y)
        require_classes(name, x)
        require_classes(name, y)
        shape = (1 + x.max(initial=-1), 1 + y.max(initial=-1))
        cells = np.bincount((x * shape[1] + y).ravel(), minlength=shape[0] * shape[1])
        return {"counts": cells.reshape(shape)}

    def join(self, states: Sequence[State]) -> State:
        """The sum of the tables, as large as the largest."""
        counts = np.zeros(np.max([s["counts"].shape for s in states], axis=0), np.int64)
        for state in states:
            part = state["counts"]
            counts[: part.shape[0], : part.shape[1]] += part
        return {"counts": counts}

    def counts(self, state: State) -> np.ndarray:
        """The table without empty groups.

        Raises:
            UsageError: there are no examples.
        """
        counts = state["counts"]
        if not counts.sum():
            raise no_examples(type(self).__name__)
        return counts[np.any(counts, axis=1)][:, np.any(counts, axis=0)]


class AdjustedRand(Grouped):
    """The share of pairs of examples on which both agree, shifted so that chance gives 0.

    Source: Hubert and Arabie 1985, "Comparing partitions".

    Example:
        >>> from lamina import metrics
        >>> metrics.adjusted_rand([1, 1, 0, 0], [0, 0, 1, 1])
        1.0
    """

    def value(self, state: State) -> float:
        """The index; 1 where both are the same."""
        counts = self.counts(state)
        pairs = lambda n: int(np.sum(n * (n - 1) // 2))
        both, total = pairs(counts), pairs(np.sum(counts))
        rows, columns = pairs(np.sum(counts, axis=1)), pairs(np.sum(counts, axis=0))
        if 2 * both == rows + columns:
            return 1.0
        chance = rows * columns / total
        return (both - chance) / ((rows + columns) / 2.0 - chance)


class AdjustedMutualInformation(Grouped):
    """(I - E[I]) / (mean of both entropies - E[I]), with E over all ways to draw the groups anew.

    Source: Vinh, Epps and Bailey 2010, "Information theoretic measures for clusterings
    comparison", equation 24a; the arithmetic mean, as in scikit-learn.

    Example:
        >>> from lamina import metrics
        >>> metrics.adjusted_mutual_information([1, 1, 0, 0], [0, 0, 1, 1])
        1.0
    """

    def value(self, state: State) -> float:
        """The index; 1 where both are the same."""
        counts = self.counts(state)
        if np.count_nonzero(counts) == counts.shape[0] == counts.shape[1]:
            return 1.0  # each group is one of the other
        rows, columns = np.sum(counts, axis=1), np.sum(counts, axis=0)
        total = np.sum(counts)
        here = counts > 0
        ratio = total * counts[here] / np.outer(rows, columns)[here]
        information = np.sum(counts[here] / total * np.log(ratio))
        mean = (_entropy(rows, total) + _entropy(columns, total)) / 2.0
        expected = _expected_information(rows, columns, int(total))
        least = np.finfo(np.float64).eps
        gap = mean - expected
        return float((information - expected) / np.copysign(max(abs(gap), least), gap))


def _entropy(sizes: np.ndarray, total: Any) -> float:
    p = sizes / total
    return float(-np.sum(p * np.log(p)))


def _expected_information(rows: np.ndarray, columns: np.ndarray, total: int) -> float:
    """Over all tables with these sums: each cell is hypergeometric."""
    expected = 0.0
    for a in rows:
        for b in columns:
            n = np.arange(max(1, a + b - total), min(a, b) + 1)
            log_p = (
                sum(gammaln(k + 1) for k in (a, b, total - a, total - b))
                - gammaln(total + 1)
                - sum(gammaln(k + 1) for k in (n, a - n, b - n, total - a - b + n))
            )
            expected += np.sum(n / total * np.log(total * n / (a * b)) * np.exp(log_p))
    return float(expected)


def adjusted_rand(prediction: Any, target: Any) -> float:
    """`AdjustedRand` of the given examples."""
    return AdjustedRand().of(prediction, target)


def adjusted_mutual_information(prediction: Any, target: Any) -> float:
    """`AdjustedMutualInformation` of the given examples."""
    return AdjustedMutualInformation().of(prediction, target)
