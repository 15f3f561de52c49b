"""Every metric: in pieces as in one, merged, kept and restored."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina as lm
from lamina import metrics
from tests.metrics.cases import WEIGHTS, labels, probabilities

CLASSES = labels(40, 4, 8)
SCORES = probabilities(40, 4, 9)
NUMBERS = (np.random.default_rng(10).random((40, 2)), np.random.default_rng(9).random((40, 2)))
CASES: dict[str, tuple[metrics.Metric, tuple[np.ndarray, ...]]] = {
    "accuracy": (metrics.Accuracy(), CLASSES),
    "top k": (metrics.TopKAccuracy(2), SCORES),
    "confusion": (metrics.ConfusionMatrix(), CLASSES),
    "precision": (metrics.Precision(average="macro"), CLASSES),
    "recall": (metrics.Recall(average="weighted"), CLASSES),
    "f1": (metrics.F1(average="micro"), CLASSES),
    "fbeta": (metrics.FBeta(0.5, average=None), CLASSES),
    "balanced accuracy": (metrics.BalancedAccuracy(), CLASSES),
    "matthews": (metrics.MatthewsCorrelation(), CLASSES),
    "kappa": (metrics.CohenKappa(weights="linear"), CLASSES),
    "log loss": (metrics.LogLoss(), SCORES),
    "perplexity": (metrics.Perplexity(), SCORES),
    "brier": (metrics.Brier(), SCORES),
    "auroc": (metrics.AUROC(), SCORES),
    "average precision": (metrics.AveragePrecision(average=None), SCORES),
    "roc": (metrics.RocCurve(), (SCORES[0][:, 0], SCORES[1] == 0)),
    "precision-recall": (metrics.PrecisionRecallCurve(), (SCORES[0][:, 0], SCORES[1] == 0)),
    "mse": (metrics.MeanSquaredError(), NUMBERS),
    "rmse": (metrics.RootMeanSquaredError(), NUMBERS),
    "mae": (metrics.MeanAbsoluteError(), NUMBERS),
    "mape": (metrics.MeanAbsolutePercentageError(), NUMBERS),
    "r2": (metrics.R2(), NUMBERS),
    "explained variance": (metrics.ExplainedVariance(), NUMBERS),
    "mean": (metrics.Mean(), (np.linspace(-1.0, 3.0, 40),)),
}


def agree(found: Any, wanted: Any) -> None:
    """Equal up to the order of sums, array by array."""
    pairs = zip(found, wanted) if isinstance(wanted, tuple) else [(found, wanted)]
    for one, other in pairs:
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("case", CASES)
def test_pieces_are_the_whole(case: str) -> None:
    metric, arrays = CASES[case]
    metric.reset()
    whole = metric.of(*arrays, sample_weight=WEIGHTS)
    pieces = (slice(0, 1), slice(1, 23), slice(23, 23), slice(23, 40))  # one of them empty
    parts = []
    for piece in pieces:
        metric.update(*[a[piece] for a in arrays], sample_weight=WEIGHTS[piece])
        part = type(metric).__new__(type(metric))
        part.__dict__.update(metric.__dict__)
        part.reset()
        part.update(*[lm.asarray(a[piece]) for a in arrays], sample_weight=WEIGHTS[piece])
        parts.append(part)
    agree(metric.compute(), whole)
    agree((parts[0] + parts[1] + parts[2] + parts[3]).compute(), whole)
    agree((parts[0] + (parts[3].merge(parts[1], parts[2]))).compute(), whole)
    agree(parts[0].of(*arrays, sample_weight=WEIGHTS), whole)


@pytest.mark.parametrize("case", CASES)
def test_a_state_goes_through_a_file(case: str) -> None:
    metric, arrays = CASES[case]
    metric.reset()
    metric.update(*[a[:30] for a in arrays])
    saved = {name: np.asarray(array).copy() for name, array in metric.state_dict().items()}
    metric.update(*[a[30:] for a in arrays])
    whole = metric.compute()
    metric.load_state_dict(saved)
    metric.update(*[a[30:] for a in arrays])
    agree(metric.compute(), whole)
    metric.load_state_dict({})
    with pytest.raises(lm.UsageError, match="there are no examples"):
        metric.compute()
    assert metric.state_dict() == {}


@pytest.mark.parametrize("case", CASES)
def test_nothing_was_seen(case: str) -> None:
    metric, arrays = CASES[case]
    metric.reset()
    with pytest.raises(lm.UsageError, match="there are no examples\n  help: call update"):
        metric.compute()
    metric.update(*[a[:0] for a in arrays])
    with pytest.raises(lm.UsageError, match="there are no examples"):
        metric.compute()
    metric.update(*arrays, sample_weight=np.zeros(40))
    with pytest.raises(lm.UsageError, match="there are no examples"):
        metric.compute()


@pytest.mark.parametrize("case", CASES)
def test_the_state_is_small(case: str) -> None:
    metric, arrays = CASES[case]
    metric.reset()
    for _ in range(3):
        metric.update(*arrays)
    size = sum(np.asarray(a).size for a in metric.state_dict().values())
    assert size <= (40 * 3 * 6 if metric.keeps_examples else 16)
    metric.reset()


def test_a_sum_leaves_its_terms_alone() -> None:
    one, other = metrics.Accuracy(), metrics.Accuracy()
    one.update([0], [0])
    other.update([1], [0])
    both = one + other
    both.update([1], [0])
    assert (one.compute(), other.compute(), both.compute()) == (1.0, 0.0, 1 / 3)
    with pytest.raises(lm.UsageError, match="merge: the metrics are not of the same kind"):
        one.merge(metrics.Accuracy(threshold=0.0))
    with pytest.raises(lm.UsageError, match="merge: the metrics are not of the same kind"):
        one.merge(metrics.Mean())


def test_a_collection() -> None:
    def make() -> metrics.MetricCollection:
        return metrics.MetricCollection(
            {"accuracy": metrics.Accuracy(), "top 2": metrics.TopKAccuracy(2)}
        )

    one, other = make(), make()
    scores, target = SCORES
    one.update(scores[:10], target[:10])
    other.update(scores[10:], target[10:], sample_weight=None)
    whole = {
        "accuracy": metrics.accuracy(scores, target),
        "top 2": metrics.top_k_accuracy(scores, target, 2),
    }
    assert (one + other).compute() == whole
    third = make()
    third.load_state_dict(one.state_dict())
    assert third.merge(other).compute() == whole
    before = one.compute()
    with pytest.raises(lm.ShapeError):
        one.update([0, 1], [0, 1])  # classes: the second metric takes scores only
    assert one.compute() == before
    one.reset()
    with pytest.raises(lm.UsageError, match="there are no examples"):
        one.compute()
    with pytest.raises(lm.UsageError, match="the collections have different metrics"):
        other.merge(metrics.MetricCollection({"a": metrics.Accuracy()}))
    assert repr(other).startswith("MetricCollection(\n  (accuracy): Accuracy(threshold=0.5")
