"""Metrics of the confusion matrix are those of scikit-learn, on odd cases too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sklearn.metrics as reference

import lamina as lm
from lamina import metrics
from tests.metrics.cases import BINARY, MANY, WEIGHTS

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")
SCORES = {
    "precision": (metrics.precision, reference.precision_score),
    "recall": (metrics.recall, reference.recall_score),
    "f1": (metrics.f1_score, reference.f1_score),
    "f2": (
        lambda p, t, **k: metrics.fbeta_score(p, t, 2.0, **k),
        lambda t, p, **k: reference.fbeta_score(t, p, beta=2.0, **k),
    ),
}
PLAIN = {
    "accuracy": (metrics.accuracy, reference.accuracy_score),
    "balanced accuracy": (metrics.balanced_accuracy, reference.balanced_accuracy_score),
    "adjusted": (
        lambda p, t, **k: metrics.balanced_accuracy(p, t, adjusted=True, **k),
        lambda t, p, **k: reference.balanced_accuracy_score(t, p, adjusted=True, **k),
    ),
    "matthews": (metrics.matthews_correlation, reference.matthews_corrcoef),
    "kappa": (metrics.cohen_kappa, reference.cohen_kappa_score),
}


@pytest.mark.parametrize("zero_division", [0.0, 1.0, np.nan])
@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("case", BINARY)
def test_binary(case: str, score: str, zero_division: float) -> None:
    prediction, target = BINARY[case]
    ours, theirs = SCORES[score]
    found = ours(prediction, target, zero_division=zero_division)
    np.testing.assert_allclose(found, theirs(target, prediction, zero_division=zero_division))
    weights = WEIGHTS[: len(target)]
    found = ours(prediction, target, sample_weight=weights, pos_label=0)
    wanted = theirs(target, prediction, sample_weight=weights, pos_label=0, labels=[0, 1])
    if np.isin(0, target):
        np.testing.assert_allclose(found, wanted)


@pytest.mark.parametrize("average", ["micro", "macro", "weighted", None])
@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("case", MANY)
def test_many_classes(case: str, score: str, average: str | None) -> None:
    prediction, target = MANY[case]
    ours, theirs = SCORES[score]
    weights = WEIGHTS[: len(target)]
    for zero_division in (0.0, 1.0, np.nan):
        options: dict[str, Any] = {"average": average, "zero_division": zero_division}
        found = ours(prediction, target, sample_weight=weights, num_classes=5, **options)
        options["sample_weight"] = weights
        wanted = theirs(target, prediction, labels=range(5), **options)
        np.testing.assert_allclose(found, wanted)
        if average is not None:
            found = ours(prediction, target, **options)
            np.testing.assert_allclose(found, theirs(target, prediction, **options))


@pytest.mark.parametrize("score", PLAIN)
@pytest.mark.parametrize("case", [*BINARY, *MANY])
def test_one_number(case: str, score: str) -> None:
    prediction, target = (BINARY | MANY)[case]
    ours, theirs = PLAIN[score]
    if score == "adjusted" and np.unique(target).size == 1:
        assert np.isnan(ours(prediction, target))  # scikit-learn: -inf when all are wrong
        return
    np.testing.assert_allclose(ours(prediction, target), theirs(target, prediction), atol=1e-15)
    weights = WEIGHTS[: len(target)]
    found = ours(prediction, target, sample_weight=weights)
    wanted = theirs(target, prediction, sample_weight=weights)
    np.testing.assert_allclose(found, wanted, atol=1e-15)


@pytest.mark.parametrize("weights", ["linear", "quadratic"])
def test_weighted_kappa(weights: str) -> None:
    prediction, target = MANY["four classes"]
    found = metrics.cohen_kappa(prediction, target, weights=weights)
    wanted = reference.cohen_kappa_score(target, prediction, weights=weights)
    np.testing.assert_allclose(found, wanted)


@pytest.mark.parametrize("normalize", [None, "true", "pred", "all"])
@pytest.mark.parametrize("case", MANY)
def test_confusion_matrix(case: str, normalize: str | None) -> None:
    prediction, target = MANY[case]
    found = metrics.confusion_matrix(prediction, target, normalize=normalize, num_classes=4)
    wanted = reference.confusion_matrix(target, prediction, labels=range(4), normalize=normalize)
    np.testing.assert_allclose(found, wanted)


def test_the_table_grows_with_the_classes() -> None:
    table = metrics.ConfusionMatrix()
    table.update([0, 1], [1, 1])
    table.update(lm.asarray([3]), lm.asarray([0]))
    assert table.compute().tolist() == [[0, 0, 0, 1], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    with pytest.raises(lm.UsageError, match="there is no such class"):
        metrics.ConfusionMatrix(num_classes=3).update([3], [0])
    with pytest.raises(lm.UsageError, match="there is no such class"):
        table.update([0], [-100])
    assert metrics.confusion_matrix([0, 1], [-100, 1], ignore_index=-100)[1, 1] == 1.0


def test_binary_average_is_for_two_classes() -> None:
    with pytest.raises(lm.UsageError, match='average="binary" is for the classes 0 and 1'):
        metrics.f1_score([0, 1, 2], [0, 1, 2])
    with pytest.raises(lm.UsageError, match="no such average"):
        metrics.F1(average="samples")
    with pytest.raises(lm.UsageError, match="no such weights"):
        metrics.CohenKappa(weights="cubic")
    with pytest.raises(lm.UsageError, match="no such normalisation"):
        metrics.ConfusionMatrix(normalize="rows")
