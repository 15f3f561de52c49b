"""Areas and curves are those of scikit-learn: ties, weights, several classes, absent ones."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as reference

import lamina as lm
from lamina import metrics
from tests.metrics.cases import WEIGHTS, probabilities

RNG = np.random.default_rng(2)
TRUE = RNG.integers(0, 2, 40)
BINARY = {
    "no ties": RNG.random(40),
    "many ties": np.round(RNG.random(40) * 4) / 4,
    "all equal": np.full(40, 0.5),
    "right": TRUE + 0.1 * RNG.random(40),
    "wrong": -TRUE.astype(float),
}


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
@pytest.mark.parametrize("case", BINARY)
def test_two_classes(case: str, weights: np.ndarray | None) -> None:
    scores = BINARY[case]
    found = metrics.auroc(scores, TRUE, sample_weight=weights)
    wanted = reference.roc_auc_score(TRUE, scores, sample_weight=weights)
    np.testing.assert_allclose(found, wanted, atol=1e-15)
    found = metrics.average_precision(scores, TRUE, sample_weight=weights)
    wanted = reference.average_precision_score(TRUE, scores, sample_weight=weights)
    np.testing.assert_allclose(found, wanted)
    for drop in (True, False) if weights is None else (False,):
        found = metrics.roc_curve(scores, TRUE, sample_weight=weights, drop_intermediate=drop)
        wanted = reference.roc_curve(TRUE, scores, sample_weight=weights, drop_intermediate=drop)
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-15)
    found = metrics.precision_recall_curve(scores, TRUE, sample_weight=weights)
    wanted = reference.precision_recall_curve(TRUE, scores, sample_weight=weights)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-15)


@pytest.mark.parametrize("average", ["macro", "weighted", "micro", None])
def test_many_classes(average: str | None) -> None:
    scores, target = probabilities(40, 4, 12)
    for weights in (None, WEIGHTS):
        options = {"average": average, "sample_weight": weights}
        found = metrics.auroc(scores, target, **options)
        wanted = reference.roc_auc_score(target, scores, multi_class="ovr", **options)
        np.testing.assert_allclose(found, wanted)
        found = metrics.average_precision(scores, target, **options)
        marks = np.eye(4)[target]
        np.testing.assert_allclose(
            found, reference.average_precision_score(marks, scores, **options)
        )
        found = metrics.auroc(scores, marks, **options)  # as labels that may occur together
        np.testing.assert_allclose(found, reference.roc_auc_score(marks, scores, **options))
    if average in ("macro", "weighted"):
        found = metrics.auroc(scores, target, average=average, multi_class="ovo")
        wanted = reference.roc_auc_score(target, scores, average=average, multi_class="ovo")
        np.testing.assert_allclose(found, wanted)


def test_exact_by_counting_pairs() -> None:
    scores, target = np.round(RNG.random(60), 1), RNG.integers(0, 2, 60)
    a, b = scores[target == 1][:, None], scores[target == 0][None, :]
    wanted = ((a > b) + 0.5 * (a == b)).mean()
    assert metrics.auroc(lm.asarray(scores), lm.asarray(target)) == pytest.approx(wanted, rel=1e-15)


def test_absent_classes() -> None:
    assert np.isnan(metrics.auroc([0.1, 0.2], [1, 1]))
    assert np.isnan(metrics.average_precision([0.1, 0.2], [0, 0]))
    scores, target = probabilities(40, 4, 13)
    target[target == 2] = 1
    by_class = metrics.auroc(scores, target, average=None)
    assert np.isnan(by_class).tolist() == [False, False, True, False]
    assert np.isnan(metrics.auroc(scores, target))
    false_rate, true_rate, _ = metrics.roc_curve([0.1, 0.2], [1, 1])
    assert np.isnan(false_rate[1:]).all() and true_rate[-1] == 1.0
    precision, recall, _ = metrics.precision_recall_curve([0.1, 0.2], [0, 0])
    assert precision.tolist() == [0.0, 0.0, 1.0] and recall.tolist() == [1.0, 1.0, 0.0]


def test_a_curve_for_each_class() -> None:
    scores, target = probabilities(40, 3, 14)
    curves = metrics.roc_curve(scores, target)
    for k in range(3):
        wanted = reference.roc_curve(target == k, scores[:, k])
        for one, other in zip(curves[k], wanted, strict=True):
            np.testing.assert_allclose(one, other)


def test_mistakes() -> None:
    with pytest.raises(lm.UsageError, match="AUROC: a score is not a number"):
        metrics.auroc([np.nan, 0.1], [0, 1])
    with pytest.raises(lm.UsageError, match="there is no such class"):
        metrics.auroc([0.3, 0.1], [0, 2])
    with pytest.raises(lm.ShapeError, match="predictions and targets do not fit"):
        metrics.auroc([0.3, 0.1], [0])
    with pytest.raises(lm.UsageError, match="no such average"):
        metrics.AveragePrecision(average="binary")
    with pytest.raises(lm.UsageError, match="no such multi_class"):
        metrics.AUROC(multi_class="all")
    with pytest.raises(lm.UsageError, match='"ovo" takes the average'):
        metrics.AUROC(multi_class="ovo", average="micro")
