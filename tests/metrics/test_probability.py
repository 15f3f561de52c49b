"""Log loss, perplexity and the Brier score."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as reference

import lamina as lm
from lamina import functional, metrics
from tests.metrics.cases import WEIGHTS, probabilities


def test_log_loss() -> None:
    scores, target = probabilities(40, 4, 5)
    for weights in (None, WEIGHTS):
        wanted = reference.log_loss(target, scores, sample_weight=weights)
        np.testing.assert_allclose(
            metrics.log_loss(scores, target, sample_weight=weights), wanted, rtol=1e-12
        )
    logits = np.log(scores) + 3.0
    np.testing.assert_allclose(
        metrics.log_loss(logits, target, from_logits=True), reference.log_loss(target, scores)
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_log_loss_of_certainty(dtype: str) -> None:
    p = np.array([1.0, 0.0, 0.25], dtype)
    target = [0, 1, 1]
    wanted = reference.log_loss(target, p.astype(dtype))
    np.testing.assert_allclose(metrics.log_loss(p, target), wanted, rtol=1e-6)


def test_log_loss_of_one_logit() -> None:
    logits = np.array([1e4, -1e4, 2.0])
    assert metrics.log_loss(logits, [1, 0, 1], from_logits=True) < 0.05
    assert metrics.log_loss(logits[:2], [0, 1], from_logits=True) == 1e4


def test_perplexity_is_the_exponential_of_the_cross_entropy() -> None:
    rng = np.random.default_rng(0)
    logits, target = 5.0 * rng.standard_normal((2, 7, 11)), rng.integers(0, 11, (2, 7))
    target[0, 3:] = -1
    loss = functional.cross_entropy(
        lm.asarray(logits.reshape(-1, 11)), lm.asarray(target.reshape(-1)), ignore_index=-1
    )
    found = metrics.Perplexity(ignore_index=-1)
    for row, words in zip(logits, target):
        found.update(lm.asarray(row), lm.asarray(words))
    np.testing.assert_allclose(found.compute(), np.exp(float(loss)), rtol=1e-12)


def test_brier() -> None:
    p, target = np.array([0.1, 0.9, 0.8, 0.35]), np.array([0, 1, 1, 0])
    np.testing.assert_allclose(
        metrics.brier_score(p, target, sample_weight=WEIGHTS[:4]),
        reference.brier_score_loss(target, p, sample_weight=WEIGHTS[:4]),
    )
    scores, classes = probabilities(40, 3, 6)
    wanted = np.mean(np.sum((scores - np.eye(3)[classes]) ** 2, axis=1))
    np.testing.assert_allclose(metrics.brier_score(scores, classes), wanted)
    np.testing.assert_allclose(metrics.brier_score(scores, classes, scale_by_half=True), wanted / 2)


def test_mistakes() -> None:
    with pytest.raises(lm.UsageError, match="log_loss: the predictions are not probabilities"):
        metrics.log_loss([[2.0, 1.0]], [0])
    with pytest.raises(lm.UsageError, match="brier: the predictions are not probabilities"):
        metrics.brier_score([[0.5, 0.6]], [0])
    with pytest.raises(lm.UsageError, match="there is no such class"):
        metrics.log_loss([[0.5, 0.5]], [2])
