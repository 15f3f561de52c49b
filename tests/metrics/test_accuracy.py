"""Accuracy of classes, scores and sequences, and of the k best."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as reference

import lamina as lm
from lamina import metrics
from tests.metrics.cases import WEIGHTS, probabilities


def test_the_forms_of_a_prediction() -> None:
    scores = np.array([[0.1, 0.7, 0.2], [0.5, 0.2, 0.3], [0.2, 0.2, 0.6]])
    for prediction in (scores, lm.asarray(scores), lm.asarray(scores).astype(lm.bfloat16)):
        assert metrics.accuracy(prediction, [1, 2, 2]) == 2 / 3
    assert metrics.accuracy([1, 0, 2], lm.asarray([1, 2, 2])) == 2 / 3
    assert metrics.accuracy([0.9, 0.5, 0.2], [1, 1, 0]) == 2 / 3  # the threshold is not above it
    assert metrics.accuracy([3.0, -0.1], [1.0, 0.0], threshold=0.0) == 1.0
    assert metrics.accuracy([True, False], [1, 1]) == 0.5


def test_further_axes_and_ignored_classes() -> None:
    rng = np.random.default_rng(0)
    scores, target = rng.random((2, 5, 3)), rng.integers(0, 3, (2, 5))
    wanted = (scores.argmax(2) == target)[target != 1].mean()
    found = metrics.accuracy(scores, target, class_axis=-1, ignore_index=1)
    np.testing.assert_allclose(found, wanted)
    moved = np.moveaxis(scores, 2, 1)  # [N, C, S], as for cross_entropy
    np.testing.assert_allclose(metrics.accuracy(moved, target, ignore_index=1), wanted)
    found = metrics.top_k_accuracy(moved, target, 3, ignore_index=1)
    assert found == 1.0


@pytest.mark.parametrize("k", [1, 2, 3])
def test_top_k(k: int) -> None:
    scores, target = probabilities(40, 4, 3)
    found = metrics.top_k_accuracy(scores, target, k, sample_weight=WEIGHTS)
    wanted = reference.top_k_accuracy_score(target, scores, k=k, sample_weight=WEIGHTS)
    np.testing.assert_allclose(found, wanted)


def test_equal_scores_do_not_flatter() -> None:
    equal = np.zeros((3, 3))
    assert metrics.top_k_accuracy(equal, [0, 1, 2], 1) == metrics.accuracy(equal, [0, 1, 2])
    assert metrics.top_k_accuracy(equal, [0, 1, 2], 2) == 2 / 3
    assert metrics.top_k_accuracy(np.full((1, 3), np.nan), [0], 3) == 0.0


def test_mistakes() -> None:
    with pytest.raises(lm.ShapeError, match="accuracy: predictions and targets do not fit"):
        metrics.accuracy([0, 1, 2], [0, 1])
    with pytest.raises(lm.DTypeError, match="accuracy: targets are class numbers"):
        metrics.accuracy([0, 1], [0.5, 1.0])
    with pytest.raises(lm.ShapeError, match="there is not one weight for each example"):
        metrics.accuracy([0, 1], [0, 1], sample_weight=[1.0])
    with pytest.raises(lm.UsageError, match="a weight is negative or not a number"):
        metrics.accuracy([0, 1], [0, 1], sample_weight=[1.0, -1.0])
    with pytest.raises(lm.UsageError, match="there is no such class"):
        metrics.top_k_accuracy(np.zeros((1, 3)), [3])
    with pytest.raises(lm.UsageError, match="k is at least 1"):
        metrics.TopKAccuracy(0)
